"""An API server that misbehaves: a proxy before the real one, which is told what to hide, to make up, to refuse and to cut.

Unlike a gate it understands what passes: it ends TLS with the API server's own certificate, so that its kubeconfig trusts it.
"""

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from graphmail import operating
from graphmail.handlers import kopf_settings
from graphmail.resource.names import PLURAL
from localstack.controlplane import ControlPlane
from support.stage import Stage

_LONGEST_LINE = 1 << 22
_HOP_BY_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection"})
EXPIRED = 410


@dataclass
class Refusal:
    """Calls of our resources that are answered with an error."""

    status: int
    verb: str
    """As Kubernetes names it: list, watch, get, patch, delete; or `patch/status`."""
    name: str | None = None
    """Of the resource; None: of any."""
    times: int | None = None
    """How often; None: until it is taken back."""
    after: bool = False
    """The call is carried out all the same."""
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "made up by a test"
    hits: int = 0

    def spoils(self, verb: str, name: str) -> bool:
        """Whether it applies to that call."""
        wanted = self.verb == verb and self.name in {None, name}
        return wanted and (self.times is None or self.hits < self.times)

    def answer(self) -> web.Response:
        """As the API server words a refusal."""
        return web.json_response(failure(self.status, self.message), status=self.status, headers=self.headers)


@dataclass(eq=False)
class _Watch:
    """An open stream of our resources, and what is to be sent in it."""

    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    transport: asyncio.Transport | None = None


class ApiProxy:
    """Passes everything on to the API server, unless it was told otherwise.

    Attributes:
        calls: how often our resources were asked for, by verb: list, watch, get, patch, delete, and patch/status.
        lost: how many events of a resource were lost, by its name.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._watches: set[_Watch] = set()
        self._refusals: list[Refusal] = []
        self._old_list: dict[str, Any] | None = None
        self._hidden: set[str] = set()
        self._deaf = False
        self.calls: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        trusting = ssl.create_default_context(cafile=str(self._control_plane.ca_file))
        connector = aiohttp.TCPConnector(limit=0, ssl=trusting)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, read_bufsize=_LONGEST_LINE, timeout=aiohttp.ClientTimeout()
        )
        app = web.Application(client_max_size=_LONGEST_LINE)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        pki = self._control_plane.ca_file.parent
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pki / "server.crt", pki / "server.key")
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads here."""
        path = folder / "kubeconfig-through-the-proxy"
        path.write_text(self._control_plane.kubeconfig.read_text().replace(self._control_plane.url, self.url))
        return path

    # --- lists -------------------------------------------------------------------------------------------------------

    def serve_old_list(self, old: dict[str, Any]) -> None:
        """Every list is answered with this one from now on, as a replica that lags behind would; a watch goes on from it."""
        self._old_list = old

    def serve_new_lists(self) -> None:
        """Lists are true again."""
        self._old_list = None

    # --- watches -----------------------------------------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """How many streams of our resources are open."""
        return len(self._watches)

    def hide(self, name: str) -> None:
        """Events of that resource are lost from now on."""
        self._hidden.add(name)

    def turn_deaf(self) -> None:
        """All events are lost."""
        self._deaf = True

    def hear_again(self) -> None:
        """No more events are lost; those that were stay so."""
        self._deaf = False
        self._hidden.clear()

    def say(self, line: bytes) -> None:
        """This line comes in each open stream, which ends after it."""
        for watch in self._watches:
            watch.lines.put_nowait(line + b"\n")
            watch.lines.put_nowait(None)

    def expire(self) -> None:
        """The streams end as when what was seen last is too old."""
        self.say(error_event(EXPIRED))

    def cut(self) -> None:
        """The streams break off."""
        for watch in self._watches:
            if watch.transport is not None:
                watch.transport.abort()

    # --- refusals ----------------------------------------------------------------------------------------------------

    def refuse(self, verb: str, status: int, **fields: Any) -> Refusal:
        """Calls with that verb are answered with an error from now on."""
        refusal = Refusal(status, verb, **fields)
        self._refusals.append(refusal)
        return refusal

    def relent(self) -> None:
        """Nothing is refused any more."""
        self._refusals.clear()

    # --- passing on --------------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.StreamResponse:
        verb, name = _meaning(request)
        self.calls[verb] += 1
        refusal = next((one for one in self._refusals if one.spoils(verb, name)), None)
        if refusal is not None:
            refusal.hits += 1
            if refusal.after:
                await self._pass(request)
            return refusal.answer()
        if verb == "list" and self._old_list is not None:
            return web.json_response(self._old_list)
        return await (self._stream(request) if verb == "watch" else self._pass(request))

    def _ask(self, request: web.Request, body: bytes | None = None) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = self._control_plane.url + request.raw_path
        bare = ("Content-Type",)
        return self._session.request(request.method, url, headers=headers, data=body or None, skip_auto_headers=bare)

    async def _pass(self, request: web.Request) -> web.Response:
        async with self._ask(request, await request.read()) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(body=await answer.read(), status=answer.status, headers=kept)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        async with self._ask(request) as answer:
            if answer.status != 200:
                return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            watch = _Watch(transport=request.transport)
            pumping = asyncio.create_task(self._pump(answer.content, watch))
            self._watches.add(watch)
            try:
                with contextlib.suppress(aiohttp.ClientConnectionResetError):
                    while (line := await watch.lines.get()) is not None:
                        await response.write(line)
            finally:
                self._watches.discard(watch)
                pumping.cancel()
            return response

    async def _pump(self, content: aiohttp.StreamReader, watch: _Watch) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            async for line in content:
                name = json.loads(line)["object"].get("metadata", {}).get("name", "")
                if self._deaf or name in self._hidden:
                    self.lost[name] += 1
                else:
                    watch.lines.put_nowait(line)
        watch.lines.put_nowait(None)


def _meaning(request: web.Request) -> tuple[str, str]:
    """The verb of a call of our resources, and the name in it; for all other calls the verb is empty."""
    _, found, rest = request.path.partition(f"/{PLURAL}")
    if not found:
        return "", ""
    name, _, subresource = rest.strip("/").partition("/")
    verb = request.method.lower()
    if verb == "get" and not name:
        verb = "watch" if request.query.get("watch") == "true" else "list"
    return f"{verb}/{subresource}" if subresource else verb, name


def failure(code: int, message: str = "made up by a test") -> dict[str, Any]:
    """A `Status` object of Kubernetes that tells of an error."""
    reasons = {403: "Forbidden", 409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests"}
    told = {"code": code, "reason": reasons.get(code, "InternalError"), "message": message}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"} | told


def error_event(code: int) -> bytes:
    """The line with which a stream tells of an error."""
    return json.dumps({"type": "ERROR", "object": failure(code)}).encode()


def _patient() -> Any:
    """Kopf's settings, but for the thread that it would kill some seconds after it has ended by itself: the tests run in it."""
    settings = kopf_settings()
    settings.process.ultimate_exiting_timeout = None
    return settings


@pytest.fixture
async def proxy(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiProxy]:
    """The proxy, with the operator led through it; what a test asks for itself goes past it."""
    async with ApiProxy(stage.control_plane) as serving:
        monkeypatch.setenv("KUBECONFIG", str(serving.kubeconfig(tmp_path)))
        monkeypatch.setattr(operating, "kopf_settings", _patient)
        yield serving
