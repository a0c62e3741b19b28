"""Postgres, as the commands reach it."""

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from graphmail.cli.failures import CommandFailed
from graphmail.database import Database, DatabaseSettings, PoolSettings
from graphmail.settings import Settings

D = TypeVar("D", bound=Database)


def database_url(settings: Settings) -> str:
    """The URL with its password.

    Raises:
        CommandFailed: none is set.
    """
    if settings.database_url is None:
        raise CommandFailed(
            "GRAPHMAIL_DATABASE_URL is not set: this command needs the product's Postgres, as a URL postgresql://..."
        )
    return settings.database_url.get_secret_value()


@asynccontextmanager
async def open_database(settings: Settings, kind: type[D]) -> AsyncIterator[D]:
    """Postgres, over two connections that say whose they are.

    Raises:
        CommandFailed: no URL is set.
        DatabaseError: the URL cannot be read.
    """
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    pool = PoolSettings(connections=2, application_name="graphmail-command")
    async with kind.open(database_url(settings), holder=holder, settings=DatabaseSettings(pool=pool)) as database:
        yield database
