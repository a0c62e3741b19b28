"""Since when, and until when, what came of an earlier create is not known. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from graphmail.database import Claim
from graphmail.reconciler.acting import GIVE_UP
from graphmail.resource import GraphMailSubscription

ARRIVES = timedelta(seconds=60)
"""What was sent is committed within this, or never: what stands behind a gateway of Graph may go on when that has given up."""


class Unknown(NamedTuple):
    """What is not known."""

    since: datetime | None
    """A list that is begun after this may show what was made; None: nothing was begun."""
    until: datetime | None
    """Its absence from a list that is begun before this proves nothing; None: nothing is known to be on its way."""


def unknown_creates(seen: GraphMailSubscription, claim: Claim | None, now: datetime, *, first: bool = True) -> Unknown:
    """What is not known of earlier creates for that mailbox, or folder of it.

    Only a create that was sent and not answered is waited for, by the word of it in the status. Who died has left a claim, or an intent,
    that has kept everybody out for longer than what it sent may take.

    Args:
        first: it is the first folder, whose subscription stands in the product's row and is adopted from there. Whoever made one for a
            further folder that Postgres names and the status does not died in between.
    """
    pending, since, until = seen.status.pending_create_time, [], None
    if pending is not None:
        # What is further in the future was written by nobody who creates.
        until = pending + ARRIVES if abs(now - pending) < ARRIVES else None
        since.append(pending + ARRIVES if now - pending >= ARRIVES else min(pending, now) + timedelta(seconds=1))
    if claim is not None and claim.unfinished:
        since.append((claim.unfinished_since or claim.until) + GIVE_UP)
    recorded = claim.state.folders.get(seen.spec.folders[0]) if claim is not None and claim.state is not None else None
    if not first and recorded not in {None, seen.status.subscription_id}:
        since.append(now)
    return Unknown(max(since, default=None), until)
