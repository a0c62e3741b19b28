"""What can go wrong at Postgres, told apart as far as a caller can act on it.

    DatabaseError
    ├── DatabaseUnavailable   away, overloaded, read-only, or too slow: wait and try again
    ├── SchemaError           tables or columns are missing: `graphmail migrate`
    ├── AccessDenied          the role lacks a privilege: the GRANT statements of docs/database.md
    ├── MigrationError        a migration could not be applied
    └── StatementFailed       anything else that Postgres refused

Errors of psycopg are translated in one place and never chained: their text may quote a row ("Failing row contains ..."),
and with it a token. Only Postgres's primary message and SQLSTATE go on.
"""

import psycopg

_PASSING_CLASSES = ("08", "53", "57P", "58")
"""Connection lost, out of resources, shutting down or starting, I/O error (Postgres, appendix A)."""
_PASSING_STATES = frozenset({
    "25006",  # read-only: the server behind this connection is a standby now
    "25P03",  # idle-in-transaction time-out
    "25P04",  # transaction time-out
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock not available
    "57014",  # cancelled: a time-out of ours or of the server's
})  # fmt: skip
_ROLLED_BACK_BY_CHANCE = frozenset({"40001", "40P01"})
_SCHEMA_STATES = frozenset({"42P01", "42703", "3F000", "42704"})


class DatabaseError(Exception):
    """Base of everything that this room raises. Its text holds no secret."""


class DatabaseUnavailable(DatabaseError):
    """Postgres cannot be asked now. What was sent last may or may not have been carried out."""


class SchemaError(DatabaseError):
    """The database lacks what the operator needs; the text names it, and the command that mends it."""


class AccessDenied(DatabaseError):
    """The role may not do this: it lacks a GRANT of docs/database.md."""


class MigrationError(DatabaseError):
    """A migration could not be applied; nothing of it is left behind."""


class StatementFailed(DatabaseError):
    """Postgres refused a statement.

    Attributes:
        sqlstate: Postgres's code, empty when the client refused.
    """

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def first_line(error: BaseException) -> str:
    """The first line of an error's text, bounded; the error's name when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:300] if lines else type(error).__name__


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same statement may succeed later without anybody doing anything."""
    state = error.sqlstate or ""
    if not state:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_PASSING_CLASSES) or state in _PASSING_STATES


def was_rolled_back_by_chance(error: psycopg.Error) -> bool:
    """Whether Postgres chose this transaction to end a deadlock or a conflict: nothing of it was done, it may run again."""
    return error.sqlstate in _ROLLED_BACK_BY_CHANCE


def translate(error: psycopg.Error) -> DatabaseError:
    """The exception of ours for one of psycopg's, with no more of its text than may be published."""
    state = error.sqlstate or ""
    if is_passing(error):
        return DatabaseUnavailable(f"Postgres is unavailable: {error.diag.message_primary or first_line(error)}")
    message = error.diag.message_primary or type(error).__name__
    if state == "42501":
        return AccessDenied(
            f"{message}: the database role lacks a privilege, see the GRANT statements in docs/database.md"
        )
    if state in _SCHEMA_STATES:
        return SchemaError(f"{message}: run `graphmail migrate`")
    return StatementFailed(f"Postgres refused a statement: {message} ({state or 'client'})", state)
