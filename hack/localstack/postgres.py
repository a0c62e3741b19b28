"""A Postgres of one's own, on a free port of the loopback interface.

It is started by us and not through the package pgserver, even where the programs are that package's: its server listens on a
socket file alone and keeps a list of its users; other servers from PyPI need a container engine or a compiler.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql

from localstack.cache import locked
from localstack.messages import LocalStackError
from localstack.postgres_placement import SUPERUSER, Placement, initialise
from localstack.processes import BackgroundProcess, ProcessDiedError, free_port

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 300.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # What is committed outlives a killed server, though not a crash of the machine. synchronous_commit stays on for that.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer:
    """A Postgres on a free port of the loopback interface, without passwords, with its state in one folder.

    Its data may lie elsewhere: Postgres refuses to run as root, so root's server runs under another account, which must reach
    them. The folder may hold the state of an earlier run, crashed or not: its data are used again unless ``start(fresh=True)``
    is said.
    """

    def __init__(self, state_dir: Path, *, programs: Path | None = None) -> None:
        self.state_dir = state_dir.absolute()
        self._programs = programs
        # SIGINT is Postgres' fast shutdown: sessions are ended, data are written.
        self._process = BackgroundProcess("postgres", self.state_dir, stop_signal=signal.SIGINT)
        self._settings = self.state_dir / "postgres.json"

    @property
    def port(self) -> int:
        """The TCP port. Raises LocalStackError before the first start."""
        return self._stored()[1]

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, for its superuser."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def running(self) -> bool:
        """Whether it runs and lets somebody in."""
        return self._process.pid is not None and self._answers()

    # Life

    def start(self, *, fresh: bool = False) -> Self:
        """Start it and wait until it answers; nothing happens when it does already, unless ``fresh`` is asked for.

        ``fresh`` throws away the databases of an earlier run. Raises LocalStackError when there is no Postgres on this
        machine, or with the end of the log when it does not come up.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with locked(self.state_dir / "postgres.lock", waiting_for=f"Postgres in {self.state_dir}"):
            if fresh:
                self.delete()
            if not self.running():
                self._start()
        return self

    def stop(self) -> None:
        """Stop it, its sessions as well; the data stay, and so does the port for the next start."""
        self._process.stop()

    def delete(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        if stored := self._stored_place_and_port():
            shutil.rmtree(stored[0].base, ignore_errors=True)
        self._settings.unlink(missing_ok=True)

    def pause(self) -> None:
        """Freeze the process that takes connections: they are opened, and nothing answers; open sessions go on."""
        self._process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._process.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Databases

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make a database, a copy of ``template``, and return its address."""
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.url(name)

    def ensure_database(self, name: str) -> str:
        """The address of a database, which is made when it is not there yet."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return self.url(name) if known else self.create_database(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and end the sessions that use it."""
        self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    # How it is done

    def _start(self) -> None:
        self._process.stop()
        self._disarm_stale_lock()
        place, port = self._stored_place_and_port() or (
            initialise(self.state_dir / "postgres", self._programs),
            free_port(),
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._settings.write_text(json.dumps({"place": place.to_json(), "port": port}))
            try:
                self._run(place, port)
            except ProcessDiedError as error:
                # The sessions of a server that was killed leave by themselves, a moment after it.
                still_leaving = "pre-existing shared memory block" in str(error)
                if time.monotonic() > deadline or not (still_leaving or "Address already in use" in str(error)):
                    raise
                port = port if still_leaving else free_port()
            else:
                return

    def _run(self, place: Placement, port: int) -> None:
        settings = [f"--{name}={value}" for name, value in (*SETTINGS.items(), ("port", str(port)))]
        self._process.start(
            [place.programs / "postgres", "-D", place.data, *settings],
            ready=self._answers,
            timeout=START_SECONDS,
            account=place.account,
            environ=place.environ(),
            cwd=place.data,
        )

    def _answers(self) -> bool:
        """Whether this server, and not another one on its port, lets somebody in."""
        place, port = self._stored()
        address = f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres?connect_timeout=10"
        try:
            with psycopg.connect(address) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == place.data.resolve()

    def _disarm_stale_lock(self) -> None:
        """Put our own number into Postgres' lock, whose holder is dead by now.

        Postgres compares numbers only: it would refuse to start when the kernel has given the old one to another process, as is
        usual in a container that was started again, or when nobody has waited for the dead one yet. Its parent's number it takes
        for stale, and it still looks for sessions of the old server, which it would not if the lock were removed.
        """
        stored = self._stored_place_and_port()
        lock = stored[0].data / "postmaster.pid" if stored else None
        if lock and lock.exists():
            _, _, rest = lock.read_text().partition("\n")
            lock.write_text(f"{os.getpid()}\n{rest}")

    def _stored(self) -> tuple[Placement, int]:
        if stored := self._stored_place_and_port():
            return stored
        raise LocalStackError(f"there is no Postgres in {self.state_dir}; start one first")

    def _stored_place_and_port(self) -> tuple[Placement, int] | None:
        try:
            fields = json.loads(self._settings.read_text())
            place, port = Placement.from_json(fields["place"]), int(fields["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (place, port) if (place.data / "PG_VERSION").exists() and place.programs.exists() else None
