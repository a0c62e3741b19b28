"""Change notifications passed on to the product: as they came, bounded in time and in number, and never acknowledged in its place."""

import ssl
import time
from collections.abc import Mapping
from typing import Self

import aiohttp
import structlog
from yarl import URL

from graphmail.receiver.counting import Lane, ReceiverMetrics

_log = structlog.get_logger("graphmail.receiver")

ANSWER_SECONDS = 2.5
"""Graph waits for three."""
UNAVAILABLE = 503
"""What Graph gets where the product did not take it: it comes again, for up to four hours."""
_UNPROVEN_SHARE = 8
"""Of what may be in flight, the part for bodies that name no subscription that is known: a flood of these leaves room for the rest."""
_IDLE_SECONDS = 4.0
"""Servers on Node end an idle connection after five: a request that meets that end is lost."""


class Forwarding:
    """The way to the product.

    Args:
        url: the product's route; the query that came is added.
        most: requests in flight.
        seconds: what the product gets for an answer.
    """

    def __init__(self, url: str, metrics: ReceiverMetrics, *, most: int, seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._metrics = metrics
        self._most = {True: most, False: max(most // _UNPROVEN_SHARE, 1)}
        self._in_flight = {True: 0, False: 0}
        metrics.in_flight(Lane.PROVEN, lambda: self._in_flight[True])
        metrics.in_flight(Lane.UNPROVEN, lambda: self._in_flight[False])
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None
        self._failing = False

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context()  # of now: aiohttp's own is made when it is imported
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ssl=trust)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(self, body: bytes, query: str, headers: Mapping[str, str], *, proven: bool) -> int:
        """The status for Graph: the product's own, or 503 where it took nothing.

        Args:
            query: as it came; our marker is in it.
            headers: what is passed on beside the body.
            proven: it names a subscription that is known, with its clientState.
        """
        if self._in_flight[proven] >= self._most[proven]:
            self._metrics.forwarded("full", None)
            return UNAVAILABLE
        self._in_flight[proven] += 1
        begun = time.perf_counter()
        try:
            code: int | str = await self._ask(body, query, headers)
        finally:
            self._in_flight[proven] -= 1
        self._metrics.forwarded(code, time.perf_counter() - begun)
        return code if isinstance(code, int) and _says_whether_it_took(code) else UNAVAILABLE

    async def _ask(self, body: bytes, query: str, headers: Mapping[str, str]) -> int | str:
        """The product's status; `timeout` or `error` where there is none."""
        if self._session is None:
            raise RuntimeError("the way to the product is used outside its context")
        target = URL(f"{self._url}?{query}" if query else self._url, encoded=True)
        try:
            async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                self._tell(None)
                return answer.status
        except TimeoutError:
            self._tell("it did not answer in time")
            return "timeout"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._tell(type(error).__name__)
            return "error"

    def _tell(self, trouble: str | None) -> None:
        """Told once, and when it is over."""
        if trouble is not None and not self._failing:
            _log.warning("the product does not take notifications; Graph is told to come again", why=trouble)
        elif trouble is None and self._failing:
            _log.info("the product takes notifications again")
        self._failing = trouble is not None


def _says_whether_it_took(code: int) -> bool:
    """A redirect does not, as Graph follows none: its target has taken nothing yet."""
    return 200 <= code < 300 or 400 <= code < 600
