"""Access tokens, and what can be read from them without verifying them: that is Graph's business."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from graphmail.provider import RotatedTokens

MAX_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """An access token for Graph."""

    value: str = field(repr=False)
    expires_at: datetime | None
    """None: the row does not say, and neither does the token."""
    directory: str
    """The Entra tenant that it was issued for, which Graph's quota is counted by."""
    roles: tuple[str, ...] = ()
    """Application permissions, where the token can be read."""
    scopes: tuple[str, ...] = ()
    """Delegated permissions, where the token can be read."""
    rotated: RotatedTokens | None = None
    """To be stored with the provider's row; repeated until the row shows that it was."""


def describe(value: str, *, directory: str, expires_at: datetime | None, rotated: RotatedTokens | None = None) -> Token:
    """A token with what its claims tell; `directory` and `expires_at` stand where they tell nothing."""
    claims = read_claims(value)
    tid = claims.get("tid")
    return Token(
        value=value,
        expires_at=expires_at or _moment(claims.get("exp")),
        directory=tid if isinstance(tid, str) and tid else directory,
        roles=_strings(claims.get("roles")),
        scopes=_strings(claims.get("scp")),
        rotated=rotated,
    )


def read_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified; none if it is not one. Tokens of personal accounts are opaque."""
    parts = token.split(".")
    if len(parts) < 2 or len(token) > MAX_TOKEN:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
