"""`graphmail describe` and `graphmail events`: everything about one mailbox, and what happened."""

import json

from support.command import Graphmail
from support.stage import Stage
from support.waiting import eventually


async def test_a_mailbox_is_described_by_its_name_and_by_its_address_and_its_events_are_told(
    stage: Stage, graphmail: Graphmail
) -> None:
    row, other = stage.add_delegated(), stage.add_unconsented()
    async with stage.operator():
        status = await stage.ready(row)
        await stage.status_of(other, lambda status: status["conditions"], "looked at")
        await eventually(lambda: "Created" in stage.event_reasons(row), "an event tells of it")
        by_name = (await graphmail("describe", row.name)).check()
        by_address = (await graphmail("describe", row.address.upper())).check()
        waiting = (await graphmail("describe", other.address)).check()
        happened = (await graphmail("events", row.address)).check()
        [event] = json.loads((await graphmail("events", row.name, "-o", "json")).check().out)
        warned = (await graphmail("events", row.name, "--warnings")).check()
    for ran in (by_name, by_address):
        assert ran.out.splitlines()[0] == row.address
        for told in (row.id, row.tenant, f"{stage.namespace}/{row.name}", status["subscriptionID"]):
            assert told in ran.out
        assert f"Expires             {status['expirationTime']} (in 6d22h)" in ran.out
        assert "Ready=True  Subscribed" in ran.out
        assert "Created" in ran.out.partition("Events of the last hour")[2]
    assert "Next step           sign in in the product, or put in place what the message names" in waiting.out
    assert "  inbox: Pending, AwaitingCredentials: " in waiting.out
    assert [line.split()[3:5] for line in happened.out.splitlines()[1:]] == [["Created", row.name]]
    assert (event["name"], event["reason"], event["count"]) == (row.name, "Created", 1)
    assert warned.out == ""
    assert f"no event about {row.name} in namespace {stage.namespace} within the last hour" in warned.err


async def test_a_mailbox_that_waits_says_what_for(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row)
    (await graphmail("backfill")).check()
    (await graphmail("renew", row.address, "--no-wait")).check()
    ran = (await graphmail("describe", row.name)).check()
    assert "Waits               for a renewal that was asked for: " in ran.out
    assert f"Waits               for the adoption of a subscription that its row names: {subscription.id}" in ran.out


async def test_an_address_that_nobody_watches_is_told(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("describe", "nobody@contoso.example")
    assert ran.code == 1
    assert f"there is no mailbox nobody@contoso.example in namespace {stage.namespace}" in ran.err
