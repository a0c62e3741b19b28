"""Calls from the simulated Graph to the endpoints of its clients, made for real over HTTP(S): the handshake, and single posts.

The rules are Graph's: the handshake must be answered within ten seconds with 200, `text/plain` and the token as it was before
it was encoded; redirects are not followed.
"""

import asyncio
import contextlib
import ssl
import time
from collections import defaultdict
from urllib.parse import quote_plus, urlsplit

import aiohttp
from yarl import URL

from graphsim.deliveries import TIMED_OUT, Attempt
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.world import World

_LONGEST_TOKEN = 4_096
_AT_ONCE = 64


class Endpoints:
    """The connections to the endpoints; at most 64 posts at once to each. Open it as an asynchronous context manager."""

    def __init__(self, world: World, trust: ssl.SSLContext) -> None:
        self._world = world
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None
        self._lanes: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))

    async def __aenter__(self) -> "Endpoints":
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "graphsim"})
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def handshake(self, url: str) -> None:
        """Validate an endpoint as Graph does; raises GraphError 400 that says what was wrong with its answer."""
        settings = self._world.settings
        if not settings.handshake:
            return
        token = f"Validation: Testing client application reachability. Request-Id: {self._world.randomness.guid()}"
        target = URL(f"{url}{'&' if '?' in url else '?'}validationToken={quote_plus(token)}", encoded=True)
        try:
            async with asyncio.timeout(settings.handshake_limit_seconds):
                status, content_type, text = await self._validate(target)
        except TimeoutError:
            raise GRAPH_ANSWERS["endpoint-timed-out"].error() from None
        except aiohttp.ClientConnectorDNSError:
            raise GRAPH_ANSWERS["endpoint-unresolved"].error(host=urlsplit(url).hostname) from None
        except (aiohttp.ClientError, OSError):
            raise GRAPH_ANSWERS["endpoint-validation-failed"].error() from None
        _judge_handshake(status, content_type, text, token)

    async def post(self, url: str, body: bytes) -> Attempt:
        """Post a notification once; the wait for a turn at the endpoint is not part of the attempt."""
        async with self._lanes[urlsplit(url).netloc]:
            at, started = self._world.clock.now(), time.perf_counter()
            status, error = None, ""
            try:
                async with asyncio.timeout(self._world.settings.notification_limit_seconds):
                    status = await self._post(url, body)
            except TimeoutError:
                error = TIMED_OUT
            except (aiohttp.ClientError, OSError) as failure:
                error = type(failure).__name__
            return Attempt(at, status, error, (time.perf_counter() - started) * 1_000)

    async def _validate(self, target: URL) -> tuple[int, str, str]:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        async with self._client().post(target, data=b"", headers=headers, allow_redirects=False) as answer:
            raw = await answer.content.read(_LONGEST_TOKEN)
            return answer.status, answer.content_type, raw.decode(errors="replace")

    async def _post(self, url: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        target = URL(url, encoded=True)
        async with self._client().post(target, data=body, headers=headers, allow_redirects=False) as answer:
            with contextlib.suppress(aiohttp.ClientError):
                await answer.read()
            return answer.status

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the endpoints are not open: use them as an asynchronous context manager")
        return self._session


def _judge_handshake(status: int, content_type: str, text: str, token: str) -> None:
    if status != 200 or content_type != "text/plain":
        raise GRAPH_ANSWERS["endpoint-validation-failed"].error()
    if text != token:
        raise GRAPH_ANSWERS["endpoint-wrong-token"].error()
