"""One resource at a time: decide, claim, act, record, and decide again until nothing is due."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from graphmail.backoff import retry_delay
from graphmail.cluster import ClusterUnavailable
from graphmail.database import Claim, Database, DatabaseError, DatabaseUnavailable
from graphmail.decision import Action, Decision, Known, Policy, Reason, decide, suspended_before
from graphmail.fleet import Access, Entry
from graphmail.graph import Meaning, MicrosoftError, SignInError
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics, Store
from graphmail.provider import CredentialKind
from graphmail.reconciler.access import AccessDesk, NoAccess
from graphmail.reconciler.announcements import announcement
from graphmail.reconciler.hands import Caller, Hands, Job, current_held
from graphmail.reconciler.journal import Announcer, Journal, key_of
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.status import Surroundings, status_after, status_reported
from graphmail.reconciler.verdicts import verdict_of, waiting
from graphmail.reconciler.weather import Weather
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_ADOPT
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.reconciler")

MOST_STEPS = 5
"""Decisions in one go; what is still due then waits for the next look."""
GIVE_UP = timedelta(seconds=60)
"""Work at Graph ends after this, half of a claim's life (design, rule 1)."""
SOON = timedelta(seconds=5)

_DEEDS = {
    Action.CREATE: Deed.CREATE,
    Action.RENEW: Deed.RENEW,
    Action.VERIFY: Deed.VERIFY,
    Action.ADOPT: Deed.ADOPT,
    Action.DELETE: Deed.DELETE,
}


class Later(Exception):
    """The work cannot be done now, through no fault of the mailbox: look again soon, and change nothing."""


