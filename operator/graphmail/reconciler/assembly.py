"""The reconciler put together: who decides, waits, acts and settles is made here from what they work with."""

from collections.abc import Callable
from datetime import datetime

from graphmail.arrivals import Arrivals
from graphmail.database import Database
from graphmail.decision import Policy
from graphmail.fleet import Fleet
from graphmail.graph import Budget
from graphmail.observability.metrics import Metrics
from graphmail.reconciler.access import AccessDesk
from graphmail.reconciler.acting import Acting
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.journal import Announcer, Journal
from graphmail.reconciler.settling import Settling
from graphmail.reconciler.silence import Silence
from graphmail.reconciler.turns import Turns
from graphmail.reconciler.weather import Weather
from graphmail.reconciler.work import Reconciler
from graphmail.stores import Stores

AT_ONCE = 64
"""Mailboxes that are worked on at the same time: enough to spend Graph's whole quota, few enough to be claimed without waiting."""


def put_together(
    *,
    hands: Hands,
    budget: Budget,
    desk: AccessDesk,
    journal: Journal,
    database: Database | None,
    stores: Stores,
    fleet: Fleet,
    metrics: Metrics,
    announce: Announcer,
    policy: Policy,
    batch: int,
    clock: Callable[[], datetime],
    now: Callable[[], datetime],
    random: Callable[[], float],
    arrivals: Arrivals | None = None,
) -> Reconciler:
    """The reconciler.

    Args:
        batch: most claims in flight for one tenant of the product.
        clock: the time here.
        now: the time at Graph.
        random: a number in [0, 1), for jitter.
        arrivals: what is known of notifications; None: nothing is.
    """
    arrivals = arrivals or Arrivals(fleet, now=now)
    return Reconciler(
        acting=Acting(hands, desk, Weather(clock)),
        settling=Settling(
            hands=hands,
            journal=journal,
            database=database,
            metrics=metrics,
            announce=announce,
            silence=Silence(arrivals, metrics, announce),
            policy=policy,
            now=now,
            random=random,
        ),
        turns=Turns(budget),
        desk=desk,
        journal=journal,
        database=database,
        stores=stores,
        fleet=fleet,
        arrivals=arrivals,
        announce=announce,
        policy=policy,
        at_once=AT_ONCE,
        batch=batch,
        now=now,
    )
