"""Mailboxes at which Microsoft answers one known thing each, and what must come of it: the words of test_every_answer.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from graphsim.calls import Call
from graphsim.client import SimulatorControl
from graphsim.subscriptions import Subscription
from support.stage import Row, Stage, condition_reason, condition_status

LEAST_PAUSE = 10.0 - 1.5
"""Seconds between a failure and the next try, less what times in whole seconds cost: no tighter loop than this, ever."""
SLOW_PAUSE = 15 * 60.0 - 1.5
TOLD_SECONDS = 60
"""More than any pause that the operator would make of its own accord after a first failure."""
TOLD_PAUSE = TOLD_SECONDS - 1.5


class Start(Enum):
    """How a mailbox stands before the operator runs."""

    DUE = "its row names a subscription that expires within the lookahead"
    NOTHING = "it never had a subscription"


class Fate(Enum):
    """What must have become of the subscription."""

    KEPT = "the id is the one from before, and it lives"
    ANEW = "the id is a new one, and it lives"
    TWIN = "the id is the twin's, which Graph had already"
    NONE = "there is none"
    NAMED = "Graph says that there is none; the row still names the one from before, until there is another"


class Pace(Enum):
    """When the next try must come."""

    DONE = "it worked: none is planned"
    QUICK = "soon, and never at once"
    TOLD = "no sooner than Microsoft says"
    SLOW = "in a quarter of an hour at the earliest"
    NEVER = "never by itself: a person must act"


@dataclass(frozen=True)
class Fault:
    """What Microsoft answers to some calls of one mailbox, in the words of the simulator's control API."""

    route: str
    how: dict[str, Any]


def answers(route: str, answer: str, **how: Any) -> Fault:
    """A known answer, to every call of that route."""
    return Fault(route, {"answer": answer} | how)


def tells_to_wait(route: str, answer: str) -> Fault:
    """A known answer that says how long to wait."""
    return answers(route, answer, headers={"Retry-After": str(TOLD_SECONDS)})


def refuses(route: str, status: int, code: str, message: str) -> Fault:
    """An error of Graph, in words that no known answer has."""
    return sends(route, status, {"error": {"code": code, "message": message}})


def denies(status: int, error: str, number: int) -> Fault:
    """An error of sign-in that no known answer has."""
    content = {"error": error, "error_description": f"AADSTS{number}: words.", "error_codes": [number]}
    return sends("token", status, content)


def sends(route: str, status: int, body: Any, **how: Any) -> Fault:
    """Any answer at all."""
    return Fault(route, {"status": status, "body": body} | how)


def cuts(route: str, **how: Any) -> Fault:
    """No answer: the connection breaks off."""
    return Fault(route, {"drop": True} | how)


@dataclass(frozen=True)
class Case:
    """One answer, and what must come of it."""

    says: str
    faults: Sequence[Fault]
    calls: str
    """The calls of one attempt, in order; a later attempt makes the same."""
    reason: str
    fate: Fate
    pace: Pace
    start: Start = Start.DUE
    twin: str | None = None
    """The path of the URL that a subscription delivers to which Graph holds, and no row names."""
    elsewhere: bool = False
    """In an Entra tenant of its own, since the answer stops the whole tenant."""
    authorized: str | None = None
    tells: Sequence[str] = field(default=())
    """What the condition's message must hold."""


@dataclass
class Mailbox:
    """A case at play."""

    case: Case
    stage: Stage
    row: Row
    before: Subscription | None
    twin: Subscription | None

    @property
    def calls(self) -> list[Call]:
        """What Microsoft was asked for this mailbox, oldest first."""
        log = self.stage.simulator.log.newest_first()
        return list(reversed([call for call in log if call.mailbox == self.row.address]))


