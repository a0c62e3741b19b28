"""The simulator as servers: Graph and sign-in over TLS on one port, the control API in plain HTTP on another.

`Simulator` runs inside the caller's event loop, for tests and for the command line alike.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from graphsim.calls import CallLog
from graphsim.clock import SimulatedClock
from graphsim.control_routes import ControlRoutes
from graphsim.faults import Faults
from graphsim.graph_routes import GraphRoutes
from graphsim.notifications import Notifier
from graphsim.quotas import QuotaWindows
from graphsim.randomness import Randomness
from graphsim.runtime import Runtime
from graphsim.settings import SimulatorSettings
from graphsim.signin_routes import SigninRoutes
from graphsim.tls import SERVER_NAMES, Authority
from graphsim.world import World

_LARGEST_SEED = 256 * 1024 * 1024
_LARGEST_GRAPH_BODY = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where the servers listen (port 0: any free one), and how simulated time starts (None: now).

    `public_host` is the name that clients use: it stands in the URLs and in the certificate.
    """

    host: str = "127.0.0.1"
    public_host: str = "localhost"
    port: int = 0
    control_host: str = "127.0.0.1"
    control_port: int = 0
    speed: float = 1.0
    start: float | None = None
    seed: int | None = None


class Simulator:
    """A running simulator, as an asynchronous context manager.

    Attributes while it runs: `graph_url` (up to and with `/v1.0`), `login_url`, `control_url`, `ca_path`, `world`,
    `clock`, `faults`, `log`, `notifier`. The certificate authority lives in `state_dir` and is reused.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        options: ServerOptions | None = None,
        settings: SimulatorSettings | None = None,
        real_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or ServerOptions()
        initial = settings or SimulatorSettings()
        start = time.time() if self._options.start is None else self._options.start
        self.clock = SimulatedClock(real_clock, start=start, speed=self._options.speed)
        randomness = Randomness(self._options.seed)
        self.world = World(self.clock, randomness, initial.model_copy())
        self.faults = Faults(randomness)
        self.log = CallLog()
        authority = Authority(state_dir)
        self.ca_path = authority.path
        self.notifier = Notifier(self.world, authority.client_context())
        self.runtime = Runtime(
            self.world, self.faults, QuotaWindows(real_clock), self.log, self.notifier, authority, initial
        )
        self._closing = contextlib.AsyncExitStack()

    @property
    def graph_url(self) -> str:
        """Base URL of the simulated Graph, up to and with `/v1.0`."""
        return self.runtime.graph_url

    @property
    def login_url(self) -> str:
        """Base URL of the simulated sign-in."""
        return self.runtime.login_url

    @property
    def control_url(self) -> str:
        """Base URL of the control API."""
        return self.runtime.control_url

    async def __aenter__(self) -> "Simulator":
        async with contextlib.AsyncExitStack() as opening:
            await opening.enter_async_context(self.notifier)
            options = self._options
            context = self.runtime.authority.server_context(*dict.fromkeys((*SERVER_NAMES, options.public_host)))
            port = await _listen(opening, self._graph_application(), options.host, options.port, context)
            self.runtime.login_url = f"https://{options.public_host}:{port}"
            self.runtime.graph_url = f"{self.runtime.login_url}/v1.0"
            control_port = await _listen(
                opening, self._control_application(), options.control_host, options.control_port, None
            )
            self.runtime.control_url = f"http://{options.control_host}:{control_port}"
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._closing.aclose()

    def _graph_application(self) -> web.Application:
        application = web.Application(client_max_size=_LARGEST_GRAPH_BODY)
        SigninRoutes(self.runtime).add_to(application)
        GraphRoutes(self.runtime).add_to(application)
        return application

    def _control_application(self) -> web.Application:
        application = web.Application(client_max_size=_LARGEST_SEED)
        ControlRoutes(self.runtime).add_to(application)
        return application


async def _listen(
    opening: contextlib.AsyncExitStack, application: web.Application, host: str, port: int, tls: ssl.SSLContext | None
) -> int:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    opening.push_async_callback(_close, runner)
    site = web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024)
    await site.start()
    address = runner.addresses[0]
    return int(address[1])


async def _close(runner: web.AppRunner) -> None:
    """End a server for good: whoever still holds a TLS connection would be waited for otherwise, half a minute each."""
    handlers = runner.server.connections if runner.server is not None else []
    transports = [handler.transport for handler in handlers if handler.transport is not None]
    await runner.cleanup()
    for transport in transports:
        transport.abort()
    if transports:
        await asyncio.sleep(0)
