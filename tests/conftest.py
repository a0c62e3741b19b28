"""The real parts that tests share: one control plane and one Postgres for a whole session, started when first asked for."""

from __future__ import annotations

import itertools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings

from localstack.controlplane import ControlPlane
from localstack.postgres import PostgresServer
from localstack.processes import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = Path(__file__).parent / "fixtures"

# How long an example takes is the machine's affair: by default one of more than a fifth of a second fails its test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _untouched_logging() -> Iterator[None]:
    """Logging is the process's: what a test, or a command that it runs, configures is undone after it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("aiohttp.access", "asyncio", "httpcore", "httpx", "msal", "psycopg", "urllib3", "kopf.objects"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server and a real etcd. Tests share it: keep to the ``namespace`` fixture's namespace."""
    folder = tmp_path_factory.mktemp("control-plane")
    with guarded(folder), ControlPlane(folder) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real Postgres. Tests share it: keep to the databases of ``database_url`` and its kin."""
    folder = tmp_path_factory.mktemp("postgres")
    with guarded(folder):
        server = PostgresServer(folder)
        try:
            yield server.start()
        finally:
            server.delete()


@pytest.fixture(scope="session")
def _fresh_name() -> Callable[[str], str]:
    """Names that no other test of the session has."""
    numbers = itertools.count(1)
    return lambda stem: f"{stem}-{os.getpid()}-{next(numbers)}"


@pytest.fixture
def namespace(control_plane: ControlPlane, _fresh_name: Callable[[str], str]) -> str:
    """A fresh namespace. It is left behind, since without a controller manager no namespace ever goes."""
    name = _fresh_name("test")
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def database_url(postgres_server: PostgresServer, _fresh_name: Callable[[str], str]) -> Iterator[str]:
    """A fresh, empty database."""
    yield from _database(postgres_server, _fresh_name("empty"), "template0")


@pytest.fixture
def product_database_url(
    postgres_server: PostgresServer, product_template: str, _fresh_name: Callable[[str], str]
) -> Iterator[str]:
    """A fresh database with the product's tables as they are now, and no rows."""
    yield from _database(postgres_server, _fresh_name("product"), product_template)


@pytest.fixture
def older_product_database_url(
    postgres_server: PostgresServer, older_product_template: str, _fresh_name: Callable[[str], str]
) -> Iterator[str]:
    """A fresh database with the product's tables as they were in November 2025, and no rows."""
    yield from _database(postgres_server, _fresh_name("older"), older_product_template)


@pytest.fixture(scope="session")
def product_template(postgres_server: PostgresServer) -> str:
    """The name of a database with the product's tables, to copy: quicker than running its schema for each test."""
    return _template(postgres_server, "product_schema")


@pytest.fixture(scope="session")
def older_product_template(postgres_server: PostgresServer) -> str:
    """The same with the older generation of the tables."""
    return _template(postgres_server, "product_schema_2025")


def _template(server: PostgresServer, name: str) -> str:
    with psycopg.connect(server.create_database(name)) as connection:
        connection.execute((FIXTURES / f"{name}.sql").read_bytes())
    return name


def _database(server: PostgresServer, name: str, template: str) -> Iterator[str]:
    yield server.create_database(name, template=template)
    if server.running():
        server.drop_database(name)
