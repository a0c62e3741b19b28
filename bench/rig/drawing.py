"""Pictures are drawn by matplotlib, which nothing else needs: it is installed into the cache, from a lock of its own."""

import os
import subprocess
import sys
from pathlib import Path

from localstack import pypi_tools
from localstack.cache import Cache
from localstack.messages import LocalStackError, step, tail

_CHECKOUT = Path(__file__).parents[2]
LOCK = _CHECKOUT / "bench" / "picture.lock"


def draw_with(module: str, source: Path, picture: Path) -> None:
    """Run `python -m module SOURCE PICTURE` with matplotlib on its path.

    Raises LocalStackError when matplotlib cannot be had, or nothing could be drawn.
    """
    library = _library()
    command = [sys.executable, "-m", module, str(source), str(picture)]
    path = [library, *(_CHECKOUT / folder for folder in ("bench", "hack", "."))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    with step("Drawing the picture"):
        answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalStackError(f"the picture could not be drawn:\n{answer.stderr.strip()}")


def _library() -> Path:
    cache = Cache.default()
    version = ".".join(map(str, sys.version_info[:2]))
    return cache.obtain(f"matplotlib-{pypi_tools.locked_version(LOCK, 'matplotlib')}-py{version}", _install)


def _install(folder: Path) -> None:
    uv = pypi_tools.obtain(Cache.default(), "uv", takes="a few seconds") / "bin" / "uv"
    log = folder.with_suffix(".log")
    command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
    with step("Fetching matplotlib into the cache (once, a few seconds)"), log.open("wb") as output:
        done = subprocess.run(
            [*command, "--require-hashes", "-r", str(LOCK)], stdout=output, stderr=output, check=False
        ).returncode
    if done:
        raise LocalStackError(f"matplotlib could not be installed:\n{tail(log)}")
    log.unlink()
