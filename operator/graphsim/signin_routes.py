"""Microsoft sign-in over HTTP: OpenID discovery, the key set, and the token endpoint."""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from graphsim import signin
from graphsim.calls import Call
from graphsim.errors import SigninError
from graphsim.faults import FaultRule
from graphsim.graph_routes import cut_connection
from graphsim.runtime import Runtime
from graphsim.signin_proofs import TokenRequest
from graphsim.timestamps import http_date, signin_timestamp

# Every route of the simulated sign-in: its name (as fault rules and the log know it), method and path.
SIGNIN_ROUTES: tuple[tuple[str, str, str], ...] = (
    ("discovery", "GET", "/{authority}/v2.0/.well-known/openid-configuration"),
    ("keys", "GET", "/{authority}/discovery/v2.0/keys"),
    ("token", "POST", "/{authority}/oauth2/v2.0/token"),
)


class SigninRoutes:
    """Serves SIGNIN_ROUTES of an aiohttp application."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, application: web.Application) -> None:
        """Register the routes."""
        for name, method, path in SIGNIN_ROUTES:
            application.router.add_route(method, path, self._handle, name=name)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        world = self._runtime.world
        request_id = world.randomness.guid()
        sent_id = request.headers.get("client-request-id", world.randomness.guid())
        name = request.match_info.route.name or ""
        call = Call(name, request.method, world.clock.now(), request_id=request_id, client_request_id=sent_id)
        response = await self._answer(request, call)
        call.milliseconds = (time.perf_counter() - started) * 1_000
        self._runtime.log.add(call)
        return response

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._note(request, form, call)
        verdict = self._runtime.faults.verdict(call)
        delay = verdict.delay_seconds + self._runtime.world.settings.signin_latency_ms / 1_000
        if delay:
            await asyncio.sleep(delay)
        rule = verdict.rule
        if rule is None or rule.after_commit:
            response = self._truth(request, form, call)
            if rule is None:
                return response
        return self._spoiled(rule, call, request)

    def _note(self, request: web.Request, form: dict[str, str], call: Call) -> None:
        world = self._runtime.world
        call.client = form.get("client_id", "")
        tenant = world.directory.find_tenant(request.match_info["authority"])
        call.tenant = tenant.id if tenant else ""
        refresh = world.grants.read(form.get("refresh_token", ""))
        mailbox = world.directory.find_mailbox(refresh.grant.user_id) if refresh else None
        if mailbox is not None:
            call.set_mailbox(mailbox.upn, mailbox.tenant_id)

    def _truth(self, request: web.Request, form: dict[str, str], call: Call) -> web.Response:
        authority = request.match_info["authority"]
        try:
            if call.route == "token":
                graph_host = urlsplit(self._runtime.graph_url).netloc
                wanted = TokenRequest(authority, form, self._runtime.login_url, graph_host, received_at=time.time())
                body = signin.token(self._runtime.world, wanted, call)
            else:
                body = self._public(authority, call.route)
        except SigninError as error:
            return self._error(call, error)
        return self._respond(call, 200, body)

    def _public(self, authority: str, route: str) -> dict[str, Any]:
        tenant = signin.find_tenant(self._runtime.world, authority)
        if route == "keys":
            return {"keys": []}
        base = f"{self._runtime.login_url}/{tenant.id if tenant else authority}"
        issuer = tenant.id if tenant else "{tenantid}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{self._runtime.login_url}/{issuer}/v2.0",
            "request_uri_parameter_supported": False,
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "cloud_instance_name": urlsplit(self._runtime.login_url).netloc,
            "msgraph_host": urlsplit(self._runtime.graph_url).netloc,
        }

    def _spoiled(self, rule: FaultRule, call: Call, request: web.Request) -> web.StreamResponse:
        call.fault = rule.id
        if rule.drop_connection:
            call.status, call.code = 0, "connection cut"
            return cut_connection(request)
        if isinstance(rule.error, SigninError):
            return self._error(call, rule.error, rule.headers)
        call.status, call.code = rule.status or 500, ""
        return web.Response(status=call.status, body=rule.raw_body, headers=self._headers(call) | rule.headers)

    def _error(self, call: Call, error: SigninError, headers: dict[str, str] | None = None) -> web.Response:
        timestamp = signin_timestamp(self._runtime.world.clock.now())
        body: dict[str, Any] = {
            "error": error.error,
            "error_description": (
                f"AADSTS{error.number}: {error.text} Trace ID: {call.request_id} "
                f"Correlation ID: {call.client_request_id} Timestamp: {timestamp}"
            ),
            "error_codes": [error.number],
            "timestamp": timestamp,
            "trace_id": call.request_id,
            "correlation_id": call.client_request_id,
            "error_uri": f"{self._runtime.login_url}/error?code={error.number}",
        }
        if error.suberror is not None:
            body["suberror"] = error.suberror
        call.code = f"{error.error} {error.number}"
        return self._respond(call, error.status, body, error.headers | (headers or {}))

    def _respond(
        self, call: Call, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> web.Response:
        call.status = status
        return web.json_response(body, status=status, headers=self._headers(call) | (headers or {}))

    def _headers(self, call: Call) -> dict[str, str]:
        return {
            "Date": http_date(self._runtime.world.clock.now()),
            "Cache-Control": "no-store, no-cache",
            "x-ms-request-id": call.request_id,
            "client-request-id": call.client_request_id,
        }
