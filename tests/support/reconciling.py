"""One mailbox before Graph's client, the tables and the reconciler, with Microsoft's answers in memory: no sockets, no stores."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx

from graphmail.cluster import Cluster, ClusterError
from graphmail.database import Claim
from graphmail.decision import Policy
from graphmail.election import Standing
from graphmail.fleet import Access, Entry, Fleet
from graphmail.graph import Budget, GraphClient, Limits, SignIn, SignInError, Token
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics, Store
from graphmail.provider import Credential
from graphmail.reconciler import AccessDesk, Hands, Journal, Reconciler, Threshold, put_together
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION
from graphmail.stores import Stores

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
APP = "7f0c4a52-0000-4000-8000-000000000001"
DIRECTORY = "11111111-0000-4000-8000-000000000001"
HELD = "aaaaaaaa-0000-4000-8000-000000000001"
CREDENTIAL = Credential("mail/ann", DIRECTORY, APP, "fp", client_secret="s")
HOOK = "https://app.example.com/hook"
SPEC = {
    "tenant": "t1",
    "providerID": "p1",
    "mailbox": "ann@example.com",
    "notificationURL": HOOK,
    "credentials": {"source": "Secret", "secretName": "s"},
}


@dataclass(frozen=True)
class Reply:
    """An answer of Graph; no status means that the connection breaks off."""

    status: int | None
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""


@dataclass
class Asked:
    """A call that Graph got, and what it answered, if anything that can be read."""

    at: datetime
    method: str
    path: str
    answered: httpx.Response | None = None


@dataclass
class Microsoft:
    """Answers in the given order; the last answer stays the same for ever. Sign-in gives a token, or raises what stands there."""

    replies: Sequence[Reply]
    sign_ins: Sequence[SignInError | None] = (None,)
    now: datetime = NOW
    asked: list[Asked] = field(default_factory=list)
    signed_in: int = 0
    refused: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        """For httpx's mock transport."""
        reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        asked = Asked(self.now, request.method, request.url.path)
        self.asked.append(asked)
        if reply.status is None:
            raise httpx.ReadError("the connection broke off", request=request)
        response = httpx.Response(reply.status, headers=list(reply.headers), content=reply.body, request=request)
        asked.answered = response
        return response

    async def token(self, _credential: Credential, *, refused: str | None = None, forced: bool = False) -> Token:
        """For the reconciler's hands, in place of `SignIn`."""
        error = self.sign_ins[min(self.signed_in, len(self.sign_ins) - 1)]
        self.signed_in += 1
        if error is not None:
            self.refused += 1
            raise error
        return Token("second-token" if refused else "first-token", NOW + timedelta(days=1), DIRECTORY)

    @property
    def calls(self) -> int:
        """Of Graph, and of sign-in where it refused: a token that was given is kept in memory."""
        return len(self.asked) + self.refused


class ApiServer:
    """Takes every status, unless it is told to refuse them, and shows it as the API server would: through JSON."""

    namespace = "mail"

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.refusal: ClusterError | None = None
        self.asked = 0

    async def subscription(self, _name: str) -> dict[str, Any] | None:
        return self.body

    async def apply_status(self, body: Mapping[str, Any], *, manager: str, unchanged: bool = False) -> dict[str, Any]:
        assert manager
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        assert not unchanged or body["metadata"]["resourceVersion"] == self.body["metadata"]["resourceVersion"]
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        metadata = {**self.body["metadata"], "resourceVersion": version}
        self.body = {**self.body, "metadata": metadata, "status": body["status"]}
        return self.body


class Desk:
    """Always the same credential, until it is told that the Secret has changed."""

    def __init__(self) -> None:
        self.credential = CREDENTIAL
        self.looked_at: list[datetime] = []

    async def mark(self, _resource: GraphMailSubscription, *, now: datetime, lasts: timedelta) -> str:
        assert lasts > timedelta()
        self.looked_at.append(now)
        return self.credential.fingerprint

    async def of(self, _resource: GraphMailSubscription, _claim: Claim | None = None) -> Access:
        return Access(self.credential, "state", None)


def resource_body(
    status: Mapping[str, Any], annotations: Mapping[str, str], spec: Mapping[str, Any] = SPEC
) -> dict[str, Any]:
    """The mailbox's resource, as the API server returns it."""
    metadata = {"name": "ann", "namespace": "mail", "uid": "u", "generation": 1, "resourceVersion": "1"}
    return {"metadata": {**metadata, "annotations": dict(annotations)}, "spec": spec, "status": dict(status)}


