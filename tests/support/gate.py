"""A TCP port in front of a server, which can be shut, and which tells what passes: for outages, and to prove that nobody was asked."""

import asyncio
import contextlib
import itertools
import struct
from collections import Counter
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from localstack.controlplane import ControlPlane

_SSL_REQUEST = 80_877_103
_GSS_REQUEST = 80_877_104
_FAREWELL = 40
"""Bytes in which a client closes a TLS connection, as it does with one that was idle for a while. Every request is longer."""


class Gate:
    """Passes on what comes, both ways, while it is open.

    Attributes:
        sent: bytes that went to the server, farewells aside.
        refused: connections that found it shut.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._numbers = itertools.count()
        self.sent = 0
        self.refused = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.shut()
        await self._server.wait_closed()

    def shut(self) -> None:
        """The server is away: what is connected breaks off, and nobody gets through."""
        self._open = False
        for writer in self._writers:
            writer.transport.abort()

    def open(self) -> None:
        """It is back."""
        self._open = True

    def hold(self) -> None:
        """The server is slow: what is sent to it waits, until `let_flow`."""
        self._flowing.clear()

    def let_flow(self) -> None:
        """What waits goes on, and so does all the rest."""
        self._flowing.set()

    async def heard(self, connection: int, data: bytes) -> None:
        """Data on their way to the server, for a gate that understands them; they go on when this returns."""

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            self.refused += 1
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back, next(self._numbers)), self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if connection is not None:
                    self.sent += len(data) if len(data) > _FAREWELL else 0
                    await self.heard(connection, data)
                    await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class PostgresGate(Gate):
    """A gate before Postgres that knows the statements (frontend messages Query and Parse, Postgres' protocol 3.0)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(parts.port or 5432)
        self._parts = parts
        self._unread: dict[int, bytes] = {}
        self._begun: set[int] = set()
        self.statements: Counter[str] = Counter()
        """How often each statement was sent, by its text."""
        self._kept_back = ""
        self._released = asyncio.Event()
        self.held = 0
        """Statements that are kept back."""

    @property
    def url(self) -> str:
        """The database's URL through the gate."""
        return self._parts._replace(netloc=f"{self._parts.username}@127.0.0.1:{self.port}").geturl()

    def keep_back(self, part: str) -> None:
        """Statements with this in their text wait at the gate until they are released."""
        self._kept_back = part

    def release(self) -> None:
        """Let them go on, and keep none back any more."""
        self._kept_back = ""
        self._released.set()

    async def heard(self, connection: int, data: bytes) -> None:
        """Take in what a client says, message by message."""
        if self._kept_back and self._kept_back.encode() in data:
            self.held += 1
            await self._released.wait()
            self.held -= 1
        unread = self._unread.get(connection, b"") + data
        while (length := self._length(connection, unread)) and len(unread) >= length:
            self._message(connection, unread[:length])
            unread = unread[length:]
        self._unread[connection] = unread

    def _length(self, connection: int, unread: bytes) -> int:
        """Of the next message, as far as it can be told; 0: not yet."""
        skipped = 1 if connection in self._begun else 0
        if len(unread) < skipped + 4:
            return 0
        return skipped + int(struct.unpack_from(">i", unread, skipped)[0])

    def _message(self, connection: int, message: bytes) -> None:
        if connection not in self._begun:
            [code] = struct.unpack_from(">i", message, 4)
            if code not in {_SSL_REQUEST, _GSS_REQUEST}:
                self._begun.add(connection)
        elif message[:1] == b"Q":
            self.statements[_text(message[5:])] += 1
        elif message[:1] == b"P":
            _name, text = message[5:].split(b"\0", 2)[:2]
            self.statements[_text(text)] += 1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode().strip()


class ClusterGate(Gate):
    """A gate before the API server. What passes is encrypted; that nothing passes can be told all the same."""

    def __init__(self, control_plane: ControlPlane) -> None:
        super().__init__(urlsplit(control_plane.url).port or 443)
        self._control_plane = control_plane

    def kubeconfig(self, folder: Path, account: Path | None = None) -> Path:
        """A kubeconfig that leads through the gate; `account`: that of somebody else than the administrator."""
        path = folder / "kubeconfig-through-the-gate"
        through = f"https://127.0.0.1:{self.port}"
        path.write_text(
            (account or self._control_plane.kubeconfig).read_text().replace(self._control_plane.url, through)
        )
        return path
