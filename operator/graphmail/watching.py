"""Changes as they happen: a list, then a watch of the API server, begun anew whenever it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp

from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable, read_answer
from graphmail.resource.names import GROUP, PLURAL, VERSION

_PAUSE_SECONDS = 2.0
"""Between a watch that broke and the next list."""
_CONNECT_SECONDS = 10
_GRACE_SECONDS = 30
"""What an API server gets to end a watch itself."""
_LONGEST_LINE = 4 * 1024 * 1024
"""Bytes; an object of etcd has at most 1.5 MiB."""
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one object."""

    name: str
    body: Body | None
    """None: it is gone."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects of one kind in the namespace, or some of them."""

    prefix: str
    plural: str
    fields: str = ""
    """A field selector."""

    def path(self, cluster: Cluster) -> str:
        """Where the API server serves them."""
        return f"{self.prefix}/namespaces/{cluster.namespace}/{self.plural}"

    @property
    def params(self) -> dict[str, str]:
        """What is asked of every call."""
        return {"fieldSelector": self.fields} if self.fields else {}


SUBSCRIPTIONS = Collection(f"/apis/{GROUP}/{VERSION}", PLURAL)


async def listed(cluster: Cluster, what: Collection) -> list[Body]:
    """All of them.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    async with cluster.new_session(timeout_seconds=60) as session:
        return (await list_all(session, cluster, what))[0]


async def changes(cluster: Cluster, what: Collection) -> AsyncGenerator[list[Change], None]:
    """First all of them at once, then each change as it comes; after a break, what changed meanwhile.

    An API server that goes away is waited for, once it has answered at all.

    Raises:
        ClusterError: the API server refuses, or could not be reached in the first place.
    """
    known: dict[str, Body] = {}
    begun = False
    async with cluster.new_session() as session:
        while True:
            try:
                bodies, version = await list_all(session, cluster, what)
                found = {body["metadata"]["name"]: body for body in bodies}
                news = [Change(name, body) for name, body in found.items() if known.get(name) != body]
                news += [Change(name, None) for name in known.keys() - found.keys()]
                known = found
                if news or not begun:
                    yield news
                begun = True
                async with aclosing(watch(session, cluster, what, version)) as feed:
                    async for change in feed:
                        _note(known, change)
                        yield [change]
            except ClusterError as error:
                if not begun or error.status in {401, 403}:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)


def _note(known: dict[str, Body], change: Change) -> None:
    if change.body is None:
        known.pop(change.name, None)
    else:
        known[change.name] = change.body


async def list_all(session: aiohttp.ClientSession, cluster: Cluster, what: Collection) -> tuple[list[Body], str]:
    """All of them, and the version from which a watch goes on.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    items: list[Body] = []
    token = ""
    while True:
        page = await _get(session, cluster, what, {"limit": "500", **({"continue": token} if token else {})})
        items += page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return items, page["metadata"]["resourceVersion"]


async def _get(session: aiohttp.ClientSession, cluster: Cluster, what: Collection, params: Mapping[str, str]) -> Body:
    try:
        async with session.get(cluster.server + what.path(cluster), params={**what.params, **params}) as response:
            return read_answer(response.status, await response.read(), response.headers.get("Retry-After", ""))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(cluster, error) from error


async def watch(
    session: aiohttp.ClientSession, cluster: Cluster, what: Collection, version: str, *, seconds: int | None = None
) -> AsyncGenerator[Change, None]:
    """The changes since that version, until the API server ends the watch, which it does every now and then.

    Args:
        seconds: end it after so long, also where nothing is heard any more of an API server that went without a word.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    params = {**what.params, "watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
    patience = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS)
    if seconds is not None:
        params["timeoutSeconds"] = str(seconds)
        patience = aiohttp.ClientTimeout(total=seconds + _GRACE_SECONDS, sock_connect=_CONNECT_SECONDS)
    try:
        async with session.get(
            cluster.server + what.path(cluster), params=params, read_bufsize=_LONGEST_LINE, timeout=patience
        ) as response:
            if response.status != 200:
                read_answer(response.status, await response.read())
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "BOOKMARK":
                    body = event["object"]
                    yield Change(body["metadata"]["name"], None if event["type"] == "DELETED" else body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise _unreachable(cluster, error) from error


def _unreachable(cluster: Cluster, error: Exception) -> ClusterUnavailable:
    return ClusterUnavailable(0, type(error).__name__, f"the API server {cluster.server} cannot be reached")
