import asyncio
import json
import ssl
from pathlib import Path

import httpx
import pytest

from graphsim.client import ControlError, SimulatorControl
from graphsim.control_models import Seed

DAY = 1_440
CONTOSO = "00000000-0000-4000-8000-000000000001"
SEED = {
    "tenants": [{"name": "Contoso", "id": CONTOSO, "domain": "contoso.example.com"}],
    "apps": [{"name": "product", "client_id": "app-1", "secret": "only-for-tests"}],
    "mailboxes": [
        {"tenant": CONTOSO, "upn": "ann@contoso.example.com", "folders": ["Invoices"]},
        {"tenant": "contoso.example.com", "upn": "bob@contoso.example.com"},
    ],
    "grants": [{"mailbox": "ann@contoso.example.com", "client_id": "app-1"}],
    "subscriptions": [
        {
            "mailbox": "ann@contoso.example.com",
            "client_id": "app-1",
            "notification_url": "https://hook.example.com/x",
            "minutes": 20,
            "client_state": "hush",
        }
    ],
    "settings": {"duplicates": "refuse"},
}


async def test_a_seed_makes_a_whole_world(control, simulator):
    seeded = await control(lambda client: client.seed(SEED))
    assert seeded.apps[0].secret == "only-for-tests"
    assert simulator.world.tokens.read(seeded.grants[0].access_token).client_id == "app-1"
    assert seeded.subscriptions[0].mailbox == "ann@contoso.example.com"
    assert simulator.world.settings.duplicates == "refuse"
    assert [folder.name for folder in seeded.mailboxes[0].folders][-1] == "Invoices"


async def test_secrets_are_shown_once_and_client_states_never(control):
    def work(client):
        client.seed(Seed.model_validate(SEED))
        return client.apps(), client.grants(), client.subscriptions(), client.requests()

    told = await control(work)
    text = repr(told) + "".join(one.model_dump_json() for group in told[:3] for one in group)
    assert "only-for-tests" not in text
    assert "hush" not in text
    assert told[2][0].has_client_state
    assert (told[1][0].refresh_token, told[1][0].access_token) == (None, None)


async def test_a_dropped_subscription_is_gone_without_a_word(control, simulator):
    def work(client):
        made = client.seed(SEED).subscriptions[0]
        client.drop_subscription(made.id)
        return made, client.subscriptions(), client.ended_subscriptions(), client.coverage(mailbox=made.mailbox)

    made, live, ended, (account,) = await control(work)
    assert live == []
    assert [(one.id, one.reason) for one in ended] == [(made.id, "dropped")]
    assert account.live == 0


async def test_the_coverage_account_is_told_in_simulated_time(control):
    def work(client):
        client.seed(SEED)
        client.advance(minutes=30)
        client.add_subscription("ann@contoso.example.com", "app-1", "https://hook.example.com/x", minutes=60)
        client.advance(minutes=5)
        return client.coverage(tenant=CONTOSO)

    hers, his = await control(work)
    assert (hers.mailbox, hers.uncovered_seconds, len(hers.gaps)) == ("ann@contoso.example.com", 600, 1)
    assert hers.gaps[0].start.isoformat() == "2026-11-24T12:20:00+00:00"
    assert hers.gaps[0].until.isoformat() == "2026-11-24T12:30:00+00:00"
    assert hers.folders["inbox"].uncovered_seconds == 600
    assert (his.mailbox, his.uncovered_seconds, his.live) == ("bob@contoso.example.com", 2_100, 0)


async def test_accounts_can_start_anew(control):
    def work(client):
        client.seed(SEED)
        client.advance(minutes=10)
        return client.watch(), client.watch(["bob@contoso.example.com"], watched=False), client.coverage()

    started, closed, accounts = await control(work)
    assert (started, closed) == (2, 1)
    assert [(one.mailbox, one.uncovered_seconds) for one in accounts] == [("ann@contoso.example.com", 0)]


async def test_the_clock_is_steered_from_outside(control, simulator):
    def work(client):
        return client.change_clock(speed=60, paused=False), client.change_clock(paused=True, advance_seconds=3_600)

    running, paused = await control(work)
    assert (running.speed, running.paused) == (60, False)
    assert paused.paused
    assert (paused.now - running.now).total_seconds() >= 3_600
    assert simulator.clock.paused


async def test_a_revoked_grant_no_longer_refreshes(control, simulator):
    def work(client):
        client.seed(SEED)
        count = client.revoke_grant("ann@contoso.example.com", reason="expired")
        return count, client.grants()[0].revoked_for

    assert await control(work) == (1, "expired")


async def test_apps_and_mailboxes_are_changed_from_outside(control, simulator):
    def work(client):
        client.seed(SEED)
        client.change_app("app-1", enabled=False, secrets=["a", "b"], roles={CONTOSO: []})
        client.change_mailbox("bob@contoso.example.com", enabled=False, add_folders=["New"], denied_clients=["app-1"])

    await control(work)
    app, bob = simulator.world.directory.app("app-1"), simulator.world.directory.mailbox("bob@contoso.example.com")
    assert (app.enabled, [secret.value for secret in app.secrets]) == (False, ["a", "b"])
    assert app.roles[CONTOSO] == frozenset()
    assert (bob.enabled, bob.denied_clients, bob.folder("New").name) == (False, {"app-1"}, "New")


