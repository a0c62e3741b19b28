"""The work at Graph, with every failure turned into a verdict."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from graphmail.cluster import ClusterUnavailable
from graphmail.database import DatabaseError
from graphmail.decision import Action
from graphmail.graph import Meaning, MicrosoftError, SignInError
from graphmail.reconciler.access import AccessDesk, NoAccess
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.held import current_held
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.signed_in import Job, SignedIn
from graphmail.reconciler.verdicts import verdict_of, waiting
from graphmail.reconciler.weather import Weather

GIVE_UP = timedelta(seconds=60)
"""Work at Graph ends after this, half of a claim's life (design, rule 1)."""

DEEDS = {
    Action.CREATE: Deed.CREATE,
    Action.RENEW: Deed.RENEW,
    Action.VERIFY: Deed.VERIFY,
    Action.ADOPT: Deed.ADOPT,
    Action.REPLACE: Deed.REPLACE,
    Action.DELETE: Deed.DELETE,
    Action.CHECK_DELIVERY: Deed.CHECK_DELIVERY,
}
_DELETES = frozenset({Action.REPLACE, Action.DELETE})
"""What may have deleted when it is given up: whether anything is left is asked before all else."""


class Acting:
    """Does one piece of work, and says what came of it, whatever came of it."""

    def __init__(self, hands: Hands, desk: AccessDesk, weather: Weather) -> None:
        self._hands = hands
        self._desk = desk
        self._weather = weather

    async def act(
        self, job: Job, action: Action, *, until: float, delete_first: bool = False, repeats: bool = True
    ) -> tuple[Result, SignedIn]:
        """Do it.

        Args:
            until: when it is given up, by the event loop's clock: one time for all that is done under a claim.
            delete_first: the intent is on record: the old subscription may be deleted before the new one is made.
            repeats: a credential that has changed meanwhile is tried, once.
        """
        caller = self._hands.caller(job)
        try:
            async with asyncio.timeout_at(until):
                result = await self._do(job, caller, action, delete_first=delete_first)
        except MicrosoftError as error:
            again = await self._changed_meanwhile(job, error) if repeats else None
            if again is not None:
                return await self.act(again, action, until=until, delete_first=delete_first, repeats=False)
            verdict = verdict_of(error, job.resource.status.consecutive_failures)
            result = Result(DEEDS[action], current_held(job.resource), verdict=verdict, looked_up=job.adopts)
        except TimeoutError:
            verdict = waiting("GraphUnavailable", f"Graph did not answer within {GIVE_UP.seconds} seconds")
            unknown = job.creates.sent or action in _DELETES
            result = Result(DEEDS[action], current_held(job.resource), verdict=verdict, unknown=unknown)
        observed = job.access.credential.fingerprint
        result = replace(
            result,
            tokens=caller.tokens,
            signed_in=caller.signed_in,
            observed_credential=observed,
            settled=not result.unknown and not job.creates.unanswered,
        )
        return self._weighed(job, result), caller

    async def _do(self, job: Job, caller: SignedIn, action: Action, *, delete_first: bool) -> Result:
        if delete_first:
            return await self._hands.replace_with_gap(job, caller, time.monotonic)
        deeds = {
            Action.CREATE: self._hands.create,
            Action.RENEW: self._hands.renew,
            Action.VERIFY: self._hands.verify,
            Action.ADOPT: self._hands.adopt,
            Action.REPLACE: self._hands.replace,
            Action.DELETE: self._hands.delete,
            Action.CHECK_DELIVERY: self._hands.check_delivery,
        }
        return await deeds[action](job, caller)

    async def _changed_meanwhile(self, job: Job, error: MicrosoftError) -> Job | None:
        """A refused consent: the row is read again, and a token that changed meanwhile is tried once (design, rule 6)."""
        if not isinstance(error, SignInError) or error.meaning is not Meaning.INTERACTION_REQUIRED:
            return None
        try:
            fresh = await self._desk.of(job.resource)
        except (NoAccess, DatabaseError, ClusterUnavailable):
            return None
        changed = fresh.credential.refresh_token != job.access.credential.refresh_token
        return replace(job, access=fresh) if changed else None

    def _weighed(self, job: Job, result: Result) -> Result:
        """A failure that most of the fleet shares is not counted against this provider."""
        verdict = result.verdict
        passing = verdict is not None and verdict.pace is not None
        self._weather.note(job.resource.key, failed=passing)
        if verdict is None or not passing or not self._weather.storm():
            return result
        return replace(result, verdict=replace(verdict, counted=False))
