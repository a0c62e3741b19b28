"""Postgres: discovery of providers, claims, outcomes, credentials and migrations. It knows no Graph, and decides nothing."""

from graphmail.database.abandoned import RETAINED, Abandoned
from graphmail.database.claims import CLAIM_TIME, RENEWING_ACTIONS, Claim, Refusal, RefusalReason
from graphmail.database.database import Database, DatabaseSettings
from graphmail.database.discovery import OVERLAP, Discovery, PeerChange
from graphmail.database.errors import (
    AccessDenied,
    DatabaseError,
    DatabaseUnavailable,
    MigrationError,
    SchemaError,
    StatementFailed,
)
from graphmail.database.listen import Told, listen
from graphmail.database.mailbox_states import REMOVED, MailboxState, StateKey
from graphmail.database.migrate import MigrationReport, MigrationSettings, migrate
from graphmail.database.orphans import Holdings, Sighting
from graphmail.database.outcomes import Fenced, Recorded, RowFate, TokenFate
from graphmail.database.pool import PoolSettings
from graphmail.database.provider_events import ProviderEvent
from graphmail.database.renewal_requests import Progress, RenewalRequest, RequestState
from graphmail.database.rhythms import KeptRhythm
from graphmail.database.schema import Schema

__all__ = [
    "CLAIM_TIME",
    "OVERLAP",
    "REMOVED",
    "RENEWING_ACTIONS",
    "RETAINED",
    "Abandoned",
    "AccessDenied",
    "Claim",
    "Database",
    "DatabaseError",
    "DatabaseSettings",
    "DatabaseUnavailable",
    "Discovery",
    "Fenced",
    "Holdings",
    "KeptRhythm",
    "MailboxState",
    "MigrationError",
    "MigrationReport",
    "MigrationSettings",
    "PeerChange",
    "PoolSettings",
    "Progress",
    "ProviderEvent",
    "Recorded",
    "Refusal",
    "RefusalReason",
    "RenewalRequest",
    "RequestState",
    "RowFate",
    "Schema",
    "SchemaError",
    "Sighting",
    "StateKey",
    "StatementFailed",
    "TokenFate",
    "Told",
    "listen",
    "migrate",
]
