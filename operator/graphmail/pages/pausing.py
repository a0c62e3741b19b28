"""Inbound mail is paused in the product while a person must sign in again, and resumed when somebody has."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from graphmail.database import Database, DatabaseError, DatabaseUnavailable, ProviderEvent
from graphmail.fleet import key_of
from graphmail.pages.transitions import Kind
from graphmail.provider import ProviderKey
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType

_log = structlog.get_logger("graphmail.pages")


class Pausing:
    """Pauses and resumes. It is done before the event is told: a process that dies between the two finds the event again, and does no harm.

    Args:
        pauses: pause what is in trouble from now on; what was paused is resumed in any case.
    """

    def __init__(self, database: Database, *, pauses: bool) -> None:
        self._database = database
        self._pauses = pauses

    async def act(self, events: Sequence[ProviderEvent]) -> None:
        """What these events ask for.

        Raises:
            DatabaseUnavailable: Postgres could not be asked.
        """
        for event in events:
            key = ProviderKey(event.tenant, event.provider_id)
            if event.kind == Kind.SIGN_IN_REQUIRED and self._pauses:
                await self._change(key, self._database.pause_inbound, "inbound mail is paused until somebody signs in")
            if event.kind == Kind.SIGN_IN_RESTORED:
                await self._resume(key)

    async def mend(self, resources: Iterable[GraphMailSubscription]) -> None:
        """Of these resources, resume what is paused though it is signed in to: the event that should have done it was lost.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
        """
        paused = set(await self._database.inbound_pauses())
        if not paused:
            return
        for resource in resources:
            key = key_of(resource)
            if key in paused and resource.mirrored and resource.status.says(ConditionType.AUTHORIZED, "True"):
                await self._resume(key)

    async def _resume(self, key: ProviderKey) -> None:
        await self._change(key, self._database.resume_inbound, "inbound mail is resumed")

    async def _change(self, key: ProviderKey, change: Callable[[ProviderKey], Awaitable[bool]], told: str) -> None:
        """What the product's table refuses is told, and keeps back nothing else."""
        try:
            changed = await change(key)
        except DatabaseUnavailable:
            raise
        except DatabaseError as error:
            text = "Postgres refuses to pause or resume inbound mail"
            _log.error(text, tenant=key.tenant, provider=key.provider_id, error=str(error))
            return
        if changed:
            _log.info(told, tenant=key.tenant, provider=key.provider_id)
