"""Sign-in whose answer trickles in: it ends, whatever is still to come of it."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from graphmail.graph.login import Login

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture
def trickling() -> Iterator[str]:
    """The address of a server that sends a byte now and then, for as long as anybody listens."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(HEAD)
            while not ended.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    ended.set()
    server.join()
    listener.close()


def test_an_answer_is_cut_off_after_a_time_for_all_of_it(trickling: str) -> None:
    login = Login(trickling, verify=None, clock=lambda: datetime.now(UTC), whole_answer=0.3)
    began = time.monotonic()
    with pytest.raises((requests.RequestException, OSError)):
        login.answer("GET", trickling)
    assert time.monotonic() - began < 10
    login.close()
