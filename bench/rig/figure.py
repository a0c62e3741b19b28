"""What the pictures have in common: how they look, and a file that is the same at every run. Runs with matplotlib on its path."""

from pathlib import Path
from typing import Any

import matplotlib as mpl


def style() -> None:
    """Draw for SVG from here on, in one look."""
    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "graphmail", "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold"}
    )


def save(figure: Any, picture: Path) -> None:
    """Write it, without a date."""
    figure.savefig(picture, metadata={"Date": None, "Creator": None}, facecolor="white")


def tidy(panel: Any) -> None:
    """Leave away the sides of the frame that nothing is read from."""
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
