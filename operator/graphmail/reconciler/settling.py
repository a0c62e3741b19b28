"""What came of the work is written down, and told: the row first, then the status, then all the rest (design, rule 3)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from graphmail.backoff import Pace, retry_delay
from graphmail.database import Claim, Database, DatabaseError
from graphmail.decision import Decision, Known, Policy, Step, as_the_row_says, lifecycle_news, suspended_before
from graphmail.decision.silence import proof_time
from graphmail.fleet import Entry
from graphmail.graph import GraphUnreachable, MicrosoftError
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.reconciler.announcements import announcement, is_routine, told_by_graph
from graphmail.reconciler.delivering import FOUND_SILENT
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.journal import Announcer, Journal
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.signed_in import SignedIn
from graphmail.reconciler.silence import Silence
from graphmail.reconciler.status import (
    Surroundings,
    status_after,
    status_checked,
    status_intending,
    status_observed,
    status_reported,
)
from graphmail.resource import GraphMailSubscription, Status
from graphmail.resource.answers import THROTTLED
from graphmail.resource.folders import is_first, view
from graphmail.resource.lifecycle import LifecycleEvent

_log = structlog.get_logger("graphmail.reconciler")


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of work that is over."""

    step: Step
    resource: GraphMailSubscription
    """As it was when the work was decided: a change that came in since is still to be acted on."""
    result: Result
    claim: Claim | None = None
    caller: SignedIn | None = None


