"""One resource at a time: decide, wait for a turn, claim, act, settle, and decide again until nothing is due."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from graphmail.arrivals import Arrivals
from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.database import Claim, Database, DatabaseError
from graphmail.decision import Action, Known, Policy, Reason, Step, adoption_pending, next_step
from graphmail.election import Standing
from graphmail.fleet import Access, Entry, Fleet, key_of
from graphmail.graph import NoTurn, Spender, Turn
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Store
from graphmail.provider import CredentialKind
from graphmail.reconciler.access import AccessDesk, NoAccess
from graphmail.reconciler.acting import DEEDS, GIVE_UP, Acting
from graphmail.reconciler.held import current_held
from graphmail.reconciler.journal import Announcer, Journal
from graphmail.reconciler.later import Later
from graphmail.reconciler.lost_creates import unknown_creates
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.settling import Done, Settling
from graphmail.reconciler.signed_in import Creates, Job, SignedIn
from graphmail.reconciler.turns import Hurried, Turns, told_to_wait
from graphmail.reconciler.urgency import covered_until, urgency
from graphmail.reconciler.verdicts import verdict_of
from graphmail.resource.conditions import ConditionType
from graphmail.resource.folders import is_first, view
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.reconciler")

MOST_STEPS = 8
"""Decisions in one go; what is still due then waits for the next look."""
SOON = timedelta(seconds=5)
CHECKS_A_TICK = 30
"""How often within a tick it is looked whether a Secret that is waited for has changed: each half minute of the usual one."""
_CARRIES_ON = "the work on a mailbox; what exists is kept alive meanwhile, and the rest waits"
_MAY_CREATE = frozenset({Action.CREATE, Action.RENEW, Action.VERIFY, Action.REPLACE})
"""All but the first make a new subscription where they find the old one lost."""


class Reconciler:
    """Keeps one mailbox's subscriptions alive, each time it is asked to look at one.

    Args:
        at_once: most mailboxes that are worked on at the same time; those that wait for quota do not count.
        batch: most claims in flight for one tenant of the product.
        now: the time at Graph: the clock, corrected by the offset to Graph's `Date` header.
    """

    def __init__(
        self,
        *,
        acting: Acting,
        settling: Settling,
        turns: Turns,
        desk: AccessDesk,
        journal: Journal,
        database: Database | None,
        stores: Stores,
        fleet: Fleet,
        arrivals: Arrivals,
        announce: Announcer,
        policy: Policy,
        at_once: int,
        batch: int,
        now: Callable[[], datetime],
    ) -> None:
        self.policy = policy
        self._acting = acting
        self._settling = settling
        self._turns = turns
        self._desk = desk
        self._journal = journal
        self._database = database
        self._stores = stores
        self._fleet = fleet
        self._arrivals = arrivals
        self._announce = announce
        self._slots = asyncio.Semaphore(at_once)
        self._batch = batch
        self._now = now
        self._told_of_no_get = False
        self._stopping = False

    def stop(self) -> None:
        """Begin nothing more: what is under way is finished, and whoever waits for a turn leaves the line."""
        self._stopping = True
        for entry in self._fleet:
            entry.hurry()

    def decide(self, entry: Entry) -> Step:
        """What is to be done for that mailbox now, and for which of its folders."""
        now = self._now()
        unwritable, unsyncable = entry.status_pause.lasts_until(now), entry.row_pause.lasts_until(now)

        def known(folder: str) -> Known:
            return Known(
                verified_at=entry.verified.get(folder),
                seen_at=entry.seen_at,
                stores_away=self._stores.away,
                unwritten=entry.unwritten and unwritable is None,
                unsynced=entry.unsynced is not None or entry.row_emptied,
                unsyncable=unsyncable is not None,
                notified_at=entry.arrived_at,
                heard=self._arrivals.of(entry) if is_first(entry.resource, folder) else None,
                row_subscription_id=entry.named[0],
                row_expires_at=entry.named[1],
                found_credential=entry.found_credential,
                notification_url=entry.resource.spec.notification_url,
            )

        step = next_step(entry.resource, now=now, policy=self.policy, known=known)
        looks = [moment for moment in (step.decision.again_at, unwritable, unsyncable) if moment is not None]
        return step._replace(decision=step.decision._replace(again_at=min(looks)))

    async def reconcile(self, entry: Entry) -> datetime:
        """Do what is due for that mailbox.

        Returns:
            When to look again at the latest.
        """
        async with entry.lock:
            for _ in range(MOST_STEPS):
                step = self.decide(entry)
                nothing = step.decision.action is Action.NOTHING
                if entry.gone or nothing or entry.resource.metadata.deletion_timestamp is not None:
                    return step.decision.again_at
                try:
                    await self.perform(entry, step)
                except Later as later:
                    return later.again_at or self._now() + SOON
            return self._now() + SOON

    async def perform(self, entry: Entry, step: Step) -> Result | None:
        """Carry out a decision. The entry's lock is held by the caller.

        Returns:
            What came of it; None when Graph was not called, or something has changed and it is to be decided again.

        Raises:
            Later: it cannot be done now.
        """
        if self._stopping:
            raise Later
        action = step.decision.action
        if action is Action.RECORD:
            await self._record(entry)
            return None
        if action is Action.REPORT:
            await self._report(entry, step)
            return None
        if action is Action.CHECK_CREDENTIAL:
            await self._check_credential(entry, step)
            return None
        try:
            return await self._work(entry, step)
        finally:
            entry.settled_at = time.monotonic()

    # --- without Graph -----------------------------------------------------------------------------------------------

    async def _record(self, entry: Entry) -> None:
        async with self._slots:
            if not await self._journal.catch_up(entry):
                raise Later(entry.row_pause.lasts_until(self._now()))
            if not await self._settling.report(entry):
                raise Later(entry.status_pause.lasts_until(self._now()))

    async def _report(self, entry: Entry, step: Step) -> None:
        before = entry.resource.status.condition(ConditionType.READY)
        async with self._slots:
            if step.decision.reason is Reason.OBSERVING:
                reported = await self._settling.observe(entry, step.decision)
            else:
                reported = await self._settling.report(entry, step.decision)
            if not reported:
                raise Later(entry.status_pause.lasts_until(self._now()))
        newly = before is None or before.reason != Reason.SUSPENDED.value
        if step.decision.reason is Reason.SUSPENDED and newly:
            self._announce(entry.resource, EventReason.SUSPENDED, step.decision.message)

    async def _check_credential(self, entry: Entry, step: Step) -> None:
        """What follows from a changed Secret is decided anew.

        Raises:
            Later: it has not changed.
        """
        now = self._now()
        pause = min(self.policy.tick, max(SOON, self.policy.tick / CHECKS_A_TICK))
        try:
            async with self._slots:
                found = await self._desk.mark(entry.resource, now=now, lasts=pause)
        except NoAccess as missing:
            found = entry.credential.fingerprint if entry.credential else missing.observed
        except ClusterUnavailable as error:
            self._stores.unanswered(error)
            raise Later from error
        entry.found_credential = found
        if found == (entry.resource.status.observed_credential or ""):
            raise Later(min(step.decision.again_at, now + pause))

    # --- with Graph --------------------------------------------------------------------------------------------------

    async def _work(self, entry: Entry, step: Step) -> Result | None:
        """Wait for a turn, and take it. What is read for the work is read afterwards, so that it is not old by then."""
        try:
            spender = await self._spender(entry, step)
            turn = await self._turns.wait(entry, step, spender)
        except NoAccess as missing:
            return await self._without_access(entry, step, missing)
        except Hurried:
            return None
        except NoTurn as error:
            return await self._without_turn(entry, step, error)
        try:
            async with self._slots:
                done = await self._take_turn(entry, step, turn, spender)
        except NoAccess as missing:
            return await self._without_access(entry, step, missing)
        finally:
            turn.give_back(used=False)
        return None if done is None else await self._settle(entry, done)

    async def _spender(self, entry: Entry, step: Step) -> Spender:
        """Raises NoAccess where the credential must be read to know, and there is none."""
        if entry.spends_as is None:
            async with self._slots:
                credential = (await self._access(entry)).credential
            entry.spends_as = (credential.client_id, credential.directory)
        priority = urgency(step.resource, step.decision, now=self._now(), policy=self.policy)
        until = covered_until(step.resource, step.decision)
        return self._turns.spender(step.resource, entry.spends_as, priority, until)

    async def _without_access(self, entry: Entry, step: Step, missing: NoAccess) -> Result | None:
        held = current_held(step.resource)
        result = Result(
            DEEDS[step.decision.action], held, verdict=missing.verdict, observed_credential=missing.observed
        )
        return await self._settle_undone(entry, step, result)

    async def _settle_undone(self, entry: Entry, step: Step, result: Result) -> Result | None:
        """What stood in the way of a decision may not stand in the way of the next one, where somebody has changed the spec since."""
        if entry.resource.metadata.generation != step.resource.metadata.generation:
            return None
        return await self._settle(entry, Done(step, entry.resource, result))

    async def _without_turn(self, entry: Entry, step: Step, error: NoTurn) -> Result | None:
        if not told_to_wait(error):
            raise Later from error
        verdict = verdict_of(error, step.resource.status.consecutive_failures)
        result = Result(DEEDS[step.decision.action], current_held(step.resource), verdict=verdict, attempted=False)
        return await self._settle_undone(entry, step, result)

    async def _take_turn(self, entry: Entry, step: Step, turn: Turn, spender: Spender) -> Done | None:
        """Claim, read, act. Time has passed since the decision: what has changed meanwhile is decided again."""
        await self._look_again(entry)
        if not self._still_wanted(entry, step):
            return None
        resource = entry.resource
        until = asyncio.get_running_loop().time() + GIVE_UP.total_seconds()
        claim, access = await self._claimed(entry, step)
        entry.spends_as = (access.credential.client_id, access.credential.directory)
        if access.credential.client_id != spender.app:
            spender = replace(spender, app=access.credential.client_id)
            turn.give_back(used=False)
        step = self._named_by_row(entry, step, access)
        now = self._now()
        unknown = unknown_creates(step.resource, claim, now, first=is_first(resource, step.folder))
        job = Job(
            resource=step.resource,
            access=access,
            now=now,
            spender=spender,
            turn=turn,
            learn=self._turns.learn,
            others=partial(self._other, entry),
            adopts=_adopts(step, access),
            may_create=partial(self._may_create, entry, step, claim),
            unknown_since=unknown.since,
            unknown_until=unknown.until,
            creates=Creates(unanswered=unknown.since is not None),
        )
        try:
            result, signed_in = await self._act(entry, step, job, until)
        except BaseException:
            await self._abandon(entry, step, claim, job)
            raise
        entry.begun_here = entry.begun_here and result.unknown
        return Done(step, resource, result, claim, signed_in)

    async def _abandon(self, entry: Entry, step: Step, claim: Claim | None, job: Job) -> None:
        """Word of a create that got no answer is left for whoever comes next. Where it cannot be, the claim stands until what was sent has
        arrived, and ends by itself."""
        if job.creates.sent and not await self._settling.intend(entry, step):
            return
        await self._settling.give_back(claim, unfinished=True)

    async def _act(self, entry: Entry, step: Step, job: Job, until: float) -> tuple[Result, SignedIn]:
        """What must delete first begins with enough time left to create: else it is begun anew, under another claim."""
        action = step.decision.action
        result, signed_in = await self._acting.act(job, action, until=until)
        if not result.must_delete_first:
            return result, signed_in
        if until - asyncio.get_running_loop().time() < GIVE_UP.total_seconds() / 2:
            raise Later
        await self._intend(entry, step)
        return await self._acting.act(job, action, until=until, delete_first=True)

    async def _may_create(self, entry: Entry, step: Step, claim: Claim | None) -> bool:
        """Where no claim keeps others out, an intent in the status does: who wrote it first may create (design, rule 1).

        Raises:
            Later: another process has begun a create, or may have; whatever it sent has arrived, or never will, once its time is over.
        """
        if self._stores.away or (claim is None and self._journal.has_row(entry.resource)):
            return False
        if claim is not None:
            return True
        begun = view(entry.resource, step.folder).status.pending_create_time
        # What is further in the future was written by nobody who creates.
        if not entry.begun_here and begun is not None and abs(self._now() - begun) < GIVE_UP:
            raise Later(begun + GIVE_UP)
        if not await self._settling.begin(entry, step):
            raise Later(entry.status_pause.lasts_until(self._now()))
        return True

    async def _look_again(self, entry: Entry) -> None:
        """What the API server has shown may be old. Where a row is read under a claim, that tells; else the resource itself is read."""
        if self._journal.has_row(entry.resource) or not self._stores.up(Store.KUBERNETES):
            return
        metadata = entry.resource.metadata
        try:
            body = await self._journal.shown(entry.resource)
        except ClusterUnavailable as error:
            self._stores.unanswered(error)
            return
        except ClusterError as error:
            self._without_a_look(error)
            return
        self._told_of_no_get = False
        if body is None or body["metadata"]["uid"] != metadata.uid:
            self._fleet.forget(metadata.name, metadata.uid)
        else:
            self._fleet.observe(body, now=self._now())

    def _without_a_look(self, error: ClusterError) -> None:
        """What exists is kept alive with what the watch has shown: a create still needs an intent, which an outdated status cannot get."""
        tell = _log.debug if self._told_of_no_get else _log.error
        self._told_of_no_get = True
        tell(
            "a resource cannot be read before work on it; the watch is relied on", error=str(error), remedy=error.grant
        )

    def _named_by_row(self, entry: Entry, step: Step, access: Access) -> Step:
        """What the row names is looked up first, also where the mirror has not asked for it yet.

        Another process may have made it since our status was read, in place of one that is lost: whoever goes on from that status finds
        that one lost as well, and makes a twin. A row that has not got our last outcome is older than the status, and tells nothing.
        """
        wanted, status = access.row_subscription_id, step.resource.status
        behind = entry.unsynced is not None or status.says(ConditionType.SYNCED, "False")
        if step.decision.action not in _MAY_CREATE or behind or not is_first(entry.resource, step.folder):
            return step
        if wanted in {None, status.subscription_id, status.last_handled_adoption} or self._other(entry, wanted):
            return step
        return step._replace(decision=step.decision._replace(action=Action.ADOPT))

    def _other(self, entry: Entry, subscription_id: str) -> str | None:
        """Another resource that holds a subscription."""
        resource = entry.resource
        return self._fleet.other_holder(
            subscription_id, name=resource.metadata.name, provider=key_of(resource), mailbox=resource.spec.mailbox
        )

    async def _intend(self, entry: Entry, step: Step) -> None:
        if not await self._settling.intend(entry, step):
            raise Later

    def _still_wanted(self, entry: Entry, step: Step) -> bool:
        if entry.gone or self._stopping:
            return False
        again = self.decide(entry)
        return (again.folder, again.decision.action) == (step.folder, step.decision.action)

    async def _settle(self, entry: Entry, done: Done) -> Result:
        done = replace(done, result=_answering(done.result, done.step))
        entry.found_credential = None
        try:
            settled = await self._settling.settle(entry, done)
        except BaseException:
            await self._settling.give_back(done.claim, unfinished=True)
            raise
        if not settled:
            raise Later
        return done.result

    async def _claimed(self, entry: Entry, step: Step) -> tuple[Claim | None, Access]:
        """The right to work on the provider, and what signs in, read under it: so whatever another one has done is seen (design, rule 1).

        None where no row stands behind the resource, or Postgres is away or refuses: then what exists is kept alive (design, rule 5).
        """
        claim = await self._claim(entry, step.decision.action)
        try:
            access = await self._access(entry, claim)
            if claim is None and self._journal.has_row(entry.resource):
                self._need_no_claim(entry, step, access)
            self._need_lease(claim)
        except BaseException:
            await self._settling.give_back(claim, unfinished=claim is not None and bool(claim.unfinished))
            raise
        return claim, access

    async def _access(self, entry: Entry, claim: Claim | None = None) -> Access:
        """What signs in. What was used last carries on while it cannot be read again, and when the row of a deleted resource is gone.

        Raises:
            NoAccess: there is none.
            Later: its store is away.
        """
        if claim is None and entry.access is not None and self._away(entry):
            return entry.access
        try:
            entry.access = await self._desk.of(entry.resource, claim)
        except NoAccess as missing:
            leaving = entry.resource.metadata.deletion_timestamp is not None
            if entry.access is None or not (leaving or missing.unreadable):
                raise
            if missing.unreadable:
                _log.error("the credential in memory carries on until the next start", error=str(missing))
        except (DatabaseError, ClusterUnavailable) as error:
            if isinstance(error, ClusterUnavailable):
                self._stores.unanswered(error)
            else:
                self._journal.refused(entry, error, _CARRIES_ON)
            if entry.access is None:
                raise Later(entry.row_pause.lasts_until(self._now())) from error
            entry.access = _as_claimed(entry.access, claim)
        return entry.access

    def _away(self, entry: Entry) -> bool:
        """Postgres is known to be away: it is not waited for again at each step."""
        return self._journal.has_row(entry.resource) and not self._stores.up(Store.POSTGRES)

    async def _claim(self, entry: Entry, action: Action) -> Claim | None:
        if self._database is None or not self._journal.has_row(entry.resource) or self._away(entry):
            return None
        try:
            claim = await self._database.claim(key_of(entry.resource), action.value, limit=self._batch)
        except DatabaseError as error:
            self._journal.refused(entry, error, _CARRIES_ON)
            return None
        entry.row_pause.lift()
        if not isinstance(claim, Claim):
            raise Later
        return claim

    def _need_no_claim(self, entry: Entry, step: Step, access: Access) -> None:
        """With Postgres away, what exists is kept alive, and nothing else is done (design, rule 5). A credential that has changed there
        cannot be read: the one in memory has failed before."""
        decision, credential = step.decision, access.credential
        keeps_alive = decision.action in {Action.RENEW, Action.VERIFY} and credential.kind is not CredentialKind.NONE
        unread = credential.fingerprint == step.resource.status.observed_credential
        if not keeps_alive or (unread and decision.reason is Reason.CREDENTIAL_CHANGED):
            raise Later(entry.row_pause.lasts_until(self._now()))

    def _need_lease(self, claim: Claim | None) -> None:
        """Looked at last, since a process may have stood still since it decided. While the API server is away, a claim stands in for it."""
        standing = self._stores.standing
        if standing is not Standing.HOLDS and not (standing is Standing.STOOD_IN_FOR and claim is not None):
            raise Later


def _as_claimed(access: Access, claim: Claim | None) -> Access:
    """What is in memory, with the row as it was read under the claim: an older word of it would make a twin, and take the row's id away."""
    if claim is None or claim.state is None:
        return access
    return replace(access, row_subscription_id=claim.state.subscription_id, row_expires_at=claim.state.expires_at)


def _adopts(step: Step, access: Access) -> str | None:
    if step.decision.action is not Action.ADOPT:
        return None
    return adoption_pending(step.resource) or access.row_subscription_id


def _answering(result: Result, step: Step) -> Result:
    """Whether a requested renewal is answered by it: an adoption that came first is followed by the renewal."""
    requested = step.decision.reason is Reason.RENEWAL_REQUESTED
    return replace(result, answers_request=requested and not (result.deed is Deed.ADOPT and result.success))
