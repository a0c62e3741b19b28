"""`graphmail check`, with all parts there, and with each of them missing or wrong in turn."""

import json
from typing import Any

import psycopg

from graphmail.cli.check.kubernetes import WATCHING
from support.command import Graphmail, Ran, start
from support.hand import Hand
from support.product import ago
from support.rights import given
from support.stage import Stage


def findings(ran: Ran) -> dict[str, dict[str, Any]]:
    """The last finding of each check."""
    return {finding["check"]: finding for finding in json.loads(ran.out)}


def verdicts(ran: Ran) -> dict[str, str]:
    return {check: finding["verdict"] for check, finding in findings(ran).items()}


async def test_all_is_well_before_the_first_run(stage: Stage, graphmail: Graphmail) -> None:
    stage.add_app_only()
    ran = (await graphmail("check", "-o", "json")).check()
    assert verdicts(ran) == dict.fromkeys(
        [
            "settings", "database", "schema", "grants", "api server", "crd", "rights", "namespace",
            "sign-in", "graph", "clock", "notifications", "rival",
        ],
        "ok",
    )  # fmt: skip


async def test_each_line_for_people_begins_with_the_verdict(stage: Stage, graphmail: Graphmail) -> None:
    ran = (await graphmail("check", APPLICATION_URL="https://localhost:1")).check()
    lines = ran.out.splitlines()
    assert lines[0] == f"ok       settings       all are right; namespace {stage.namespace}, mode act, all tenants"
    [trouble] = [place for place, line in enumerate(lines) if line.startswith("warning")]
    assert lines[trouble].startswith(
        "warning  notifications  https://localhost:1/api/email/webhooks/microsoft cannot be reached"
    )
    assert lines[trouble + 1].strip().startswith("-> ")


async def test_a_reader_that_has_enough_is_told_nothing(stage: Stage) -> None:
    checking = await start(stage, "check", GRAPHMAIL_MDOE="observe")
    assert checking.stdout is not None
    assert checking.stderr is not None
    lines = [await checking.stdout.readline() for _ in range(6)]
    checking._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    told = await checking.stderr.read()
    await checking.wait()
    assert lines[0].startswith(b"warning  settings")
    assert told == b"", "whether it ends with 141 or was done before is a matter of time"


