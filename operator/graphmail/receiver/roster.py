"""Which subscriptions there are, whose they are, and which clientState proves a notification of theirs: in memory, from a watch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import ValidationError

from graphmail.cluster import Cluster, ClusterError
from graphmail.provider import ProviderKey
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_CLIENT_STATE, ANNOTATION_LAST_NOTIFICATION, ANNOTATION_LIFECYCLE
from graphmail.resource.versions import version_number
from graphmail.watching import SUBSCRIPTIONS, Change, list_all, watch

_log = structlog.get_logger("graphmail.receiver")

WATCH_SECONDS = 300
"""How long one watch lasts; then all are listed anew, so that a lost change is made good."""
PAUSE_SECONDS = 1.0
"""Between the end of a watch and the next list."""
LIST_SECONDS = 30.0
"""What each page of a list gets: an API server that takes the question and never answers is away."""


@dataclass(frozen=True, slots=True)
class Known:
    """One mailbox's resource, as far as the receiver needs it."""

    name: str
    version: str
    key: ProviderKey
    mirrored: bool
    """It has a row in Postgres, whose health the receiver may tell of."""
    states: Mapping[str, str] = field(repr=False)
    """Fingerprint of the clientState by subscription, in small letters; empty where none is known."""
    lifecycle: str | None = None
    """The annotation, as it stands."""
    last_notification: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Known | None":
        """From a resource; None: it does not parse, which the operator tells of."""
        try:
            resource = GraphMailSubscription.parse(body)
        except (ValidationError, KeyError, TypeError):
            return None
        annotations = resource.metadata.annotations
        return cls(
            name=resource.metadata.name,
            version=resource.metadata.resource_version,
            key=ProviderKey(resource.spec.tenant, resource.spec.provider_id),
            mirrored=resource.mirrored,
            states=_states(resource, annotations.get(ANNOTATION_CLIENT_STATE, "")),
            lifecycle=annotations.get(ANNOTATION_LIFECYCLE),
            last_notification=annotations.get(ANNOTATION_LAST_NOTIFICATION),
        )


def _states(resource: GraphMailSubscription, told: str) -> dict[str, str]:
    """What a subscription was made with; for one that we did not make, what the mirror tells of its row."""
    status = resource.status
    states = {status.subscription_id.lower(): told} if status.subscription_id else {}
    states |= {
        row.subscription_id.lower(): row.client_state or told for row in status.subscriptions if row.subscription_id
    }
    return states


class Roster:
    """All resources of the namespace. It is written and read on the event loop."""

    def __init__(self) -> None:
        self._by_name: dict[str, Known] = {}
        self._by_subscription: dict[str, Known] = {}
        self.current = False
        """What is not in here does not exist, as far as the API server has told; False: it is away, was not heard yet, or is asked anew."""

    def __len__(self) -> int:
        return len(self._by_subscription)

    def find(self, subscription_id: str) -> Known | None:
        """The resource whose subscription that is."""
        return self._by_subscription.get(subscription_id)

    def get(self, name: str) -> Known | None:
        """The resource of that name."""
        return self._by_name.get(name)

    def note(self, name: str, body: Mapping[str, Any], *, over: Known | None = None) -> Known | None:
        """A resource as the API server has shown it, unless a later state of it is known: what is known of it then.

        The watch and the answers to our writes come by ways of their own, and either may be the later one. A namesake that was made anew is
        always of a greater version.

        Args:
            over: what was known before the API server was asked. Its answer has the word over that, also where versions went back, as they
                do in one that was restored from a backup.
        """
        known = self._by_name.get(name)
        if (
            known is not None
            and known is not over
            and _older(body["metadata"].get("resourceVersion", ""), known.version)
        ):
            return known
        self.forget(name)
        found = Known.of(body)
        if found is not None:
            self._by_name[name] = found
            self._by_subscription |= dict.fromkeys(found.states, found)
        return found

    def keep_only(self, names: set[str]) -> None:
        """All others are gone."""
        for name in self._by_name.keys() - names:
            self.forget(name)

    def known(self) -> dict[str, Known]:
        """All that are known now, by name."""
        return dict(self._by_name)

    def forget(self, name: str) -> None:
        """That resource is gone."""
        known = self._by_name.pop(name, None)
        for subscription in known.states if known else ():
            if self._by_subscription.get(subscription) is known:
                del self._by_subscription[subscription]


def _older(version: str, than: str) -> bool:
    """Of what is no version, nothing can be said."""
    return 0 < version_number(version) < version_number(than)


async def follow(
    roster: Roster,
    cluster: Cluster,
    *,
    listed: Callable[[], None],
    pause: float = PAUSE_SECONDS,
    list_seconds: float = LIST_SECONDS,
) -> None:
    """Keep the roster as the API server has it, for ever; while that is away, what was known last counts.

    From the end of a watch to the end of the next list nobody says what there is beside that: then the roster is not current.

    Args:
        listed: called each time that all were listed.
        pause: seconds between the end of a watch and the next list, also where an API server ends each at once.
        list_seconds: what each page of a list gets.
    """
    away = False
    async with cluster.new_session(timeout_seconds=list_seconds) as session:
        while True:
            try:
                since = roster.known()
                bodies, version = await list_all(session, cluster, SUBSCRIPTIONS)
                await _take_all(roster, bodies, since)
                roster.current, away = True, False
                listed()
                await _take(roster, watch(session, cluster, SUBSCRIPTIONS, version, seconds=WATCH_SECONDS))
            except ClusterError as error:
                if not away:
                    _log.warning("the subscriptions cannot be watched; what was known last counts", error=str(error))
                away = True
            roster.current = False
            await asyncio.sleep(pause)


async def _take_all(roster: Roster, bodies: list[dict[str, Any]], since: Mapping[str, Known]) -> None:
    """Thousands at once are parsed in a while: requests are answered meanwhile."""
    for number, body in enumerate(bodies):
        name = body["metadata"]["name"]
        roster.note(name, body, over=since.get(name))
        if number % 100 == 99:
            await asyncio.sleep(0)
    roster.keep_only({body["metadata"]["name"] for body in bodies})


async def _take(roster: Roster, changes: AsyncIterator[Change]) -> None:
    async for change in changes:
        if change.body is None:
            roster.forget(change.name)
        else:
            roster.note(change.name, change.body)
