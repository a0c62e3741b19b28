"""Renewals that are due now, and not in a day."""

from support.stage import Row, Stage
from support.waiting import eventually

BY_TICKS = {"GRAPHMAIL_TICK_SECONDS": "1", "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.05"}
"""Graph is asked every three seconds, and only the ticks of a timer see to it that it is."""


def shorten(stage: Stage, row: Row) -> None:
    """Graph lets the subscription expire in an hour: it is due."""
    world = stage.simulator.world
    [subscription] = stage.live(row)
    world.subscriptions.move_expiry(subscription, world.clock.now() + 3600)


async def renewed_again(stage: Stage, *rows: Row) -> None:
    """Each of them is due, and is renewed."""
    before = [stage.calls(row, "patch") for row in rows]
    for row in rows:
        shorten(stage, row)
    for row, times in zip(rows, before, strict=True):
        await eventually(lambda row=row, times=times: stage.calls(row, "patch") > times, f"{row.name} is renewed")
