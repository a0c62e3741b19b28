"""The privileges that a running operator needs: enough to do its work, and not to delete or create anything of the product's.

One list, from which both are made: the statements that grant them, and the question which of them our role lacks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from graphmail.database.schema import (
    CONFIG,
    HEALTH,
    HEALTH_COLUMNS,
    HEALTH_SEQUENCE,
    LEGACY,
    LEGACY_COLUMNS,
    OWN_SCHEMA,
    OWN_TABLES,
    PAUSE_COLUMNS,
    PROVIDERS,
    SUBSCRIPTION_COLUMNS,
    Schema,
)
from graphmail.database.session import Session

_CONFIG_WRITES = (
    *SUBSCRIPTION_COLUMNS,
    "access_token",
    "refresh_token",
    "token_expires_at",
    "delivery_mode",
    "updated_at",
)
_OTHERWISE = {"provider_events": ("SELECT", "INSERT", "DELETE")}
"""What has happened is not changed, and forgotten some day."""
_HEALTH_KEYS = ("tenant", "provider_id", "provider_type", "created_at")


@dataclass(frozen=True, slots=True)
class Need:
    """Privileges on one thing; without columns, on the whole of it."""

    name: str
    """As statements name it: with its schema where that is ours."""
    privileges: tuple[str, ...]
    columns: tuple[str, ...] = ()
    kind: Literal["SCHEMA", "SEQUENCE", "TABLE"] = "TABLE"

    def grant(self, role: str) -> sql.Composed:
        """The statement that grants them."""
        columns = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, self.columns)))
        return sql.SQL("GRANT {}{} ON {} {} TO {}").format(
            sql.SQL(", ").join(map(sql.SQL, self.privileges)),
            columns if self.columns else sql.SQL(""),
            sql.SQL(self.kind),
            sql.Identifier(*self.name.split(".")),
            sql.Identifier(role),
        )


def needs(schema: Schema) -> Iterator[Need]:
    """What a running operator needs on the schema that is there."""
    health = (*HEALTH_COLUMNS, "updated_at")
    yield Need(OWN_SCHEMA, ("USAGE",), kind="SCHEMA")
    yield Need(f"{OWN_SCHEMA}.migrations", ("SELECT",))
    for table in OWN_TABLES:
        yield Need(f"{OWN_SCHEMA}.{table}", _OTHERWISE.get(table, ("SELECT", "INSERT", "UPDATE")))
    yield from (Need(table, ("SELECT",)) for table in (PROVIDERS, CONFIG, HEALTH))
    yield _some(
        schema, PROVIDERS, "UPDATE", (schema.status_column, schema.message_column or "", *PAUSE_COLUMNS, "updated_at")
    )
    yield _some(schema, CONFIG, "UPDATE", _CONFIG_WRITES)
    yield _some(schema, HEALTH, "UPDATE", health)
    yield _some(schema, HEALTH, "INSERT", (*_HEALTH_KEYS, *health))
    if schema.has(HEALTH_SEQUENCE):
        yield Need(HEALTH_SEQUENCE, ("USAGE",), kind="SEQUENCE")
    if schema.legacy:
        yield Need(LEGACY, ("SELECT",))
        yield _some(schema, LEGACY, "UPDATE", LEGACY_COLUMNS)


def _some(schema: Schema, table: str, privilege: str, columns: tuple[str, ...]) -> Need:
    return Need(table, (privilege,), tuple(column for column in columns if schema.has(table, column)))


def grant_statements(schema: Schema, role: str) -> list[sql.Composed]:
    """The statements that let a role run the operator on the schema that is there."""
    return [need.grant(role) for need in needs(schema)]


_ASKED = ("tenant", "provider_id", "requested_by", "reason")
"""What whoever asks for a renewal writes; all else is the operator's."""


def pages_statements(role: str) -> list[sql.Composed]:
    """The statements that let a role of the product see how mailboxes stand and what happened, and ask for renewals; nothing else."""
    requests = f"{OWN_SCHEMA}.renewal_requests"
    wanted = (
        Need(OWN_SCHEMA, ("USAGE",), kind="SCHEMA"),
        Need(f"{OWN_SCHEMA}.subscriptions", ("SELECT",)),
        Need(f"{OWN_SCHEMA}.provider_events", ("SELECT",)),
        Need(requests, ("SELECT",)),
        Need(requests, ("INSERT",), _ASKED),
    )
    return [need.grant(role) for need in wanted]


def receiver_statements(role: str) -> list[sql.Composed]:
    """The statements that let a role run the receiver: it sees no token, no mailbox, and writes one column."""
    keys = ("tenant", "provider_id", "last_notification_received_at")
    wanted = (
        Need(OWN_SCHEMA, ("USAGE",), kind="SCHEMA"),
        Need(f"{OWN_SCHEMA}.migrations", ("SELECT",)),
        Need(HEALTH, ("SELECT",), keys),
        Need(HEALTH, ("UPDATE",), keys[-1:]),
    )
    return [need.grant(role) for need in wanted]


# A privilege on the whole table counts for each of its columns, and the other way round. Of columns there is none to delete.
_MISSING = """
SELECT needed.privilege || ' on ' || needed.name || CASE WHEN needed.field = '' THEN '' ELSE '.' || needed.field END
FROM unnest(%(kinds)s::text[], %(names)s::text[], %(fields)s::text[], %(privileges)s::text[])
  AS needed(kind, name, field, privilege)
WHERE CASE
  WHEN needed.kind = 'SCHEMA' THEN NOT has_schema_privilege(needed.name, needed.privilege)
  WHEN needed.kind = 'SEQUENCE' THEN NOT has_sequence_privilege(needed.name, needed.privilege)
  WHEN needed.privilege = 'DELETE' THEN NOT has_table_privilege(needed.name, needed.privilege)
  WHEN needed.field <> '' THEN NOT has_column_privilege(needed.name, needed.field, needed.privilege)
  ELSE EXISTS (
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = to_regclass(needed.name) AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT has_column_privilege(a.attrelid, a.attnum, needed.privilege)) END
"""


def missing_statement(_: Schema) -> sql.SQL:
    """SQL: which of some privileges our role lacks."""
    return sql.SQL(_MISSING)


async def missing_privileges(session: Session) -> list[str]:
    """What our role lacks of all that it needs, such as `UPDATE on email_providers.status`.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    wanted = [
        (need.kind, need.name, field, privilege)
        for need in needs(await session.schema())
        for privilege in need.privileges
        for field in need.columns or ("",)
    ]
    kinds, names, fields, privileges = map(list, zip(*wanted, strict=True))
    values = {"kinds": kinds, "names": names, "fields": fields, "privileges": privileges}
    return [str(missing) for (missing,) in await session.rows(missing_statement, values)]