class Settling:
    """Brings what was done to an end.

    Args:
        now: the time at Graph.
        random: a number in [0, 1), for jitter.
    """

    def __init__(
        self,
        *,
        hands: Hands,
        journal: Journal,
        database: Database | None,
        metrics: Metrics,
        announce: Announcer,
        silence: Silence,
        policy: Policy,
        now: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self._hands = hands
        self._journal = journal
        self._database = database
        self._metrics = metrics
        self._announce = announce
        self._silence = silence
        self._policy = policy
        self._now = now
        self._random = random

    async def report(self, entry: Entry, decision: Decision | None = None) -> bool:
        """Bring the status up to date without any work; False when the API server could not be told."""
        before = entry.resource
        await self._write(entry, status_reported(before, self._around(entry, decision=decision)), decision)
        for row in before.status.subscriptions:
            self._tell_of_lifecycle(before, row.folder)
        return not entry.unwritten

    async def observe(self, entry: Entry, decision: Decision) -> bool:
        """Tell in the status what would be done; False when the API server could not be told."""
        resource = entry.resource
        adopted = as_the_row_says(resource, Known(row_subscription_id=entry.named[0], row_expires_at=entry.named[1]))
        await self._journal.write_status(entry, status_observed(resource, adopted, decision, self._around(entry)))
        if entry.unwritten:
            return False
        if decision.would is not None:
            self._metrics.observed(decision.would.value)
            self._announce(resource, EventReason.OBSERVED, decision.message, routine=True)
        return True

    async def intend(self, entry: Entry, step: Step) -> bool:
        """Write down that a replacement begins which has to delete first; False when that was not possible."""
        await self._journal.write_status(entry, status_intending(entry.resource, step.folder, self._around(entry)))
        entry.begun_here = not entry.unwritten
        return entry.begun_here

    async def begin(self, entry: Entry, step: Step) -> bool:
        """Write down that a create begins, unless somebody else has written to the resource since it was read; False when it was not."""
        status = status_intending(entry.resource, step.folder, self._around(entry))
        entry.begun_here = await self._journal.write_unchanged(entry, status)
        return entry.begun_here

    async def settle(self, entry: Entry, done: Done) -> bool:
        """Write down what came of the work.

        Returns:
            False when another holder took the claim over meanwhile: nothing is recorded.
        """
        done = _bearable(done, self._now())
        if done.result.checked is not None:
            return await self._settle_check(entry, done)
        if done.result.success:
            entry.verified[done.step.folder] = self._now()
        if self._nothing_new(entry, done):
            await self.give_back(done.claim, unfinished=False)
            return True
        retry_at = self._retry_at(entry, done)
        synced = entry.unsynced is None
        after = self._after(entry, done, retry_at)
        if not await self._recorded(entry, done, after):
            await self._undo(done)
            return False
        if synced is not (entry.unsynced is None):
            after = self._after(entry, done, retry_at)
        await self._write(entry, after, done.step.decision)
        await self._discard_leftovers(entry, done)
        self._tell(done)
        return True

    async def _settle_check(self, entry: Entry, done: Done) -> bool:
        """A check of delivery. Its outcome is not the row's concern, but for tokens that were fetched for it."""
        result = done.result
        if not result.attempted:
            await self.give_back(done.claim, unfinished=False)
            return True
        after = status_checked(done.resource, result, self._around(entry))
        if result.tokens is None:
            await self.give_back(done.claim, unfinished=False)
        elif not await self._recorded(entry, done, after):
            return False
        await self._write(entry, after)
        known = Known(notified_at=entry.arrived_at, heard=self._silence.heard(entry))
        self._silence.checked(entry, result, proof_time(entry.resource, self._policy, known))
        return True

    async def _write(self, entry: Entry, status: Status, decision: Decision | None = None) -> None:
        before = entry.resource
        await self._journal.write_status(entry, status)
        self._silence.tell(before, status, decision)

    def _after(self, entry: Entry, done: Done, retry_at: datetime | None) -> Status:
        around = self._around(entry, retry_at, decision=done.step.decision)
        return status_after(done.resource, done.step.folder, done.result, around)

    async def give_back(self, claim: Claim | None, *, unfinished: bool) -> None:
        """End a claim without an outcome."""
        if self._database is None or claim is None:
            return
        try:
            await self._database.release(claim, settled=not unfinished)
        except DatabaseError:
            _log.warning("a claim could not be given back; it ends by itself", until=claim.until.isoformat())

    async def _recorded(self, entry: Entry, done: Done, after: Status) -> bool:
        awaiting = done.result.verdict is not None and done.result.verdict.awaits_credentials
        if awaiting or not done.result.attempted or not self._journal.has_row(done.resource):
            return True
        outcome = self._journal.outcome(done.resource, after, done.result, several=self._policy.several_folders)
        settled = (done.result.settled or done.result.success) and not done.result.open_elsewhere
        return await self._journal.record(entry, done.claim, outcome, settled=settled)

    async def _undo(self, done: Done) -> None:
        """Another holder took the claim over: what was created here must not stay (design, rule 1)."""
        result = done.result
        _log.warning("the claim was taken over while Graph was called; nothing is recorded", action=result.deed.value)
        if done.caller is not None and result.held is not None and result.granted and result.deed is not Deed.RENEW:
            await self._discard(done.caller, result.held.subscription_id)

    async def _discard_leftovers(self, entry: Entry, done: Done) -> None:
        """Create before delete: the replaced ones go once the new one is on record somewhere."""
        if done.caller is None or (entry.unwritten and entry.unsynced is not None):
            return
        for leftover in done.result.leftovers:
            if not await self._discard(done.caller, leftover):
                # The sweep deletes what carries our mark. Of one that was adopted, and has none yet, nothing else would tell.
                left = {leftover: _expiry_of(done.resource.status, leftover)}
                await self._journal.abandon(entry, left, "replaced, and could not be deleted")

    async def _discard(self, caller: SignedIn, subscription_id: str) -> bool:
        """Whether it is gone. Asked once more where no answer came: it may have been deleted."""
        try:
            try:
                await self._hands.discard(caller, subscription_id)
            except GraphUnreachable:
                await self._hands.discard(caller, subscription_id)
        except MicrosoftError as error:
            _log.warning(
                "a replaced subscription could not be deleted; it expires by itself",
                leftover=subscription_id,
                error=str(error),
            )
            return False
        return True

    def _around(
        self, entry: Entry, retry_at: datetime | None = None, *, decision: Decision | None = None
    ) -> Surroundings:
        synced = (entry.unsynced is None) if self._journal.has_row(entry.resource) else None
        finding = decision if decision is not None and decision.reason in FOUND_SILENT else None
        return Surroundings(self._now(), self._policy, synced, retry_at, entry.arrived_at, finding)

    def _retry_at(self, entry: Entry, done: Done) -> datetime | None:
        """When a failure is tried again; None: it is none, or never by itself.

        What nobody counts makes the next wait longer as well, or a fleet would hammer a Graph that fails for everybody. Graph's own word
        for when to come again does not: that is when.
        """
        verdict, held, folder, now = done.result.verdict, done.result.held, done.step.folder, self._now()
        if verdict is None:
            entry.uncounted.pop(folder, None)
        if verdict is None or verdict.pace is None:
            return None
        steered = verdict.reason == THROTTLED and verdict.told is not None
        if done.result.attempted and not verdict.counted and not steered:
            entry.uncounted[folder] = entry.uncounted.get(folder, 0) + 1
        failures = (
            done.step.resource.status.consecutive_failures + int(verdict.counted) + entry.uncounted.get(folder, 0)
        )
        left = held.expires_at - now if held else None
        return now + retry_delay(verdict.pace, max(failures, 1), self._random, told=verdict.told, left=left)

    def _nothing_new(self, entry: Entry, done: Done) -> bool:
        """A verification that found what the status says already, a notification that came since aside. Tokens are news for a row alone."""
        result, resource = done.result, done.resource
        tokens = result.tokens is not None and self._journal.has_row(resource)
        if result.deed is not Deed.VERIFY or not result.success or tokens:
            return False
        before = resource.status
        around = replace(self._around(entry), notified_at=before.last_notification_time)
        after = status_after(resource, done.step.folder, result, around)
        return after.model_copy(update={"last_attempt_time": before.last_attempt_time}) == before

    def _tell(self, done: Done) -> None:
        resource, result = done.resource, done.result
        self._tell_of_lifecycle(resource, done.step.folder)
        if suspended_before(resource):
            self._announce(resource, EventReason.RESUMED, "resumed: the subscription is kept alive again")
        told = announcement(result)
        if told is not None:
            self._announce(resource, *told, routine=is_routine(done.step, result))
        if result.gap is not None:
            self._metrics.gap(result.gap)
        held, verdict = result.held.subscription_id if result.held else None, result.verdict
        facts = {
            "action": result.deed.value,
            "folder": None if is_first(resource, done.step.folder) else done.step.folder,
        }
        if verdict is not None and verdict.awaits_credentials:
            _log.info(f"{result.deed} waits", **facts, reason=verdict.reason, waits_for=verdict.in_full)
            return
        self._metrics.renewal(result.deed.value, succeeded=result.success, refused=bool(result.refused))
        if verdict is None:
            note = result.note or result.refused or None
            # The line of the call to Graph has told of an ordinary renewal already, and each line costs it 0.1 ms.
            tell = _log.debug if result.deed is Deed.RENEW and note is None else _log.info
            tell(f"{result.deed} done", **facts, subscription=held, note=note)
            return
        self._metrics.reconcile_error(verdict.reason)
        level = _log.error if verdict.terminal else _log.warning
        level(f"{result.deed} failed", **facts, subscription=held, reason=verdict.reason, error=verdict.in_full)

    def _tell_of_lifecycle(self, before: GraphMailSubscription, folder: str) -> None:
        """What Graph told of that folder's subscription, and the status has told of since this write."""
        seen = view(before, folder)
        for event in lifecycle_news(seen, self._now()):
            held = seen.status.subscription_id
            reason, message = told_by_graph(event, held)
            self._announce(before, reason, message, routine=event is LifecycleEvent.REAUTHORIZATION_REQUIRED)
            self._metrics.lifecycle_notification(event)
            _log.info("Graph has told of a subscription", told=event.value, folder=folder, subscription=held)


def _expiry_of(status: Status, subscription_id: str) -> datetime | None:
    rows = status.subscriptions
    return next((row.expiration_time for row in rows if row.subscription_id == subscription_id), None)


def _bearable(done: Done, now: datetime) -> Done:
    """What is at fault with one subscription must not stop the care for one that lives: it is tried again, seldom.

    That is another folder's, or the one that was to be replaced: a mailbox that is full takes no new one, and renews the old one.
    """
    result, verdict = done.result, done.result.verdict
    if verdict is None or not verdict.terminal or verdict.authorized is False:
        return done
    others = (row for row in done.resource.status.subscriptions if row.folder != done.step.folder)
    replaced = result.held if result.deed is Deed.REPLACE else None
    if not any(row.subscription_id for row in others) and (replaced is None or replaced.expires_at <= now):
        return done
    return replace(done, result=replace(result, verdict=replace(verdict, pace=Pace.SLOW)))
