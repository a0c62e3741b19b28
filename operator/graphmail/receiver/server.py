"""The HTTP server: bounded in every direction, since anybody may reach it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.forwarding import UNAVAILABLE
from graphmail.receiver.intake import Request
from graphmail.receiver.reading import (
    Malformed,
    Notification,
    TooMany,
    read_notifications,
    read_token,
    token_answer,
)

_PASSED_ON = ("Content-Type", "User-Agent", "client-request-id", "request-id")
_OTHER = "other"
_HANDSHAKE = "handshake"
Take = Callable[[list[Notification], Request], Awaitable[int]]
"""What a route does with what came: the status of the answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is let in."""

    body_bytes: int = 256 * 1024
    """Graph sends some kilobytes."""
    bodies_bytes: int = 64 * 1024 * 1024
    """Of all bodies that are being read or answered: two thousand of Graph's are less, and as many of the largest are eight times it."""
    body_seconds: float = 5.0
    """Then a body that is not whole is given up."""
    first_request_seconds: float = 10.0
    """Then a connection that has asked for nothing is cut."""
    idle_seconds: float = 75.0
    """Longer than proxies before us keep a connection, so that they end it and not we."""
    connections: int = 2_000
    """At once; beside Graph's there are those that proxies before us keep."""
    header_bytes: int = 8_190
    head_bytes: int = 16 * 1024
    """Request line and headers together, which are kept until they are whole. Servers on Node let in as much."""
    linger_seconds: float = 1.0
    """What a client that was answered early gets to see the answer; then its connection is cut."""