def set_up(stage: Stage, control: SimulatorControl, case: Case) -> Mailbox:
    """Put the mailbox into the world, and what Microsoft answers it."""
    if case.elsewhere:
        name = f"Fabrikam {len(stage.simulator.world.directory.tenants)}"
        stage = replace(stage, entra=stage.simulator.world.add_tenant(name), _count=0)
    row = stage.add_delegated()
    before = stage.subscribe(row, hours=5) if case.start is Start.DUE else None
    twin = _hide(stage, row, case.twin) if case.twin is not None else None
    for fault in case.faults:
        values = {"values": {"id": twin.id}} if twin and fault.how.get("answer") == "duplicate" else {}
        control.add_fault(fault.route, mailbox=row.address, **fault.how | values)
    return Mailbox(case, stage, row, before, twin)


def _hide(stage: Stage, row: Row, path: str) -> Subscription:
    """A subscription at Graph that no row names."""
    return stage.simulator.world.add_subscription(
        row.mailbox, stage.app, notification_url=stage.endpoint.url + path, minutes=60 * 60, delegated=True
    )


@dataclass(frozen=True)
class Outcome:
    """What came of an answer."""

    reason: str | None
    authorized: str | None
    calls: str
    """Of the first attempt, if all later ones kept their distance; else all that were made."""
    fate: Fate | str
    pace: Pace | str
    missing: tuple[str, ...] = ()
    """What the condition's message does not tell and should."""


def expected(case: Case) -> Outcome:
    """What must come of it."""
    return Outcome(case.reason, case.authorized, case.calls, case.fate, case.pace)


def outcome(mailbox: Mailbox, status: dict[str, Any]) -> Outcome:
    """What came of it."""
    message = next((found["message"] for found in status.get("conditions", []) if found["type"] == "Ready"), "")
    return Outcome(
        reason=condition_reason(status, "Ready"),
        authorized=condition_status(status, "Authorized"),
        calls=_calls(mailbox),
        fate=_fate(mailbox, status),
        pace=_pace(mailbox.case, status),
        missing=tuple(words for words in mailbox.case.tells if words not in message),
    )


def _pace(case: Case, status: dict[str, Any]) -> Pace | str:
    again = status.get("nextAttemptTime")
    if again is None:
        return Pace.NEVER if condition_status(status, "Stalled") == "True" else Pace.DONE
    pause = (datetime.fromisoformat(again) - datetime.fromisoformat(status["lastAttemptTime"])).total_seconds()
    if pause >= SLOW_PAUSE:
        return Pace.SLOW
    if case.pace is Pace.TOLD and pause >= TOLD_PAUSE:
        return Pace.TOLD
    return Pace.QUICK if pause >= LEAST_PAUSE else f"after {pause:.0f} s"


def _calls(mailbox: Mailbox) -> str:
    calls, wanted = mailbox.calls, mailbox.case.calls.split()
    routes, first, pace = [call.route for call in calls], len(wanted), mailbox.case.pace
    apart = TOLD_PAUSE if pace is Pace.TOLD else LEAST_PAUSE
    distant = len(calls) <= first or calls[first].at - calls[first - 1].at >= apart
    again = pace in {Pace.QUICK, Pace.TOLD} or len(calls) <= first
    return mailbox.case.calls if routes[:first] == wanted and distant and again else " ".join(routes)


def _fate(mailbox: Mailbox, status: dict[str, Any]) -> Fate | str:
    """By the row, which has the id in any case; a status whose work never came to the row's id has none."""
    known = mailbox.stage.product.config(mailbox.row.id)["webhook_subscription_id"]
    held = status.get("subscriptionID", known if "patch" not in mailbox.case.calls else None)
    live = {found.id for found in mailbox.stage.live(mailbox.row)}
    if held is None and mailbox.before is not None and known == mailbox.before.id:
        return Fate.NAMED
    if held != known or known not in {None, *live}:
        return f"status {held}, row {known}, at Graph {sorted(live)}"
    if mailbox.twin is not None and known == mailbox.twin.id:
        return Fate.TWIN if live == {known} else f"a twin beside it: {sorted(live)}"
    before = mailbox.before.id if mailbox.before else None
    if known == before:
        return Fate.KEPT if before else Fate.NONE
    return Fate.ANEW if known else Fate.NONE
