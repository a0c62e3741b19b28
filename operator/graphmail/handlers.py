"""Kopf's handlers: each hands over to the engine.

A timer never writes through Kopf's `patch` and returns nothing: one failed PATCH after a timer's tick ends that object's timer until
the restart (Kopf 1.45). The reconciler writes the status itself.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, cast

import kopf

from graphmail.engine import Engine
from graphmail.resource.names import FINALIZER, GROUP, PLURAL, VERSION

RELEASE_RETRY_SECONDS = 15.0
FIRST_BACKOFFS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
LONGEST_BACKOFF_SECONDS = 30.0
_RESOURCE = (GROUP, VERSION, PLURAL)


def register(engine: Engine, connection: kopf.AiohttpSession, *, tick_seconds: float) -> kopf.OperatorRegistry:
    """The handlers in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return connection

    @kopf.on.event(*_RESOURCE, registry=registry)
    async def observe(body: Mapping[str, Any], event: kopf.RawEvent, **_: Any) -> None:
        engine.observe(body, deleted=event["type"] == "DELETED")
        _let_go(cast("dict[str, Any]", event["object"]))

    def first_delay(name: str | None, **_: Any) -> float:
        return engine.first_delay(name or "")

    @kopf.timer(*_RESOURCE, registry=registry, interval=tick_seconds, initial_delay=first_delay)
    async def look(name: str | None, **_: Any) -> None:
        await engine.tick(name or "")

    @kopf.on.delete(*_RESOURCE, registry=registry)
    async def farewell(body: Mapping[str, Any], **_: Any) -> None:
        if not await engine.say_farewell(body):
            raise kopf.TemporaryError("the subscription at Graph is not gone yet", delay=RELEASE_RETRY_SECONDS)

    return registry


def _let_go(body: dict[str, Any]) -> None:
    """Kopf keeps the body for as long as the object lives, and from here on reads its metadata alone: this half is 13 KB a resource."""
    body["metadata"].pop("managedFields", None)
    body.pop("spec", None)
    body.pop("status", None)


class Backoffs:
    """Seconds between the tries of a call of Kopf's, without an end.

    Given up, a list or a watch ends Kopf and the whole process (Kopf 1.45), and one that starts anew can only wait: nothing would be
    renewed while the API server answers 5xx, 429 or 403 for longer than the tries last.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(FIRST_BACKOFFS, itertools.repeat(LONGEST_BACKOFF_SECONDS))


class NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is kept of the last handled state: no handler compares with it, and each resource would be written once more for it."""

    def build(self, **_: Any) -> Any:
        """No essence, so nothing is copied or compared at each event."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing was stored, and nothing differs from it: with None, Kopf takes each event for a creation, and writes all of it out."""
        return {}

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings: quiet, bounded in time, and with names of ours that can never change again."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Backoffs()
    settings.networking.enforce_retry_after = True
    settings.queueing.idle_timeout = 0.05
    settings.process.ultimate_exiting_timeout = 25
    return settings
