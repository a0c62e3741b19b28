"""``python -m soak.delivery_picture DRAWING PICTURE``: silent deaths, from beginning to end. Runs with matplotlib on its path."""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from rig.figure import save, style, tidy

UNSEEN, DEAF, BAD, WEEKEND = "#9ca3af", "#2563eb", "#dc2626", "#f3f4f6"
OTHERS = {"postgres-outage": ("#bfdbfe", "Postgres away"), "replica-restarted": ("#374151", "restart")}


def draw(drawing: Path, picture: Path) -> None:
    """Draw what a run has left there."""
    found: dict[str, Any] = json.loads(drawing.read_text())
    style()
    figure, (lives, hours) = pyplot.subplots(1, 2, figsize=(13, 6.4), layout="constrained", width_ratios=(3, 1))
    _lives(lives, found)
    _hours(hours, found)
    save(figure, picture)


def _lives(panel: Any, found: dict[str, Any]) -> None:
    for day in found["weekends"]:
        panel.axvspan(day, day + 1, color=WEEKEND, zorder=0)
    for what, start, end in found["marks"]:
        if what in OTHERS:
            color, name = OTHERS[what]
            panel.axvspan(start, max(end, start + 0.04), color=color, zorder=1, label=name)
    for row, (_, began, lost, ended, mended) in enumerate(sorted(found["deaths"], key=lambda death: death[1])):
        panel.hlines(row, began, lost, color=UNSEEN, linewidth=2)
        panel.hlines(row, lost, ended, color=DEAF if mended else BAD, linewidth=2)
    panel.plot([], [], color=UNSEEN, label="dead, and nobody has written")
    panel.plot([], [], color=DEAF, label="messages are lost, until it is mended")
    panel.plot([], [], color=BAD, label="not found")
    panel.plot(found["false_alarms"], [-1] * len(found["false_alarms"]), "x", color=BAD, label="replaced in health")
    panel.set_xlim(0, found["days"])
    panel.set_yticks([])
    panel.set_xlabel("simulated days; weekends in grey, by UTC")
    panel.set_title(f"Silent deaths in {found['mailboxes']} mailboxes")
    panel.legend(frameon=False, loc="upper left", fontsize=8)
    tidy(panel)


def _hours(panel: Any, found: dict[str, Any]) -> None:
    hours = [(ended - lost) * 24 for _, _, lost, ended, mended in found["deaths"] if mended]
    panel.hist(hours, bins=range(0, int(max(hours, default=0)) + 3, 2), color=DEAF)
    panel.set_title("Hours from the first lost message")
    panel.set_xlabel("hours until it was mended")
    panel.set_ylabel("silent deaths")
    tidy(panel)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
