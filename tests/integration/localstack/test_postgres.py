"""A real Postgres, started and stopped by us."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from localstack.messages import LocalStackError
from localstack.postgres import PostgresServer
from localstack.postgres_placement import bundled_programs, find_programs
from localstack.processes import Record, guarded, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server that belongs to one test, not started yet."""
    with guarded(tmp_path / "state"):
        server = PostgresServer(tmp_path / "state")
        yield server
        server.delete()


def ask(server: PostgresServer, statement: str) -> Any:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def remember(server: PostgresServer, word: str) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE memory (word text)")
        connection.execute("INSERT INTO memory VALUES (%s)", [word])


def pid(server: PostgresServer) -> int:
    record = Record.read(server.state_dir / "postgres.pid")
    assert record
    return record.pid


def data(server: PostgresServer) -> Path:
    return Path(ask(server, "SHOW data_directory"))


def test_databases_are_made_and_dropped(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.create_database("made")) as connection:
        assert connection.info.dbname == "made"
        postgres_server.drop_database("made")
    with pytest.raises(psycopg.OperationalError, match='"made" does not exist'):
        psycopg.connect(postgres_server.url("made"))


def test_a_database_is_a_copy_of_its_template(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.create_database("original")) as connection:
        connection.execute("CREATE TABLE seed (id int)")
    with psycopg.connect(postgres_server.create_database("copy", template="original")) as connection:
        assert connection.execute("SELECT count(*) FROM seed").fetchone() == (0,)


def test_a_database_that_is_there_is_found(postgres_server: PostgresServer) -> None:
    made = postgres_server.ensure_database("ensured")
    assert postgres_server.ensure_database("ensured") == made


def test_it_listens_on_the_loopback_interface_alone(postgres_server: PostgresServer) -> None:
    assert ask(postgres_server, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(postgres_server, "SHOW unix_socket_directories") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server changes its account")
def test_roots_server_runs_as_somebody_else_in_a_folder_that_he_reaches(own: PostgresServer) -> None:
    own.state_dir.mkdir(mode=0o700)
    own.start()
    owner = Path(f"/proc/{pid(own)}").stat().st_uid
    assert pwd.getpwuid(owner).pw_name in {"postgres", "nobody"}
    assert not data(own).is_relative_to(own.state_dir)
    removed = data(own).parent
    own.delete()
    assert not removed.exists()


def test_the_callers_postgres_variables_do_not_matter(own: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert own.start().running()


def test_a_start_of_a_running_one_changes_nothing(own: PostgresServer) -> None:
    before = pid(own.start())
    assert pid(PostgresServer(own.state_dir).start()) == before


def test_a_stopped_server_comes_back_on_its_port_with_its_data(own: PostgresServer) -> None:
    remember(own.start(), "swordfish")
    port = own.port
    own.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        ask(own, "SELECT 1")
    assert own.start().port == port
    assert ask(own, "SELECT word FROM memory") == "swordfish"


def test_a_stop_ends_open_sessions_and_does_not_wait_for_them(own: PostgresServer) -> None:
    with psycopg.connect(own.start().url()) as connection:
        own.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_data_survive_a_predecessor_killed_with_minus_9(own: PostgresServer) -> None:
    remember(own.start(), "swordfish")
    with psycopg.connect(own.url()):  # a session that must be gone before the data can be used again
        os.kill(pid(own), signal.SIGKILL)
        again = PostgresServer(own.state_dir).start()
    assert ask(again, "SELECT word FROM memory") == "swordfish"
    again.stop()


def test_a_lock_whose_number_now_belongs_to_a_stranger_is_no_hindrance(own: PostgresServer) -> None:
    remember(own.start(), "swordfish")
    lock = data(own) / "postmaster.pid"
    text = lock.read_text()
    own.stop()
    # Of the server's own account: Postgres lets a number pass that it may not signal.
    with subprocess.Popen(["sleep", "600"], user=lock.parent.stat().st_uid) as stranger:
        lock.write_text(text.replace(text.split()[0], str(stranger.pid), 1))
        os.chown(lock, lock.parent.stat().st_uid, lock.parent.stat().st_gid)
        Record(stranger.pid, "another time", signal.SIGKILL).write(own.state_dir / "postgres.pid")
        assert ask(own.start(), "SELECT word FROM memory") == "swordfish"
        assert stranger.poll() is None
        stranger.kill()


def test_a_fresh_start_forgets_the_data(own: PostgresServer) -> None:
    remember(own.start(), "swordfish")
    own.start(fresh=True)
    assert ask(own, "SELECT to_regclass('memory')") is None


def test_a_port_that_somebody_else_took_is_given_up(own: PostgresServer) -> None:
    taken = own.start().port
    own.stop()
    with socket.create_server(("127.0.0.1", taken)):
        assert own.start().port != taken
        assert ask(own, "SELECT 1") == 1


def test_a_frozen_server_takes_connections_and_does_not_answer(own: PostgresServer) -> None:
    own.start()
    own.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(own.url() + "?connect_timeout=2")
    own.resume()
    assert wait_until(own.running, timeout=300)


def test_there_is_no_address_before_the_first_start(own: PostgresServer) -> None:
    with pytest.raises(LocalStackError, match="start one first"):
        own.url()


@pytest.mark.skipif(bundled_programs() is None, reason="pgserver has no programs for this Python")
def test_the_programs_from_the_package_index_do_as_well(tmp_path: Path) -> None:
    with guarded(tmp_path / "state"):
        server = PostgresServer(tmp_path / "state", programs=bundled_programs()).start()
        try:
            assert ask(server, "SELECT gen_random_uuid()::text")
        finally:
            server.delete()


def test_a_machine_without_postgres_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("localstack.postgres_placement._candidates", lambda: iter([tmp_path]))
    with pytest.raises(LocalStackError, match=r"install it \(package postgresql\)"):
        find_programs()
