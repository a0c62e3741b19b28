"""What can go wrong at Microsoft, one class for each failure that a caller can tell apart.

* MicrosoftError            anything that Microsoft refused or left unanswered
  * GraphError              a call to Graph
    · GraphRefused          Graph answered, and the answer is no (or cannot be used)
    · GraphUnreachable      no answer: the connection failed or broke, or time was up
    · NoTurn                nothing was sent: the quota is spent on more urgent work, or the tenant is on hold
  * SignInError             no access token could be had

`meaning` says what follows from it. `str(error)` and `remedy` may be published; a foreign exception is chained as the
cause, and its text is private.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from graphmail.graph.meaning import Meaning
from graphmail.provider import Credential


@dataclass(eq=False, repr=False)
class MicrosoftError(Exception):
    """Microsoft refused, or did not answer.

    Attributes:
        meaning: what follows from it.
        message: what happened, for people: Microsoft's text, cleaned and bounded, or a sentence of ours. Never a secret.
        status: HTTP status; None where there was no answer.
        code: Microsoft's own code for it, if it gave one.
        retry_after: seconds to wait as Microsoft asked, bounded; None if it did not ask.
        remedy: what a person must do, as a sentence; None where nobody must act.
    """

    meaning: Meaning
    message: str
    _: KW_ONLY
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    remedy: str | None = None

    def _facts(self) -> list[str]:
        return [str(fact) for fact in (self.status, self.code) if fact]

    @property
    def told(self) -> str:
        """What happened, without Microsoft's ids of the request: the same words whenever the same happens again."""
        facts = " ".join(self._facts())
        return f"{facts}: {self.message}" if facts else self.message

    @property
    def ids(self) -> str:
        """Microsoft's ids of the request, for its support; empty if it gave none."""
        return ""

    def __str__(self) -> str:
        return f"{self.told} ({self.ids})" if self.ids else self.told


@dataclass(eq=False, repr=False, kw_only=True)
class GraphError(MicrosoftError):
    """A call to Graph failed.

    Attributes:
        request_id: Graph's id of the request, for its support; None if Graph gave none.
        client_request_id: our id of the request.
        ceiling: minutes that a subscription may live, where the meaning is CEILING.
        subscription_id: the subscription that the answer names, where the meaning is ALREADY_EXISTS or OUTCOME_UNKNOWN.
    """

    request_id: str | None = None
    client_request_id: str | None = None
    ceiling: int | None = None
    subscription_id: str | None = None

    @property
    def ids(self) -> str:
        """Graph's id of the request."""
        return f"request-id {self.request_id}" if self.request_id else ""


class GraphRefused(GraphError):
    """Graph answered, and the answer is no, or it cannot be used."""


class GraphUnreachable(GraphError):
    """Graph did not answer. A create that may have reached it means OUTCOME_UNKNOWN, all else is TRANSIENT."""


class NoTurn(GraphError):
    """Nothing was sent: there was no turn in time, because the quota is spent on more urgent work or Graph said to wait."""


@dataclass(eq=False, repr=False, kw_only=True)
class SignInError(MicrosoftError):
    """Sign-in gave no access token.

    Attributes:
        aadsts: the number of Microsoft's error (7000222 for AADSTS7000222); None if it gave none.
        correlation_id: Microsoft's id of the request, for its support.
        told_to: the same refusal for somebody else who shares the app: whose credential stands elsewhere must look elsewhere. None: it
            names no place.
    """

    aadsts: int | None = None
    correlation_id: str | None = None
    told_to: Callable[[Credential], "SignInError"] | None = None

    @property
    def ids(self) -> str:
        """Microsoft's id of the sign-in."""
        return f"correlation-id {self.correlation_id}" if self.correlation_id else ""