def holding(*, hours: float, granted_hours_ago: float = 100.0) -> dict[str, Any]:
    """The status of a mailbox whose subscription expires then."""
    row = {
        "folder": "inbox",
        "state": "Active",
        "subscriptionID": HELD,
        "grantedTime": write_time(NOW - timedelta(hours=granted_hours_ago)),
        "notificationURL": f"{HOOK}?gms=here.p1.inbox",
        "expirationTime": write_time(NOW + timedelta(hours=hours)),
    }
    return {
        "observedGeneration": 1,
        "subscriptionID": HELD,
        "expirationTime": row["expirationTime"],
        "observedCredential": "fp",
        "subscriptions": [row],
    }


class Play:
    """A reconciler at work on one mailbox, in time that goes where it is told."""

    def __init__(
        self,
        microsoft: Microsoft,
        status: Mapping[str, Any],
        annotations: Mapping[str, str] | None = None,
        *,
        metrics: Metrics,
        verified_hours_ago: float = 0.0,
        standing: Callable[[], Standing] = lambda: Standing.HOLDS,
        jitter: float = 0.0,
        desk: Desk | None = None,
        database: Any = None,
        limits: Limits | None = None,
    ) -> None:
        self.microsoft = microsoft
        self.told: list[tuple[EventReason, str]] = []
        """Events."""
        self.jitter = jitter
        self.metrics = metrics
        of_row = {} if database is None else {"credentials": {"source": "ProviderRow"}}
        body = resource_body(status, annotations or {}, SPEC | of_row)
        self.api = ApiServer(body)
        self.desk = desk or Desk()
        verified = {"inbox": NOW - timedelta(hours=verified_hours_ago)}
        self.entry = Entry(resource=GraphMailSubscription.parse(body), seen_at=NOW, verified=verified)
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(microsoft.answer))
        probes = dict.fromkeys((Store.KUBERNETES, Store.POSTGRES), self._there)
        self.stores = Stores(probes, standing=standing)
        self.database = database
        self.reconciler = self._reconciler(microsoft, metrics, self.stores, limits or Limits())

    def _reconciler(self, microsoft: Microsoft, metrics: Metrics, stores: Stores, limits: Limits) -> Reconciler:
        cluster, desk = cast("Cluster", self.api), cast("AccessDesk", self.desk)
        budget = Budget(limits, clock=asyncio.get_running_loop().time)
        graph = GraphClient("https://graph.example.com/v1.0", budget, http=self.http, clock=self.now)
        hands = Hands(graph, cast("SignIn", microsoft), "here", timedelta(minutes=10_000))
        journal = Journal(cluster, self.database, stores, Threshold(), clock=self.now, now=self.now)
        return put_together(
            hands=hands,
            budget=budget,
            desk=desk,
            journal=journal,
            database=self.database,
            stores=stores,
            fleet=Fleet(),
            metrics=metrics,
            announce=self._announce,
            policy=Policy(),
            batch=10,
            clock=self.now,
            now=self.now,
            random=lambda: self.jitter,
        )

    @property
    def announced(self) -> list[EventReason]:
        """The reasons of the events."""
        return [reason for reason, _ in self.told]

    async def _there(self) -> bool:
        return True

    def _announce(
        self, _: GraphMailSubscription, reason: EventReason, message: str, /, *, routine: bool = False
    ) -> None:
        assert not routine or reason.type == "Normal"
        self.told.append((reason, message))

    def arrives(self, moment: datetime) -> None:
        """Whoever takes the notifications tells of another one."""
        metadata = self.entry.resource.metadata
        annotations = {**metadata.annotations, ANNOTATION_LAST_NOTIFICATION: moment.isoformat()}
        told = metadata.model_copy(update={"annotations": annotations})
        self.entry.resource = self.entry.resource.model_copy(update={"metadata": told})
        self.api.body["metadata"]["annotations"][ANNOTATION_LAST_NOTIFICATION] = moment.isoformat()

    def now(self) -> datetime:
        return self.microsoft.now

    async def look(self) -> datetime:
        """One look; the time moves on to the next one."""
        again_at = await self.reconciler.reconcile(self.entry)
        self.microsoft.now = max(again_at, self.microsoft.now + timedelta(seconds=0.1))
        return again_at


Begin = Callable[..., Play]
"""Makes a play, which ends with its test."""
