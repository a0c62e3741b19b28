"""What people and programs may do to a custom resource, sensible or not: seeded, and sent to the real API server."""

import json
import random
import ssl
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import httpx

from graphmail.resource.moments import write_time
from graphmail.resource.names import (
    ANNOTATION_ADOPT,
    ANNOTATION_CLIENT_STATE,
    ANNOTATION_CREDENTIAL,
    ANNOTATION_LAST_NOTIFICATION,
    ANNOTATION_LIFECYCLE,
    ANNOTATION_PAUSED,
    ANNOTATION_RENEW,
    API_VERSION,
    FINALIZER,
    GROUP,
    KIND,
    LABEL_MANAGED_BY,
    LABEL_PROVIDER,
)
from support import moments
from support.stage import Stage

SECRETS = ("first-secret", "second-secret")
ABSENT_SECRET = "no-such-secret"
WRONG_SECRET = "wrong-secret"
"""One that Microsoft refuses."""
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Transition:
    """One write to the API server."""

    what: str
    method: str
    name: str
    body: Any = None
    subresource: str = ""
    refused: str | None = None
    """The field that the refusal has to name; None: it is to be taken, unless the resource is gone or there already."""


INVALID_SPECS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("spec.tenant", {"tenant": "another"}),
    ("spec.providerID", {"providerID": "another-"}),
    ("spec.mailbox", {"mailbox": "another@example.com"}),
    ("spec.mailbox", {"mailbox": None}),
    ("spec.notificationURL", {"notificationURL": "http://plain.example.com/"}),
    ("spec.notificationURL", {"notificationURL": "https:///nowhere"}),
    ("spec.notificationURL", {"notificationURL": "https://x.example.com/?gms=i.p.f"}),
    ("spec.lifecycleNotificationURL", {"lifecycleNotificationURL": "ftp://x.example.com"}),
    ("spec.lookAhead", {"lookAhead": "1d"}),
    ("spec.lookAhead", {"lookAhead": "0s"}),
    ("spec.lookAhead", {"lookAhead": "72h", "lifetime": "24h"}),
    ("spec.lifetime", {"lifetime": "1m"}),
    ("spec.lifetime", {"lifetime": "169h"}),
    ("spec.lifetime", {"lifetime": 4320}),
    ("spec.folders", {"folders": []}),
    ("spec.folders[1]", {"folders": ["inbox", "inbox"]}),
    ("spec.folders", {"folders": "inbox"}),
    ("spec.changeTypes[0]", {"changeTypes": ["moved"]}),
    ("spec.suspend", {"suspend": "yes"}),
    ("spec.suspendPolicy", {"suspendPolicy": "Sometimes"}),
    ("spec.deletionPolicy", {"deletionPolicy": "Orphan"}),
    ("spec.credentials.source", {"credentials": {"source": "Vault"}}),
    ("spec.credentials.secretName", {"credentials": {"source": "Secret", "secretName": "../other"}}),
)
INVALID_STATUSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status.subscriptionID", {"subscriptionID": 5}),
    ("status.expirationTime", {"expirationTime": "tomorrow"}),
    ("status.consecutiveFailures", {"consecutiveFailures": -1}),
    ("status.subscriptions[0].folder", {"subscriptions": [{"state": "Active"}]}),
    ("status.subscriptions[0].state", {"subscriptions": [{"folder": "inbox", "state": "Gone"}]}),
    ("status.conditions[0].status", {"conditions": [{"type": "Ready", "status": "Maybe"}]}),
    ("status.conditions[0].reason", {"conditions": [{"type": "Ready", "status": "True", "reason": "two words"}]}),
)
NONSENSE = (
    "",
    "nonsense",
    "{",
    "null",
    "0",
    "-1",
    "../../etc",
    "ü€\U0001d538",
    "x" * 4000,
    '{"success": true}',
    "true",
)
ANNOTATIONS = (
    ANNOTATION_ADOPT,
    ANNOTATION_CLIENT_STATE,
    ANNOTATION_CREDENTIAL,
    ANNOTATION_LIFECYCLE,
    ANNOTATION_PAUSED,
    ANNOTATION_RENEW,
    f"{GROUP}/farewell",
    f"{GROUP}/look",
    f"{GROUP}/last-handled-configuration",
    f"{GROUP}/unheard-of",
    "kopf.zalando.org/last-handled-configuration",
)


