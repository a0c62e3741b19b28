"""No secret is shown, wherever one looks: with every kind of credential, and whatever Graph, sign-in and the stores do meanwhile."""

import asyncio
import base64
import json
import logging
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from graphmail.resource.names import PLURAL
from graphsim.app_keys import AppCertificate, Federation
from graphsim.faults import FaultRule
from graphsim.grants import Grant, Grants
from graphsim.tokens import AccessTokens, Caller
from localstack.processes import free_port
from support.certificates import ISSUER, SUBJECT, federated_token, identity, public_pem, rsa_key
from support.command import run, start
from support.gate import PostgresGate
from support.hand import Hand
from support.stage import Row, Stage, condition_status
from support.waiting import eventually

PASSWORD = "a-password of the database/42"
CERTIFICATE_PASSWORD = "a-password-of-the-pfx-file"
BUSY = {
    "GRAPHMAIL_TICK_SECONDS": "1",
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.02",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "4",
    "GRAPHMAIL_SWEEP_INTERVAL_HOURS": "0.001",
}
JSON = {"Content-Type": "application/json"}
MISHAPS: tuple[dict[str, Any], ...] = (
    {"drop_connection": True},
    {"answer": "token-expired"},
    {"answer": "forbidden"},
    {"answer": "internal-error"},
    {"answer": "service-unavailable"},
    {"answer": "throttled"},
)
"""In this order: the last ones stop the whole tenant for a while."""
_LEAST = 8
"""Characters: what is shorter stands in any text by chance."""


@dataclass
class Secrets:
    """All that was secret in a run, by what it is."""

    known: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, value: str) -> None:
        assert len(value) >= _LEAST, what
        self.known.setdefault(value, what)

    def add_key(self, what: str, pem: str) -> None:
        """Each line of a private key by itself, since JSON and YAML break lines differently."""
        for line in pem.split("PRIVATE KEY-----")[1].splitlines()[1:-2]:
            self.add(what, line)

    def shown_in(self, text: str) -> set[str]:
        """What of it stands in a text: as it is, quoted for a URL or for JSON, or in base 64."""
        return {what for value, what in self.known.items() if any(form in text for form in _forms(value))}


