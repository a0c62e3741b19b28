"""`/metrics`, `/healthz` and `/readyz`, served on a thread of their own, so that they answer while the event loop is busy or stuck."""

import errno
import gzip
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from graphmail.observability.health import Heartbeat, Readiness, Ticking

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

STALE_AFTER = 30.0
"""Seconds after which a silent event loop counts as stuck: the start of 20,000 timers takes it a second or two."""

_log = structlog.get_logger("graphmail.probes")
_TAKEN = {errno.EADDRINUSE, errno.EACCES}
_TEXT = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))


class AddressError(Exception):
    """The address for metrics and probes cannot be served on, on no port."""


def probe_app(
    metrics: Callable[[], bytes],
    heartbeat: Heartbeat,
    ticking: Ticking | None,
    readiness: Readiness,
    stale_after: float = STALE_AFTER,
) -> "WSGIApplication":
    """The three routes as a WSGI application.

    Args:
        metrics: the metrics in Prometheus' text format.
        heartbeat: the event loop's sign of life.
        ticking: the sign of life of the mailboxes' timers; None: this process has none.
        readiness: the parts that must be ready.
        stale_after: seconds after which a silent loop counts as stuck.
    """
    pages: dict[str, Callable[[], tuple[bool, str]]] = {
        "/healthz": lambda: _healthz(heartbeat, ticking, stale_after),
        "/readyz": lambda: _readyz(readiness),
    }

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return _metrics(metrics, environ, start_response)
        if path not in pages:
            start_response("404 Not Found", list(_TEXT))
            return [b"there are /metrics, /healthz and /readyz\n"]
        good, text = pages[path]()
        start_response("200 OK" if good else "503 Service Unavailable", list(_TEXT))
        return [text.encode()]

    return app


def _metrics(
    metrics: Callable[[], bytes], environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """20,000 mailboxes make 13 MB: packed lightly, 1 MB. Prometheus always accepts that."""
    try:
        text = metrics()
    except Exception:
        _log.exception("the metrics could not be rendered")
        start_response("500 Internal Server Error", list(_TEXT))
        return [b"the metrics could not be rendered; the log says why\n"]
    headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)]
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        headers.append(("Content-Encoding", "gzip"))
        text = gzip.compress(text, compresslevel=1)
    start_response("200 OK", headers)
    return [text]


def _healthz(heartbeat: Heartbeat, ticking: Ticking | None, stale_after: float) -> tuple[bool, str]:
    age, overdue = heartbeat.age(), ticking.overdue() if ticking is not None else 0.0
    if age > stale_after:
        return False, f"the event loop has not moved for {age:.0f} seconds\n"
    if overdue:
        return False, f"no mailbox's timer has ticked for {overdue:.0f} seconds\n"
    return True, "ok\n"


def _readyz(readiness: Readiness) -> tuple[bool, str]:
    """The form of Kubernetes' own /readyz: a line a part; of a standby, for whom it stands by."""
    if behind := readiness.standing_by:
        return True, f"[+]standby ok: {behind} works\nready\n"
    missing = readiness.missing()
    lines = [f"[-]{part} {missing[part]}" if part in missing else f"[+]{part} ok" for part in readiness.parts]
    return not missing, "\n".join([*lines, "not ready" if missing else "ready"]) + "\n"


class _QuietHandler(WSGIRequestHandler):
    timeout = 10
    """Seconds for which a connection may say nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """A probe every few seconds is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind without asking the name server for our own name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off; the base class would print a traceback past the log."""
        kind = sys.exc_info()[0]
        _log.debug("a connection to the probes broke off", error=kind.__name__ if kind else None)


class _Server6(_Server):
    address_family = socket.AF_INET6


class ProbeServer:
    """Serves the probes from `start` until `stop`; a context manager too.

    When the port is taken, a free one is served on instead and the log says which: an operator without metrics still keeps mailboxes alive.

    Args:
        app: what is served.
        address: host and port; port 0 is a free one.
        stop_within: seconds that `stop` may take; the thread wakes as often, to see whether it must end.
    """

    def __init__(self, app: "WSGIApplication", address: tuple[str, int], *, stop_within: float = 0.5) -> None:
        self._app = app
        self._address = address
        self._stop_within = stop_within
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind, and serve on a thread.

        Raises:
            AddressError: the host is none of this machine's, or its name is not known.
        """
        self._server = self._bind()
        self._server.set_app(self._app)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(self._stop_within,), name="probes", daemon=True
        )
        self._thread.start()
        _log.info("serving metrics and probes", url=self.url)

    def stop(self) -> None:
        """Stop serving; what was being answered is dropped."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @property
    def port(self) -> int:
        """The port that is really served on; 0 while none is."""
        return 0 if self._server is None else self._server.server_port

    @property
    def url(self) -> str:
        """The URL of the metrics, as served."""
        host = self._address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def _bind(self) -> _Server:
        host, port = self._address
        try:
            return self._server_on(port)
        except OSError as error:
            if error.errno not in _TAKEN or port == 0:
                raise AddressError(f"cannot serve metrics on {host}:{port}: {error.strerror or error}") from error
            server = self._server_on(0)
            _log.error(
                f"port {port} for metrics and probes cannot be used ({error.strerror}): a free one is used instead; end what "
                f"holds it, or set GRAPHMAIL_METRICS_URL to another port",
                port=port,
                instead=server.server_port,
            )
            return server

    def _server_on(self, port: int) -> _Server:
        host = self._address[0]
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        kind = _Server6 if family == socket.AF_INET6 else _Server
        return kind((host, port), _QuietHandler)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
