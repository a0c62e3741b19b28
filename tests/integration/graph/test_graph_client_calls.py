"""The client at a simulated Graph: each call, what it reports, and what it never tells."""

from datetime import timedelta
from typing import Any

import pytest
import structlog

from graphmail.graph import (
    CallKind,
    GraphRefused,
    Marker,
    Meaning,
    NoTurn,
    Spender,
    add_marker,
    mail_resource,
    read_marker,
    same_resource,
)
from graphmail.provider import CredentialKind

from .conftest import Place, later


async def test_a_subscription_lives_and_dies(place: Place) -> None:
    marker = Marker("test", "p1", "inbox")
    made = await place.call(
        place.client.create,
        place.wanted(notification_url=add_marker("https://mail.example.com/hook?a=1", marker), client_state="s3cret"),
    )
    assert read_marker(made.notification_url) == marker
    assert made.application_id == place.app.client_id
    assert same_resource(made.resource, "users/ANN@contoso.example.com/mailFolders/Inbox/messages")

    expires_at = later(3000)
    renewed = await place.call(place.client.renew, made.id, expires_at, "https://mail.example.com/moved")
    assert abs(renewed.expires_at - expires_at) < timedelta(seconds=1)
    assert renewed.notification_url == "https://mail.example.com/moved"
    assert await place.call(place.client.get, made.id) == renewed

    await place.call(place.client.reauthorize, made.id)
    assert await place.call(place.client.delete, made.id) is True
    assert await place.call(place.client.delete, made.id) is False
    with pytest.raises(GraphRefused) as caught:
        await place.call(place.client.get, made.id)
    assert caught.value.meaning is Meaning.GONE


async def test_a_graph_that_accepts_twins_makes_a_second_subscription(place: Place) -> None:
    first, second = await place.create(), await place.create()

    assert first.id != second.id
    assert (await place.call(place.client.get, first.id)).id == first.id


async def test_a_graph_that_refuses_twins_names_the_one_that_stands_in_the_way(place: Place) -> None:
    await place.control("change_settings", duplicates="refuse")
    first = await place.create()
    with pytest.raises(GraphRefused) as caught:
        await place.create()

    assert (caught.value.meaning, caught.value.subscription_id) == (Meaning.ALREADY_EXISTS, first.id)
    assert (await place.call(place.client.get, first.id)) == first
    await place.call(place.client.delete, first.id)
    assert (await place.create()).id != first.id


async def test_a_mailbox_with_an_apostrophe_is_watched_like_any_other(place: Place) -> None:
    place.simulator.world.add_mailbox(place.tenant.id, "o'brien@contoso.example.com")
    resource = mail_resource("inbox", "o'brien@contoso.example.com", CredentialKind.APP_ONLY)

    made = await place.call(place.client.create, place.wanted(resource=resource))

    assert same_resource(made.resource, "/users/o'brien@contoso.example.com/mailFolders/inbox/messages")


async def test_calls_are_reported_by_route_without_ids(place: Place) -> None:
    made = await place.create()
    await place.call(place.client.renew, made.id, later(60))
    await place.call(place.client.delete, made.id)

    assert place.observed == [
        ("subscriptions", "POST", "201"),
        ("subscriptions/{id}", "PATCH", "200"),
        ("subscriptions/{id}", "DELETE", "204"),
    ]


async def test_what_graph_granted_is_what_counts(place: Place) -> None:
    place.simulator.world.settings.grant_at_most_minutes = 60

    made = await place.call(place.client.create, place.wanted(minutes=10_000))

    assert later(58) < made.expires_at < later(62)


async def test_all_pages_of_a_list_are_read_empty_ones_too(place: Place) -> None:
    place.simulator.world.settings.page_size = 2
    place.simulator.world.settings.empty_pages = 1
    made = {(await place.create()).id for _ in range(5)}
    token = (await place.sign_in.token(place.app_only)).value

    listed = [item async for item in place.client.list_all(token=token, spender=place.spender())]

    assert {item.id for item in listed} == made
    assert place.observed.count(("subscriptions", "GET", "200")) == 6


