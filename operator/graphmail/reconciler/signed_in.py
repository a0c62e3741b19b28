"""One piece of work at Graph, and Graph as it is called for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypedDict, TypeVar

from graphmail.fleet import Access
from graphmail.graph import GraphClient, Priority, SignIn, Spender, Token, Turn, with_fresh_token
from graphmail.provider import RotatedTokens, client_state_fingerprint
from graphmail.resource import GraphMailSubscription

T = TypeVar("T")


async def _always() -> bool:
    return True


@dataclass(slots=True)
class Creates:
    """What is known of the creates for a mailbox while work on it goes on. It stands whatever ends the work."""

    unanswered: bool = False
    """One may have been committed of which nobody knows: begun before this work, or in it."""
    sent: bool = False
    """One may have been sent in this work, and its answer is not known."""
    elsewhere: bool = False
    """There is one that nobody holds, and it serves another mailbox of the same provider."""

    def begins(self) -> None:
        """One is about to be sent."""
        self.unanswered = self.sent = True

    def answered(self) -> None:
        """What became of it is known, as of all before it."""
        self.unanswered = self.sent = False


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work at Graph."""

    resource: GraphMailSubscription
    access: Access
    now: datetime
    """The time at Graph."""
    spender: Spender
    """As far as it was known before the sign-in."""
    turn: Turn
    """For the first call of its kind."""
    learn: Callable[[GraphMailSubscription, str, str], None]
    """Told the Entra tenant that the token is for, after the name that the credential has for it."""
    may_create: Callable[[], Awaitable[bool]] = _always
    """Asked right before a create: False while a store is away: a new subscription could not be written down."""
    unknown_since: datetime | None = None
    """An earlier create, begun before this, may have been committed: look for its subscription before making another one."""
    unknown_until: datetime | None = None
    """Until then what that create has sent may still arrive: absence proves nothing."""
    creates: Creates = field(default_factory=Creates)
    others: Callable[[str], str | None] = lambda _: None
    """The name of another resource that holds a subscription, if there is one."""
    adopts: str | None = None
    """The subscription that the provider's row names, to be looked up."""

    @property
    def client_state_fingerprint(self) -> str | None:
        """Of the clientState that a new subscription is made with."""
        state = self.access.client_state
        return client_state_fingerprint(state) if state else None


class How(TypedDict):
    """With what a call is made."""

    token: str
    spender: Spender
    turn: Turn


class SignedIn:
    """Graph, signed in for one mailbox. A token that Graph refuses is replaced once."""

    def __init__(self, graph: GraphClient, signin: SignIn, job: Job) -> None:
        self._graph = graph
        self._signin = signin
        self._job = job
        self.tokens: RotatedTokens | None = None
        """The tokens of a refresh in this work; they are stored whatever else comes of it."""
        self.signed_in = False
        """Sign-in gave a token."""

    async def call(self, act: Callable[[GraphClient, "How"], Awaitable[T]]) -> T:
        """Do one call.

        Raises:
            MicrosoftError: sign-in or Graph refused, or did not answer.
        """

        async def once(token: Token) -> T:
            self.tokens, self.signed_in = token.rotated or self.tokens, True
            return await act(self._graph, self._how(token))

        asked_for = self._job.spender.priority is not Priority.NORMAL
        return await with_fresh_token(self._signin, self._job.access.credential, once, forced=asked_for)

    def _how(self, token: Token) -> "How":
        """A turn that was waited for on another tenant's account is given back unused."""
        job = self._job
        spender = replace(job.spender, directory=token.directory)
        if token.directory != job.spender.directory:
            job.learn(job.resource, job.access.credential.directory, token.directory)
            job.turn.give_back(used=False)
        return How(token=token.value, spender=spender, turn=job.turn)
