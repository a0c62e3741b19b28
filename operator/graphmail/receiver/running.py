"""The receiver put together, from the first to the orderly end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from graphmail.clock import clock_of
from graphmail.cluster import Cluster, load_configuration
from graphmail.database import Database, DatabaseError, DatabaseSettings, DatabaseUnavailable, PoolSettings
from graphmail.observability.health import Heartbeat, Readiness
from graphmail.observability.probes import AddressError, ProbeServer, probe_app
from graphmail.receiver.arrivals import Arrivals
from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.forwarding import ANSWER_SECONDS, Forwarding
from graphmail.receiver.handing import HAND_SECONDS, Handing
from graphmail.receiver.intake import Changes, Lifecycle
from graphmail.receiver.roster import Roster, follow
from graphmail.receiver.server import Bounds, Desk, Server, Take
from graphmail.resource.names import LIFECYCLE_PATH, NOTIFICATIONS_PATH
from graphmail.settings import Settings

_log = structlog.get_logger("graphmail.receiver")

FAREWELL_SECONDS = 5.0
"""How long it goes on answering after it was told to stop: so long others may send to it still."""
FLUSH_SECONDS = 5.0
"""What the last write gets."""
_REQUESTS_SECONDS = 5.0
"""What running requests get at the end."""
_LIFECYCLE_IN_FLIGHT = 256
_BACKLOG = 1_024


class ReceiverError(Exception):
    """The receiver cannot start; the text says what is wrong, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What a test sets otherwise."""

    bounds: Bounds = field(default_factory=Bounds)
    farewell_seconds: float = FAREWELL_SECONDS
    hand_seconds: float = HAND_SECONDS
    forward_seconds: float = ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class _Parts:
    roster: Roster
    metrics: ReceiverMetrics
    readiness: Readiness
    cluster: Cluster
    arrivals: Arrivals
    desk: Desk


async def receive(
    settings: Settings,
    stop: asyncio.Event,
    *,
    manners: Manners | None = None,
    listening: Callable[[int], None] = lambda _: None,
) -> None:
    """Take what Graph posts until `stop` is set; then finish what was begun, and write what waits.

    Args:
        listening: told of the port, once requests are answered.

    Raises:
        ReceiverError: it cannot start.
        ClusterConfigError: there is no usable configuration for an API server.
    """
    manners = manners or Manners()
    async with AsyncExitStack() as opened:
        parts = await _assembled(settings, manners, opened)
        following = asyncio.create_task(
            follow(parts.roster, parts.cluster, listed=lambda: parts.readiness.set_ready("kubernetes")), name="roster"
        )
        writing = asyncio.create_task(parts.arrivals.run(settings.receiver_batch.total_seconds()), name="arrivals")
        async with _served(settings, parts, manners) as port:
            _log.info("listening", port=port, forwards=settings.receiver_forward_url is not None)
            parts.readiness.set_ready("listening")
            listening(port)
            await _until(stop, following, writing)
            parts.readiness.set_missing("listening", "stopping")
            _log.info("stopping: what was begun is finished")
            await asyncio.sleep(manners.farewell_seconds)
        for task in (following, writing):
            task.cancel()
        await asyncio.gather(following, writing, return_exceptions=True)
        await _flush(parts.arrivals)


async def _assembled(settings: Settings, manners: Manners, opened: AsyncExitStack) -> _Parts:
    roster, metrics, heartbeat = Roster(), ReceiverMetrics(), Heartbeat()
    readiness = Readiness("kubernetes", "listening")
    beating = asyncio.create_task(heartbeat.run(), name="heartbeat")
    opened.callback(beating.cancel)
    _serve_probes(opened, ProbeServer(probe_app(metrics.render, heartbeat, None, readiness), settings.metrics_address))
    cluster = await opened.enter_async_context(Cluster(load_configuration(), settings.namespace))
    database = await _open_database(settings, opened)
    arrivals = Arrivals(cluster, database, roster, metrics)
    metrics.watch(lambda: len(roster), lambda: len(arrivals), lambda: roster.current)
    metrics.ready(lambda: not readiness.missing())
    now = clock_of(settings.simulated_clock_file).now
    handing = Handing(cluster, roster, seconds=manners.hand_seconds)
    routes: dict[str, Take] = {
        LIFECYCLE_PATH: Lifecycle(roster, handing, metrics, now=now, most=_LIFECYCLE_IN_FLIGHT).take
    }
    if settings.receiver_forward_url is not None:
        forwarding = Forwarding(
            settings.receiver_forward_url, metrics, most=settings.receiver_forwards, seconds=manners.forward_seconds
        )
        await opened.enter_async_context(forwarding)
        routes[NOTIFICATIONS_PATH] = Changes(roster, forwarding, arrivals, metrics, now=now).take
    prefix = urlsplit(settings.receiver_url or "").path
    return _Parts(roster, metrics, readiness, cluster, arrivals, Desk(routes, metrics, manners.bounds, prefix=prefix))


@asynccontextmanager
async def _served(settings: Settings, parts: _Parts, manners: Manners) -> AsyncIterator[int]:
    """Requests are answered; at the end those that were begun are finished. The port."""
    host, port = settings.receiver_listens_at
    runner = web.ServerRunner(Server(parts.desk.answer, manners.bounds), shutdown_timeout=_REQUESTS_SECONDS)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, host, port, backlog=_BACKLOG), f"{host}:{port}")
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, address: str) -> None:
    try:
        await site.start()
    except OSError as error:
        raise ReceiverError(
            f"GRAPHMAIL_RECEIVER_ADDRESS: cannot listen at {address}: {error.strerror or error}. End what holds it, or name another"
        ) from error


async def _until(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Until told to stop. A part that ends by a defect ends the whole: the pod's restart is cheap and harmless.

    Raises:
        Exception: what ended that part.
    """
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    for task in tasks:
        if task.done():
            task.result()


async def _flush(arrivals: Arrivals) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await arrivals.flush()
    if left := len(arrivals):
        _log.warning("times of last notifications are lost: nothing could be written before the end", mailboxes=left)


async def _open_database(settings: Settings, opened: AsyncExitStack) -> Database | None:
    """Postgres, which may be away; None where the times go to annotations.

    Raises:
        ReceiverError: the URL cannot be read, or a migration is missing.
    """
    if settings.database_url is None:
        return None
    pool = PoolSettings(connections=2, application_name="graphmail-receiver")
    try:
        opening = Database.open(
            settings.database_url.get_secret_value(), holder="receiver", settings=DatabaseSettings(pool=pool)
        )
        database = await opened.enter_async_context(opening)
        await database.schema()
    except DatabaseUnavailable:
        _log.warning("Postgres cannot be reached; notifications are passed on, and their times wait for it")
    except DatabaseError as error:
        raise ReceiverError(f"GRAPHMAIL_DATABASE_URL: {error}") from error
    return database


def _serve_probes(opened: AsyncExitStack, server: ProbeServer) -> None:
    try:
        opened.enter_context(server)
    except AddressError as error:
        raise ReceiverError(f"GRAPHMAIL_METRICS_URL: {error}. Name an address of this machine, or 0.0.0.0") from error
