"""One exchange with Graph over httpx: bounded in time and size, with foreign failures told apart and translated."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from graphmail.graph.trust import ca_bundle, tls_context

MAX_BODY = 8 * 1024 * 1024
"""Bytes of an answer that are read; a page of a list is far below, and more is no answer of Graph's."""
KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept: shorter than load balancers in front of an API keep theirs (a minute and more),
so that a create seldom meets a connection that the other side has just closed."""

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    httpx.ConnectError,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect: float = 10.0
    call: float = 20.0
    """One call, from the first byte sent to the last one read."""
    work: float = 60.0
    """One piece of work: the wait for a turn and the call. A claim in Postgres lasts twice as long."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def success(self) -> bool:
        """Graph did what was asked of it."""
        return 200 <= self.status < 300


class Unanswered(Exception):
    """No answer came.

    Attributes:
        sent: the request may have reached Graph.
        code: a word for metrics.
    """

    def __init__(self, message: str, *, sent: bool, code: str) -> None:
        super().__init__(message)
        self.sent = sent
        self.code = code


def open_client(verify: ssl.SSLContext | str | bool, connections: int, timeouts: Timeouts) -> httpx.AsyncClient:
    """An HTTP client over aiohttp's connections, with proxies and CA bundle from the usual environment variables.

    httpx reads HTTPS_PROXY, ALL_PROXY and NO_PROXY once. Where `verify` is True, the bundle is the one that sign-in goes by too.
    """
    bundle = ca_bundle() if verify is True else verify
    return HttpxAiohttpClient(
        verify=tls_context(bundle) if isinstance(bundle, str) else verify,
        timeout=httpx.Timeout(timeouts.call, connect=timeouts.connect),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_ALIVE
        ),
        headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "graphmail-operator"},
        follow_redirects=False,
    )


async def exchange(http: httpx.AsyncClient, request: httpx.Request, seconds: float) -> Reply:
    """Send the request and read the whole answer.

    Raises:
        Unanswered: there is none.
    """
    with _translated(seconds):
        async with asyncio.timeout(seconds):
            response = await http.send(request, stream=True)
            try:
                return Reply(response.status_code, response.headers, await _read(response))
            finally:
                await response.aclose()


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_BODY:
            break
    return bytes(body[:MAX_BODY])


@contextmanager
def _translated(seconds: float) -> Iterator[None]:
    try:
        yield
    except (
        TimeoutError,
        httpx.TimeoutException,
        httpx.HTTPError,
        httpx.InvalidURL,
        aiohttp.ClientError,
        OSError,
    ) as error:
        root = _root(error)
        sent = not isinstance(root, _NEVER_SENT)
        if isinstance(root, TimeoutError | httpx.TimeoutException):
            text = f"Graph did not answer within {seconds:.0f} s" if sent else "Graph could not be reached in time"
            raise Unanswered(text, sent=sent, code="timeout") from error
        happened = "broke off before the answer was complete" if sent else "could not be made"
        raise Unanswered(
            f"the connection to Graph {happened} ({type(root).__name__})", sent=sent, code="error"
        ) from error


def _root(error: BaseException) -> BaseException:
    """aiohttp's own exception where there is one: httpx-aiohttp calls each lost connection a `ConnectTimeout`, sent or not."""
    cause = error.__cause__
    return cause if isinstance(cause, aiohttp.ClientError | TimeoutError) else error
