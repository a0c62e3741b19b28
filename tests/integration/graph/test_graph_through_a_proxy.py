"""A company's proxy: named by HTTPS_PROXY, passed by for the hosts in NO_PROXY, for Graph and for sign-in alike."""

import asyncio
import base64
import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from graphmail.graph import Budget, GraphClient, GraphUnreachable, Meaning, SignIn, SignInError
from graphmail.graph.trust import VARIABLES

from .conftest import Place


class Proxy:
    """Connects through, and notes whereto; or refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        self.asked.append(f"{method} {target}")
        if self.refuses:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await self._close(writer)
            return
        host, _, port = target.partition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        await self._close(writer)

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


@pytest_asyncio.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    yield proxy
    server.close()


async def test_calls_and_sign_in_go_through_the_proxy(place: Place, proxy: Proxy) -> None:
    target = place.simulator.login_url.removeprefix("https://")
    async with (
        GraphClient(place.simulator.graph_url, Budget()) as client,
        SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in,
    ):
        token = await sign_in.token(place.app_only)
        await client.create(place.wanted(), token=token.value, spender=place.spender())

    assert proxy.asked == [f"CONNECT {target}", f"CONNECT {target}"]


# httpx-aiohttp hands the proxy's password to aiohttp in a form that goes with aiohttp 4, which it does not take yet.
@pytest.mark.filterwarnings(
    "ignore:BasicAuth is deprecated:DeprecationWarning", "ignore:The 'proxy_auth':DeprecationWarning"
)
async def test_a_proxy_that_asks_who_we_are_is_told_and_nobody_else(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    known_to_it = os.environ["HTTPS_PROXY"].replace("http://", "http://mailer:p%40ss-word@")
    monkeypatch.setenv("HTTPS_PROXY", known_to_it)
    monkeypatch.setenv("https_proxy", known_to_it)
    async with (
        GraphClient(place.simulator.graph_url, Budget()) as client,
        SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in,
    ):
        token = await sign_in.token(place.app_only)
        await client.create(place.wanted(), token=token.value, spender=place.spender())
    proxy.refuses = True
    async with SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in:
        with pytest.raises(SignInError, match="ProxyError") as refused:
            await sign_in.token(place.app_only)

    known = base64.b64encode(b"mailer:p@ss-word").decode()
    assert [f"Proxy-Authorization: Basic {known}".lower() in head.lower() for head in proxy.heads[:2]] == [True, True]
    assert "ss-word" not in caplog.text + str(refused.value) + str(refused.value.remedy)


async def test_a_host_in_no_proxy_is_reached_directly(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("no_proxy", "localhost")
    async with (
        GraphClient(place.simulator.graph_url, Budget()) as client,
        SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in,
    ):
        token = await sign_in.token(place.app_only)
        await client.create(place.wanted(), token=token.value, spender=place.spender())

    assert proxy.asked == []


async def test_a_proxy_that_refuses_is_transient_and_nothing_was_sent(place: Place, proxy: Proxy) -> None:
    token = (await place.sign_in.token(place.app_only)).value
    proxy.refuses = True
    async with (
        GraphClient(place.simulator.graph_url, Budget()) as client,
        SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in,
    ):
        with pytest.raises(GraphUnreachable) as at_graph:
            await client.create(place.wanted(), token=token, spender=place.spender())
        with pytest.raises(SignInError, match="ProxyError") as at_sign_in:
            await sign_in.token(place.app_only)

    assert at_graph.value.meaning is Meaning.TRANSIENT
    assert at_sign_in.value.meaning is Meaning.TRANSIENT


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_one_variable_names_the_ca_bundle_for_graph_and_for_sign_in(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    bundle = place.simulator.ca_path
    monkeypatch.setenv(variable, str(hashed(bundle, tmp_path / "certs") if variable == "SSL_CERT_DIR" else bundle))
    async with (
        GraphClient(place.simulator.graph_url, Budget()) as client,
        SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in,
    ):
        token = await sign_in.token(place.app_only)
        made = await client.create(place.wanted(), token=token.value, spender=place.spender())

    assert made.id


def hashed(ca_path: Path, directory: Path) -> Path:
    """A directory of authorities in OpenSSL's form: each file is named by the hash of its subject."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("only the openssl command knows how it names such files")
    directory.mkdir()
    named = subprocess.run(
        [openssl, "x509", "-noout", "-hash", "-in", str(ca_path)], capture_output=True, text=True, check=True
    )
    (directory / f"{named.stdout.strip()}.0").write_bytes(ca_path.read_bytes())
    return directory
