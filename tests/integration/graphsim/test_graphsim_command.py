import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from graphsim.cli import main
from graphsim.client import SimulatorControl
from support.certificates import ISSUER, SUBJECT, identity, public_pem, rsa_key

PROGRAM = [sys.executable, "-c", "from graphsim.cli import main; main()"]
SOURCES = str(Path(__file__).parents[3] / "operator")


class Served:
    """A simulator in a process of its own."""

    def __init__(self, state_dir: Path, *arguments: str) -> None:
        self.state_dir = state_dir
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", "--state-dir", str(state_dir), *arguments],
            env={**os.environ, "PYTHONPATH": SOURCES},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> dict:
        deadline = time.monotonic() + 60
        while not (self.state_dir / "graphsim.json").exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "the simulator did not start"
            time.sleep(0.05)
        return json.loads((self.state_dir / "graphsim.json").read_text())

    def __exit__(self, *_exc: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.output, self.errors = self.process.communicate(timeout=30)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process: exit code, standard output, standard error."""

    def command(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["graphsim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return command


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served"), "--random-seed", "3") as where:
        yield where


@pytest.fixture
def verb(served, run, monkeypatch):
    with SimulatorControl(served["control_url"]) as control:
        control.reset()
    monkeypatch.setenv("GRAPHSIM_CONTROL_URL", served["control_url"])
    return run


def test_it_says_where_everything_is_and_ends_orderly(tmp_path):
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"tenants": [{"name": "Contoso"}], "apps": [{"name": "product"}]}))
    served = Served(tmp_path / "state", "--seed-file", str(seed), "--set", "ceiling_minutes=4230", "--speed", "60")
    with served as where:
        with SimulatorControl(where["control_url"]) as control:
            assert control.settings().ceiling_minutes == 4_230
            assert control.clock().speed == 60
            assert [tenant.name for tenant in control.tenants()] == ["Contoso"]
        secrets = tmp_path / "state" / "seeded.json"
        assert json.loads(secrets.read_text())["apps"][0]["secret"]
        assert secrets.stat().st_mode & 0o077 == 0
        assert (tmp_path / "state" / "ca-key.pem").stat().st_mode & 0o077 == 0
    assert served.process.returncode == 0
    assert served.errors == ""
    for name in ("graph_url", "login_url", "control_url", "ca_path"):
        assert where[name] in served.output
    assert f"export GRAPHSIM_CONTROL_URL={where['control_url']}" in served.output
    assert not (tmp_path / "state" / "graphsim.json").exists()


def test_a_restart_keeps_the_authority_that_clients_trust(tmp_path):
    bodies = []
    for _ in range(2):
        with Served(tmp_path) as where:
            bodies.append(Path(where["ca_path"]).read_text())
            answer = httpx.get(
                f"{where['login_url']}/common/v2.0/.well-known/openid-configuration",
                verify=ssl.create_default_context(cadata=bodies[0]),
                trust_env=False,
                timeout=60,
            )
            assert answer.status_code == 200
    assert bodies[0] == bodies[1]


def test_the_verbs_fill_break_and_read_the_world(verb):
    assert verb("tenants", "add", "Contoso")[0] == 0
    _code, text, _errors = verb("apps", "add", "product", "--client-id", "app-1", "-o", "json")
    assert json.loads(text)["secret"]
    assert verb("mailboxes", "add", "contoso.example.com", "ann@contoso.example.com", "--folder", "Invoices")[0] == 0
    assert verb("grants", "add", "ann@contoso.example.com", "app-1")[0] == 0
    assert verb("grants", "revoke", "ann@contoso.example.com")[:2] == (0, "1 revoked\n")
    assert verb("fault", "add", "patch", "--answer", "throttled", "--count", "3")[0] == 0
    assert "429 TooManyRequests" in verb("fault", "list")[1]
    assert verb("fault", "clear")[1] == "1 lifted\n"
    assert verb("clock", "advance", "--days", "2")[0] == 0
    (account,) = json.loads(verb("coverage", "--gaps", "-o", "json")[1])
    assert account["uncovered_seconds"] > 2 * 86_400
    assert "ann@contoso.example.com" in verb("coverage")[1]
    assert json.loads(verb("mail", "send", "ann@contoso.example.com", "-o", "json")[1])["deliveries"] == []
    assert json.loads(verb("settings", "set", "duplicates=refuse", "page_size=3")[1])["page_size"] == 3


def test_a_seed_is_read_and_a_subscription_dropped(verb, tmp_path):
    seed = tmp_path / "seed.json"
    subscription = {"mailbox": "ann@contoso.example.com", "client_id": "app-1", "id": "one"}
    seed.write_text(
        json.dumps(
            {
                "tenants": [{"name": "Contoso"}],
                "apps": [{"client_id": "app-1"}],
                "mailboxes": [{"tenant": "contoso.example.com", "upn": "ann@contoso.example.com"}],
                "subscriptions": [subscription | {"notification_url": "https://hook.example.com/x"}],
            }
        )
    )
    assert verb("seed", str(seed))[0] == 0
    assert "https://hook.example.com/x" in verb("subscriptions")[1]
    assert verb("drop", "one")[:2] == (0, "one dropped\n")
    assert json.loads(verb("subscriptions", "-o", "json")[1]) == []


@pytest.fixture
def one_subscription(verb, tmp_path):
    """Ann has one, whose endpoints nobody serves; mail arrives at hers by itself."""
    seed = tmp_path / "seed.json"
    subscription = {"mailbox": "ann@contoso.example.com", "client_id": "app-1", "id": "one", "minutes": 100_000}
    urls = {"notification_url": "https://localhost:9/hook", "lifecycle_url": "https://localhost:9/lifecycle"}
    world = {
        "tenants": [{"name": "Contoso"}],
        "apps": [{"client_id": "app-1"}],
        "mailboxes": [{"tenant": "contoso.example.com", "upn": "ann@contoso.example.com"}],
        "subscriptions": [subscription | urls],
        "traffic": [{"per_week": 700, "profile": "machine", "seed": 1}],
        "settings": {"deliveries": "account"},
    }
    seed.write_text(json.dumps(world))
    assert verb("seed", str(seed))[0] == 0


@pytest.mark.usefixtures("one_subscription")
def test_mail_arrives_by_itself_and_what_was_delivered_is_shown(verb):
    assert "machine" in verb("traffic", "list")[1]
    assert verb("clock", "advance", "--days", "2")[0] == 0
    (line,) = json.loads(verb("delivered", "-o", "json")[1])
    assert line["count"] > 100
    assert "ann@contoso.example.com" in verb("delivered")[1]
    assert (
        verb("traffic", "start", "--profile", "office", "--per-week", "3", "--utc-offset", "-5")[1].count("office") == 1
    )
    assert verb("traffic", "stop")[:2] == (0, "1 stopped\n")
    assert verb("traffic", "start", "--profile", "nonsense")[0] == 1


@pytest.mark.usefixtures("one_subscription")
def test_a_silent_death_is_made_shown_and_mended(verb):
    assert "one" in verb("silence", "add", "--mailbox", "ann@contoso.example.com", "--share", "1", "--seed", "3")[1]
    assert "lasts" in verb("silence", "list")[1]
    assert verb("silence", "mend", "--subscription", "one")[:2] == (0, "1 mended\n")
    assert "mended" in verb("silence", "list")[1]
    account = json.loads(verb("silence", "list", "-o", "json")[1])
    assert (len(account["deaths"]), account["replacements"]) == (1, [])
    assert verb("silence", "replacements", "--healthy")[0] == 0


@pytest.mark.usefixtures("one_subscription")
def test_lifecycle_notifications_are_sent_and_shown(verb):
    sent = verb("lifecycle", "send", "missed", "reauthorizationRequired", "--subscription", "one")
    assert sent[0] == 0
    assert "missed, reauthorizationRequired" in sent[1]
    assert "ClientConnectorError" in verb("lifecycle", "list")[1]
    assert "ann@contoso.example.com" in verb("lifecycle", "reauthorizations")[1]
    assert verb("remove", "one")[:2] == (0, "one removed\n")
    account = json.loads(verb("lifecycle", "reauthorizations", "-o", "json")[1])
    assert account["requests"][0]["by"] == "ended"
    assert verb("lifecycle", "send", "missed")[0] == 1
    assert verb("endpoints")[0] == 0


@pytest.mark.usefixtures("one_subscription")
def test_a_mailbox_is_told_to_be_slow_and_a_revocation_to_remove(verb):
    assert verb("settings", "set", "deliveries=post")[0] == 0
    assert verb("mailboxes", "change", "ann@contoso.example.com", "--delay", "60", "90")[0] == 0
    sent = json.loads(verb("mail", "send", "ann@contoso.example.com", "-o", "json")[1])
    assert [one["state"] for one in sent["deliveries"]] == ["waiting"]
    assert "waiting" in verb("mail", "deliveries")[1]
    assert verb("grants", "add", "ann@contoso.example.com", "app-1")[0] == 0
    assert verb("grants", "revoke", "ann@contoso.example.com", "--remove")[:2] == (0, "1 revoked\n")


def test_a_certificate_is_issued_for_a_webhook(verb, tmp_path):
    assert verb("ca", "issue", "--out", str(tmp_path / "tls"), "localhost")[0] == 0
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["ca.pem", "tls.crt", "tls.key"]
    assert (tmp_path / "tls" / "tls.key").stat().st_mode & 0o077 == 0


def test_the_authority_is_exported_without_a_running_simulator(run, tmp_path):
    code, text, _errors = run("ca", "export", "--state-dir", str(tmp_path))
    assert (code, text) == (0, (tmp_path / "ca.pem").read_text())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["requests"], "GRAPHSIM_CONTROL_URL"),
        (["requests", "--control-url", "http://127.0.0.1:9"], "does not answer"),
        (["serve", "--state-dir", "/tmp/none", "--set", "duplicates=maybe"], "duplicates"),
        (["serve", "--state-dir", "/tmp/none", "--seed-file", "/nowhere"], "cannot read the seed"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, monkeypatch, arguments, text):
    monkeypatch.delenv("GRAPHSIM_CONTROL_URL", raising=False)
    code, output, errors = run(*arguments)
    assert (code, output) == (1, "")
    assert text in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong", [{"mailboxes": [{"tenant": "nowhere", "upn": "ann@contoso.example.com"}]}, {"settings": {"nonsense": 1}}]
)
def test_a_seed_that_does_not_fit_together_is_one_line_that_names_it(run, tmp_path, wrong):
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(wrong))
    code, output, errors = run("serve", "--state-dir", str(tmp_path / "state"), "--seed-file", str(seed))
    assert (code, output) == (1, "")
    assert errors.startswith(f"graphsim: the seed {seed} is wrong")
    assert len(errors.splitlines()) == 1


def test_help_teaches(run):
    _code, text, _errors = run("--help")
    assert "graphsim fault add patch --answer throttled --count 3" in text
    _code, text, _errors = run("fault", "add", "--help")
    assert "--after-commit" in text


def test_an_app_is_told_what_it_may_prove_itself_with(verb, tmp_path):
    certificate, key = tmp_path / "app.pem", tmp_path / "issuer.pem"
    mine = identity()
    certificate.write_text(mine.certificate_pem)
    key.write_text(public_pem(rsa_key()))
    verb("apps", "add", "product", "--client-id", "app-1")
    federated = ("--federated-issuer", ISSUER, "--federated-subject", SUBJECT, "--federated-key", str(key))
    _code, text, _errors = verb("apps", "change", "app-1", "--certificate", str(certificate), *federated, "-o", "json")
    shown = json.loads(text)
    assert [thumbprint[-4:] for thumbprint in shown["certificates"]] == [mine.name]
    assert shown["federations"] == [SUBJECT]
    code, _text, errors = verb("apps", "change", "app-1", "--federated-issuer", ISSUER)
    assert code == 2
    assert "--federated-subject" in errors
