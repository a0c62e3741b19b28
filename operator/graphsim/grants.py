"""Delegated grants: what a user consented to, and the refresh tokens that come of it.

A refresh token carries its grant, its generation and the moment it was issued, so nothing has to be remembered for
each. A refresh hands out a new one and leaves the older ones valid, as Microsoft does; revoking raises the generation.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

from graphsim.randomness import Randomness

RevocationReason = Literal["revoked", "consent-removed", "expired", "interaction-required"]


@dataclass(slots=True)
class Grant:
    """One user's consent for one app. `revoked_for` says why it no longer works; None while it does."""

    id: str
    tenant_id: str
    user_id: str
    client_id: str
    scopes: frozenset[str]
    granted_at: float
    generation: int = 0
    revoked_for: RevocationReason | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token that was read back: the grant it belongs to, and whether it is of the grant's present generation."""

    grant: Grant
    issued_at: float
    current: bool


@dataclass(slots=True)
class Grants:
    """All delegated grants, one for each app and user, and their refresh tokens."""

    randomness: Randomness
    key: bytes = field(repr=False)
    _by_id: dict[str, Grant] = field(default_factory=dict)
    _by_owner: dict[tuple[str, str], Grant] = field(default_factory=dict)

    def consent(self, *, tenant_id: str, user_id: str, client_id: str, scopes: frozenset[str], at: float) -> Grant:
        """Record that a user signed in and consented; a revoked grant works again, its old tokens do not."""
        grant = self._by_owner.get((client_id, user_id))
        if grant is None:
            grant = Grant(self.randomness.guid(), tenant_id, user_id, client_id, scopes, at)
            self._by_id[grant.id] = self._by_owner[client_id, user_id] = grant
        grant.scopes, grant.granted_at, grant.revoked_for, grant.revoked_at = scopes, at, None, None
        return grant

    def revoke(self, grant: Grant, reason: RevocationReason, at: float) -> None:
        """End a grant: every refresh token handed out so far is refused from now on, for `reason`."""
        grant.generation += 1
        grant.revoked_for, grant.revoked_at = reason, at

    def find(self, *, user_id: str, client_id: str | None = None, grant_id: str | None = None) -> list[Grant]:
        """Answer the grants of a user, of one app when `client_id` is given, or the one with `grant_id`."""
        if grant_id is not None:
            return [grant for grant in (self._by_id.get(grant_id),) if grant is not None]
        return [
            grant for grant in self._by_id.values() if grant.user_id == user_id and client_id in {None, grant.client_id}
        ]

    def all(self) -> list[Grant]:
        """Answer every grant, in the order of the first consent."""
        return list(self._by_id.values())

    def refresh_token(self, grant: Grant, at: float) -> str:
        """Hand out a refresh token for a grant."""
        payload = f"{grant.id}.{grant.generation}.{round(at)}.{self.randomness.opaque(9)}"
        return f"1.{payload}.{self._seal(payload)}"

    def read(self, token: str) -> RefreshToken | None:
        """Read a refresh token back; None when it was never handed out here."""
        version, _, rest = token.partition(".")
        payload, _, seal = rest.rpartition(".")
        if version != "1" or not hmac.compare_digest(seal.encode(), self._seal(payload).encode()):
            return None
        grant_id, generation, issued_at, _nonce = payload.split(".")
        grant = self._by_id.get(grant_id)
        if grant is None:
            return None
        return RefreshToken(grant, float(issued_at), int(generation) == grant.generation)

    def _seal(self, payload: str) -> str:
        return hmac.new(self.key, payload.encode(), hashlib.sha256).hexdigest()
