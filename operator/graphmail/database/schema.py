"""What the database looks like: the operator serves two generations of the product's tables, and reads at start which one it meets."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from graphmail.database.errors import SchemaError

PROVIDERS = "email_providers"
CONFIG = "microsoft_email_provider_config"
HEALTH = "email_provider_health"
LEGACY = "email_provider_configs"
"""The aggregated table of older generations, which may stand beside the others; kept in step where it does."""

HEALTH_SEQUENCE = "email_provider_health_id_seq"
"""Numbers the health table's rows, where its id is a serial."""

OWN_SCHEMA = "graphmail"
OWN_TABLES = (
    "claims",
    "provider_state",
    "abandoned",
    "folder_subscriptions",
    "orphans",
    "mailbox_states",
    "renewal_requests",
    "rhythms",
    "provider_events",
    "inbound_pauses",
)

HEALTH_COLUMNS = (
    "is_healthy",
    "success_count",
    "failure_count",
    "consecutive_failures",
    "last_success_at",
    "last_failure_at",
    "last_health_check_at",
    "subscription_status",
    "subscription_expires_at",
    "last_renewal_attempt_at",
    "last_renewal_result",
    "failure_reason",
    "last_notification_received_at",
)
"""What the operator writes to the health table besides its keys; `graphmail migrate` adds what is missing."""

SUBSCRIPTION_COLUMNS = (
    "webhook_subscription_id",
    "webhook_expires_at",
    "webhook_verification_token",
    "last_subscription_renewal",
)
"""What the operator writes about a subscription to the config table; `graphmail migrate` adds what is missing."""

PAUSE_COLUMNS = ("inbound_paused_at", "inbound_pause_reason")
"""Where a newer product keeps that it takes no mail of a provider, and why."""

LEGACY_COLUMNS = (
    "webhook_subscription_id",
    "webhook_expires_at",
    "last_subscription_renewal",
    "connection_status",
    "connection_error_message",
    "updated_at",
)
"""What the operator writes to the aggregated table."""

_GIVEN: Mapping[str, tuple[str, ...]] = {
    PROVIDERS: ("id", "tenant", "provider_type", "mailbox", "is_active", "updated_at"),
    CONFIG: (
        "email_provider_id",
        "tenant",
        "client_id",
        "client_secret",
        "tenant_id",
        "folder_filters",
        "access_token",
        "refresh_token",
        "token_expires_at",
        "updated_at",
    ),
    HEALTH: ("tenant", "provider_id", "provider_type", "created_at", "updated_at"),
}
"""What only the product can bring along."""

_MIGRATED: Mapping[str, tuple[str, ...]] = {CONFIG: SUBSCRIPTION_COLUMNS, HEALTH: HEALTH_COLUMNS}

READ_SCHEMA = """
SELECT t.name,
       to_regclass(t.name) IS NOT NULL,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = to_regclass(t.name) AND a.attnum > 0 AND NOT a.attisdropped),
       EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'citus')
FROM unnest(%(tables)s::text[]) AS t(name)
"""
"""Names resolve along the search_path, as they do in the statements later."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Which tables and columns there are."""

    columns: Mapping[str, frozenset[str]]
    """By table; a table that does not exist is absent."""
    citus: bool
    """The Citus extension is installed: tables are distributed by tenant."""
    version: int = 0
    """Of the operator's own tables: the highest migration that was applied."""

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether there is such a table, and such a column in it."""
        if column is None:
            return table in self.columns
        return column in self.columns.get(table, frozenset())

    def column(self, table: str, alias: str, column: str, otherwise: str = "NULL") -> sql.Composable:
        """The column as SQL, or an SQL constant where this generation does not have it."""
        if self.has(table, column):
            return sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column))
        return sql.SQL(otherwise)

    @property
    def status_column(self) -> str:
        """Where the product keeps a provider's status: `status`, or `connection_status` in the older generation."""
        return "status" if self.has(PROVIDERS, "status") else "connection_status"

    @property
    def message_column(self) -> str | None:
        """Where the product keeps the text to a status of `error`, if it does."""
        return next((name for name in ("error_message", "connection_error_message") if self.has(PROVIDERS, name)), None)

    @property
    def can_pause(self) -> bool:
        """Whether the product can pause a provider's inbound mail."""
        return all(self.has(PROVIDERS, column) for column in PAUSE_COLUMNS)

    @property
    def legacy(self) -> bool:
        """Whether the aggregated table is there, with all that is kept in step."""
        return {"id", "tenant", *LEGACY_COLUMNS} <= self.columns.get(LEGACY, frozenset())

    @property
    def missing_product_tables(self) -> tuple[str, ...]:
        """Tables that only the product, or a standalone migration, can bring."""
        return tuple(table for table in _GIVEN if table not in self.columns)

    @property
    def missing_product_columns(self) -> tuple[str, ...]:
        """Columns, as `table.column`, that only the product can bring."""
        missing = [
            f"{table}.{column}" for table, names in _GIVEN.items() for column in names if not self.has(table, column)
        ]
        if not (self.has(PROVIDERS, "status") or self.has(PROVIDERS, "connection_status")):
            missing.append(f"{PROVIDERS}.status")
        return tuple(name for name in missing if name.partition(".")[0] in self.columns)

    @property
    def missing_added_columns(self) -> tuple[str, ...]:
        """Columns, as `table.column`, of the product's tables that `graphmail migrate` adds."""
        return tuple(
            f"{table}.{column}"
            for table, names in _MIGRATED.items()
            for column in names
            if self.has(table) and not self.has(table, column)
        )

    def require_product(self) -> None:
        """Check what only the product can bring.

        Raises:
            SchemaError: a table or a column is missing.
        """
        if tables := self.missing_product_tables:
            raise SchemaError(
                f"the product's tables are missing: {', '.join(tables)}. Is this the product's database, and its schema on the "
                "search_path? For a database without the product, `graphmail migrate --standalone` creates minimal tables."
            )
        if columns := self.missing_product_columns:
            raise SchemaError(
                f"the product's tables lack columns that the operator reads: {', '.join(columns)}. Update the product."
            )

    def require(self, version: int) -> None:
        """Check everything that a running operator needs.

        Raises:
            SchemaError: something is missing; the text says what, and the command that mends it.
        """
        self.require_product()
        missing = [*self.missing_added_columns]
        missing += [f"{OWN_SCHEMA}.{table}" for table in OWN_TABLES if not self.has(f"{OWN_SCHEMA}.{table}")]
        if missing:
            raise SchemaError(f"the database is not prepared, it lacks {', '.join(missing)}: run `graphmail migrate`")
        if self.version < version:
            raise SchemaError(
                f"the operator's own tables are at version {self.version}, this operator needs {version}: run `graphmail migrate`"
            )
