"""A cache outside the checkout, keyed by version, safe when two runs use it at once and when a run is interrupted.

An entry is a folder. It is built in a temporary folder beside its final place and published by renaming, so that what can
be seen under an entry's name is always whole. A lock on a file makes a second run wait for the first one's result; the
kernel lets go of it when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def default_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the cache is: ``$GRAPHMAIL_CACHE``, else ``$XDG_CACHE_HOME/graphmail``, else ``~/.cache/graphmail``."""
    if chosen := environ.get("GRAPHMAIL_CACHE"):
        return Path(chosen).expanduser().absolute()
    # The XDG Base Directory Specification: a relative path there is invalid and to be ignored.
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "graphmail"


@contextmanager
def locked(path: Path, *, waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made when missing; say so when another process has it first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another run to finish with {waiting_for} ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Cache:
    """The cache below one root folder."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The cache of this user, by ``default_root``."""
        return cls(default_root())

    def path(self, name: str) -> Path:
        """Where the entry of that name is or would be; the name carries the version."""
        return self.root / name

    def get(self, name: str) -> Path | None:
        """The entry's folder, or nothing when it has not been published yet."""
        entry = self.path(name)
        return entry if entry.is_dir() else None

    def obtain(self, name: str, build: Callable[[Path], None]) -> Path:
        """The entry's folder, built by ``build(temporary_folder)`` when it is not there yet.

        Whatever ``build`` raises passes through, and nothing is published.
        """
        if entry := self.get(name):
            return entry
        with locked(self.root / "locks" / name, waiting_for=name):
            return self.get(name) or self._build(name, build)

    def _build(self, name: str, build: Callable[[Path], None]) -> Path:
        entry = self.path(name)
        temporary = entry.with_name(f".building-{name}")
        # Whoever left this behind no longer holds the lock, so it was interrupted.
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            build(temporary)
            temporary.rename(entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return entry