@dataclass
class Written:
    """A name that a person writes resources under; its mailbox may differ from one to the next."""

    name: str
    mailboxes: tuple[str, ...]


@dataclass
class Mutator:
    """Thinks up transitions, and sends them.

    Attributes:
        written: what people write; the same names come and go.
        mirrored: names of what the mirror makes.
        stopped: names whose status says, by hand, that a person must act.
    """

    stage: Stage
    written: list[Written]
    mirrored: list[str]
    random: random.Random
    sent: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    taken: int = 0
    stopped: set[str] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        plane = self.stage.control_plane
        context = ssl.create_default_context(cafile=str(plane.ca_file))
        headers = {"Authorization": f"Bearer {plane.token}"}
        self._http = httpx.AsyncClient(base_url=plane.url, headers=headers, verify=context, trust_env=False, timeout=30)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    # --- sending -----------------------------------------------------------------------------------------------------

    async def resources(self) -> list[dict[str, Any]]:
        """All of them, as they are now."""
        answer = await self._http.get(self.stage.path())
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    async def play(self) -> int:
        """One move, which is one transition or a few that belong together; how many.

        Raises:
            AssertionError: the API server took what it should refuse, or did not say which field is wrong.
        """
        transitions = self.random.choice(_MOVES)(self)
        for transition in transitions:
            await self.send(transition)
        return len(transitions)

    async def send(self, transition: Transition) -> None:
        """One transition; what the API server answers is what was foreseen."""
        path = self.stage.path("" if transition.method == "POST" else transition.name) + transition.subresource
        kind = _MERGE if transition.method == "PATCH" else "application/json"
        answer = await self._http.request(transition.method, path, json=transition.body, headers={"Content-Type": kind})
        self.sent[transition.what] += 1
        told = f"{transition}: {answer.status_code} {answer.text[:2000]}"
        if transition.refused is not None and answer.status_code != 404:
            assert answer.status_code == 422, told
            fields = {cause.get("field") for cause in answer.json()["details"]["causes"]}
            assert transition.refused in fields, told
            self.refusals += 1
        elif transition.refused is None:
            assert answer.status_code in {200, 201, 404, 409}, told
            self.taken += answer.is_success

    # --- bodies ------------------------------------------------------------------------------------------------------

    def body(self, name: str, mailbox: str, **spec: Any) -> dict[str, Any]:
        """A whole resource that makes sense."""
        known = {
            "tenant": "by-hand",
            "providerID": name,
            "mailbox": mailbox,
            "notificationURL": self._url(),
            "credentials": {"source": "Secret", "secretName": self.random.choice(SECRETS)},
        }
        metadata = {"name": name, "namespace": self.stage.namespace}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": known | spec}

    def _url(self) -> str:
        return self.stage.endpoint.url + self.stage.endpoint.path

    def _anyone(self) -> str:
        return self.random.choice([*self.mirrored, *(one.name for one in self.written)])

    def _patch(self, what: str, name: str, body: dict[str, Any], refused: str | None = None) -> Transition:
        return Transition(what, "PATCH", name, body, refused=refused)

    def _create(self, what: str, **spec: Any) -> Transition:
        one = self.random.choice(self.written)
        return Transition(what, "POST", one.name, self.body(one.name, self.random.choice(one.mailboxes), **spec))

    # --- moves -------------------------------------------------------------------------------------------------------

    def create(self) -> list[Transition]:
        """A resource that may be there already."""
        return [self._create("create", **self._sensible())]

    def create_nonsense(self) -> list[Transition]:
        """A resource that makes no sense from the start."""
        name, (at, spec) = self.random.choice(self.written).name, self.random.choice(INVALID_SPECS)
        while spec in ({"tenant": "another"}, {"mailbox": "another@example.com"}):  # fine for a new one
            at, spec = self.random.choice(INVALID_SPECS)
        body = self.body(f"{name}-never", f"{name}@{self.stage.entra.domain}")
        body["spec"] |= spec
        return [Transition("create nonsense", "POST", name, body, refused=at)]

    def edit(self) -> list[Transition]:
        """A valid change of the spec."""
        return [self._patch("edit", self._anyone(), {"spec": self._sensible()})]

    def edit_nonsense(self) -> list[Transition]:
        """A change that no resource takes."""
        at, spec = self.random.choice(INVALID_SPECS)
        return [self._patch("edit nonsense", self._anyone(), {"spec": spec}, refused=at)]

    def edit_secret(self) -> list[Transition]:
        """Another Secret, which may not exist, or be refused by Microsoft."""
        spec = {"credentials": {"secretName": self.random.choice((*SECRETS, ABSENT_SECRET, WRONG_SECRET))}}
        return [self._patch("edit secret", self.random.choice(self.written).name, {"spec": spec})]

    def move(self) -> list[Transition]:
        """Another URL, which the mirror puts right on what is its own."""
        url = f"{self._url()}?version={self.random.randrange(3)}"
        return [self._patch("move", self._anyone(), {"spec": {"notificationURL": url}})]

    def annotate(self) -> list[Transition]:
        """Nonsense in annotations of ours."""
        value = self.random.choice((*NONSENSE, None, self._subscription(), str(self.random.random())))
        annotations = {self.random.choice(ANNOTATIONS): value}
        return [self._patch("annotate", self._anyone(), {"metadata": {"annotations": annotations}})]

    def tell(self) -> list[Transition]:
        """Graph tells of a subscription: of this mailbox, or of any other; now, long ago, or in times to come."""
        event = self.random.choice(("subscriptionRemoved", "reauthorizationRequired", "missed", "unheard-of"))
        moment = self.random.choice((*moments.ANY, write_time(datetime.now(UTC)), "soon"))
        told = json.dumps({self._subscription(): {event: moment}})
        return [self._patch("tell", self._anyone(), {"metadata": {"annotations": {ANNOTATION_LIFECYCLE: told}}})]

    def arrive(self) -> list[Transition]:
        """A notification is said to have arrived: now, or at a time that nobody can have seen."""
        moment = self.random.choice((*moments.ANY, write_time(datetime.now(UTC)), "soon", None))
        annotations = {ANNOTATION_LAST_NOTIFICATION: moment}
        return [self._patch("arrive", self._anyone(), {"metadata": {"annotations": annotations}})]

    def label(self) -> list[Transition]:
        """Nonsense in labels of ours."""
        label = self.random.choice((LABEL_MANAGED_BY, LABEL_PROVIDER))
        value = self.random.choice((None, "nobody", "graphmail-mirror"))
        return [self._patch("label", self._anyone(), {"metadata": {"labels": {label: value}}})]

    def edit_while_it_renews(self) -> list[Transition]:
        """A renewal is asked for, and the resource changes before Graph has answered."""
        name = self._anyone()
        asked = {"metadata": {"annotations": {ANNOTATION_RENEW: str(self.random.random())}}}
        return [
            self._patch("renew", name, asked),
            *(self._patch("edit while it renews", name, {"spec": self._sensible()}) for _ in range(2)),
        ]

    def delete(self) -> list[Transition]:
        """With or without a successor at once, which comes too early while the finalizer holds the first."""
        gone = Transition("delete", "DELETE", self._anyone())
        return [gone, self._create("recreate")] if self.random.random() < 0.5 else [gone]

    def delete_while_it_is_created(self) -> list[Transition]:
        """It is deleted before Graph has answered, and written once more."""
        created = self._create("create")
        gone = Transition("delete while it is created", "DELETE", created.name)
        return [created, gone, created]

    def strip(self) -> list[Transition]:
        """The finalizer is taken away by hand, or a strange one put in its place."""
        name, finalizers = self._anyone(), self.random.choice((None, [], [FINALIZER, FINALIZER]))
        stripped = self._patch("strip", name, {"metadata": {"finalizers": finalizers}})
        gone = Transition("delete", "DELETE", name)
        return self.random.choice(([stripped], [stripped, gone], [gone, stripped]))

    def edit_status(self) -> list[Transition]:
        """The status is edited by hand: one field, or all of it."""
        name, status = self._anyone(), self.random.choice(self._statuses())
        conditions = (status or {}).get("conditions") or []
        if any(one["type"] in {"Stalled", "Authorized"} for one in conditions):
            self.stopped.add(name)
        body = {"status": status}
        return [Transition("edit status", "PATCH", name, body, subresource="/status")]

    def edit_status_nonsense(self) -> list[Transition]:
        """A status that the API server does not take."""
        name, (at, status) = self._anyone(), self.random.choice(INVALID_STATUSES)
        body = {"status": status}
        return [Transition("edit status nonsense", "PATCH", name, body, subresource="/status", refused=at)]

    # --- values ------------------------------------------------------------------------------------------------------

    def _sensible(self) -> dict[str, Any]:
        choices: dict[str, tuple[Any, ...]] = {
            "lookAhead": ("1h", "90m", "12h", None),
            "lifetime": ("24h", "72h", "166h40m", None),
            "folders": (["inbox"], ["archive"], ["inbox", "archive"]),
            "changeTypes": (["created"], ["created", "updated"], ["deleted"]),
            "deletionPolicy": ("Delete", "Delete", "Retain"),
            "suspend": (False, False, True),
            "suspendPolicy": ("Retain", "Delete"),
        }
        names = self.random.sample(sorted(choices), k=self.random.randint(1, 3))
        return {name: self.random.choice(choices[name]) for name in names}

    def _subscription(self) -> str:
        """The id of a subscription that lives at Graph: of this mailbox, or of any other."""
        live = self.stage.simulator.world.subscriptions.all()
        return self.random.choice(sorted(one.id for one in live)) if live else str(self._uuid())

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def _statuses(self) -> list[dict[str, Any] | None]:
        moment = self.random.choice(moments.ANY)
        row = {"folder": "inbox", "state": "Active", "subscriptionID": self._uuid(), "expirationTime": moment}
        return [
            None,
            {"subscriptionID": self._uuid()},
            {"subscriptionID": self._subscription()},
            {"subscriptionID": None},
            {"subscriptionID": ""},
            {"expirationTime": moment},
            {"expirationTime": None},
            {"subscriptions": None},
            {"subscriptions": [row]},
            {"subscriptionID": self._uuid(), "subscriptions": [row | {"subscriptionID": self._subscription()}]},
            {"subscriptions": [row | {"grantedTime": moment, "pendingCreateTime": moment, "nextAttemptTime": moment}]},
            {"conditions": None},
            {"conditions": [_condition("Ready", self.random.choice(("True", "False", "Unknown")), moment)]},
            {"conditions": [_condition(self.random.choice(("Stalled", "Authorized", "Synced")), "False", moment)]},
            {"conditions": [_condition("Stalled", "True", moment)]},
            {"conditions": [_condition("Audited", "True", moment)]},
            {"nextAttemptTime": moment, "consecutiveFailures": 2**40},
            {"lastAttemptTime": moment, "lastRenewalTime": moment, "nextRenewalTime": moment},
            {"pendingCreateTime": moment},
            {"observedGeneration": self.random.choice((-1, 0, 2**40))},
            {"observedCredential": self.random.choice(NONSENSE), "lastHandledAdoption": self._subscription()},
            {"lastHandledRenewal": self.random.choice(NONSENSE), "lastNotificationTime": moment},
        ]


def _condition(kind: str, status: str, since: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": "ByHand",
        "message": "somebody wrote this",
        "lastTransitionTime": since,
    }


_MOVES: tuple[Callable[[Mutator], list[Transition]], ...] = (
    Mutator.create,
    Mutator.create,
    Mutator.create_nonsense,
    Mutator.create_nonsense,
    Mutator.edit,
    Mutator.edit,
    Mutator.edit_nonsense,
    Mutator.edit_nonsense,
    Mutator.edit_secret,
    Mutator.move,
    Mutator.annotate,
    Mutator.annotate,
    Mutator.tell,
    Mutator.arrive,
    Mutator.label,
    Mutator.edit_while_it_renews,
    Mutator.delete,
    Mutator.delete_while_it_is_created,
    Mutator.strip,
    Mutator.edit_status,
    Mutator.edit_status,
    Mutator.edit_status,
    Mutator.edit_status_nonsense,
    Mutator.edit_status_nonsense,
)