async def test_every_wrong_setting_is_told_and_the_rest_is_skipped(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("check", "-o", "json", GRAPHMAIL_TICK_SECONDS="soon", GRAPHMAIL_LOG_LEVEL="loud")
    assert ran.code == 1
    wrong = [finding["found"] for finding in json.loads(ran.out) if finding["check"] == "settings"]
    assert [line.split()[0] for line in wrong] == ["GRAPHMAIL_TICK_SECONDS", "GRAPHMAIL_LOG_LEVEL"]
    assert {check for check, verdict in verdicts(ran).items() if verdict == "skipped"} == {
        "database", "schema", "grants", "api server", "crd", "rights", "namespace",
        "sign-in", "graph", "clock", "notifications", "rival",
    }  # fmt: skip


async def test_a_misspelt_setting_is_a_warning(stage: Stage, graphmail: Graphmail) -> None:
    ran = (await graphmail("check", "-o", "json", GRAPHMAIL_TICK_SECOND="60")).check()
    assert (
        findings(ran)["settings"]["found"] == "GRAPHMAIL_TICK_SECOND is not a setting: is GRAPHMAIL_TICK_SECONDS meant?"
    )


async def test_postgres_away_fails_without_its_password_and_hides_nothing_else(
    stage: Stage, graphmail: Graphmail
) -> None:
    ran = await graphmail("check", "-o", "json", GRAPHMAIL_DATABASE_URL="postgresql://u:hush-hush@127.0.0.1:1/x")
    assert ran.code == 1
    assert (verdicts(ran)["database"], verdicts(ran)["rights"]) == ("failed", "ok")
    assert "127.0.0.1:1/x" in findings(ran)["database"]["found"]
    assert findings(ran)["sign-in"]["found"] == "needs Postgres"
    assert "hush-hush" not in ran.out
    assert ran.err == "", "the pool's own complaints would stand between the findings"


async def test_a_namespace_that_does_not_exist_is_named_with_the_command_that_makes_it(
    stage: Stage, graphmail: Graphmail
) -> None:
    ran = await graphmail("check", "-o", "json", "--namespace", "nosuch")
    assert ran.code == 1
    assert findings(ran)["namespace"]["found"] == "there is no namespace nosuch"
    assert findings(ran)["namespace"]["remedy"].startswith("`kubectl create namespace nosuch`")
    assert verdicts(ran)["api server"] == "ok"


async def test_a_database_without_migrations_names_the_command(
    stage: Stage, graphmail: Graphmail, older_product_database_url: str
) -> None:
    ran = await graphmail("check", "-o", "json", GRAPHMAIL_DATABASE_URL=older_product_database_url)
    assert ran.code == 1
    assert findings(ran)["schema"]["found"].endswith("run `graphmail migrate`")


async def test_a_role_without_a_grant_is_told_which(stage: Stage, graphmail: Graphmail) -> None:
    role = f"op{stage.namespace.replace('-', '')}"
    stage.product.run(f"CREATE ROLE {role} LOGIN")  # type: ignore[arg-type]
    (await graphmail("migrate", "--grant-to", role)).check()
    url = psycopg.conninfo.conninfo_to_dict(stage.product.url)
    as_role = f"postgresql://{role}@{url['host']}:{url['port']}/{url['dbname']}"
    good = await graphmail("check", "-o", "json", GRAPHMAIL_DATABASE_URL=as_role)
    stage.product.run(f"REVOKE UPDATE ON graphmail.claims FROM {role}")
    bad = await graphmail("check", "-o", "json", GRAPHMAIL_DATABASE_URL=as_role)
    assert (good.code, verdicts(good)["grants"]) == (0, "ok")
    assert (bad.code, findings(bad)["grants"]["found"]) == (1, "our role lacks UPDATE on graphmail.claims")


async def test_missing_rights_at_the_api_server_are_listed(stage: Stage, graphmail: Graphmail) -> None:
    stage.kubectl("create", "serviceaccount", "viewer")
    stage.kubectl(
        "create", "role", "viewer", "--verb=get,list,watch", "--resource=graphmailsubscriptions.graphmail.dev"
    )
    stage.kubectl("create", "rolebinding", "viewer", "--role=viewer", f"--serviceaccount={stage.namespace}:viewer")
    await given(stage.control_plane, stage.namespace, "viewer", WATCHING[1])
    kubeconfig = stage.control_plane.service_account_kubeconfig(stage.namespace, "viewer")
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    ran = await graphmail("check", "-o", "json", KUBECONFIG=str(kubeconfig))
    assert ran.code == 1
    missing = findings(ran)["rights"]["found"].partition(": ")[2].split(", ")
    assert "patch graphmailsubscriptions/status" in missing
    assert "get secrets own" in missing
    assert "list graphmailsubscriptions" not in missing


async def test_no_kubeconfig_is_one_failed_line(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("check", "-o", "json", KUBECONFIG="/nonexistent")
    assert (ran.code, verdicts(ran)["api server"], verdicts(ran)["database"]) == (1, "failed", "ok")


async def test_a_users_expired_token_is_left_alone_unless_asked_for(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated(config={"access_token": "stale", "token_expires_at": ago(hours=1)})
    before = stage.product.config(row.id)
    ran = (await graphmail("check", "-o", "json")).check()
    assert findings(ran)["sign-in"]["verdict"] == "skipped"
    assert "--sign-in" in findings(ran)["sign-in"]["remedy"]
    assert stage.product.config(row.id) == before
    assert stage.calls(row, "token") == 0


async def test_a_token_that_was_asked_for_is_kept_in_the_row_and_used_from_then_on(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = stage.add_delegated()
    before = stage.product.config(row.id)
    ran = (await graphmail("check", "-o", "json", "--provider", row.id, "--sign-in")).check()
    after = stage.product.config(row.id)
    assert findings(ran)["sign-in"]["found"] == f"{row.address} got a new token, kept in the row"
    assert after["refresh_token"] not in {None, before["refresh_token"]}
    assert after["access_token"]
    again = (await graphmail("check", "-o", "json")).check()
    assert "none was fetched" in findings(again)["sign-in"]["found"]
    assert findings(again)["graph"]["verdict"] == "ok"
    secrets = [after["refresh_token"], after["access_token"], before["refresh_token"]]
    assert not any(secret in one.out + one.err for secret in secrets for one in (ran, again))


async def test_microsoft_is_tried_as_the_app_that_was_asked_for(stage: Stage, graphmail: Graphmail) -> None:
    theirs, other = "0a0a0a0a-0000-4000-8000-00000000000a", "0b0b0b0b-0000-4000-8000-00000000000b"
    rows = [stage.add_app_only(config={"client_id": theirs}), stage.add_app_only()]
    hand = Hand(stage)
    hand.secret("own", directory_id=stage.entra.id, client_id=other, client_secret="of another app")
    hand.write("own")
    ours, by_row, by_secret, by_nobody = [
        await graphmail("check", "-o", "json", "--client-id", client_id)
        for client_id in (stage.app.client_id.upper(), theirs, other, "nobodys")
    ]
    assert findings(ours)["sign-in"]["found"] == f"app {stage.app.client_id} got a token for {rows[1].address}"
    assert findings(by_row)["sign-in"]["found"].startswith(f"{rows[0].address}: ")
    assert findings(by_secret)["sign-in"]["found"].startswith(f"own@{stage.entra.domain}: ")
    assert [verdicts(ran)["sign-in"] for ran in (by_row, by_secret, by_nobody)] == ["failed"] * 3
    assert "no mailbox has a credential of app nobodys" in findings(by_nobody)["sign-in"]["found"]


async def test_a_revoked_consent_fails_and_says_who_must_act(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    stage.simulator.world.grants.revoke(row.grant, "revoked", stage.simulator.world.clock.now())
    ran = await graphmail("check", "-o", "json", "--sign-in")
    assert (ran.code, verdicts(ran)["sign-in"]) == (1, "failed")
    assert "Sign in again" in findings(ran)["sign-in"]["remedy"]


async def test_a_subscription_that_graph_has_lost_is_a_warning(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_app_only()
    stage.product.set_config(row.id, webhook_subscription_id="11111111-2222-3333-4444-555555555555")
    ran = (await graphmail("check", "-o", "json")).check()
    assert verdicts(ran)["graph"] == "warning"
    assert row.address in findings(ran)["graph"]["found"]


async def test_triggers_that_nobody_added_are_a_warning_where_the_operator_is_to_listen(
    stage: Stage, graphmail: Graphmail
) -> None:
    ran = (await graphmail("check", "-o", "json", GRAPHMAIL_MIRROR_NOTIFY="true")).check()
    assert verdicts(ran)["schema"] == "warning"
    assert findings(ran)["schema"]["remedy"].endswith("`graphmail migrate --notify-trigger`")


async def test_a_skewed_clock_is_a_warning(stage: Stage, graphmail: Graphmail) -> None:
    stage.add_app_only()
    stage.simulator.clock.advance(300)
    ran = (await graphmail("check", "-o", "json")).check()
    assert verdicts(ran)["clock"] == "warning"
    assert "ahead of ours" in findings(ran)["clock"]["found"]


async def test_an_unknown_provider_fails(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("check", "-o", "json", "--provider", "nobody")
    assert (ran.code, verdicts(ran)["sign-in"]) == (1, "failed")


async def test_an_endpoint_that_does_not_shake_hands_is_a_warning(stage: Stage, graphmail: Graphmail) -> None:
    stage.endpoint.failing = True
    ran = (await graphmail("check", "-o", "json")).check()
    assert verdicts(ran)["notifications"] == "warning"
    assert "answers the handshake with 503 instead of 200" in findings(ran)["notifications"]["found"]


async def test_a_rival_who_writes_the_rows_is_told_of(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
    stage.product.set_config(row.id, webhook_subscription_id="somebody-elses")
    ran = (await graphmail("check", "-o", "json")).check()
    assert verdicts(ran)["rival"] == "warning"
    assert findings(ran)["rival"]["found"].startswith("PeerActive: ")
    assert row.id in findings(ran)["rival"]["found"]


async def test_a_stranger_that_delivers_to_our_url_is_told_of(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_app_only()
    known = stage.subscribe(row)
    strange = stage.simulator.world.add_subscription(
        row.mailbox, stage.app, notification_url=stage.endpoint.url + stage.endpoint.path, minutes=60, delegated=False
    )
    ran = (await graphmail("check", "-o", "json")).check()
    assert strange.id in findings(ran)["rival"]["found"]
    assert known.id not in findings(ran)["rival"]["found"]
