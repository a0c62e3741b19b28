"""Graph over HTTP: who calls, what goes wrong on purpose, the limits, the operation, the log, the answer."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiohttp import web

from graphsim import mail_operations, subscription_operations
from graphsim.calls import Call
from graphsim.errors import GraphError
from graphsim.faults import FaultRule
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.graph_context import GraphCall, Reply
from graphsim.quotas import QuotaLimit
from graphsim.resources import parse_mail_resource
from graphsim.runtime import Runtime
from graphsim.timestamps import error_timestamp, http_date

Operation = Callable[[GraphCall], Awaitable[Reply]]

_OK_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_FOLDER = r"/mailFolders{folder:(?:\('[^/']+'\))}"

# Every route of the simulated Graph: its name (as fault rules, quotas and the log know it), method, path, operation.
GRAPH_ROUTES: tuple[tuple[str, str, str, Operation], ...] = (
    ("create", "POST", "/subscriptions", subscription_operations.create),
    ("list", "GET", "/subscriptions", subscription_operations.list_page),
    ("get", "GET", "/subscriptions/{id}", subscription_operations.read),
    ("patch", "PATCH", "/subscriptions/{id}", subscription_operations.change),
    ("delete", "DELETE", "/subscriptions/{id}", subscription_operations.delete),
    ("reauthorize", "POST", "/subscriptions/{id}/reauthorize", subscription_operations.reauthorize),
    ("me", "GET", "/me", mail_operations.user),
    ("messages", "GET", "/me/messages", mail_operations.messages),
    ("folders", "GET", "/me/mailFolders", mail_operations.folders),
    ("folder", "GET", "/me/mailFolders/{folder}", mail_operations.folder),
    ("folder-messages", "GET", "/me/mailFolders/{folder}/messages", mail_operations.folder_messages),
    ("folder-messages", "GET", f"/me{_FOLDER}/messages", mail_operations.folder_messages),
    ("user", "GET", "/users/{user}", mail_operations.user),
    ("messages", "GET", "/users/{user}/messages", mail_operations.messages),
    ("folders", "GET", "/users/{user}/mailFolders", mail_operations.folders),
    ("folder", "GET", "/users/{user}/mailFolders/{folder}", mail_operations.folder),
    ("folder-messages", "GET", "/users/{user}/mailFolders/{folder}/messages", mail_operations.folder_messages),
    ("folder-messages", "GET", f"/users/{{user}}{_FOLDER}/messages", mail_operations.folder_messages),
)
_MAIL_ROUTES = frozenset({"messages", "folders", "folder", "folder-messages"})


class GraphRoutes:
    """Serves GRAPH_ROUTES under `/v1.0` of an aiohttp application."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reading: Counter[tuple[str, str]] = Counter()

    def add_to(self, application: web.Application) -> None:
        """Register the routes."""
        for name, method, path, operation in GRAPH_ROUTES:
            application.router.add_route(method, f"/v1.0{path}", self._handler(name, operation))
        application.router.add_route("*", "/v1.0/{segment:.*}", self._handler("unknown", _unknown))

    def _handler(self, name: str, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            call = self._begin(name, request)
            graph_call = GraphCall(self._runtime, call, request.match_info, request.query, await request.read())
            response = await self._answer(graph_call, request, operation)
            call.milliseconds = (time.perf_counter() - started) * 1_000
            self._runtime.log.add(call)
            return response

        return handle

    def _begin(self, name: str, request: web.Request) -> Call:
        world = self._runtime.world
        request_id = world.randomness.guid()
        sent_id = request.headers.get("client-request-id", request_id)
        return Call(name, request.method, world.clock.now(), request_id=request_id, client_request_id=sent_id)

    async def _answer(self, call: GraphCall, request: web.Request, operation: Operation) -> web.StreamResponse:
        refusal = self._identify(call, request.headers.get("Authorization", ""))
        verdict = self._runtime.faults.verdict(call.call)
        delay = verdict.delay_seconds + self._runtime.world.settings.graph_latency_ms / 1_000
        with self._reading_slot(call.call) as crowded:
            if delay:
                await asyncio.sleep(delay)
            rule = verdict.rule
            if rule is None or rule.after_commit:
                response = await self._truth(call, operation, refusal or crowded)
                if rule is None:
                    return response
            return self._spoiled(rule, call, request)

    async def _truth(self, call: GraphCall, operation: Operation, refusal: GraphError | None) -> web.Response:
        try:
            if refusal is not None:
                raise refusal
            self._check_quota(call.call)
            reply = await operation(call)
        except GraphError as error:
            return self._error(call.call, error)
        if reply.body is None:
            return self._respond(call.call, reply.status, b"")
        return self._respond(call.call, reply.status, _encode(reply.body), content_type=_OK_TYPE)

    def _identify(self, call: GraphCall, authorization: str) -> GraphError | None:
        """Note who calls and which mailbox it is about, for rules and log; answer what is wrong with the token."""
        world, noted = self._runtime.world, call.call
        scheme, _, token = authorization.partition(" ")
        refusal: GraphError | None = None
        if scheme.lower() != "bearer" or not token:
            refusal = GRAPH_ANSWERS["token-missing"].error()
        else:
            try:
                caller = call.authenticated = world.tokens.read(token.strip())
                noted.client, noted.tenant = caller.client_id, caller.tenant_id
                if caller.expires_at <= noted.at:
                    refusal = GRAPH_ANSWERS["token-expired"].error()
            except GraphError as error:
                refusal = error
        self._note_mailbox(call)
        return refusal

    def _note_mailbox(self, call: GraphCall) -> None:
        world, noted = self._runtime.world, call.call
        reference = call.path.get("user") or (call.authenticated and call.authenticated.user_id) or ""
        if "id" in call.path:
            noted.subscription = call.path["id"]
            subscription = world.subscriptions.get(noted.subscription)
            reference = subscription.user_id if subscription else reference
        elif noted.route == "create":
            reference = _resource_user(call.raw_body) or reference
        mailbox = world.directory.find_mailbox(reference) if reference else None
        if mailbox is not None:
            noted.set_mailbox(mailbox.upn, mailbox.tenant_id)

    def _check_quota(self, call: Call) -> None:
        settings = self._runtime.world.settings
        if not settings.quotas_enforced:
            return
        limits: tuple[QuotaLimit, ...] = settings.quotas
        wait = self._runtime.quotas.refusal(limits, call.route, call.client, call.tenant, call.mailbox)
        if wait is not None:
            error = GRAPH_ANSWERS["throttled"].error()
            error.headers["Retry-After"] = str(wait)
            raise error

    @contextlib.contextmanager
    def _reading_slot(self, call: Call) -> Iterator[GraphError | None]:
        """One of the reads at once that an app has for a mailbox, held as long as the answer takes; a refusal when all are taken."""
        settings, key = self._runtime.world.settings, (call.client, call.mailbox)
        if not settings.quotas_enforced or call.route not in _MAIL_ROUTES:
            yield None
            return
        if self._reading[key] >= settings.mailbox_concurrency:
            yield GRAPH_ANSWERS["mailbox-throttled"].error()
            return
        self._reading[key] += 1
        try:
            yield None
        finally:
            self._reading[key] -= 1

    def _spoiled(self, rule: FaultRule, call: GraphCall, request: web.Request) -> web.StreamResponse:
        noted = call.call
        noted.fault = rule.id
        if rule.drop_connection:
            noted.status, noted.code = 0, "connection cut"
            return cut_connection(request)
        if isinstance(rule.error, GraphError):
            return self._error(noted, rule.error, rule.headers)
        noted.code = ""
        body = rule.raw_body or b""
        return self._respond(noted, rule.status or 500, body, rule.headers, content_type="application/json")

    def _error(self, call: Call, error: GraphError, headers: dict[str, str] | None = None) -> web.Response:
        inner = {
            "date": error_timestamp(self._runtime.world.clock.now()),
            "request-id": call.request_id,
            "client-request-id": call.client_request_id,
        }
        body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
        call.code = error.code
        all_headers = error.headers | (headers or {})
        return self._respond(call, error.status, _encode(body), all_headers, content_type="application/json")

    def _respond(
        self,
        call: Call,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        content_type: str | None = None,
    ) -> web.Response:
        call.status = status
        sent = {
            "Date": http_date(self._runtime.world.clock.now()),
            "request-id": call.request_id,
            "client-request-id": call.client_request_id,
            "Strict-Transport-Security": "max-age=31536000",
        }
        if content_type is not None:
            sent["Content-Type"] = content_type
        if headers:
            sent.update(headers)
        return web.Response(status=status, body=body or None, headers=sent)


def cut_connection(request: web.Request) -> web.StreamResponse:
    """Cut the connection under a request: the client sees it end without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _unknown(call: GraphCall) -> Reply:
    raise GraphError(400, "BadRequest", f"Resource not found for the segment '{call.path['segment']}'.")


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _resource_user(raw_body: bytes) -> str | None:
    try:
        body = json.loads(raw_body)
    except ValueError:
        return None
    path = body.get("resource") if isinstance(body, dict) else None
    resource = parse_mail_resource(path) if isinstance(path, str) else None
    return resource.user if resource else None
