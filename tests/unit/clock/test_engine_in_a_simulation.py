"""What is planned in simulated time is slept in real time."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graphmail.decision import Action
from graphmail.engine import Engine
from graphmail.fleet import Fleet
from graphmail.observability.health import Ticking
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import Farewell, Reconciler

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("rate", "seconds"), [(1.0, 600.0), (1440.0, 1.0)])
async def test_a_look_in_24_minutes_comes_after_24_minutes_of_its_clock(rate: float, seconds: float) -> None:
    fleet = Fleet()
    decision = SimpleNamespace(action=Action.NOTHING, again_at=NOW + timedelta(minutes=24))
    reconciler: Any = SimpleNamespace(decide=lambda _: SimpleNamespace(decision=decision))
    engine = Engine(
        fleet=fleet,
        reconciler=cast("Reconciler", reconciler),
        farewell=cast("Farewell", None),
        metrics=Metrics(fleet.resources, "0"),
        ticking=Ticking(600.0),
        now=lambda: NOW,
        tick_seconds=600.0,
        rate=lambda: rate,
    )
    spec = {"tenant": "t", "providerID": "p", "mailbox": "a@b.example", "notificationURL": "https://desk.example.com/h"}
    fleet.observe(
        {"metadata": {"name": "support", "namespace": "n", "uid": "u", "resourceVersion": "7"}, "spec": spec}, now=NOW
    )
    assert engine.first_delay("support") == seconds
