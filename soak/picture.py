"""``python -m soak.picture DRAWING PICTURE``: coverage over time with the troubles marked. Runs with matplotlib on its path."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from rig.figure import save, style, tidy

HELPLESS, BAD, LINE = "#9ca3af", "#dc2626", "#2563eb"
OUTAGES = {
    "graph-outage": ("#fecaca", "Graph away"),
    "postgres-outage": ("#bfdbfe", "Postgres away"),
    "api-server-outage": ("#ddd6fe", "API server away"),
    "throttling-storm": ("#fde68a", "429 storm"),
    "secret-replaced": ("#fbcfe8", "secret dead"),
    "secret-rotated": ("#d1fae5", "secret rotated"),
    "ceiling-lowered": ("#d6d3d1", "ceiling lowered"),
}
POINTS = ("subscription-lost", "consent-revoked", "provider-paused", "provider-added", "provider-deleted")
RESTARTS = {"replica-killed": ("x", BAD), "replica-restarted": ("|", LINE)}
STEPS = 800
SAMPLES = 100
"""Of the memory of one process."""


def draw(drawing: Path, picture: Path) -> None:
    """Draw what a run has left there."""
    found: dict[str, Any] = json.loads(drawing.read_text())
    style()
    figure, panels = pyplot.subplots(
        3, 1, figsize=(13, 6.4), sharex=True, layout="constrained", height_ratios=(3, 1.3, 1.3)
    )
    _coverage(panels[0], found)
    _happenings(panels[1], found)
    _memory(panels[2], found)
    panels[2].set_xlim(0, found["days"])
    panels[2].set_xlabel("simulated days")
    save(figure, picture)


def _coverage(panel: Any, found: dict[str, Any]) -> None:
    moments = [found["days"] * number / STEPS for number in range(STEPS + 1)]
    helpless, bad = _count(found["unavoidable"], moments), _count(found["avoidable"], moments)
    panel.stackplot(
        moments, bad, helpless, colors=[BAD, HELPLESS], labels=["could be helped", "could not be helped"], step="post"
    )
    named: set[str] = set()
    for what, start, end in found["marks"]:
        if what not in OUTAGES:
            continue
        color, name = OUTAGES[what]
        panel.axvspan(start, max(end, start + 0.05), color=color, zorder=0, label=None if name in named else name)
        named.add(name)
    panel.set_title(f"Mailboxes without a subscription, of {found['mailboxes']}")
    panel.set_ylim(0, max(4, *map(sum, zip(helpless, bad, strict=True))) * 1.1)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    tidy(panel)


def _happenings(panel: Any, found: dict[str, Any]) -> None:
    names = [*POINTS, "restarts and kills"]
    for row, name in enumerate(POINTS):
        panel.plot(
            [start for what, start, _ in found["marks"] if what == name], *_at(row, found, name), color="#374151"
        )
    for what, (marker, color) in RESTARTS.items():
        starts = [start for name, start, _ in found["marks"] if name == what]
        panel.plot(starts, [len(POINTS)] * len(starts), marker, color=color, markersize=6)
    panel.set_yticks(range(len(names)), [name.replace("-", " ") for name in names], fontsize=8)
    panel.invert_yaxis()
    panel.set_title("What happened meanwhile")
    tidy(panel)


def _at(row: int, found: dict[str, Any], name: str) -> tuple[list[int], str]:
    return [row for what, _, _ in found["marks"] if what == name], "|"


def _memory(panel: Any, found: dict[str, Any]) -> None:
    for life in found["memory"]:
        seen = life[:: max(1, len(life) // SAMPLES)]
        panel.plot([at for at, _ in seen], [size for _, size in seen], linewidth=1)
    panel.set_ylim(bottom=0)
    panel.set_title("Memory of each process, MiB")
    tidy(panel)


def _count(spans: Iterable[tuple[float, float]], moments: list[float]) -> list[int]:
    known = list(spans)
    return [sum(start <= moment < end for start, end in known) for moment in moments]


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