class Reconciler:
    """Keeps one mailbox's subscription alive, each time it is asked to look at one.

    Args:
        batch: most claims in flight for one tenant of the product.
        now: the time at Graph: the clock, corrected by the offset to Graph's `Date` header.
        random: a number in [0, 1), for jitter.
    """

    def __init__(
        self,
        *,
        hands: Hands,
        desk: AccessDesk,
        journal: Journal,
        database: Database | None,
        stores: Stores,
        weather: Weather,
        metrics: Metrics,
        announce: Announcer,
        policy: Policy,
        batch: int,
        now: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self.policy = policy
        self._hands = hands
        self._desk = desk
        self._journal = journal
        self._database = database
        self._stores = stores
        self._weather = weather
        self._metrics = metrics
        self._announce = announce
        self._batch = batch
        self._now = now
        self._random = random

    def decide(self, entry: Entry) -> Decision:
        """What is to be done for that mailbox now."""
        known = Known(
            verified_at=entry.verified_at,
            seen_at=entry.seen_at,
            stores_away=self._stores.away,
            unwritten=entry.unwritten,
            unsynced=entry.unsynced is not None,
            notified_at=entry.notified_at,
            notification_url=entry.resource.spec.notification_url,
        )
        return decide(entry.resource, now=self._now(), policy=self.policy, known=known)

    async def reconcile(self, entry: Entry) -> datetime:
        """Do what is due for that mailbox.

        Returns:
            When to look again at the latest.
        """
        async with entry.lock:
            for _ in range(MOST_STEPS):
                decision = self.decide(entry)
                if entry.gone or decision.action is Action.NOTHING or entry.resource.metadata.deletion_timestamp:
                    return decision.again_at
                try:
                    await self.perform(entry, decision)
                except Later:
                    break
            return self._now() + SOON

    async def perform(self, entry: Entry, decision: Decision) -> Result | None:
        """Carry out a decision. The entry's lock is held by the caller.

        Raises:
            Later: it cannot be done now.
        """
        if decision.action is Action.RECORD:
            await self._journal.catch_up(entry)
            if entry.unsynced is not None:
                raise Later
            await self._report(entry)
            return None
        if decision.action is Action.REPORT:
            before = entry.resource.status.condition(ConditionType.READY)
            await self._report(entry)
            if decision.reason is Reason.SUSPENDED and (before is None or before.reason != Reason.SUSPENDED.value):
                self._announce(entry.resource, EventReason.SUSPENDED, decision.message)
            return None
        try:
            if decision.action is Action.CHECK_CREDENTIAL:
                return await self._check_credential(entry, decision)
            return await self._work(entry, decision)
        finally:
            entry.settled_at = time.monotonic()

    # --- without Graph -----------------------------------------------------------------------------------------------

    async def _report(self, entry: Entry) -> None:
        await self._journal.write_status(entry, status_reported(entry.resource, self._around(entry, None)))
        if entry.unwritten:
            raise Later

    async def _check_credential(self, entry: Entry, decision: Decision) -> Result | None:
        access = await self._access(entry)
        found = access.observed if isinstance(access, NoAccess) else access.credential.fingerprint
        if found == (entry.resource.status.observed_credential or ""):
            raise Later
        action = Action.CREATE if entry.resource.status.subscription_id is None else Action.RENEW
        return await self._work(entry, decision._replace(action=action, reason=Reason.CREDENTIAL_CHANGED))

    # --- with Graph --------------------------------------------------------------------------------------------------

    async def _work(self, entry: Entry, decision: Decision) -> Result:
        resource, deed = entry.resource, _DEEDS[decision.action]
        access = await self._access(entry)
        if isinstance(access, NoAccess):
            result = Result(deed, current_held(resource), verdict=access.verdict, observed_credential=access.observed)
            return await self._settle(entry, resource, None, None, _answering(result, decision))
        claim = await self._claim(entry, decision, access)
        job = Job(
            resource=resource,
            access=access,
            now=self._now(),
            forced=decision.reason is Reason.RENEWAL_REQUESTED,
            may_create=not self._stores.away,
            look_up=resource.status.pending_create_time is not None or (claim is not None and bool(claim.unfinished)),
        )
        try:
            result, caller = await self._act(job, decision)
        except BaseException:
            await self._give_back(claim, unfinished=True)
            raise
        return await self._settle(entry, resource, claim, caller, _answering(result, decision))

    async def _access(self, entry: Entry) -> Access | NoAccess:
        """What signs in. What was used last carries on while its store is away, and when the row of a deleted resource is gone."""
        try:
            entry.access = await self._desk.of(entry.resource)
        except NoAccess as missing:
            if entry.access is None or entry.resource.metadata.deletion_timestamp is None:
                return missing
        except (DatabaseUnavailable, ClusterUnavailable) as error:
            self._stores.lost(Store.POSTGRES if isinstance(error, DatabaseUnavailable) else Store.KUBERNETES)
            if entry.access is None:
                raise Later from error
        return entry.access

    async def _claim(self, entry: Entry, decision: Decision, access: Access) -> Claim | None:
        """The right to work on the provider; None where no row stands behind the resource, or Postgres is away."""
        if self._database is None or not self._journal.has_row(entry.resource):
            return None
        try:
            claim = await self._database.claim(key_of(entry.resource), decision.action.value, limit=self._batch)
        except DatabaseUnavailable as error:
            self._stores.lost(Store.POSTGRES)
            if decision.action not in {Action.RENEW, Action.VERIFY} or access.credential.kind is CredentialKind.NONE:
                raise Later from error
            return None
        if not isinstance(claim, Claim):
            raise Later
        return claim

    async def _act(self, job: Job, decision: Decision) -> tuple[Result, Caller]:
        """The work at Graph, with every failure turned into a verdict."""
        caller = self._hands.caller(job)
        try:
            async with asyncio.timeout(GIVE_UP.total_seconds()):
                result = await self._do(job, caller, decision)
        except MicrosoftError as error:
            again = await self._changed_meanwhile(job, error)
            if again is not None:
                return await self._act(again, decision)
            verdict = verdict_of(error, job.resource.status.consecutive_failures)
            result = Result(_DEEDS[decision.action], current_held(job.resource), verdict=verdict)
        except TimeoutError:
            verdict = waiting("GraphUnavailable", f"Graph did not answer within {GIVE_UP.seconds} seconds")
            unknown = decision.action is not Action.VERIFY
            result = Result(_DEEDS[decision.action], current_held(job.resource), verdict=verdict, unknown=unknown)
        credential = job.access.credential
        result = replace(result, tokens=caller.tokens, observed_credential=credential.fingerprint)
        return self._weighed(job, result), caller

    async def _do(self, job: Job, caller: Caller, decision: Decision) -> Result:
        match decision.action:
            case Action.CREATE:
                return await self._hands.create(job, caller)
            case Action.RENEW:
                return await self._hands.renew(job, caller)
            case Action.VERIFY:
                return await self._hands.verify(job, caller)
            case Action.ADOPT:
                return await self._hands.adopt(job, caller, job.resource.metadata.annotations[ANNOTATION_ADOPT])
            case Action.DELETE:
                return await self._hands.delete(job, caller)
        raise AssertionError(f"{decision.action} is no work at Graph")

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

    # --- afterwards --------------------------------------------------------------------------------------------------

    async def _settle(
        self, entry: Entry, resource: GraphMailSubscription, claim: Claim | None, caller: Caller | None, result: Result
    ) -> Result:
        """Write down what came of the work: the row first, then the status, then all the rest."""
        if result.success:
            entry.verified_at = self._now()
        if self._nothing_new(entry, resource, result):
            await self._give_back(claim, unfinished=False)
            return result
        counted = result.verdict is not None and result.verdict.counted
        failures = 0 if result.success else resource.status.consecutive_failures + int(counted)
        if not await self._recorded(entry, resource, claim, result, failures):
            await self._undo(caller, result)
            raise Later
        status = status_after(resource, result, self._around(entry, result, failures))
        await self._journal.write_status(entry, status)
        await self._discard_leftovers(entry, caller, result)
        self._tell(resource, result)
        return result

    async def _recorded(
        self, entry: Entry, resource: GraphMailSubscription, claim: Claim | None, result: Result, failures: int
    ) -> bool:
        awaiting = result.verdict is not None and result.verdict.awaits_credentials
        if awaiting or not self._journal.has_row(resource):
            return True
        outcome = self._journal.outcome(resource, result, failures)
        return await self._journal.record(entry, claim, outcome, settled=not result.unknown)

    async def _undo(self, caller: Caller | None, result: Result) -> None:
        """Another holder took the claim over: what was created here must not stay (design, rule 1)."""
        _log.warning("the claim was taken over while Graph was called; nothing is recorded", action=result.deed.value)
        if caller is not None and result.held is not None and result.granted and result.deed is not Deed.RENEW:
            await self._discard(caller, result.held.subscription_id)

    async def _discard_leftovers(self, entry: Entry, caller: Caller | None, result: Result) -> None:
        """Create before delete: the replaced ones go once the new one is on record somewhere."""
        if caller is None or (entry.unwritten and entry.unsynced is not None):
            return
        for leftover in result.leftovers:
            await self._discard(caller, leftover)

    async def _discard(self, caller: Caller, subscription_id: str) -> None:
        try:
            await self._hands.discard(caller, subscription_id)
        except MicrosoftError as error:
            _log.warning(
                "a replaced subscription could not be deleted; it expires by itself",
                leftover=subscription_id,
                error=str(error),
            )

    async def _give_back(self, claim: Claim | None, *, unfinished: bool) -> None:
        if self._database is None or claim is None:
            return
        try:
            await self._database.release(claim, settled=not unfinished)
        except DatabaseError:
            _log.warning("a claim could not be given back; it ends by itself", until=claim.until.isoformat())

    def _around(self, entry: Entry, result: Result | None, failures: int = 0) -> Surroundings:
        resource, now = entry.resource, self._now()
        synced = (entry.unsynced is None) if self._journal.has_row(resource) else None
        retry_at = self._retry_at(result, failures, now) if result is not None else None
        return Surroundings(now, self.policy, synced, retry_at, entry.notified_at)

    def _retry_at(self, result: Result, failures: int, now: datetime) -> datetime | None:
        """When a failure is tried again; None: it is none, or never by itself."""
        verdict = result.verdict
        if verdict is None or verdict.pace is None:
            return None
        left = result.held.expires_at - now if result.held else None
        return now + retry_delay(verdict.pace, max(failures, 1), self._random, told=verdict.told, left=left)

    def _nothing_new(self, entry: Entry, resource: GraphMailSubscription, result: Result) -> bool:
        """A verification that found what the status says already, a notification that came since aside."""
        if result.deed is not Deed.VERIFY or not result.success or result.tokens is not None:
            return False
        before = resource.status
        around = replace(self._around(entry, result), notified_at=before.last_notification_time)
        after = status_after(resource, result, around)
        return after.model_copy(update={"last_attempt_time": before.last_attempt_time}) == before

    def _tell(self, resource: GraphMailSubscription, result: Result) -> None:
        if suspended_before(resource):
            self._announce(resource, EventReason.RESUMED, "resumed: the subscription is kept alive again")
        told = announcement(result)
        if told is not None:
            self._announce(resource, *told)
        held, verdict = result.held.subscription_id if result.held else None, result.verdict
        if verdict is not None and verdict.awaits_credentials:
            _log.info(
                f"{result.deed} waits", action=result.deed.value, reason=verdict.reason, waits_for=verdict.message
            )
            return
        self._metrics.renewal(result.deed.value, succeeded=result.success and not result.refused)
        if verdict is None:
            note = result.note or result.refused or None
            _log.info(f"{result.deed} done", action=result.deed.value, subscription=held, note=note)
            return
        self._metrics.reconcile_error(verdict.reason)
        level = _log.error if verdict.terminal else _log.warning
        level(
            f"{result.deed} failed",
            action=result.deed.value,
            subscription=held,
            reason=verdict.reason,
            error=verdict.message,
        )


def _answering(result: Result, decision: Decision) -> Result:
    """Whether a requested renewal is answered by it: an adoption that came first is followed by the renewal."""
    requested = decision.reason is Reason.RENEWAL_REQUESTED
    return replace(result, answers_request=requested and not (result.deed is Deed.ADOPT and result.success))
