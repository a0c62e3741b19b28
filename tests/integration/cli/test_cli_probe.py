"""`graphmail probe`, against the real API server, Postgres, Graph's simulator, and an endpoint that can be wrong in every way."""

import json
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from support.command import Graphmail, Ran
from support.hand import Hand
from support.product import Endpoint, ago
from support.stage import Row, Stage

ALONE = {"GRAPHMAIL_DATABASE_URL": None, "APPLICATION_URL": None}
"""The environment of somebody with kubectl alone."""


def report(ran: Ran) -> dict[str, Any]:
    [told] = json.loads(ran.out)
    return dict(told)


def findings(ran: Ran) -> dict[str, dict[str, Any]]:
    """The last finding of each step."""
    return {finding["check"]: finding for finding in report(ran)["findings"]}


def verdicts(ran: Ran) -> dict[str, str]:
    return {step: finding["verdict"] for step, finding in findings(ran).items()}


async def covered(stage: Stage, **variables: str) -> Row:
    """A mailbox whose subscription lives, and that has got a notification; no operator runs any more."""
    row = stage.add_app_only()
    async with stage.operator(**variables):
        await stage.covered_once(row)
        statement = "UPDATE email_provider_health SET last_notification_received_at = %s WHERE provider_id = %s"
        stage.product.run(statement, ago(hours=3), row.id)
    return row


async def test_all_is_well_step_by_step(stage: Stage, graphmail: Graphmail) -> None:
    row = await covered(stage)
    ran = (await graphmail("probe", row.name, "-o", "json")).check()
    told, found = report(ran), findings(ran)
    assert (told["name"], told["mailbox"], told["well"], told["wrong"]) == (row.name, row.address, True, None)
    assert set(verdicts(ran)) == {
        "address", "connection", "handshake", "ready", "subscription", "sign-in", "graph", "notification", "delivering",
    }  # fmt: skip
    assert not {"failed", "skipped"} & set(verdicts(ran).values())
    subscription = stage.product.config(row.id)["webhook_subscription_id"]
    assert found["graph"]["found"].startswith(
        f"Graph says that subscription {subscription} of inbox lives, and expires in "
    )
    assert "(3h" in found["notification"]["found"]
    assert found["notification"]["found"].endswith("as the provider's row has it")
    handshake = stage.endpoint.handshakes[-1]
    assert "gms=" in handshake, "it is the URL that Graph has, with our marker"
    assert not stage.endpoint.notifications
    secrets = [stage.product.config(row.id)["webhook_verification_token"], stage.app.secrets[0].value]
    assert not any(secret and secret in ran.out + ran.err for secret in secrets)


