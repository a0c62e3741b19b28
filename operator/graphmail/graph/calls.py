"""One call to Graph, from the wait for a turn to the error that its answer means."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog

from graphmail.graph.answers import Answer, concerns_mailbox_alone, refusal
from graphmail.graph.clock_offset import ClockOffset
from graphmail.graph.errors import GraphError, GraphRefused, GraphUnreachable, NoTurn
from graphmail.graph.meaning import Meaning
from graphmail.graph.quota import Budget, Turn
from graphmail.graph.spending import CallKind, Spender
from graphmail.graph.table import Operation
from graphmail.graph.text import short_id
from graphmail.graph.transport import Reply, Timeouts, Unanswered, exchange

Observer = Callable[[str, str, str, float], None]
"""Told of each call: route, method, status (or `timeout`, `error`), seconds. Routes are few: ids are left out of them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an operation looks on the wire, and what it is counted as."""

    method: str
    route: str
    kind: CallKind


SHAPES = {
    Operation.CREATE: Shape("POST", "subscriptions", CallKind.WRITE),
    Operation.GET: Shape("GET", "subscriptions/{id}", CallKind.READ),
    Operation.RENEW: Shape("PATCH", "subscriptions/{id}", CallKind.WRITE),
    Operation.DELETE: Shape("DELETE", "subscriptions/{id}", CallKind.WRITE),
    Operation.LIST: Shape("GET", "subscriptions", CallKind.LIST),
    Operation.REAUTHORIZE: Shape("POST", "subscriptions/{id}/reauthorize", CallKind.REAUTHORIZE),
}


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask of Graph, on whose behalf."""

    operation: Operation
    url: str
    token: str = field(repr=False)
    spender: Spender
    turn: Turn | None = None
    """A turn that the caller waited for already."""
    subscription_id: str | None = None
    body: dict[str, Any] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def shape(self) -> Shape:
        """How it looks on the wire."""
        return SHAPES[self.operation]


class Caller:
    """Makes calls: within the quota, over a bounded number of connections, logged, measured, and with errors understood."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        budget: Budget,
        *,
        clock: Callable[[], datetime],
        observer: Observer | None,
        connections: int,
        timeouts: Timeouts,
    ) -> None:
        self.offset = ClockOffset()
        self._http = http
        self._budget = budget
        self._clock = clock
        self._observer = observer
        self._connections = asyncio.Semaphore(connections)
        self._timeouts = timeouts
        self._log = structlog.get_logger("graphmail.graph")

    async def make(self, call: Call) -> Reply:
        """The answer, if it is a success.

        Raises:
            GraphRefused: Graph said no; where it said to wait, the tenant (or mailbox) is on hold from now on.
            GraphUnreachable: there was no answer.
            NoTurn: nothing was sent.
        """
        deadline = asyncio.get_running_loop().time() + self._timeouts.work
        waiting = self._timeouts.work - self._timeouts.call
        turn = call.turn
        if turn is None or turn.over:
            turn = await self._budget.acquire(call.shape.kind, call.spender, give_up=waiting)
        try:
            await self._connect(deadline - self._timeouts.call)
        except BaseException:
            turn.give_back(used=False)
            raise
        try:
            return await self._exchange(call, str(uuid.uuid4()))
        finally:
            self._connections.release()
            turn.give_back()

    async def _connect(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._connections.acquire()
        except TimeoutError as timeout:
            raise NoTurn(Meaning.TRANSIENT, "no connection to Graph became free in time") from timeout

    async def _exchange(self, call: Call, request_id: str) -> Reply:
        sent_at, started = self._clock(), time.perf_counter()
        try:
            reply = await exchange(self._http, self._request(call, request_id), self._timeouts.call)
        except Unanswered as silence:
            self._observe(call, silence.code, started)
            error = _unreachable(call, silence, request_id)
            self._tell(call, error=error, client_request_id=request_id)
            raise error from silence.__cause__
        self._observe(call, str(reply.status), started)
        received_at = self._clock()
        self._compare_clocks(reply, sent_at, received_at)
        if 200 <= reply.status < 300:
            self._tell(call, reply=reply, client_request_id=request_id)
            return reply
        refused = refusal(
            Answer(
                operation=call.operation,
                status=reply.status,
                headers=reply.headers,
                body=reply.body,
                received_at=received_at,
                client_request_id=request_id,
                secrets=(call.token, *call.secrets),
            )
        )
        self._hold(call.spender, refused)
        self._tell(call, error=refused, client_request_id=request_id)
        raise refused

    def _request(self, call: Call, request_id: str) -> httpx.Request:
        headers = {"authorization": f"Bearer {call.token}", "client-request-id": request_id}
        content = None
        if call.body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(call.body, separators=(",", ":")).encode()
        return self._http.build_request(call.shape.method, call.url, headers=headers, content=content)

    def _hold(self, spender: Spender, refused: GraphRefused) -> None:
        if refused.meaning is not Meaning.THROTTLED:
            return
        seconds = refused.retry_after or self._budget.limits.hold
        if concerns_mailbox_alone(refused):
            self._budget.hold_mailbox(spender, seconds)
        else:
            self._budget.hold_tenant(spender, seconds)

    def _observe(self, call: Call, code: str, started: float) -> None:
        if self._observer is not None:
            self._observer(call.shape.route, call.shape.method, code, time.perf_counter() - started)

    def _compare_clocks(self, reply: Reply, sent_at: datetime, received_at: datetime) -> None:
        if self.offset.observe(reply.headers.get("date"), sent_at, received_at):
            seconds = round(self.offset.value / timedelta(seconds=1))
            self._log.warning("clock differs from Graph's by more than a minute", offset_seconds=seconds)

    def _tell(
        self, call: Call, *, client_request_id: str, reply: Reply | None = None, error: GraphError | None = None
    ) -> None:
        """One line for each register, renew and delete; calls that only read are told where they fail."""
        facts: dict[str, Any] = {
            "operation": call.operation.value,
            "mailbox": call.spender.mailbox,
            "client_request_id": client_request_id,
        }
        if call.subscription_id:
            facts["subscription"] = call.subscription_id
        if error is not None:
            self._log.warning(
                "graph call failed",
                **facts,
                meaning=error.meaning.value,
                status=error.status,
                code=error.code,
                error=error.message,
                request_id=error.request_id,
            )
        elif reply is not None:
            log = self._log.debug if call.shape.method == "GET" else self._log.info
            log("graph call", **facts, status=reply.status, request_id=short_id(reply.headers.get("request-id")))


def _unreachable(call: Call, silence: Unanswered, request_id: str) -> GraphUnreachable:
    unknown = silence.sent and call.operation is Operation.CREATE
    return GraphUnreachable(
        Meaning.OUTCOME_UNKNOWN if unknown else Meaning.TRANSIENT, str(silence), client_request_id=request_id
    )
