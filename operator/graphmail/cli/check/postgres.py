"""Postgres: reachable, migrated, and with the rights that the operator needs."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped, warning
from graphmail.cli.check.ground import WRONG_SETTINGS, Ground
from graphmail.cli.databases import open_database
from graphmail.database import AccessDenied, Database, DatabaseError, DatabaseUnavailable
from graphmail.settings import Settings

GRANT = "have the tables' owner run `graphmail migrate --grant-to ROLE`; docs/database.md lists the statements"
_SHOWN = 3


async def check_postgres(ground: Ground) -> Findings:
    """It answers, its tables are ready, and our role may use them."""
    settings = ground.settings
    if settings is None or settings.database_url is None:
        why = (
            "GRAPHMAIL_DATABASE_URL is not set: only resources written by hand are served"
            if settings
            else WRONG_SETTINGS
        )
        yield skipped("database", why)
        return
    database = await ground.opened.enter_async_context(open_database(settings, Database))
    try:
        await database.clock()
    except DatabaseUnavailable as error:
        yield failed(
            "database", f"{place(settings)}: {error}", "see that it runs there, and that this machine may reach it"
        )
        return
    yield ok("database", f"{place(settings)} answers")
    try:
        schema = await database.schema()
        yield ok("schema", f"migrated to version {schema.version}")
        silent = await database.silent_tables() if settings.mirror_notify else []
        discovery = await database.providers()
        missing = await database.missing_privileges()
    except AccessDenied as error:
        yield failed("grants", str(error), GRANT)
        return
    except DatabaseError as error:
        yield failed("schema", str(error))
        return
    ground.database, ground.providers = database, discovery.providers
    if silent:
        found = f"GRAPHMAIL_MIRROR_NOTIFY is on, and no trigger tells of changes of {' and '.join(silent)}"
        yield warning("schema", found, "have the tables' owner run `graphmail migrate --notify-trigger`")
    yield _grants(missing)


def _grants(missing: Sequence[str]) -> Finding:
    if not missing:
        return ok("grants", "our role may read and write all that it needs")
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return failed("grants", f"our role lacks {', '.join(missing[:_SHOWN])}{more}", GRANT)


def place(settings: Settings) -> str:
    """Host and database of the URL, without user and password."""
    parts = urlsplit(settings.database_url.get_secret_value() if settings.database_url else "")
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
