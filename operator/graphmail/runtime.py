"""The operator put together: every part is made here, once, and given what it needs."""

import asyncio
import contextlib
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import structlog

from graphmail.arrivals import Arrivals
from graphmail.clock import Clock, clock_of
from graphmail.cluster import INSTALL_CRD, Cluster, ClusterError, ClusterUnavailable, load_configuration
from graphmail.database import Database, DatabaseError, DatabaseUnavailable
from graphmail.decision import Mode, Policy
from graphmail.election import Standing
from graphmail.engine import Engine
from graphmail.fleet import Fleet
from graphmail.graph import Budget, GraphClient, SignIn
from graphmail.graph.spending import CallKind
from graphmail.leading import election_for, lead
from graphmail.mirror import Mirror, Template
from graphmail.observability.events import EventBook
from graphmail.observability.health import Heartbeat, Readiness, Ticking
from graphmail.observability.metrics import Metrics, Store
from graphmail.observability.probes import AddressError, ProbeServer, probe_app
from graphmail.operating import Operator, Parts
from graphmail.pages import Happenings, Pages, Pausing, Requests, Telling
from graphmail.poster import Poster
from graphmail.reconciler import (
    AccessDesk,
    CredentialFiles,
    Farewell,
    Hands,
    Journal,
    Threshold,
    put_together,
)
from graphmail.settings import Settings
from graphmail.settings.limits import limits
from graphmail.stores import Stores
from graphmail.sweep import Rounds, SweepTools, sweeper

_log = structlog.get_logger("graphmail")

_WAIT_SECONDS = 2.0


class StartError(Exception):
    """The operator cannot start; the text says what is wrong, and how to mend it."""


def utc_now() -> datetime:
    """The machine's clock: of leases and of events, which the API server lets go by its own."""
    return datetime.now(UTC)


