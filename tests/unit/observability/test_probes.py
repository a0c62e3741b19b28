"""The probes, asked over a real socket."""

import gzip
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import structlog.testing

from graphmail.observability.health import Heartbeat, Readiness, Ticking
from graphmail.observability.probes import AddressError, ProbeServer, probe_app

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

TEXT = b"# HELP graphmail_mirror_rows Providers.\n# TYPE graphmail_mirror_rows gauge\ngraphmail_mirror_rows 3\n"


def server(app: "WSGIApplication", host: str = "127.0.0.1", port: int = 0) -> ProbeServer:
    return ProbeServer(app, (host, port), stop_within=0.01)


class House:
    """A server with its parts at hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heartbeat = Heartbeat(lambda: self.now)
        self.ticking = Ticking(900.0, clock=lambda: self.now)
        self.readiness = Readiness("kubernetes", "postgres")
        self.app = probe_app(lambda: TEXT, self.heartbeat, self.ticking, self.readiness, stale_after=30)
        self.server = server(self.app)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        url = self.server.url.removesuffix("/metrics") + path
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    with house.server:
        yield house


def test_metrics_are_served_as_prometheus_reads_them(house: House) -> None:
    with urllib.request.urlopen(house.server.url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert answer.read() == TEXT


def test_metrics_are_packed_for_a_scraper_that_takes_that(house: House) -> None:
    request = urllib.request.Request(house.server.url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.read()) == TEXT


def test_healthz_fails_once_the_event_loop_has_been_silent_too_long(house: House) -> None:
    house.now = 30.0
    assert house.get("/healthz") == (200, "ok\n")
    house.now = 30.5
    assert house.get("/healthz") == (503, "the event loop has not moved for 30 seconds\n")
    house.heartbeat.beat()
    assert house.get("/healthz") == (200, "ok\n")


def test_healthz_fails_when_the_event_loop_moves_and_no_timer_has_ticked_for_three_intervals(house: House) -> None:
    house.ticking.tick()
    house.now = 2700.0
    house.heartbeat.beat()
    assert house.get("/healthz") == (200, "ok\n")
    house.now = 2701.0
    assert house.get("/healthz") == (503, "no mailbox's timer has ticked for 2701 seconds\n")
    house.ticking.tick()
    assert house.get("/healthz") == (200, "ok\n")


def test_a_standby_whose_timers_never_began_stays_healthy(house: House) -> None:
    house.readiness.stand_by("operator-7")
    house.now = 1_000_000.0
    house.heartbeat.beat()
    assert house.get("/healthz") == (200, "ok\n")


def test_readyz_lists_what_is_not_ready(house: House) -> None:
    house.readiness.set_ready("kubernetes")
    house.readiness.set_missing("postgres", "cannot be reached")
    assert house.get("/readyz") == (503, "[+]kubernetes ok\n[-]postgres cannot be reached\nnot ready\n")
    house.readiness.set_ready("postgres")
    assert house.get("/readyz") == (200, "[+]kubernetes ok\n[+]postgres ok\nready\n")


def test_a_standby_is_ready_and_says_for_whom_it_stands_by_until_it_takes_over(house: House) -> None:
    house.readiness.stand_by("operator-7")
    assert house.get("/readyz") == (200, "[+]standby ok: operator-7 works\nready\n")
    house.readiness.take_over()
    status, text = house.get("/readyz")
    assert status == 503
    assert text.startswith("[-]kubernetes not started\n")


def test_being_not_ready_does_not_make_the_operator_unhealthy(house: House) -> None:
    assert house.get("/readyz")[0] == 503
    assert house.get("/healthz")[0] == 200


def test_any_other_path_is_not_found_and_says_what_there_is(house: House) -> None:
    assert house.get("/") == (404, "there are /metrics, /healthz and /readyz\n")


def test_metrics_that_cannot_be_rendered_are_an_error_in_the_log_and_the_probes_go_on() -> None:
    def broken() -> bytes:
        raise KeyError("no such thing")

    house = House()
    house.server = server(probe_app(broken, house.heartbeat, house.ticking, house.readiness))
    with house.server, structlog.testing.capture_logs() as logs:
        assert house.get("/metrics") == (500, "the metrics could not be rendered; the log says why\n")
        assert house.get("/healthz") == (200, "ok\n")
    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "the metrics could not be rendered")]


def test_a_client_that_leaves_early_spills_nothing_on_standard_error(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", house.server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET /metrics HTTP/1.0\r\n")
    assert house.get("/healthz") == (200, "ok\n")
    house.server.stop()
    assert capfd.readouterr().err == ""


def test_a_slow_scrape_does_not_keep_the_probes_waiting() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow() -> bytes:
        begun.set()
        let_go.wait(60)
        return TEXT

    house = House()
    house.server = server(probe_app(slow, house.heartbeat, house.ticking, house.readiness))
    with house.server:
        scrape = threading.Thread(target=house.get, args=("/metrics",))
        scrape.start()
        assert begun.wait(60)
        assert house.get("/healthz") == (200, "ok\n")
        let_go.set()
        scrape.join()


def test_a_taken_port_is_named_in_the_log_and_a_free_one_is_used_instead() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as logs:
        taken = other.getsockname()[1]
        with server(House().app, port=taken) as probes:
            assert probes.port not in {0, taken}
            with urllib.request.urlopen(probes.url, timeout=10) as answer:
                assert answer.read() == TEXT
            (error,) = [line for line in logs if line["log_level"] == "error"]
            assert error["port"] == taken
            assert error["instead"] == probes.port
            assert f"port {taken} " in error["event"]
            assert "GRAPHMAIL_METRICS_URL" in error["event"]


def test_a_host_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(AddressError, match=r"192\.0\.2\.1:9464"):
        server(House().app, "192.0.2.1", 9464).start()


def test_the_port_is_free_again_after_the_stop(house: House) -> None:
    port = house.server.port
    house.server.stop()
    with server(house.app, port=port) as again:
        assert again.port == port


def test_stopping_twice_is_harmless(house: House) -> None:
    house.server.stop()
    house.server.stop()
    assert house.server.port == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_addresses_are_served_too() -> None:
    house = House()
    house.server = server(house.app, "::1")
    with house.server:
        assert house.server.url.startswith("http://[::1]:")
        assert house.get("/healthz") == (200, "ok\n")
