"""The client of Graph's subscriptions, and of the one question about mail."""

import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from graphmail.graph.answers import read_json
from graphmail.graph.call import Call
from graphmail.graph.caller import Caller, Observer
from graphmail.graph.errors import GraphError, GraphRefused
from graphmail.graph.mail import newest_received
from graphmail.graph.meaning import Meaning
from graphmail.graph.quota import Budget, Turn
from graphmail.graph.spending import Spender
from graphmail.graph.subscription import Subscription, SubscriptionRequest, UnusableSubscription, is_id, write_time
from graphmail.graph.table import Operation
from graphmail.graph.text import short_id
from graphmail.graph.transport import Reply, Timeouts, open_client

CONNECTIONS = 32
"""Kept alive. Enough for Graph's quota at 300 ms an answer; more cost processor time and nothing else."""
MAX_PAGES = 1000
"""Pages of a list that are read; Graph has been seen to answer with dozens of empty ones."""

LEAST_GRANT = timedelta(seconds=30)
"""Graph raises a life of less than 45 minutes to 45. What is over, or as good as over, was not granted: taken for a success, it would be
renewed in a tight loop."""
_NEWEST = "$top=1&$select=receivedDateTime&$orderby=receivedDateTime%20desc"
_IN_A_PATH = "/@!$&'()*+,;=:-._~"
"""What stands for itself in a path (RFC 3986, section 3.3)."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class GraphClient:
    """Creates, reads, renews and deletes subscriptions.

    Each method takes an access token and a `Spender`, and may take a turn that was waited for beforehand. It gives up
    after `timeouts.work` seconds, and raises:
        GraphRefused: Graph said no; the meaning says what follows.
        GraphUnreachable: no answer; of a create, the outcome may be unknown.
        NoTurn: the quota allowed no call in time; nothing was sent.
    """

    def __init__(
        self,
        base_url: str,
        budget: Budget,
        *,
        verify: ssl.SSLContext | str | bool = True,
        clock: Callable[[], datetime] = _utc_now,
        observer: Observer | None = None,
        connections: int = CONNECTIONS,
        timeouts: Timeouts | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`base_url` goes up to and with the version: `https://graph.microsoft.com/v1.0`. An own `http` client replaces `verify`."""
        self.budget = budget
        self._root = base_url.rstrip("/")
        self._base = f"{self._root}/subscriptions"
        self._clock = clock
        timeouts = timeouts or Timeouts()
        self._http = http or open_client(verify, connections, timeouts)
        self._caller = Caller(
            self._http, budget, clock=clock, observer=observer, connections=connections, timeouts=timeouts
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def clock_offset(self) -> timedelta:
        """Graph's time minus ours: the median of the last few answers."""
        return self._caller.offset.value

    def graph_time(self) -> datetime:
        """What Graph's clock shows now, as far as known."""
        return self._clock() + self.clock_offset

    async def create(
        self, request: SubscriptionRequest, *, token: str, spender: Spender, turn: Turn | None = None
    ) -> Subscription:
        """Make a subscription. What was granted is in the result, and may be less than what was asked for."""
        reply = await self._caller.make(
            Call(
                Operation.CREATE,
                self._base,
                token,
                spender,
                turn,
                body=request.body(),
                secrets=(request.client_state,) if request.client_state else (),
            )
        )
        return self._granted(reply, _subscription(reply, Meaning.OUTCOME_UNKNOWN), Meaning.OUTCOME_UNKNOWN)

    async def get(
        self, subscription_id: str, *, token: str, spender: Spender, turn: Turn | None = None
    ) -> Subscription:
        """The subscription as Graph has it. GONE if there is none."""
        reply = await self._make(Operation.GET, subscription_id, token, spender, turn)
        return _named(reply, _subscription(reply, Meaning.UNKNOWN), subscription_id)

    async def renew(
        self,
        subscription_id: str,
        expires_at: datetime,
        notification_url: str | None = None,
        *,
        token: str,
        spender: Spender,
        turn: Turn | None = None,
    ) -> Subscription:
        """Extend the life of a subscription, and move it to another URL if one is given: all that Graph lets one change."""
        body = {"expirationDateTime": write_time(expires_at)}
        if notification_url is not None:
            body["notificationUrl"] = notification_url
        reply = await self._make(Operation.RENEW, subscription_id, token, spender, turn, body=body)
        renewed = _named(reply, _subscription(reply, Meaning.UNKNOWN), subscription_id)
        return self._granted(reply, renewed, Meaning.UNKNOWN)

    async def delete(self, subscription_id: str, *, token: str, spender: Spender, turn: Turn | None = None) -> bool:
        """Delete a subscription. False: there was none, which is as good."""
        try:
            await self._make(Operation.DELETE, subscription_id, token, spender, turn)
        except GraphError as error:
            if error.meaning is Meaning.GONE:
                return False
            raise
        return True

    async def reauthorize(
        self, subscription_id: str, *, token: str, spender: Spender, turn: Turn | None = None
    ) -> None:
        """Answer a `reauthorizationRequired`, where no PATCH does it. Never both within ten minutes."""
        await self._make(Operation.REAUTHORIZE, subscription_id, token, spender, turn)

    async def list_all(
        self, *, token: str, spender: Spender, max_pages: int = MAX_PAGES
    ) -> AsyncIterator[Subscription]:
        """What this token may see, page by page. Absence from it proves nothing: confirm with `get`.

        An entry that cannot be read is left out, for the same reason. UNKNOWN if the pages lead in a circle, to another
        host, or do not end.
        """
        url: str | None = self._base
        seen: set[str] = set()
        while url is not None:
            if url in seen or len(seen) >= max_pages:
                raise GraphRefused(Meaning.UNKNOWN, f"Graph's list does not end: {len(seen)} pages were read")
            seen.add(url)
            reply = await self._caller.make(Call(Operation.LIST, url, token, spender))
            page = read_json(reply.body)
            if not isinstance(page, dict) or not isinstance(page.get("value"), list):
                raise _unusable(reply, Meaning.UNKNOWN, "Graph's answer is not a page of a list")
            for entry in page["value"]:
                if subscription := _entry(entry):
                    yield subscription
            url = self._next(reply, page.get("@odata.nextLink"))

    async def newest_message(
        self, resource: str, *, token: str, spender: Spender, turn: Turn | None = None
    ) -> datetime | None:
        """When the newest message of a watched folder was received; None: there is none. Nothing else of it is read.

        Args:
            resource: the folder's messages, as a subscription names them.
        """
        url = f"{self._root}{quote(resource, safe=_IN_A_PATH)}?{_NEWEST}"
        reply = await self._caller.make(Call(Operation.NEWEST_MESSAGE, url, token, spender, turn))
        try:
            return newest_received(read_json(reply.body))
        except ValueError as error:
            raise _unusable(reply, Meaning.UNKNOWN, str(error)) from error

    async def _make(
        self,
        operation: Operation,
        subscription_id: str,
        token: str,
        spender: Spender,
        turn: Turn | None,
        *,
        body: dict[str, Any] | None = None,
    ) -> Reply:
        if not is_id(subscription_id):
            raise GraphRefused(Meaning.GONE, "no subscription can have this id")
        url = f"{self._base}/{subscription_id}"
        if operation is Operation.REAUTHORIZE:
            url += "/reauthorize"
        return await self._caller.make(Call(operation, url, token, spender, turn, subscription_id, body))

    def _granted(self, reply: Reply, subscription: Subscription, otherwise: Meaning) -> Subscription:
        if subscription.expires_at - self.graph_time() < LEAST_GRANT:
            raise _unusable(reply, otherwise, "Graph granted a life that is over already", subscription.id)
        return subscription

    def _next(self, reply: Reply, link: Any) -> str | None:
        """The next page. It must be Graph's own: the token goes nowhere else."""
        if not link:
            return None
        try:
            ours, page = httpx.URL(self._base), httpx.URL(self._base).join(str(link))
        except (httpx.InvalidURL, ValueError):
            raise _unusable(reply, Meaning.UNKNOWN, "Graph's list goes on at something that is no URL") from None
        if ours != page.copy_with(query=None, fragment=None):
            raise _unusable(
                reply, Meaning.UNKNOWN, "Graph's list goes on at another place; the token is not sent there"
            )
        return str(page)


def _subscription(reply: Reply, otherwise: Meaning) -> Subscription:
    try:
        return Subscription.parse(read_json(reply.body))
    except UnusableSubscription as error:
        raise _unusable(reply, otherwise, str(error), error.subscription_id) from error


def _named(reply: Reply, found: Subscription, subscription_id: str) -> Subscription:
    """The subscription that was asked for: an answer about another one must not make us forget it."""
    if found.id.lower() != subscription_id.lower():
        raise _unusable(reply, Meaning.UNKNOWN, "Graph's answer describes another subscription than the one asked for")
    return found


def _entry(content: Any) -> Subscription | None:
    try:
        return Subscription.parse(content)
    except UnusableSubscription:
        return None


def _unusable(reply: Reply, meaning: Meaning, message: str, subscription_id: str | None = None) -> GraphRefused:
    return GraphRefused(
        meaning,
        message,
        status=reply.status,
        request_id=short_id(reply.headers.get("request-id")),
        subscription_id=short_id(subscription_id),
    )