def _forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    yield base64.b64encode(value.encode()).decode().rstrip("=")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Every token that the simulator hands out is known from the start."""
    known, refresh, access = Secrets(), Grants.refresh_token, AccessTokens.issue

    def hand_out(grants: Grants, grant: Grant, at: float) -> str:
        token = refresh(grants, grant, at)
        known.add("a refresh token", token)
        return token

    def issue(tokens: AccessTokens, caller: Caller, *, at: float) -> str:
        token = access(tokens, caller, at=at)
        known.add("an access token", token)
        return token

    monkeypatch.setattr(Grants, "refresh_token", hand_out)
    monkeypatch.setattr(AccessTokens, "issue", issue)
    return known


@dataclass
class Scene:
    """Providers with every kind of credential, and some that something is wrong with."""

    stage: Stage
    secrets: Secrets
    folder: Path
    good: list[Row | str] = field(default_factory=list)
    bad: list[Row | str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    mishaps: list[FaultRule] = field(default_factory=list)

    def set(self) -> None:
        """All of them."""
        stage, secrets = self.stage, self.secrets
        secrets.add("the app's secret", stage.app.secrets[0].value)
        secrets.add("the password of the database", PASSWORD)
        secrets.add("the token of the API server", stage.control_plane.token)
        self.environment = dict(BUSY)
        self._rows()
        self._files()
        self._written()
        self._echoes()

    def _rows(self) -> None:
        stage = self.stage
        config = {"webhook_verification_token": "the client state of a row"}
        self.secrets.add("a clientState", config["webhook_verification_token"])
        self.good += [stage.add_delegated(config), stage.add_app_only(), stage.add_delegated()]
        revoked = stage.add_delegated()
        assert revoked.grant is not None
        stage.simulator.world.revoke(revoked.grant)
        self.secrets.add("a wrong secret", "a-wrong-secret-of-the-app")
        self.bad += [revoked, stage.add_app_only({"client_secret": "a-wrong-secret-of-the-app"})]
        self.bad.append(stage.add_delegated({"refresh_token": "1.not-a-token-that-anybody-gave"}))
        self.secrets.add("a wrong refresh token", "1.not-a-token-that-anybody-gave")

    def _files(self) -> None:
        directory = self.folder / "credentials"
        directory.mkdir()
        mine = identity()
        self.secrets.add_key("the key of a certificate in a file", mine.key_pem())
        self.secrets.add("the password of a certificate", CERTIFICATE_PASSWORD)
        self.stage.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
        (directory / "secret").write_text(self.stage.app.secrets[0].value)
        (directory / "certificate").write_bytes(mine.pfx(CERTIFICATE_PASSWORD))
        (directory / "certificate.password").write_text(CERTIFICATE_PASSWORD)
        (directory / "broken").write_text(mine.certificate_pem + mine.key_pem()[: len(mine.key_pem()) // 2])
        self.environment["GRAPHMAIL_CREDENTIALS_DIR"] = str(directory)
        for name, rows in (("secret", self.good), ("certificate", self.good), ("broken", self.bad)):
            rows.append(self.stage.add_app_only({"client_secret": "", "client_secret_ref": name}))

    def _written(self) -> None:
        stage, hand = self.stage, Hand(self.stage)
        mine, unknown, issuer = identity(), identity(), rsa_key()
        app = {"client_id": stage.app.client_id, "directory_id": stage.entra.id}
        stage.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
        stage.app.federations.append(Federation.from_pem(public_pem(issuer), issuer=ISSUER, subject=SUBJECT))
        token = federated_token(issuer)
        (self.folder / "token").write_text(token)
        self.environment["AZURE_FEDERATED_TOKEN_FILE"] = str(self.folder / "token")
        self.secrets.add("the pod's token", token)
        self.secrets.add_key("the key of a certificate in a Secret", mine.key_pem())
        self.secrets.add_key("the key of an unknown certificate", unknown.key_pem())
        self.secrets.add("the clientState of a Secret", "the-client-state-of-a-secret")
        hand.app_only_secret("own-secret", client_state="the-client-state-of-a-secret")
        hand.secret("own-pem", **app, client_certificate=mine.pem().decode())
        hand.secret("own-pod", **app, workload_identity="true")
        hand.secret("own-unknown", **app, client_certificate=unknown.pem().decode())
        names = ["own-secret", "own-pem", "own-pod", "own-unknown", "own-user"]
        mailbox = hand.mailbox("own-user")
        refresh = stage.consent(hand.mailboxes["own-user"])[1]
        hand.secret("own-user", **app, client_secret=stage.app.secrets[0].value, refresh_token=refresh)
        for name in names:
            hand.write(name, **({"mailbox": mailbox} if name == "own-user" else {}))
        self.good += [name for name in names if name != "own-unknown"]
        self.bad.append("own-unknown")

    def _echoes(self) -> None:
        """Graph and sign-in repeat what they were sent, as proxies and careless error pages do."""
        stage, state = self.stage, "the-client-state-that-graph-repeats"
        self.secrets.add("a clientState that Graph repeats", state)
        row = stage.add_delegated({"webhook_verification_token": state})
        assert row.grant is not None
        token = stage.simulator.world.delegated_token(row.grant)[0]
        stage.product.set_config(row.id, access_token=token, token_expires_at="2099-01-01")
        echo = {"error": {"code": "BadRequest", "message": f"no: Authorization: Bearer {token}, clientState {state}"}}
        self.mishaps.append(
            stage.fault("create", mailbox=row.address, status=400, raw_body=json.dumps(echo).encode(), headers=JSON)
        )
        other = stage.add_delegated({"client_secret": "a-secret-that-sign-in-repeats"})
        self.secrets.add("a secret that sign-in repeats", "a-secret-that-sign-in-repeats")
        held = stage.product.config(other.id)["refresh_token"]
        told = {
            "error": "invalid_client",
            "error_description": f"AADSTS7000215: a-secret-that-sign-in-repeats is wrong, and {held} is not given",
            "error_codes": [7000215],
        }
        self.mishaps.append(
            stage.fault("token", mailbox=other.address, status=401, raw_body=json.dumps(told).encode(), headers=JSON)
        )
        silent = stage.add_delegated()
        self.mishaps.append(stage.fault("token", mailbox=silent.address, drop_connection=True))
        self.bad += [row, other, silent]

    async def play(self) -> None:
        """Everything is tried, and then everything goes wrong for a while."""
        stage = self.stage
        for one in self.good:
            await stage.ready(one)
        for one in self.bad:
            await stage.status_of(one, lambda status: condition_status(status, "Ready") != "True", "told")
            await stage.status_of(
                one, lambda status: condition_status(status, "Authorized") or status["lastAttemptTime"], "tried"
            )
        for number, (one, mishap) in enumerate(zip(self.good, MISHAPS, strict=False)):
            address = one.address if isinstance(one, Row) else f"{one}@{stage.entra.domain}"
            self.mishaps += [stage.fault(route, mailbox=address, count=1, **mishap) for route in ("get", "patch")]
            stage.request_renewal(one, f"now-{number}")
            await eventually(lambda: self.mishaps[-1].hits, f"a renewal meets {mishap}")
        assert [mishap for mishap in self.mishaps if mishap.routes != {"get"} and not mishap.hits] == []

    def remember(self) -> None:
        """What the operator itself has made up or fetched meanwhile."""
        for row in (one for one in (*self.good, *self.bad) if isinstance(one, Row)):
            config = self.stage.product.config(row.id)
            for column in ("webhook_verification_token", "access_token", "refresh_token"):
                if config[column]:
                    self.secrets.add(f"{column} of a row", config[column])
        for subscription in self.stage.simulator.world.subscriptions.all():
            if subscription.client_state:
                self.secrets.add("a clientState at Graph", subscription.client_state)


@pytest.fixture
def scene(stage: Stage, secrets: Secrets, tmp_path: Path) -> Scene:
    made = Scene(stage, secrets, tmp_path)
    made.set()
    return made


def with_password(url: str) -> str:
    """Our Postgres asks nobody for a password; a client sends, and might show, one all the same."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{quote(PASSWORD, safe='')}@{parts.hostname}:{parts.port}").geturl()


