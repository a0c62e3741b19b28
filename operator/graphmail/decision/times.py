"""When a subscription is to be renewed, and when Graph is to be asked whether it lives."""

import hashlib
from datetime import UTC, datetime, timedelta

from graphmail.decision.words import Known, Policy
from graphmail.resource import GraphMailSubscription
from graphmail.resource.folders import view, wanted_folders
from graphmail.resource.moments import EARLIEST, LATEST

JITTER_SHARE = 0.1
"""The largest part of a granted lifetime by which jitter makes a renewal earlier."""


def renewal_time(resource: GraphMailSubscription, policy: Policy) -> datetime | None:
    """When the subscription is to be renewed: expiry less min(lookAhead, granted ÷ 2), one tick and jitter (design, rule 9).

    Jitter comes from the resource's uid and the expiry, so that it stays the same over a restart, and only makes the renewal earlier. An
    adopted subscription that was never renewed by us has no known grant; its lookAhead counts alone. None: there is no known expiry.
    """
    status = resource.status
    if status.expiration_time is None:
        return None
    margin = resource.spec.look_ahead_time or policy.look_ahead_of(resource.spec.tenant)
    tick = policy.tick
    jitter = (resource.spec.lifetime_time or policy.lifetime) * JITTER_SHARE
    granted = _granted(resource)
    if granted is not None:
        margin = min(margin, granted / 2)
        tick = min(tick, granted / 10)
        jitter = min(jitter, granted * JITTER_SHARE)
    due = max(status.expiration_time, EARLIEST) - margin - tick - jitter * _fraction(resource)
    due = min(due, interval_end(resource, policy) or due)
    return due.replace(microsecond=0)


def planned_renewal(resource: GraphMailSubscription, policy: Policy) -> datetime | None:
    """The earliest renewal of its folders; None while it is suspended, or where there is nothing to renew."""
    if resource.spec.suspend:
        return None
    folders = wanted_folders(resource, several=policy.several_folders)
    planned = (renewal_time(view(resource, folder), policy) for folder in folders)
    return min((moment for moment in planned if moment is not None), default=None)


def verification_time(resource: GraphMailSubscription, policy: Policy, known: Known) -> datetime | None:
    """When Graph is to be asked next whether the subscription lives; None: never.

    Each mailbox has its turns, two in an interval, which come from uid and expiry, so that no restart moves them. After a confirmation it
    is the last turn within one interval; after a start, when no confirmation is known, it is the next one. So a loss is found within one
    interval (design, rule 4), also by processes that live shorter than that, and the fleet is spread over half of one.
    """
    interval = policy.verification_interval
    if interval is None or resource.status.subscription_id is None:
        return None
    between = interval / 2
    turn = EARLIEST + between * _fraction(resource)
    if known.verified_at is not None:
        latest = known.verified_at + interval
        return latest - (latest - turn) % between
    start = known.seen_at or resource.status.last_attempt_time or datetime.min.replace(tzinfo=UTC)
    return start + between - (start - turn) % between


def interval_end(resource: GraphMailSubscription, policy: Policy) -> datetime | None:
    """When the last renewal becomes too old, if the policy has a limit; jitter spreads what was renewed together here as well."""
    interval, last = policy.renewal_interval, resource.status.last_renewal_time
    if interval is None or last is None:
        return None
    return min(last, LATEST) + interval * (1 - JITTER_SHARE * _fraction(resource))


def _granted(resource: GraphMailSubscription) -> timedelta | None:
    first = resource.status.folder(resource.spec.folders[0])
    if first is None or first.granted_time is None or resource.status.expiration_time is None:
        return None
    return max(resource.status.expiration_time - first.granted_time, timedelta())


def _fraction(resource: GraphMailSubscription) -> float:
    """A number in [0, 1) that is the mailbox's and the folder's own for this expiry."""
    expiry = resource.status.expiration_time
    seed = f"{resource.metadata.uid}/{resource.spec.folders[0]}/{expiry and int(expiry.timestamp())}".encode()
    return int.from_bytes(hashlib.blake2b(seed, digest_size=6).digest(), "big") / 2**48
