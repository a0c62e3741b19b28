"""One call to Graph, from the wait for a turn to the error that its answer means."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import datetime

import httpx

from graphmail.graph.answers import Answer, concerns_mailbox_alone, refusal
from graphmail.graph.call import Call
from graphmail.graph.call_log import CallLog
from graphmail.graph.clock_offset import ClockOffset
from graphmail.graph.errors import GraphRefused, GraphUnreachable, NoTurn
from graphmail.graph.meaning import Meaning
from graphmail.graph.quota import Budget
from graphmail.graph.spending import Spender
from graphmail.graph.table import Operation
from graphmail.graph.transport import Reply, Timeouts, Unanswered, exchange

Observer = Callable[[str, str, str, float], None]
"""Told of each call: route, method, status (or `timeout`, `error`), seconds. Routes are few: ids are left out of them."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What a header may carry (RFC 9110, section 5.5), spaces left out."""


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
        self._log = CallLog()

    async def make(self, call: Call) -> Reply:
        """The answer, if it is a success.

        Raises:
            GraphRefused: Graph said no; where it said to wait, the tenant (or mailbox) is on hold from now on.
            GraphUnreachable: there was no answer.
            NoTurn: nothing was sent.
        """
        if not _SENDABLE.fullmatch(call.token):
            raise GraphRefused(Meaning.UNAUTHORIZED, "the access token holds characters that cannot be sent")
        waiting = self._timeouts.work - self._timeouts.call
        deadline = asyncio.get_running_loop().time() + waiting
        turn = call.turn
        if turn is None or turn.over or turn.kind is not call.shape.kind:
            turn = await self._budget.acquire(call.shape.kind, call.spender, give_up=waiting)
        try:
            await self._connect(deadline)
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
            raise NoTurn(Meaning.THROTTLED, "no connection to Graph became free in time") from timeout

    async def _exchange(self, call: Call, request_id: str) -> Reply:
        sent_at, started = self._clock(), time.perf_counter()
        try:
            reply = await exchange(self._http, self._request(call, request_id), self._timeouts.call)
        except Unanswered as silence:
            self._observe(call, silence.code, started)
            unreachable = _unreachable(call, silence, request_id)
            self._log.failed(call, unreachable)
            raise unreachable from silence.__cause__
        self._observe(call, str(reply.status), started)
        received_at = self._clock()
        self._compare_clocks(reply, sent_at, received_at)
        if reply.success:
            self._log.done(call, reply, request_id)
            return reply
        refused = _refused(call, reply, request_id, received_at)
        self._hold(call.spender, refused)
        self._log.failed(call, refused)
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
            self._log.skewed(self.offset.value)


def _unreachable(call: Call, silence: Unanswered, request_id: str) -> GraphUnreachable:
    unknown = silence.sent and call.operation is Operation.CREATE
    meaning = Meaning.OUTCOME_UNKNOWN if unknown else Meaning.TRANSIENT
    return GraphUnreachable(meaning, str(silence), client_request_id=request_id)


def _refused(call: Call, reply: Reply, request_id: str, received_at: datetime) -> GraphRefused:
    return refusal(
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