class _Refused(Exception):
    """The answer stands before the body was read."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Came:
    body: bytes
    query: str
    headers: Mapping[str, str]


class _HttpLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log, without a traceback for each client that speaks no HTTP."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        """A defect of ours is told of; what a client did wrong is not."""
        if isinstance(exc_info, HttpProcessingError):
            self.debug("a request was no HTTP: %s", type(exc_info).__name__)
        else:
            super().exception(msg, *args, exc_info=exc_info, **kwargs)


class _Connection(RequestHandler):
    """Cut where the head of a request is longer than is let in: aiohttp bounds each header, and keeps them all until the last has come.

    What comes in one piece with the end of another request, which no client of ours does, counts from the next piece on.
    """

    __slots__ = ("_body", "_head", "_most")

    def __init__(self, server: "Server", *, loop: asyncio.AbstractEventLoop, head_bytes: int, **how: Any) -> None:
        super().__init__(server, loop=loop, **how)
        self._most = head_bytes
        self._head = 0
        """Bytes of a head that is not whole."""
        self._body: aiohttp.StreamReader | None = None
        """Of the last request whose head was."""

    def data_received(self, data: bytes) -> None:
        """What comes belongs to a body, ends a head, or makes one longer."""
        begun, of_a_body = self._request_count, self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if self._request_count > begun and self._messages:
            self._body = self._messages[-1][1]
        self._head = 0 if of_a_body or self._request_count > begun else self._head + len(data)
        if self._head > self._most and self.transport is not None:
            self.transport.abort()


class Server(web.Server):
    """aiohttp's low-level server, with a bound on connections, on those that say nothing, and on those that do not come to the point."""

    def __init__(self, handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]], bounds: Bounds) -> None:
        super().__init__(
            self._begun(handler),
            logger=_HttpLog(logging.getLogger("graphmail.receiver.http"), {}),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=bounds.idle_seconds,
            lingering_time=bounds.linger_seconds,
            max_line_size=bounds.header_bytes,
            max_field_size=bounds.header_bytes,
            max_headers=64,
        )
        self._bounds = bounds
        self._silent: dict[RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> RequestHandler:
        """What serves a new connection."""
        return _Connection(self, loop=self._loop, head_bytes=self._bounds.head_bytes, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """One more; beyond the bound it is cut at once."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._bounds.connections:
            transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._bounds.first_request_seconds, transport.abort)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """One less."""
        self._heard(handler)
        super().connection_lost(handler, exc)

    def _heard(self, handler: RequestHandler) -> None:
        if (timer := self._silent.pop(handler, None)) is not None:
            timer.cancel()

    def _begun(
        self, handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[BaseRequest], Awaitable[web.StreamResponse]]:
        async def begin(request: BaseRequest) -> web.StreamResponse:
            self._heard(request.protocol)
            return await handler(request)

        return begin


class _Share:
    """What one body takes of the room for all, until its request is answered."""

    def __init__(self, room: "_Room") -> None:
        self._room = room
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.left += self._taken

    def take(self, size: int) -> None:
        """So many bytes more.

        Raises:
            _Refused: there is no room for them.
        """
        if size > self._room.left:
            raise _Refused(UNAVAILABLE, "too much at once")
        self._room.left -= size
        self._taken += size


@dataclass(slots=True)
class _Room:
    """For bodies that are being read or answered: many connections together could fill the memory with what each alone may send."""

    left: int


class Desk:
    """Answers requests.

    Args:
        routes: what is done, by path.
        prefix: of the public URL's path, for a proxy that does not take it away.
    """

    def __init__(
        self, routes: Mapping[str, Take], metrics: ReceiverMetrics, bounds: Bounds, *, prefix: str = ""
    ) -> None:
        self._routes = {path: (path.strip("/"), take) for path, take in routes.items()}
        self._routes |= {prefix + path: route for path, route in list(self._routes.items())}
        self._metrics = metrics
        self._bounds = bounds
        self._room = _Room(bounds.bodies_bytes)

    async def answer(self, request: BaseRequest) -> web.StreamResponse:
        """The answer to any request, whatever it holds."""
        begun = time.perf_counter()
        path, _, query = request.raw_path.partition("?")
        name, take = self._routes.get(path, (_OTHER, None))
        if take is None:
            response = _plain(404, "there is nothing here")
        elif request.method != "POST":
            response = _plain(405, "POST, as Graph does", headers={"Allow": "POST"})
        else:
            name, response = await self._answer_post(request, query, name, take)
        if not request.content.is_eof():
            response.force_close()
        self._metrics.answered(name, response.status, time.perf_counter() - begun)
        return response

    async def _answer_post(self, request: BaseRequest, query: str, name: str, take: Take) -> tuple[str, web.Response]:
        try:
            token = read_token(query)
            if token is not None:
                return _HANDSHAKE, _plain(200, token_answer(token))
            with _Share(self._room) as share:
                body = await self._read(request, query, share)
                items = read_notifications(body)
                return name, _plain(await take(items, _Came(body, query, _passed_on(request))), "")
        except TooMany as error:
            return name, _plain(413, str(error))
        except Malformed as error:
            return name, _plain(400, f"no notifications: {error}")
        except _Refused as refused:
            return name, _plain(refused.status, str(refused))

    async def _read(self, request: BaseRequest, query: str, share: _Share) -> bytes:
        """The body, within the bounds.

        Raises:
            _Refused: it is larger, slower or of another form than anything that Graph sends, or there is no room for it now.
        """
        if query and not _is_plain(query):
            raise _Refused(400, "a query with other characters than a URL has")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Refused(415, "no compressed bodies")
        if (request.content_length or 0) > self._bounds.body_bytes:
            raise _Refused(413, "too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                async for chunk in request.content.iter_any():
                    if len(body) + len(chunk) > self._bounds.body_bytes:
                        raise _Refused(413, "too large")
                    share.take(len(chunk))
                    body += chunk
        except TimeoutError:
            raise _Refused(408, "too slow") from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise _Refused(400, "the body broke off") from error
        except RuntimeError as error:
            if request.protocol.connected:
                raise
            # So aiohttp says that the client was gone before the first look at its body.
            raise _Refused(400, "the client is gone") from error
        return bytes(body)


def _passed_on(request: BaseRequest) -> dict[str, str]:
    return {header: request.headers[header] for header in _PASSED_ON if _is_plain(request.headers.get(header))}


def _is_plain(text: str | None) -> bool:
    """What may be sent on."""
    return text is not None and text.isascii() and text.isprintable()


def _plain(status: int, text: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """Never anything that a browser would run."""
    always = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if status == UNAVAILABLE:
        always["Retry-After"] = "5"
    return web.Response(
        status=status, text=text, content_type="text/plain", charset="utf-8", headers={**always, **(headers or {})}
    )
