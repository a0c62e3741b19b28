"""The bodies of the control API that steer the running simulator: faults, clock, log of calls, certificates, reset.

Times are ISO 8601 in UTC and simulated, unless a name says otherwise.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from graphsim.control_models import Model


class NewFault(Model):
    """A fault rule. What is left out is a wildcard; the effect is an answer by name, a status, a cut, or a delay alone."""

    routes: list[str] = Field([], description="Names of routes; none: every route")
    tenant: str | None = None
    mailbox: str | None = None
    client: str | None = None
    subscription: str | None = None
    count: int | None = Field(None, ge=1, description="How many calls it spoils; None: no end")
    share: float = Field(1.0, ge=0, le=1, description="Share of the matching calls, by chance")
    skip: int = Field(0, ge=0, description="Let so many matching calls pass first")
    answer: str | None = Field(None, description="Name of a known answer, see GET /answers")
    values: dict[str, Any] = Field({}, description="Placeholders of the answer, such as minutes or id")
    status: int | None = Field(None, ge=200, le=599)
    body: str | dict[str, Any] | None = Field(None, description="Sent with `status`: JSON, or text as it is")
    headers: dict[str, str] = Field({}, description="Sent with the answer")
    retry_after: str | None = Field(None, description="Seconds or an HTTP date; an empty string removes the header")
    drop: bool = Field(default=False, description="Cut the connection instead of answering")
    after_commit: bool = Field(default=False, description="Let the call do its work first: the answer is lost")
    delay_ms: float = Field(0.0, ge=0, description="Real milliseconds before the work")


class FaultView(Model):
    """A fault rule in force: how often it hit, how many calls are `left` to it, and what it does."""

    id: str
    hits: int
    left: int | None
    routes: list[str]
    tenant: str | None
    mailbox: str | None
    client: str | None
    subscription: str | None
    share: float
    effect: str


class ClockView(Model):
    """The simulated clock."""

    now: datetime
    speed: float
    paused: bool


class ClockChange(Model):
    """A change to the clock: first pause or resume and speed, then the jump."""

    speed: float | None = Field(None, gt=0)
    paused: bool | None = None
    advance_seconds: float = Field(0.0, ge=0)


class CallView(Model):
    """One call of Graph or sign-in; `status` 0 means that the connection was cut. Empty strings mean unknown."""

    number: int
    at: datetime
    route: str
    method: str
    tenant: str
    mailbox: str
    client: str
    status: int
    code: str
    subscription: str
    fault: str
    milliseconds: float
    request_id: str
    client_request_id: str


class CallCount(Model):
    """How many calls of one kind there were since the start, whatever the filter."""

    route: str
    method: str
    status: int
    count: int


class CallsView(Model):
    """The calls that match, the newest first (at most `limit`), how many match, and the counts of all."""

    calls: list[CallView]
    matching: int
    total: int
    counts: list[CallCount]

    def count(self, route: str | None = None, status: int | None = None) -> int:
        """Answer how many calls there were of a route and a status, whatever the filter."""
        return sum(one.count for one in self.counts if route in {None, one.route} and status in {None, one.status})


class CallFilter(Model):
    """Which calls an answer is about; `since` is the number of a call: only later ones."""

    route: str | None = None
    method: str | None = None
    tenant: str | None = None
    mailbox: str | None = None
    client: str | None = None
    status: int | None = None
    subscription: str | None = None
    fault: str | None = None
    since: int = 0
    limit: int = Field(200, ge=0, le=50_000)


class CertificateRequest(Model):
    """Host names and addresses for a certificate of the simulator's authority."""

    names: list[str] = Field(min_length=1)


class CertificateView(Model):
    """A certificate with its chain, its private key, and the authority's certificate, as PEM."""

    certificate: str
    private_key: str = Field(repr=False)
    authority: str


class AnswerView(Model):
    """A known answer of Graph or of sign-in, for fault rules."""

    name: str
    service: Literal["graph", "sign-in"]
    status: int
    code: str
    message: str
    meaning: str


class ResetRequest(Model):
    """What a reset leaves."""

    keep_settings: bool = False
