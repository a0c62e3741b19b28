"""The virtual environment of a checkout, made from the locks: ``python -m localstack.environment``.

Runs on the system's Python, before there is anything else, hence on the standard library alone. uv does the work: among
pip-tools, Poetry, PDM and uv it is the one that both resolves for all platforms at once into a file of hashes without any
download host, and installs that file in a second.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from localstack import pypi_tools
from localstack.cache import Cache, locked
from localstack.messages import LocalStackError, home_relative, run_main, step, tail

LOCK = "requirements-dev.lock"
STAMP = ".synced"


def synchronise(checkout: Path, cache: Cache, *, exactly: bool) -> None:
    """Make ``.venv`` hold exactly what the lock names, and the project itself as an editable installation.

    An environment that is there stays, unless ``exactly`` this interpreter's version is wanted and it has another.

    Raises LocalStackError when a step fails, with the end of its output.
    """
    venv = checkout / ".venv"
    with locked(cache.root / "locks" / f"venv-{_key(venv)}", waiting_for=home_relative(venv)):
        uv = pypi_tools.obtain(cache, "uv", takes="a few seconds") / "bin" / "uv"
        runner = _Uv(uv, cache, venv)
        if not _usable(venv, exactly=exactly):
            runner.run("venv", "--clear", "--python", sys.executable, str(venv))
        with step(f"Installing the locked packages into {home_relative(venv)} (about 10 s the first time)"):
            runner.run("pip", "sync", "--require-hashes", str(checkout / LOCK))
            runner.run("pip", "install", "--no-deps", "--no-build-isolation", "--editable", str(checkout))
        (venv / STAMP).touch()


def lock(checkout: Path, cache: Cache, *, upgrade: bool) -> None:
    """Resolve the locks anew from pyproject.toml; pins that still fit stay unless ``upgrade`` is set."""
    uv = pypi_tools.obtain(cache, "uv", takes="a few seconds") / "bin" / "uv"
    runner = _Uv(uv, cache, checkout / ".venv")
    common = [
        *("pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "--quiet"),
        *("--custom-compile-command", "make lock", "--no-emit-index-url", "--no-emit-find-links"),
        *(["--upgrade"] if upgrade else []),
    ]
    with step("Resolving the locks (about 10 s)"):
        runner.run(*common, "--extra", "sim", "pyproject.toml", "-o", "requirements.lock", cwd=checkout)
        # The runtime's pins constrain the developer's, so that tests run on what the image holds.
        extras = ["--extra", "sim", "--group", "dev", "--constraints", "requirements.lock"]
        runner.run(*common, *extras, "pyproject.toml", "-o", LOCK, cwd=checkout)
        for source in sorted([*pypi_tools.LOCKS.glob("*.in"), *(checkout / "bench").glob("*.in")]):
            runner.run(*common, source.name, "-o", f"{source.stem}.lock", cwd=source.parent)


def _key(venv: Path) -> str:
    return hashlib.sha256(str(venv).encode()).hexdigest()[:12]


def _usable(venv: Path, *, exactly: bool) -> bool:
    """Whether the environment's interpreter is there (its system may have been upgraded) and is the one that is wanted."""
    version = "{}.{}".format(*sys.version_info[:2])
    return (venv / "bin" / (f"python{version}" if exactly else "python")).exists()


class _Uv:
    """Runs uv quietly, with its cache inside ours; its output is shown only when it fails."""

    def __init__(self, program: Path, cache: Cache, venv: Path) -> None:
        self._program = program
        self._log = cache.root / "logs" / f"uv-{_key(venv)}.log"
        self._environ = {
            **os.environ,
            "UV_CACHE_DIR": str(cache.root / "uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "VIRTUAL_ENV": str(venv),
        }

    def run(self, *arguments: str, cwd: Path | None = None) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as output:
            command = [str(self._program), *arguments]
            code = subprocess.run(
                command, cwd=cwd, env=self._environ, stdout=output, stderr=output, check=False
            ).returncode
        if code:
            what = " ".join(arguments[:2])
            raise LocalStackError(
                f"`uv {what}` failed (all of its output: {home_relative(self._log)})\n{tail(self._log)}"
            )


def main() -> None:
    """Parse the command line and do what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m localstack.environment", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=Path.cwd())
    parser.add_argument("--lock", action="store_true", help="resolve the locks instead of installing them")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: take the newest versions")
    parser.add_argument("--exactly", action="store_true", help="make .venv anew when it has another Python version")
    options = parser.parse_args()
    checkout = options.checkout.absolute()
    if options.lock:
        lock(checkout, Cache.default(), upgrade=options.upgrade)
    else:
        synchronise(checkout, Cache.default(), exactly=options.exactly)


if __name__ == "__main__":
    sys.exit(run_main(main))
