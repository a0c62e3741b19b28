"""``python -m benches.picture RESULTS PICTURE``: draws what the findings say. Runs with matplotlib on its path."""

import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from rig.figure import save, style, tidy
from rig.result import Finding

BARS = (("ours", "this operator"), ("plain_kopf", "a plain Kopf operator"), ("loop", "a loop over the rows"))
OURS, OTHERS, LIMIT = "#2563eb", "#9ca3af", "#dc2626"
QUOTA = 100
"""Renewals a second that Graph allows one app."""


def draw(results: Path, picture: Path) -> None:
    """Draw the findings that are there, one panel beside the other."""
    style()
    figure, panels = pyplot.subplots(1, 3, figsize=(13, 3.2), layout="constrained")
    compared, quota = _read(results, "compare"), _read(results, "quota")
    if compared is not None:
        _bars(panels[0], compared, "per_s", "Renewals a second\nGraph answers in 200 ms, no quotas", "{:.1f}")
        _bars(
            panels[1], compared, "cpu_ms", "Processor time for one renewal\nmilliseconds, less is better", "{:.1f} ms"
        )
        panels[1].set_yticklabels([])
    if quota is not None:
        _curve(panels[2], quota)
    save(figure, picture)


def _read(results: Path, name: str) -> Finding | None:
    path = results / f"{name}.json"
    return Finding.read(path) if path.exists() else None


def _bars(panel: Any, found: Finding, unit: str, title: str, text: str) -> None:
    values = [found.numbers[f"{key}_{unit}"] for key, _ in BARS]
    drawn = panel.barh([name for _, name in BARS], values, color=[OURS, OTHERS, OTHERS])
    panel.bar_label(drawn, [text.format(value) for value in values], padding=4)
    panel.set_xlim(0, max(values) * 1.25)
    panel.invert_yaxis()
    panel.set_title(title)
    tidy(panel)


def _curve(panel: Any, found: Finding) -> None:
    share = found.numbers["quota_share"]
    seconds = range(len(found.curve))
    panel.plot(seconds, found.curve, color=OURS, linewidth=2, label="renewed")
    panel.plot(seconds, [QUOTA * second for second in seconds], color=LIMIT, linestyle="--", label="the quota's pace")
    panel.set_title(f"{found.numbers['renewals']:,} mailboxes due at once\n{share:.0%} of what Graph allows one app")
    panel.set_xlabel("seconds")
    panel.legend(frameon=False, loc="lower right")
    tidy(panel)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