async def test_people_read_each_step_and_at_the_end_what_is_wrong_and_the_remedy(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = await covered(stage)
    good = (await graphmail("probe", row.address)).check()
    assert good.out.splitlines()[0].startswith("ok       address               localhost resolves to 127.0.0.1")
    assert good.out.splitlines()[-1].startswith(f"{row.address}: nothing is wrong")
    elsewhere = {"Location": "https://www.product.example/hook"}
    stage.endpoint.answers = lambda _: web.Response(status=301, headers=elsewhere)
    bad = await graphmail("probe", row.address)
    assert bad.code == 1
    hook = stage.endpoint.url + stage.endpoint.path
    leads = "answers the handshake with a redirect (301) to https://www.product.example/hook; Graph follows none"
    assert f"{hook} {leads}" in bad.out
    assert bad.out.splitlines()[-2:] == [
        f'{row.address}: the first failure is "handshake" (1 of 9 steps failed)',
        "  -> name https://www.product.example/hook as the notification URL, or take the redirect away for this path",
    ]


async def test_each_wrong_answer_fails(stage: Stage, graphmail: Graphmail) -> None:
    row = await covered(stage)
    wrong = {
        "another text than the decoded token": lambda _: web.Response(text="It works!"),
        "text/html instead of text/plain": lambda token: web.Response(text=token, content_type="text/html"),
        "503 instead of 200": lambda _: web.Response(status=503),
    }
    for told, answers in wrong.items():
        stage.endpoint.answers = answers
        ran = await graphmail("probe", row.name, "-o", "json")
        assert (ran.code, verdicts(ran)["handshake"], report(ran)["well"]) == (1, "failed", False)
        assert told in report(ran)["wrong"]
        assert report(ran)["remedy"]
        assert verdicts(ran)["graph"] == "ok", "one step that fails hides none of the others"


async def test_a_certificate_that_graph_would_not_trust_and_an_endpoint_that_is_away_fail(
    stage: Stage, graphmail: Graphmail, tmp_path: Path
) -> None:
    row = await covered(stage)
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    async with Endpoint(tmp_path / "own.pem", tmp_path / "own.pem") as strange:
        move(stage, row, strange.url + strange.path)
        ran = await graphmail("probe", row.name, "-o", "json")
    away = await graphmail("probe", row.name, "-o", "json")
    assert (ran.code, away.code) == (1, 1)
    assert "whose certificate" in findings(ran)["connection"]["found"]
    assert "the connection is refused" in findings(away)["connection"]["found"]


def move(stage: Stage, row: Row, url: str) -> None:
    """Somebody has changed where it should deliver to, and the operator has not seen it."""
    patch = json.dumps({"spec": {"notificationURL": url}})
    stage.kubectl("patch", "graphmailsubscriptions", row.name, "--type=merge", "-p", patch)


async def test_a_subscription_that_graph_has_lost_fails_whatever_the_status_says(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = await covered(stage)
    [subscription] = stage.live(row)
    stage.simulator.world.subscriptions.end(subscription, stage.simulator.clock.now(), "dropped")
    ran = await graphmail("probe", row.name, "-o", "json")
    assert (ran.code, verdicts(ran)["subscription"], verdicts(ran)["graph"]) == (1, "ok", "failed")
    assert report(ran)["wrong"] == f"Graph has no subscription {subscription.id} of inbox any more"
    assert f"`graphmail renew {row.name}`" in report(ran)["remedy"]


async def test_with_kubectl_alone_graph_is_not_asked_and_the_command_for_the_pod_is_told(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = await covered(stage)
    before = stage.calls(row, "get", "token")
    ran = (await graphmail("probe", row.name, "-o", "json", **ALONE)).check()
    sign_in = findings(ran)["sign-in"]
    assert (sign_in["verdict"], verdicts(ran)["graph"]) == ("skipped", "skipped")
    assert sign_in["remedy"] == (
        f"run it in the operator's pod: `kubectl exec -n {stage.namespace} deployment/graphmail-operator -- "
        f"graphmail probe {row.name}`"
    )
    assert stage.calls(row, "get", "token") == before


async def test_the_lifecycle_url_is_tried_as_well(stage: Stage, graphmail: Graphmail) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own", lifecycleNotificationURL="https://localhost:1/lifecycle")
    ran = await graphmail("probe", "own", "-o", "json")
    assert (ran.code, verdicts(ran)["handshake"], verdicts(ran)["lifecycle connection"]) == (1, "ok", "failed")
    assert report(ran)["wrong"].startswith("https://localhost:1/lifecycle cannot be reached")
    assert verdicts(ran)["graph"] == "skipped", "there is no subscription to ask for yet"


async def test_a_users_expired_token_is_left_alone_unless_asked_for(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
    stage.product.set_config(row.id, token_expires_at=ago(hours=1))
    before = stage.product.config(row.id)["refresh_token"]
    left = (await graphmail("probe", row.name, "-o", "json")).check()
    assert (verdicts(left)["sign-in"], verdicts(left)["graph"]) == ("skipped", "skipped")
    assert stage.product.config(row.id)["refresh_token"] == before
    asked = (await graphmail("probe", row.name, "-o", "json", "--sign-in")).check()
    assert verdicts(asked)["graph"] == "ok"
    assert findings(asked)["sign-in"]["found"] == f"{row.address} got a new token, kept in the row"


async def test_a_name_that_is_none_is_told(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("probe", "nosuch")
    assert ran.code == 1
    assert f"there is no mailbox nosuch in namespace {stage.namespace}" in ran.err