async def seen_in_kubernetes(stage: Stage) -> dict[str, str]:
    """What `kubectl` shows; Secrets are where secrets belong."""
    kinds = (PLURAL, "events", "leases", "configmaps")
    show = ("-o", "yaml", "--show-managed-fields")
    found = {kind: await asyncio.to_thread(stage.kubectl, "get", kind, *show) for kind in kinds}
    found["describe"] = await asyncio.to_thread(stage.kubectl, "describe", PLURAL)
    return found


async def seen_by_commands(scene: Scene, url: str) -> dict[str, str]:
    """What the command prints, on both streams."""
    commands = ("status -o wide", "status -o json", "sweep --dry-run", "check", "check --sign-in", "backfill --dry-run")
    given = scene.environment | {"GRAPHMAIL_DATABASE_URL": url}
    ran = await asyncio.gather(*(run(scene.stage, *command.split(), **given) for command in commands))
    assert [one.err for one in ran if "Traceback" in one.err] == []
    return {command: one.out + one.err for command, one in zip(commands, ran, strict=True)}


async def seen_over_http(metrics_url: str) -> dict[str, str]:
    base = metrics_url.removesuffix("/metrics")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return {path: (await client.get(base + path)).text for path in ("/metrics", "/healthz", "/readyz")}


@asynccontextmanager
async def process(scene: Scene, log: Path, **variables: str) -> AsyncIterator[str]:
    """The operator in a process of its own, with all that it says in a file; the URL of its metrics."""
    url = f"http://127.0.0.1:{free_port()}/metrics"
    given = scene.environment | {"GRAPHMAIL_METRICS_URL": url, "GRAPHMAIL_LOG_LEVEL": "debug"} | variables
    with log.open("wb") as stderr:
        begun = await start(scene.stage, "run", stderr=stderr.fileno(), **given)
    try:
        yield url
    finally:
        begun.send_signal(signal.SIGTERM)
        await begun.communicate()


async def test_no_secret_is_shown_in_logs_resources_events_metrics_or_by_a_command(
    scene: Scene, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with PostgresGate(scene.stage.product.url) as gate:
        url = with_password(gate.url)
        async with process(scene, log, GRAPHMAIL_DATABASE_URL=url) as metrics_url:
            await scene.play()
            gate.shut()
            refused = gate.refused
            await eventually(lambda: gate.refused > refused, "Postgres is missed")
            shown = {"check without Postgres": (await run(scene.stage, "check", GRAPHMAIL_DATABASE_URL=url)).out}
            gate.open()
            shown |= await seen_over_http(metrics_url)
            shown |= await seen_in_kubernetes(scene.stage)
            shown |= await seen_by_commands(scene, url)
        shown["log"] = log.read_text()
    scene.remember()
    assert {place for place, text in shown.items() if not text.strip()} <= {"configmaps", "leases"}
    assert {place: found for place, text in shown.items() if (found := scene.secrets.shown_in(text))} == {}
    assert len(set(scene.secrets.known.values())) >= 17


async def test_no_secret_reaches_a_log_before_anything_is_masked(
    scene: Scene, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masking is the last line of defence (docs/observability.md); here nothing masks."""
    caplog.set_level(logging.INFO)
    async with scene.stage.operator(**scene.environment):
        await scene.play()
    told = "".join(capsys.readouterr())
    assert len(re.findall("failed", told)) > len(scene.bad)
    raw = "\n".join(f"{record.getMessage()} {vars(record)} {record.exc_text}" for record in caplog.records)
    scene.remember()
    assert scene.secrets.shown_in(told + raw) == set()


def test_the_search_finds_what_it_looks_for_in_every_form() -> None:
    secrets: Any = Secrets()
    secrets.add("a password", PASSWORD)
    for form in (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(PASSWORD.encode()).decode()):
        assert secrets.shown_in(f"before {form} after") == {"a password"}
    assert secrets.shown_in("before *** after") == set()
