"""The lease around the operator's work: whether one is asked for, and what happens before it is won and after it is lost."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from graphmail.cluster import ClusterError, load_configuration
from graphmail.election import Election, LeaseClient, Terms
from graphmail.observability.health import Heartbeat, Readiness
from graphmail.resource.names import OPERATOR
from graphmail.settings import Settings


class LeaseRefused(Exception):
    """The API server does not let us have a lease; the text says how to mend it."""


def election_for(
    settings: Settings,
    holder: str,
    heartbeat: Heartbeat,
    readiness: Readiness,
    *,
    now: Callable[[], datetime],
    opened: AsyncExitStack,
) -> Election | None:
    """Our part in the election; None where these settings want none.

    Args:
        opened: closes what the election needs, after it.
    """
    if not settings.leader_election:
        return None
    terms = Terms(settings.lease.total_seconds())
    lease = LeaseClient(load_configuration(), settings.namespace, OPERATOR, answer_within=terms.answer_within, now=now)
    return Election(
        opened.enter_context(lease),
        holder,
        terms,
        silent_for=heartbeat.age,
        stands_by=readiness.stand_by,
        stand_in=settings.database_url is not None,
    )


async def lead(
    election: Election | None,
    readiness: Readiness,
    stop: asyncio.Event,
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Stand by until the lease is ours, and work while it is.

    Raises:
        LeaseRefused: we may not have it.
        LeadershipLost: it was ours, and another process may have it by now; the work was cancelled.
    """
    if election is None:
        await work()
        return
    async with election:
        try:
            won = await election.won(stop)
        except ClusterError as error:
            raise LeaseRefused(_remedy(error)) from error
        if won:
            readiness.take_over()
            await election.guard(work())


def _remedy(error: ClusterError) -> str:
    return (
        f"the API server refuses the lease: {error}. Grant get, create and patch of leases (coordination.k8s.io) in GRAPHMAIL_NAMESPACE, "
        f"or set GRAPHMAIL_LEADER_ELECTION=false where no other operator acts"
    )
