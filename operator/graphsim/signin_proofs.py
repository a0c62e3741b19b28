"""How an app proves to sign-in that it is that app: a secret, a signed assertion, or another system's token. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.types import Options

from graphsim.app_keys import AppCertificate
from graphsim.directory import App, Tenant
from graphsim.errors import SigninError
from graphsim.signin_answers import SIGNIN_ANSWERS
from graphsim.timestamps import graph_timestamp

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY = 300.0
"""Seconds that a client's clock may be wrong by."""
_ALGORITHMS = ["PS256", "RS256"]
_LAST_MOMENT = 253_402_300_799
"""The end of the year 9999."""
_UNCHECKED: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to the token endpoint: the first segment of the path, the form, and where the simulator listens.

    `received_at` is real: clients date their assertions by their own clocks, which know nothing of the simulated one.
    """

    authority: str
    form: Mapping[str, str] = field(repr=False)
    login_url: str
    graph_host: str
    received_at: float


def prove_client(app: App, request: TokenRequest, tenant: Tenant | None, now: float) -> None:
    """Check an app's credential at the simulated moment `now`; raises SigninError `invalid_client`."""
    secret, assertion = request.form.get("client_secret"), request.form.get("client_assertion")
    if app.public:
        if secret or assertion:
            raise SIGNIN_ANSWERS["client-public"].error()
    elif assertion:
        _prove_by_assertion(app, request, tenant, assertion, now)
    elif secret:
        _prove_by_secret(app, secret, now)
    else:
        raise SIGNIN_ANSWERS["secret-missing"].error()


def _prove_by_secret(app: App, sent: str, now: float) -> None:
    matching = [secret for secret in app.secrets if secret.value == sent]
    if not matching:
        raise SIGNIN_ANSWERS["invalid-client"].error(client_id=app.client_id)
    if all(secret.expires_at is not None and secret.expires_at <= now for secret in matching):
        raise SIGNIN_ANSWERS["secret-expired"].error(client_id=app.client_id)


def _prove_by_assertion(app: App, request: TokenRequest, tenant: Tenant | None, assertion: str, now: float) -> None:
    if request.form.get("client_assertion_type") != JWT_BEARER:
        raise SIGNIN_ANSWERS["missing-parameter"].error(parameter="client_assertion_type")
    try:
        parts = jwt.decode_complete(assertion, options={**_UNCHECKED, "verify_signature": False})
    except jwt.InvalidTokenError:
        raise _malformed() from None
    header, claims = parts["header"], parts["payload"]
    _check_time(claims, request.received_at)
    named = header.get("x5t#S256") or header.get("x5t")
    if named is None and claims.get("iss") != app.client_id:
        _prove_by_federation(app, assertion, claims)
    else:
        certificate = _certificate(app, str(named or "").rstrip("="), now)
        _check_signature(assertion, certificate)
        _check_claims(app, claims, _audiences(request, tenant))


def _certificate(app: App, identifier: str, now: float) -> AppCertificate:
    found = next((one for one in app.certificates if identifier in one.identifiers), None)
    if found is None:
        raise SIGNIN_ANSWERS["certificate-refused"].error(client_id=app.client_id, thumbprint=_hexadecimal(identifier))
    if not found.starts_at <= now < found.ends_at:
        start, end = graph_timestamp(found.starts_at), graph_timestamp(found.ends_at)
        raise SIGNIN_ANSWERS["certificate-expired"].error(thumbprint=found.thumbprint, start=start, end=end)
    return found


def _hexadecimal(identifier: str) -> str:
    try:
        return base64.urlsafe_b64decode(identifier + "=" * (-len(identifier) % 4)).hex().upper()
    except ValueError:
        return identifier


def _check_signature(assertion: str, certificate: AppCertificate) -> None:
    try:
        jwt.decode(assertion, certificate.key, algorithms=_ALGORITHMS, options=_UNCHECKED)
    except jwt.InvalidTokenError:
        raise SIGNIN_ANSWERS["assertion-signature-refused"].error(thumbprint=certificate.thumbprint) from None


def _check_claims(app: App, claims: Mapping[str, Any], audiences: frozenset[str]) -> None:
    if claims.get("aud") not in audiences:
        raise SIGNIN_ANSWERS["assertion-audience-refused"].error()
    if claims.get("iss") != app.client_id or claims.get("sub") != app.client_id:
        raise SIGNIN_ANSWERS["assertion-client-refused"].error()


def _audiences(request: TokenRequest, tenant: Tenant | None) -> frozenset[str]:
    """The token endpoint or the issuer, under any name of the tenant."""
    names = {request.authority} | ({tenant.id, tenant.domain} if tenant else set())
    endings = ("/oauth2/v2.0/token", "/v2.0")
    return frozenset(f"{request.login_url}/{name}{ending}" for name in names for ending in endings)


def _prove_by_federation(app: App, assertion: str, claims: Mapping[str, Any]) -> None:
    """Issuer, then audience, then subject, letter by letter."""
    issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
    audience = claims.get("aud", "")
    audience = str(audience[0] if isinstance(audience, list) and audience else audience)
    trusted = [one for one in app.federations if one.issuer == issuer]
    if not trusted:
        raise SIGNIN_ANSWERS["federation-issuer-refused"].error(issuer=issuer)
    trusted = [one for one in trusted if one.audience == audience]
    if not trusted:
        raise SIGNIN_ANSWERS["federation-audience-refused"].error(audience=audience)
    trusted = [one for one in trusted if one.subject == subject]
    if not trusted:
        raise SIGNIN_ANSWERS["federation-refused"].error(subject=subject)
    try:
        jwt.decode(assertion, trusted[0].key, algorithms=_ALGORITHMS, options=_UNCHECKED)
    except jwt.InvalidTokenError:
        raise SIGNIN_ANSWERS["assertion-signature-refused"].error() from None


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    start, end = _moment(claims.get("nbf", claims.get("iat", 0))), _moment(claims.get("exp"))
    if not start - LEEWAY <= now < end + LEEWAY:
        moments = {"now": graph_timestamp(now), "start": graph_timestamp(start), "end": graph_timestamp(end)}
        raise SIGNIN_ANSWERS["assertion-out-of-time"].error(**moments)


def _moment(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= _LAST_MOMENT:
        raise _malformed()
    return float(value)


def _malformed() -> SigninError:
    return SIGNIN_ANSWERS["assertion-malformed"].error()