def outline(settings: Settings) -> dict[str, object]:
    """What whoever reads the log must know first: who is at work, for whom, and whether it acts at all."""
    return {
        "version": version("graphmail-operator"),
        "namespace": settings.namespace,
        "mode": settings.mode.value,
        "tenants": "all" if settings.tenants is None else sorted(settings.tenants),
        "look_ahead_minutes": int(settings.look_ahead.total_seconds() // 60),
        "postgres": settings.database_url is not None,
    }


def holder_name() -> str:
    """This process in claims: the pod's name, or the host's and the process's, and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


async def serve(settings: Settings, stop: asyncio.Event, claim_signals: Callable[[], None] = lambda: None) -> None:
    """Run the operator with these settings until `stop` is set.

    Args:
        claim_signals: makes the process's signals set `stop`; called whenever another part may have taken them.

    Raises:
        StartError: it cannot start.
        ClusterConfigError: there is no usable configuration for an API server.
        LeaseRefused: the API server does not let us have a lease.
        LeadershipLost: another process may hold the lease by now; nothing acts here any more.
    """
    claim_signals()
    async with _assembled(settings, stop) as operator:
        if operator is not None:
            _log.info("serving", **outline(settings))
            parts = operator.parts
            await lead(parts.election, parts.readiness, stop, lambda: operator.run(stop, claim_signals))


@asynccontextmanager
async def _assembled(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Operator | None]:
    """All parts, opened; None when the operator was told to stop while it waited for the API server."""
    holder, fleet, clock = holder_name(), Fleet(), _clock(settings)
    metrics = Metrics(fleet.resources, version("graphmail-operator"), per_mailbox=settings.metrics_per_mailbox)
    metrics.tasks(asyncio.get_running_loop())
    metrics.tick_interval(settings.tick)
    metrics.observing(only=settings.mode is Mode.OBSERVE)
    metrics.receiver_expected(change=settings.receiver_passes_on, lifecycle=settings.receiver_url is not None)
    heartbeat, ticking = Heartbeat(), Ticking(settings.tick.total_seconds(), metrics.ticked)
    metrics.heartbeat(heartbeat.age)
    readiness = Readiness("kubernetes", *(["mirror"] if settings.database_url else []))
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(_beating(heartbeat))
        app = probe_app(metrics.render, heartbeat, ticking, readiness)
        _serve_probes(opened, ProbeServer(app, settings.metrics_address))
        cluster = await opened.enter_async_context(Cluster(load_configuration(), settings.namespace))
        if not await _found_cluster(cluster, stop):
            yield None
            return
        database = await _open_database(settings, holder, opened)
        graph = await opened.enter_async_context(
            GraphClient(
                settings.graph_base_url,
                _budget(settings, metrics),
                clock=clock.now,
                observer=metrics.request,
                connections=settings.graph_connections,
            )
        )
        signin = await opened.enter_async_context(
            SignIn(
                settings.login_base_url,
                settings.graph_base_url,
                clock=clock.now,
                expires_soon=_warn_of_certificate,
                signed_in=metrics.certificate,
            )
        )
        election = election_for(settings, holder, heartbeat, readiness, now=utc_now, opened=opened)
        metrics.leader(election.holds if election is not None else lambda: True)
        yield _assemble(
            settings,
            Parts(holder, clock, fleet, metrics, ticking, readiness, cluster, database, graph, signin, election),
            installation=await installation_mark(settings, cluster),
        )


def _assemble(settings: Settings, parts: Parts, *, installation: str) -> Operator:
    cluster, database, metrics, fleet = parts.cluster, parts.database, parts.metrics, parts.fleet
    now = parts.graph.graph_time
    files = CredentialFiles(settings.credentials_dir, settings.workload_identity)
    stores = Stores(
        _probes(cluster, database),
        standing=parts.election.standing if parts.election is not None else lambda: Standing.HOLDS,
    )
    poster = Poster(cluster, EventBook(parts.holder), metrics, utc_now)
    threshold = Threshold(settings.failure_threshold)
    journal = Journal(cluster, database, stores, threshold, clock=parts.clock.now, now=now)
    desk = AccessDesk(
        cluster,
        database,
        settings.notification_url,
        lifecycle_url=settings.lifecycle_url,
        files=files,
        workload=settings.workload_identity,
    )
    arrivals = Arrivals(fleet, database=database, stores=stores, now=now, rate=lambda: parts.clock.rate)
    reconciler = put_together(
        hands=Hands(parts.graph, parts.signin, installation, settings.lifetime, product_url=settings.product_url),
        budget=parts.graph.budget,
        desk=desk,
        journal=journal,
        database=database,
        stores=stores,
        fleet=fleet,
        metrics=metrics,
        announce=poster,
        policy=_policy(settings, parts.clock),
        batch=settings.batch_size,
        clock=parts.clock.now,
        now=now,
        random=random.SystemRandom().random,
        arrivals=arrivals,
    )
    engine = Engine(
        fleet=fleet,
        reconciler=reconciler,
        farewell=Farewell(
            reconciler=reconciler,
            journal=journal,
            database=database,
            announce=poster,
            metrics=metrics,
            abandon_after=settings.abandon_after,
        ),
        metrics=metrics,
        ticking=parts.ticking,
        now=now,
        tick_seconds=settings.tick.total_seconds(),
        rate=lambda: parts.clock.rate,
    )
    fleet.when_forgotten(lambda gone: parts.signin.forget(gone.credential.owner) if gone.credential else None)
    stores.notify(lambda store, up: metrics.store(store, up=up))
    stores.notify(lambda _, up: engine.store_is_back() if up else None)
    pages = _pages(settings, parts, stores, engine)
    template = _template(settings, cluster.namespace, files)
    mirror = _mirror(parts, stores, poster, engine, template=template, pages=pages, arrivals=arrivals)
    sweep = _sweep(settings, parts, desk, stores, installation)
    kept = arrivals if settings.silence_check and mirror is not None else None
    return Operator(settings, parts, engine, mirror, stores, poster, sweep, pages, kept)


def _pages(settings: Settings, parts: Parts, stores: Stores, engine: Engine) -> Pages | None:
    """None where there are no rows."""
    if parts.database is None:
        return None
    requests = Requests(
        database=parts.database,
        cluster=parts.cluster,
        fleet=parts.fleet,
        stores=stores,
        policy=settings.policy,
        noticed=engine.wake,
        now=utc_now,
    )
    acts = settings.mode is Mode.ACT
    telling = Telling(
        parts.database,
        parts.fleet,
        stores,
        parts.cluster.namespace,
        happenings=Happenings(settings.failure_threshold),
        pausing=Pausing(parts.database, pauses=settings.pause_inbound) if acts else None,
        events_kept=settings.events_kept,
    )
    return Pages(telling, requests)


def _clock(settings: Settings) -> Clock:
    clock = _opened_clock(settings.simulated_clock_file)
    if settings.simulated_clock_file is not None:
        _log.warning("a simulated clock is in use: expiry, decisions and backoff follow it", rate=clock.rate)
    return clock


def _opened_clock(file: str | None) -> Clock:
    try:
        return clock_of(file)
    except (OSError, ValueError) as error:
        raise StartError(f"GRAPHMAIL_SIMULATED_CLOCK_FILE: {error}. Only simulations set it: unset it") from error


def _policy(settings: Settings, clock: Clock) -> Policy:
    """Kopf ticks in real time; decisions are about Graph's, in which a tick may be longer."""
    return replace(settings.policy, tick=settings.tick * clock.rate)


def _sweep(settings: Settings, parts: Parts, desk: AccessDesk, stores: Stores, installation: str) -> Rounds | None:
    if settings.sweep_interval is None or settings.mode is Mode.OBSERVE:
        return None
    tools = SweepTools(
        parts.graph, parts.signin, desk, parts.database, stores, parts.metrics, parts.cluster, parts.fleet
    )
    return Rounds(
        sweeper(settings, tools, installation),
        stores,
        parts.metrics,
        interval=settings.sweep_interval,
        now=parts.graph.graph_time,
        random=random.SystemRandom().random,
    )


def _mirror(
    parts: Parts,
    stores: Stores,
    poster: Poster,
    engine: Engine,
    *,
    template: Template | None,
    pages: Pages | None,
    arrivals: Arrivals,
) -> Mirror | None:
    """None where there are no rows to mirror."""
    if parts.database is None or template is None:
        return None
    return Mirror(
        database=parts.database,
        cluster=parts.cluster,
        fleet=parts.fleet,
        stores=stores,
        metrics=parts.metrics,
        announce=poster,
        template=template,
        clock=parts.graph.graph_time,
        noticed=engine.wake,
        requested=pages.requests.tell if pages is not None else lambda: None,
        heard=arrivals.heard,
    )


def _template(settings: Settings, namespace: str, files: CredentialFiles) -> Template | None:
    """None without the URL that mirrored resources have in common."""
    url = settings.notification_url
    if url is None:
        return None
    return Template(
        namespace,
        url,
        settings.respect_polling,
        files.fingerprint_of,
        tenants=settings.tenants,
        observe=settings.mode is Mode.OBSERVE,
        lifecycle_url=settings.lifecycle_url,
    )


def _budget(settings: Settings, metrics: Metrics) -> Budget:
    allowed = limits(settings)
    for kind in CallKind:
        of_kind = allowed.of(kind)
        metrics.requests_allowed(kind, app=of_kind.app / allowed.window, tenant=of_kind.tenant / allowed.window)
    return Budget(allowed)


def _serve_probes(opened: AsyncExitStack, server: ProbeServer) -> None:
    try:
        opened.enter_context(server)
    except AddressError as error:
        raise StartError(f"GRAPHMAIL_METRICS_URL: {error}. Name an address of this machine, or 0.0.0.0") from error


def _warn_of_certificate(name: str, ends: datetime) -> None:
    _log.warning(
        "a certificate expires soon: create a new one, and upload it in Entra", certificate=name, ends=ends.isoformat()
    )


def _probes(cluster: Cluster, database: Database | None) -> dict[Store, Callable[[], Awaitable[bool]]]:
    probes: dict[Store, Callable[[], Awaitable[bool]]] = {Store.KUBERNETES: partial(_lets_us_ask, cluster)}
    if database is not None:
        probes[Store.POSTGRES] = partial(_answers, database)
    return probes


async def _lets_us_ask(cluster: Cluster) -> bool:
    """One that refuses us is there: whoever needs the right that is missing says so."""
    try:
        return await cluster.ready()
    except ClusterError:
        return True


async def _answers(database: Database) -> bool:
    try:
        await database.clock()
    except DatabaseError:
        return False
    return True


@asynccontextmanager
async def _beating(heartbeat: Heartbeat) -> AsyncIterator[None]:
    """The event loop's sign of life, from the first wait to the last clearing up."""
    beating = asyncio.create_task(heartbeat.run(), name="heartbeat")
    try:
        yield
    finally:
        beating.cancel()


async def _found_cluster(cluster: Cluster, stop: asyncio.Event) -> bool:
    """Wait for the API server; False when told to stop meanwhile.

    Raises:
        StartError: it answers, and our resource cannot be served there.
    """
    told = False
    while not stop.is_set():
        try:
            if await cluster.ready():
                return True
        except ClusterError as error:
            raise StartError(_cluster_remedy(error, cluster.namespace)) from error
        if not told:
            _log.warning("the API server cannot be reached; waiting for it", server=cluster.server)
            told = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _WAIT_SECONDS)
    return False


