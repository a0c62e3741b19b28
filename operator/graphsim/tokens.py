"""Tokens: signed JSON web tokens whose life is measured by the simulated clock.

Graph's access tokens are opaque to clients, so they are signed with a shared key (HS256): twenty times cheaper than
RS256, and nobody but the simulator may look inside. An id token comes straight from the token endpoint over TLS,
where OpenID Connect does not ask a client to check its signature, so it is signed the same way.
"""

from dataclasses import dataclass, field
from typing import Any

import jwt

from graphsim.errors import GraphError
from graphsim.randomness import Randomness

GRAPH_AUDIENCE = "https://graph.microsoft.com"
_REMEMBERED = 60_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls Graph: an app by itself (`user_id` None, `permissions` are roles), or an app for a user (scopes)."""

    tenant_id: str
    client_id: str
    object_id: str
    user_id: str | None
    permissions: frozenset[str]
    expires_at: float


@dataclass(slots=True)
class AccessTokens:
    """Issues access tokens and reads them back; a token that was read once is remembered by its text."""

    key: bytes = field(repr=False)
    randomness: Randomness
    _known: dict[str, Caller] = field(default_factory=dict, repr=False)

    def issue(self, caller: Caller, *, at: float, audience: str = GRAPH_AUDIENCE) -> str:
        """Sign a token for a caller, valid from `at` until `caller.expires_at` (simulated seconds)."""
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{caller.tenant_id}/",
            "iat": int(at),
            "nbf": int(at),
            "exp": int(caller.expires_at),
            "appid": caller.client_id,
            "tid": caller.tenant_id,
            "oid": caller.object_id,
            "sub": caller.object_id,
            "idtyp": "app" if caller.user_id is None else "user",
            "uti": self.randomness.opaque(12),
            "ver": "1.0",
        }
        if caller.user_id is None:
            claims["roles"] = sorted(caller.permissions)
        else:
            claims["scp"] = " ".join(sorted(caller.permissions))
        return jwt.encode(claims, self.key, algorithm="HS256")

    def issue_id(self, *, issuer: str, client_id: str, tenant_id: str, user_id: str, upn: str, at: float) -> str:
        """Sign an id token for an app about a user, valid for an hour of simulated time."""
        claims = {
            "aud": client_id,
            "iss": issuer,
            "iat": int(at),
            "nbf": int(at),
            "exp": int(at) + 3_600,
            "oid": user_id,
            "sub": user_id,
            "tid": tenant_id,
            "preferred_username": upn,
            "ver": "2.0",
        }
        return jwt.encode(claims, self.key, algorithm="HS256")

    def read(self, token: str) -> Caller:
        """Answer who a token speaks for, expired or not; raises GraphError 401 as Graph words it."""
        return self._known.get(token) or self._verified(token)

    def _verified(self, token: str) -> Caller:
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=["HS256"],
                audience=GRAPH_AUDIENCE,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidAudienceError:
            raise _invalid("Access token validation failure. Invalid audience.") from None
        except jwt.InvalidSignatureError:
            raise _invalid("Access token validation failure. Invalid signature.") from None
        except jwt.InvalidTokenError:
            raise _invalid("IDX14100: JWT is not well formed, there are no dots (.).") from None
        caller = _caller(claims)
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[token] = caller
        return caller


def _caller(claims: dict[str, Any]) -> Caller:
    app_only = claims["idtyp"] == "app"
    return Caller(
        tenant_id=claims["tid"],
        client_id=claims["appid"],
        object_id=claims["oid"],
        user_id=None if app_only else claims["oid"],
        permissions=frozenset(claims["roles"] if app_only else claims["scp"].split()),
        expires_at=float(claims["exp"]),
    )


def _invalid(message: str) -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", message)
