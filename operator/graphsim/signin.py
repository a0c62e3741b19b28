"""What Microsoft sign-in does with a request for a token. Pure: world and form in, answer out; raises SigninError.

Known are the client credentials of an app and a delegated refresh token. Who proves to be which app is decided by
`prove_client` of `signin_proofs`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from graphsim.calls import Call
from graphsim.directory import App, Mailbox, Tenant
from graphsim.grants import Grant, RefreshToken
from graphsim.signin_answers import SIGNIN_ANSWERS
from graphsim.signin_proofs import TokenRequest, prove_client
from graphsim.timestamps import graph_timestamp
from graphsim.tokens import Caller
from graphsim.world import World

SHARED_AUTHORITIES = frozenset({"common", "organizations", "consumers"})
_GRAPH_HOSTS = frozenset(
    {"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}
)
_OIDC_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})
_DEFAULT_SCOPE = ".default"


def find_tenant(world: World, authority: str) -> Tenant | None:
    """Find the tenant of an authority; None for the shared ones; raises SigninError for one that does not exist."""
    if authority.lower() in SHARED_AUTHORITIES:
        return None
    tenant = world.directory.find_tenant(authority)
    if tenant is None:
        raise SIGNIN_ANSWERS["tenant-not-found"].error(tenant=authority)
    return tenant


def token(world: World, request: TokenRequest, call: Call) -> dict[str, Any]:
    """Answer a token request, and note in `call` whom it was about; raises SigninError."""
    form = request.form
    call.client = form.get("client_id", "")
    tenant = find_tenant(world, request.authority)
    call.tenant = tenant.id if tenant else ""
    grant_type = _required(form, "grant_type")
    if grant_type == "client_credentials":
        return _for_the_app(world, request, tenant)
    if grant_type == "refresh_token":
        return _for_a_user(world, request, tenant, call)
    raise SIGNIN_ANSWERS["bad-grant-type"].error(grant_type=grant_type)


def _for_the_app(world: World, request: TokenRequest, tenant: Tenant | None) -> dict[str, Any]:
    if tenant is None:
        raise SIGNIN_ANSWERS["no-tenant"].error()
    app = _working_app(world, request, tenant)
    if tenant.id not in app.roles:
        raise SIGNIN_ANSWERS["app-not-found"].error(client_id=app.client_id, tenant=tenant.name)
    prove_client(app, request, tenant, world.clock.now())
    scope = _required(request.form, "scope")
    if not scope.endswith("/" + _DEFAULT_SCOPE):
        raise SIGNIN_ANSWERS["bad-scope"].error(scope=scope)
    _check_resource(scope.removesuffix("/" + _DEFAULT_SCOPE), request, tenant)
    access_token, caller = world.app_token(app, tenant.id)
    return _answer(world, access_token, caller)


def _for_a_user(world: World, request: TokenRequest, tenant: Tenant | None, call: Call) -> dict[str, Any]:
    form = request.form
    app = _working_app(world, request, tenant)
    prove_client(app, request, tenant, world.clock.now())
    refresh = world.grants.read(_required(form, "refresh_token"))
    if refresh is None:
        raise SIGNIN_ANSWERS["bad-refresh-token"].error()
    grant = refresh.grant
    mailbox = world.directory.mailbox(grant.user_id)
    call.set_mailbox(mailbox.upn, mailbox.tenant_id)
    if grant.client_id != app.client_id:
        raise SIGNIN_ANSWERS["wrong-client"].error()
    if tenant is not None and tenant.id != grant.tenant_id:
        values = {"user": mailbox.upn, "home": grant.tenant_id, "tenant": tenant.name, "client_id": app.client_id}
        raise SIGNIN_ANSWERS["wrong-tenant"].error(**values)
    _check_grant(world, refresh, app)
    scopes = _granted_scopes(grant, request, app)
    access_token, caller = world.delegated_token(grant, scopes)
    rotated = world.grants.refresh_token(grant, world.clock.now())
    scope = " ".join(sorted(scopes - {"offline_access"}))
    answer = _answer(world, access_token, caller) | {"scope": scope, "refresh_token": rotated}
    return answer | _about_the_user(world, request, mailbox, app)


def _working_app(world: World, request: TokenRequest, tenant: Tenant | None) -> App:
    client_id = _required(request.form, "client_id")
    app = world.directory.apps.get(client_id)
    if app is None:
        name = tenant.name if tenant else request.authority
        raise SIGNIN_ANSWERS["app-not-found"].error(client_id=client_id, tenant=name)
    if not app.enabled:
        raise SIGNIN_ANSWERS["app-disabled"].error(client_id=client_id, name=app.name)
    return app


def _check_grant(world: World, refresh: RefreshToken, app: App) -> None:
    grant, now = refresh.grant, world.clock.now()
    issued = graph_timestamp(refresh.issued_at)
    if grant.revoked_for == "consent-removed":
        raise SIGNIN_ANSWERS["consent-missing"].error(client_id=app.client_id, name=app.name)
    if grant.revoked_for == "interaction-required":
        raise SIGNIN_ANSWERS["interaction-required"].error()
    idle_seconds = world.settings.refresh_token_idle_days * 86_400
    if grant.revoked_for == "expired" or now - refresh.issued_at > idle_seconds:
        raise SIGNIN_ANSWERS["refresh-expired"].error(issued=issued)
    if not refresh.current:
        revoked = graph_timestamp(grant.revoked_at or grant.granted_at)
        raise SIGNIN_ANSWERS["grant-revoked"].error(issued=issued, revoked=revoked)


def _granted_scopes(grant: Grant, request: TokenRequest, app: App) -> frozenset[str]:
    wanted = set()
    for scope in request.form.get("scope", "").split():
        resource, slash, name = scope.rpartition("/")
        if slash and resource:
            _check_resource(resource, request, None)
        wanted.add(name)
    named = wanted - _OIDC_SCOPES
    if not named or _DEFAULT_SCOPE in named:
        return grant.scopes
    if not named <= grant.scopes:
        raise SIGNIN_ANSWERS["consent-missing"].error(client_id=app.client_id, name=app.name)
    return frozenset(named | (grant.scopes & _OIDC_SCOPES))


def _check_resource(resource: str, request: TokenRequest, tenant: Tenant | None) -> None:
    host = resource.removeprefix("https://").rstrip("/").lower()
    if host not in _GRAPH_HOSTS and host != request.graph_host:
        raise SIGNIN_ANSWERS["unknown-resource"].error(resource=resource, tenant=tenant.name if tenant else "")


def _answer(world: World, access_token: str, caller: Caller) -> dict[str, Any]:
    lasts = int(caller.expires_at - world.clock.now())
    return {
        "token_type": "Bearer",
        "expires_in": lasts,
        "ext_expires_in": lasts,
        "access_token": access_token,
    }


def _about_the_user(world: World, request: TokenRequest, mailbox: Mailbox, app: App) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if "openid" in request.form.get("scope", "").split():
        about["id_token"] = world.tokens.issue_id(
            issuer=f"{request.login_url}/{mailbox.tenant_id}/v2.0",
            client_id=app.client_id,
            tenant_id=mailbox.tenant_id,
            user_id=mailbox.user_id,
            upn=mailbox.upn,
            at=world.clock.now(),
        )
    if request.form.get("client_info") == "1":
        about["client_info"] = _base64_json({"uid": mailbox.user_id, "utid": mailbox.tenant_id})
    return about


def _base64_json(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise SIGNIN_ANSWERS["missing-parameter"].error(parameter=name)
    return value
