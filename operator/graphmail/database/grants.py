"""The privileges that a running operator needs: enough to do its work, and not to delete or create anything of the product's."""

from collections.abc import Iterable

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
    PROVIDERS,
    SUBSCRIPTION_COLUMNS,
    Schema,
)

_CONFIG_WRITES = (
    *SUBSCRIPTION_COLUMNS,
    "access_token",
    "refresh_token",
    "token_expires_at",
    "delivery_mode",
    "updated_at",
)
_HEALTH_KEYS = ("tenant", "provider_id", "provider_type", "created_at")


def grant_statements(schema: Schema, role: str) -> list[sql.Composed]:
    """The statements that let a role run the operator on the schema that is there."""
    name = sql.Identifier(role)
    health = [*HEALTH_COLUMNS, "updated_at"]
    statements = [
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(OWN_SCHEMA), name),
        sql.SQL("GRANT SELECT ON {} TO {}").format(_own("migrations"), name),
        *(sql.SQL("GRANT SELECT, INSERT, UPDATE ON {} TO {}").format(_own(table), name) for table in OWN_TABLES),
        sql.SQL("GRANT SELECT ON {} TO {}").format(_list([PROVIDERS, CONFIG, HEALTH]), name),
        _grant("UPDATE", schema, PROVIDERS, [schema.status_column, schema.message_column or "", "updated_at"], name),
        _grant("UPDATE", schema, CONFIG, _CONFIG_WRITES, name),
        _grant("UPDATE", schema, HEALTH, health, name),
        _grant("INSERT", schema, HEALTH, [*_HEALTH_KEYS, *health], name),
    ]
    if schema.has(HEALTH_SEQUENCE):
        statements.append(sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.Identifier(HEALTH_SEQUENCE), name))
    if schema.legacy:
        statements.append(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(LEGACY), name))
        statements.append(_grant("UPDATE", schema, LEGACY, LEGACY_COLUMNS, name))
    return statements


def _own(table: str) -> sql.Identifier:
    return sql.Identifier(OWN_SCHEMA, table)


def _list(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _grant(privilege: str, schema: Schema, table: str, columns: Iterable[str], role: sql.Identifier) -> sql.Composed:
    present = (column for column in columns if schema.has(table, column))
    return sql.SQL("GRANT {} ({}) ON {} TO {}").format(sql.SQL(privilege), _list(present), sql.Identifier(table), role)