async def test_the_log_is_filtered_and_counted(control, graph, house, webhook):
    made = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    await graph.renew(made, DAY)
    await graph.renew(made, 2 * DAY)
    await graph.renew("none", DAY)

    def work(client):
        return client.requests(route="patch", status=200, limit=1), client.requests(subscription=made, since=1)

    renewals, later = await control(work)
    assert (renewals.matching, len(renewals.calls)) == (2, 1)
    assert renewals.calls[0].mailbox == house.ann.upn
    assert (renewals.count("patch"), renewals.count("patch", 404), renewals.count("create", 201)) == (3, 1, 1)
    assert [call.number for call in later.calls] == [3, 2]


async def test_messages_are_sent_from_outside(control, graph, house, webhook):
    await graph.subscribe(house.inbox, webhook.url)

    def work(client):
        return client.send_message(house.ann.upn, subject="Hello"), client.deliveries(mailbox=house.ann.upn)

    message, deliveries = await control(work)
    assert message.delivered == 1
    assert [one.message_id for one in deliveries] == [message.id]
    assert len(webhook.received) == 1


async def test_settings_change_one_by_one_and_wrong_ones_change_nothing(control, simulator):
    def work(client):
        changed = client.change_settings(ceiling_minutes=4_230)
        with pytest.raises(ControlError, match="duplicates"):
            client.change_settings(page_size=7, duplicates="maybe")
        return changed, client.settings()

    changed, now = await control(work)
    assert changed == now
    assert (now.ceiling_minutes, now.page_size) == (4_230, 100)


async def test_a_reset_leaves_the_clock_and_the_authority(control, simulator):
    def work(client):
        client.seed(SEED)
        client.add_fault("patch", answer="gone")
        client.advance(hours=1)
        return client.reset(), client.tenants(), client.faults(), client.settings().duplicates

    health, tenants, faults, duplicates = await control(work)
    assert (tenants, faults, duplicates) == ([], [], "accept")
    assert health.now.isoformat() == "2026-11-24T13:00:00+00:00"
    assert health.ca_path == str(simulator.ca_path)


async def test_faults_are_added_shown_and_lifted(control):
    def work(client):
        client.seed(SEED)
        rule = client.add_fault("patch", answer="throttled", mailbox="ann@contoso.example.com", count=3, share=0.5)
        shown = client.faults()
        client.clear_fault(rule.id)
        client.add_fault(drop=True)
        return rule, shown, client.clear_faults(), len(client.answers())

    rule, shown, lifted, answers = await control(work)
    assert shown == [rule]
    assert (rule.left, rule.effect, lifted) == (3, "429 TooManyRequests", 1)
    assert answers > 40


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (lambda client: client.add_grant("nobody", "app"), "no mailbox 'nobody'"),
        (
            lambda client: client.drop_subscription("none"),
            "no live subscription 'none': `graphsim subscriptions` lists the ids",
        ),
        (lambda client: client.clear_fault("none"), "no fault rule 'none'"),
        (lambda client: client.revoke_grant(), "no such grant"),
        (lambda client: client.add_fault("nowhere", status=500), "routes="),
        (lambda client: client.change_settings(unknown=1), "unknown"),
    ],
)
async def test_refusals_say_what_was_wrong(control, work, text):
    with pytest.raises(ControlError, match=text):
        await control(work)


async def test_a_body_that_is_no_object_is_refused(simulator):
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for content in (b"[]", b"{", b'{"name": 5}'):
            answer = await client.post(f"{simulator.control_url}/tenants", content=content)
            assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_an_issued_certificate_is_trusted_by_the_simulators_clients(control, simulator, tmp_path):
    issued = await control(lambda client: client.issue_certificate("localhost"))
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    chain.write_text(issued.certificate)
    key.write_text(issued.private_key)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    trust = ssl.create_default_context(cadata=issued.authority)
    _reader, writer = await asyncio.open_connection("localhost", port, ssl=trust)
    writer.close()
    listening.close()
    assert issued.authority == simulator.ca_path.read_text()


def test_without_a_url_the_client_says_which_variable_is_missing():
    with pytest.raises(ControlError, match="GRAPHSIM_CONTROL_URL"):
        SimulatorControl.from_environment({})


def test_a_simulator_that_is_away_is_named():
    with SimulatorControl("http://127.0.0.1:1") as client, pytest.raises(ControlError, match="answer"):
        client.health()


def test_the_seed_of_the_documentation_is_valid():
    page = (Path(__file__).parents[3] / "docs" / "graphsim.md").read_text()
    text = page.partition("```json\n")[2].partition("```")[0]
    assert Seed.model_validate(json.loads(text)).apps[0].name == "product"
