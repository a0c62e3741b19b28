"""Thousands of hostile requests over a real socket: nothing changes, nothing breaks, and none is answered as if it were our fault."""

import asyncio
import json
import random
import re
from collections.abc import Iterator
from typing import Any, NoReturn, cast
from urllib.parse import quote_from_bytes, urlsplit

import aiohttp
import pytest

from graphmail.cluster import Cluster
from graphmail.provider import client_state_fingerprint
from graphmail.receiver.arrivals import Arrivals
from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.forwarding import Forwarding
from graphmail.receiver.handing import Handing
from graphmail.receiver.intake import Changes, Lifecycle
from graphmail.receiver.roster import Roster
from graphmail.receiver.server import Bounds
from graphmail.resource.lifecycle import LifecycleEvent
from support.receiving import AT, ProductRoute, change, lifecycle, posted, resource, served

REQUESTS = 10_000
AT_ONCE = 150
STATE = "the-right-one-that-nobody-knows"
KNOWN = resource("a@example.com", {"sub-1": STATE})
NAME = KNOWN["metadata"]["name"]
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
NEAR_MISSES = [
    None,
    "",
    STATE[:-1],
    STATE + " ",
    STATE.upper(),
    client_state_fingerprint(STATE),
    [STATE],
    {"": STATE},
    STATE + "\0",
    0,
    True,
]


class Untouched:
    """An API server that nobody may ask for anything."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"a hostile request has led to {name}")


class Attacker:
    """Makes requests up."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def request(self) -> bytes:
        """The bytes of one, which may be no HTTP at all."""
        chance = self._random
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(200))
        body = self._body()
        head = b" ".join([self._method(), self._target(), chance.choice([b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/9"])])
        whole = b"\r\n".join([head, *self._headers(body), b"", b""]) + body
        return self._spoiled(whole) if chance.random() < 0.2 else whole

    def _method(self) -> bytes:
        return self._random.choice([b"POST"] * 12 + [b"GET", b"PUT", b"OPTIONS", b"CONNECT", b"TRACE", b"p\xc3st", b""])

    def _target(self) -> bytes:
        chance = self._random
        path = chance.choice(
            [b"/lifecycle"] * 5 + [b"/notifications"] * 5 + [b"/", b"*", b"//", b"/%2e%2e/", b"http://x/"]
        )
        if chance.random() < 0.5:
            return path
        token = quote_from_bytes(chance.randbytes(chance.randrange(60))).encode()
        query = chance.choice(
            [
                b"validationToken=" + token,
                token,
                b"&" * 80,
                b"validationToken",
                b"gms=" + token,
                b"\xff\xfe",
                b"a=%0d%0aX:y",
            ]
        )
        return path + b"?" + query

    def _headers(self, body: bytes) -> list[bytes]:
        chance = self._random
        headers = [b"Host: receiver", b"Connection: close"]
        length = chance.choice([len(body)] * 8 + [len(body) + 5, max(len(body) - 3, 0), -1, 10**12])
        headers.append(chance.choice([b"Content-Length: %d" % length] * 8 + [b"Transfer-Encoding: chunked", b"X: y"]))
        odd = [
            b"Content-Encoding: gzip",
            b"Content-Type: \xff\xfe",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b"X: " + b"a" * 9_000,
            b"no header",
            b"Content-Length: 3",
            b"User-Agent: a\tb\x7f",
            b"client-request-id: " + chance.randbytes(8).hex().encode(),
        ]
        return headers + [chance.choice(odd) for _ in range(chance.choice([0, 0, 0, 1, 2]))]

    def _body(self) -> bytes:
        chance = self._random
        kind = chance.randrange(8)
        if kind == 0:
            return chance.randbytes(chance.randrange(400))
        if kind == 1:
            return chance.choice([b"[" * 50_000, b'{"value":' * 9_000, b"x" * 300_000, b'{"value":[' + b"{}," * 9_000])
        items = [self._item() for _ in range(chance.choice([1, 1, 2, 30]))]
        return posted(*items) if kind > 2 else self._spoiled(posted(*items))

    def _item(self) -> dict[str, Any]:
        chance = self._random
        subscription = chance.choice(["sub-1", "SUB-1", "sub-1 ", "sub-2", "", "\ud800", "x" * 500])
        state = chance.choice(NEAR_MISSES)
        event = chance.choice([*(event.value for event in LifecycleEvent), "deleted", "", "x" * 999])
        item = chance.choice([lifecycle(subscription, event, None), change(subscription, None)]) | {
            "clientState": state
        }
        if chance.random() < 0.2:
            item[chance.choice(list(item))] = chance.choice([None, [], {}, 10**400, 1e308, "\ud800", [[[]]]])
        return item

    def _spoiled(self, data: bytes) -> bytes:
        """Some bytes are others, or it ends early."""
        chance = self._random
        spoiled = bytearray(data)
        for _ in range(chance.randrange(4)):
            if spoiled:
                spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        return bytes(spoiled[: chance.choice([len(spoiled), chance.randrange(len(spoiled) + 1)])])


async def answers(url: str, data: bytes) -> list[int]:
    """The statuses of all that is answered to these bytes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    answer = b""
    try:
        writer.write(data)
        async with asyncio.timeout(20):
            answer = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return [int(status) for status in _STATUS.findall(answer)]


async def attack(url: str, requests: Iterator[bytes], seen: set[int]) -> None:
    """Send what is left of these, one after the other: a slow one holds up nobody else."""
    for one in requests:
        statuses = await answers(url, one)
        assert all(status < 500 for status in statuses), one[:500]
        seen.update(statuses)


@pytest.mark.timeout(1800)
async def test_hostile_requests_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    roster, metrics = Roster(), ReceiverMetrics()
    roster.note(NAME, KNOWN)
    roster.current = True
    untouched = cast("Cluster", Untouched())
    arrivals = Arrivals(untouched, None, roster, metrics)
    bounds = Bounds(body_seconds=0.5, first_request_seconds=0.5, idle_seconds=0.5, linger_seconds=0.2)
    attacker = Attacker(20261129)
    seen: set[int] = set()
    async with (
        ProductRoute() as product,
        Forwarding(product.url, metrics, most=8 * AT_ONCE, seconds=60.0) as forwarding,
    ):
        handing = Lifecycle(roster, Handing(untouched, roster), metrics, now=lambda: AT, most=8)
        changes = Changes(roster, forwarding, arrivals, metrics, now=lambda: AT)
        async with served({"/lifecycle": handing.take, "/notifications": changes.take}, metrics, bounds) as url:
            requests = (attacker.request() for _ in range(REQUESTS))
            async with asyncio.TaskGroup() as attackers:
                for _ in range(AT_ONCE):
                    attackers.create_task(attack(url, requests, seen))
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{url}/lifecycle?validationToken=alive") as response,
            ):
                assert await response.text() == "alive"
    assert len(arrivals) == 0
    assert seen >= {200, 202, 400, 404, 405, 413, 415}
    assert (
        metrics.registry.get_sample_value(
            "graphmail_receiver_notifications_total", {"kind": "missed", "outcome": "taken"}
        )
        == 0
    )
    assert STATE not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_the_requests_are_those_that_the_seed_makes() -> None:
    assert Attacker(1).request() == Attacker(1).request()
    assert json.loads(posted(Attacker(1)._item()))["value"]