async def test_a_list_that_does_not_end_is_given_up(place: Place) -> None:
    place.simulator.world.settings.empty_pages = 50
    await place.create()
    token = (await place.sign_in.token(place.app_only)).value

    with pytest.raises(GraphRefused, match="does not end: 2 pages"):
        _ = [item async for item in place.client.list_all(token=token, spender=place.spender(), max_pages=2)]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.com/v1.0/subscriptions?$skiptoken=1",
        "/v1.0/users",
        "http://localhost/v1.0/subscriptions",
        "https://[",
        7,
    ],
)
async def test_a_token_is_not_carried_to_another_place(place: Place, link: Any) -> None:
    await place.control("add_fault", "list", status=200, body={"value": [], "@odata.nextLink": link})
    token = (await place.sign_in.token(place.app_only)).value

    with pytest.raises(GraphRefused, match="goes on at"):
        _ = [item async for item in place.client.list_all(token=token, spender=place.spender())]
    assert place.observed == [("subscriptions", "GET", "200")]


@pytest.mark.parametrize("subscription_id", ["", "..", ".", "a/b", "a?b", "x" * 200, "ü"])
async def test_what_can_be_no_id_reaches_no_route(place: Place, subscription_id: str) -> None:
    assert await place.call(place.client.delete, subscription_id) is False
    assert place.observed == []


async def test_every_register_renew_and_delete_is_logged_with_graph_s_request_ids(place: Place) -> None:
    with structlog.testing.capture_logs() as lines:
        made = await place.create()
        await place.call(place.client.renew, made.id, later(60))
        await place.call(place.client.get, made.id)
        await place.call(place.client.delete, made.id)
        await place.call(place.client.delete, made.id)

    told = [(line["log_level"], line["event"]) for line in lines]
    assert told == [
        ("info", "subscription registered"),
        ("info", "subscription renewed"),
        ("debug", "subscription read"),
        ("info", "subscription deleted"),
        ("info", "subscription was gone already"),
    ]
    assert all(line["subscription"] == made.id for line in lines)
    assert all(line["request_id"] and line["client_request_id"] for line in lines)
    assert len({line["client_request_id"] for line in lines}) == 5


async def test_no_secret_reaches_the_log(place: Place) -> None:
    token = (await place.sign_in.token(place.app_only)).value
    await place.control(
        "add_fault", "create", status=400, body={"error": {"code": token, "message": f"{token} s3cret-state"}}
    )

    with structlog.testing.capture_logs() as lines, pytest.raises(GraphRefused) as caught:
        await place.call(place.client.create, place.wanted(client_state="s3cret-state"))

    for told in (str(lines), str(caught.value), repr(caught.value)):
        assert token not in told
        assert "s3cret-state" not in told


async def test_a_turn_that_was_waited_for_is_used_by_the_call(place: Place) -> None:
    budget = place.client.budget
    turn = await budget.acquire(CallKind.WRITE, place.spender())
    token = (await place.sign_in.token(place.app_only)).value

    await place.client.create(place.wanted(), token=token, spender=place.spender(), turn=turn)

    assert turn.over


async def test_a_turn_for_another_kind_of_call_is_left_alone(place: Place) -> None:
    made = await place.create()
    turn = await place.client.budget.acquire(CallKind.WRITE, place.spender())
    token = (await place.sign_in.token(place.app_only)).value

    await place.client.get(made.id, token=token, spender=place.spender(), turn=turn)

    assert not turn.over
    turn.give_back(used=False)


async def test_a_token_that_cannot_be_sent_is_refused_as_graph_would(place: Place) -> None:
    for token in ("", "two words", "line\r\nbreak", "€"):
        with pytest.raises(GraphRefused) as caught:
            await place.client.get("an-id", token=token, spender=place.spender())
        assert caught.value.meaning is Meaning.UNAUTHORIZED


async def test_graph_s_clock_is_known(place: Place) -> None:
    place.simulator.clock.advance(90)
    with structlog.testing.capture_logs() as lines:
        await place.create()

    assert timedelta(seconds=85) < place.client.clock_offset < timedelta(seconds=95)
    assert [line["graph_minus_ours_seconds"] for line in lines if "clock" in line["event"]] == [
        pytest.approx(90, abs=5)
    ]


async def test_a_throttled_tenant_is_left_alone_and_another_is_not(place: Place) -> None:
    made = await place.create()
    await place.control("add_fault", "patch", answer="throttled", retry_after="600", count=1)
    with pytest.raises(GraphRefused):
        await place.call(place.client.renew, made.id, later(60))

    with pytest.raises(NoTurn, match="Graph said to wait") as caught:
        await place.call(place.client.renew, made.id, later(60))
    assert caught.value.meaning is Meaning.THROTTLED
    assert 590 < (caught.value.retry_after or 0) <= 600

    other = Spender(place.app.client_id, "another-tenant", "bob@fabrikam.example.com")
    token = (await place.sign_in.token(place.app_only)).value
    assert (await place.client.get(made.id, token=token, spender=other)).id == made.id
