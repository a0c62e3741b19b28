"""Which folder of a mailbox is to be worked on next. Most mailboxes have one, and then there is nothing to choose."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from graphmail.decision.checks import decide, decide_unwanted
from graphmail.decision.observing import as_the_row_says, observed
from graphmail.decision.times import planned_renewal
from graphmail.decision.words import Action, Decision, Known, Mode, Policy, Reason
from graphmail.resource import GraphMailSubscription
from graphmail.resource.folders import unwanted_folders, view, wanted_folders


class Step(NamedTuple):
    """What to do next for a mailbox, and for which of its folders."""

    folder: str
    resource: GraphMailSubscription
    """The resource as that folder sees it."""
    decision: Decision


def next_step(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Callable[[str], Known]) -> Step:
    """The next thing to do for this mailbox: for the first of its folders that has something due.

    Args:
        resource: the resource, with the newest status that is known.
        now: the time at Graph.
        policy: the operator's settings.
        known: what this process knows beside the resource, for each folder.
    """
    step = _chosen(resource, now=now, policy=policy, known=known)
    if policy.mode is Mode.OBSERVE:
        return _observed(resource, step, now=now, policy=policy, known=known)
    planned = resource.status.next_renewal_time
    if step.decision.reason is not Reason.UP_TO_DATE or planned in {None, planned_renewal(resource, policy)}:
        return step
    message = "the next renewal is planned anew: a setting, or the lookahead, has changed"
    return step._replace(decision=Decision(Action.REPORT, Reason.STATUS_OUTDATED, message, step.decision.again_at))


def _observed(
    resource: GraphMailSubscription, step: Step, *, now: datetime, policy: Policy, known: Callable[[str], Known]
) -> Step:
    """To tell of the step, in place of doing it."""
    first = resource.spec.folders[0]
    adopted = as_the_row_says(resource, known(first))
    later = _step(adopted, first, decide, now=now, policy=policy, known=known).decision
    decision = observed(resource, step.decision, later, now=now, policy=policy, known=known(first))
    return step._replace(decision=decision)


def _chosen(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Callable[[str], Known]) -> Step:
    wanted = wanted_folders(resource, several=policy.several_folders)
    steps = [_step(resource, folder, decide, now=now, policy=policy, known=known) for folder in wanted]
    if _covered(resource, wanted[0], now) or resource.metadata.deletion_timestamp is not None or resource.spec.suspend:
        # Create before delete: a folder that takes another one's place has its subscription before that one goes.
        steps += [
            _step(resource, folder, decide_unwanted, now=now, policy=policy, known=known)
            for folder in unwanted_folders(resource, several=policy.several_folders)
        ]
    if len(steps) == 1:
        return steps[0]
    chosen = min(steps, key=_rank)
    again_at = min(step.decision.again_at for step in steps)
    return chosen._replace(decision=chosen.decision._replace(again_at=again_at))


def _step(
    resource: GraphMailSubscription,
    folder: str,
    decide_folder: Callable[..., Decision],
    *,
    now: datetime,
    policy: Policy,
    known: Callable[[str], Known],
) -> Step:
    seen = view(resource, folder)
    return Step(folder, seen, decide_folder(seen, now=now, policy=policy, known=known(folder)))


def _rank(step: Step) -> int:
    """Work comes before waiting, and waiting before letting go of the resource; among equals, the order of the folders."""
    return {Action.NOTHING: 1, Action.RELEASE: 2}.get(step.decision.action, 0)


def _covered(resource: GraphMailSubscription, folder: str, now: datetime) -> bool:
    row = resource.status.folder(folder)
    return row is not None and row.expiration_time is not None and row.expiration_time > now