async def installation_mark(settings: Settings, cluster: Cluster) -> str:
    """The mark of our subscriptions; the namespace is asked for only where none is set.

    Raises:
        StartError: there is no such namespace, or it may not be asked for.
        ClusterUnavailable: the API server went away meanwhile.
    """
    if settings.installation:
        return settings.installation
    try:
        return settings.installation_for(await cluster.namespace_uid())
    except ClusterUnavailable:
        raise
    except ClusterError as error:
        namespace = cluster.namespace
        if error.status == 404:
            remedy = f"kubectl create namespace {namespace}, or set GRAPHMAIL_NAMESPACE"
            raise StartError(f"there is no namespace {namespace}: {remedy}") from error
        raise StartError(_cluster_remedy(error, namespace)) from error


def _cluster_remedy(error: ClusterError, namespace: str) -> str:
    if error.status == 404:
        return f"the API server does not know graphmailsubscriptions: {INSTALL_CRD}"
    if error.status in {401, 403}:
        return f"the API server refuses us: {error}. Grant the rights of docs/security.md in namespace {namespace}"
    return f"the API server refuses to list graphmailsubscriptions: {error}"


async def _open_database(settings: Settings, holder: str, opened: AsyncExitStack) -> Database | None:
    """The database, which may be away; one that answers must have its migrations.

    Raises:
        StartError: the URL cannot be read, or a migration is missing.
    """
    if settings.database_url is None:
        return None
    url = settings.database_url.get_secret_value()
    try:
        database = await opened.enter_async_context(Database.open(url, holder=holder))
        await database.schema()
    except DatabaseUnavailable:
        _log.warning("Postgres cannot be reached; what exists is kept alive, the rest waits for it")
    except DatabaseError as error:
        raise StartError(f"GRAPHMAIL_DATABASE_URL: {error}") from error
    return database
