"""The verdict over a month of silence: which deaths were found, who was replaced in health, and what it cost in calls."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from graphsim.client import SimulatorControl
from graphsim.control_mail_models import SilenceView
from rig.result import Row, at_least, at_most, exactly
from soak.deaths import Death, Deaths, Evidence, deaths_of, most_in_a_day
from soak.logs import told_silent
from soak.month import Month
from soak.oracle import Span, total
from soak.plan import DAY
from soak.verdict import Verdict, errors, settled, text_of, uncovered

CALL = "folder-messages"
"""The simulator's name of the call that asks for the newest message."""
MOST_CALLS = 4
"""A mailbox and day."""
_AT_ONCE = 50_000


@dataclass(slots=True)
class Checks:
    """The calls that asked for a newest message, taken from the simulator's log before it forgets them."""

    control: SimulatorControl
    moments: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of each mailbox, in simulated seconds since 1970."""
    _seen: int = 0

    def collect(self) -> None:
        """Take those that are new, whatever came of them."""
        for call in self.control.requests(route=CALL, since=self._seen, limit=_AT_ONCE).calls:
            self._seen = max(self._seen, call.number)
            self.moments[call.mailbox].append(call.at.timestamp())

    @property
    def count(self) -> int:
        """All of them."""
        return sum(map(len, self.moments.values()))


def verdict(month: Month, checks: Checks) -> Verdict:
    """Ask everybody, once the clock is held at the end."""
    month.judged_excuses()
    standing = settled(month)
    end = month.clock.now()
    coverage = {account.mailbox: account for account in month.control.coverage()}
    avoidable, _, details = uncovered(month, coverage, end)
    account, bad = month.control.silences(), errors(month)
    deaths = deaths_of(account, _evidence(month), end)
    checks.collect()
    numbers = _numbers(month, account, deaths, checks)
    details += [f"not found: {_line(death, end)}" for death in deaths.missed]
    details += [f"replaced without a proof: {_line(death, end)}" for death in deaths.blind]
    details += [f"replaced in health: {one.mailbox} at {one.at}" for one in account.replacements if one.healthy]
    details += [f"leaked: {one}" for one in standing.leaked] + [f"disagree: {one}" for one in standing.disagreements]
    details += [f"{one.log}: {one.text}" for one in bad]
    minutes = round(sum(total(spans) for spans in avoidable.values()) / 60)
    rows = (
        *_of_deaths(numbers, deaths),
        *_of_calls(month, numbers, checks),
        exactly("minutes without a subscription", minutes, 0),
        exactly("subscriptions leaked", len(standing.leaked), 0),
        exactly("mailboxes on which the stores disagree", len(standing.disagreements), 0),
        exactly("errors in the log that nothing explains", len(bad), 0),
        *_of_the_run(month),
    )
    drawing = _drawing(month, deaths, account)
    return Verdict(numbers, rows, tuple(details), drawing, name="soak-delivery", picture="soak.delivery_picture")


def _evidence(month: Month) -> Evidence:
    heard = {line.mailbox: line.delivered_at.timestamp() for line in month.control.delivered()}
    allowance = month.plan.mail.allowance_minutes * 60 if month.plan.mail is not None else 0.0
    return Evidence(told_silent(month.replicas.logs), heard, allowance)


def _numbers(month: Month, account: SilenceView, deaths: Deaths, checks: Checks) -> dict[str, Any]:
    return {
        "silent_deaths": len(deaths.due),
        "found": len(deaths.found),
        "median_minutes_to_mend": round(deaths.median_minutes()),
        "false_alarms": sum(one.healthy for one in account.replacements),
        "probe_calls_per_mailbox_per_day": round(checks.count / len(month.boxes) / month.plan.days, 2),
    }


def _of_deaths(numbers: Mapping[str, Any], deaths: Deaths) -> tuple[Row, ...]:
    usual, most = deaths.deaf()
    return (
        at_least("silent deaths that a lost message proved", numbers["silent_deaths"], 1, "{}"),
        exactly("of these, found and mended", numbers["found"], numbers["silent_deaths"]),
        Row("silent deaths that no message proved in time", f"{deaths.unseen:,}"),
        exactly("silent deaths mended before a message was lost", len(deaths.blind), 0),
        exactly("healthy subscriptions replaced", numbers["false_alarms"], 0),
        Row("hours from a death to the mended subscription, median", f"{deaths.median_minutes() / 60:.1f}"),
        Row("hours from the first lost message, median and most", f"{usual / 60:.1f}, {most / 60:.1f}"),
    )


def _of_calls(month: Month, numbers: Mapping[str, Any], checks: Checks) -> tuple[Row, ...]:
    """What chance decides of single days is shown; a mailbox that is checked too often is so all the time."""
    mean = max((len(moments) / month.plan.days for moments in checks.moments.values()), default=0.0)
    most = max(map(most_in_a_day, checks.moments.values()), default=0)
    per_day = numbers["probe_calls_per_mailbox_per_day"]
    return (
        at_most("checks a mailbox and day", per_day, MOST_CALLS, "{:.2f}"),
        at_most("checks a day of the mailbox that was checked most", mean, MOST_CALLS, "{:.2f}"),
        Row("most checks of one mailbox within 24 hours", f"{most}"),
    )


def _of_the_run(month: Month) -> tuple[Row, ...]:
    arrived = [stream.arrived for stream in month.control.traffic()]
    waited = month.webhook.longest_seconds if month.webhook is not None else 0.0
    return (
        Row("messages, and of one mailbox the median", f"{sum(arrived):,}, {median(arrived or [0]):.0f}"),
        Row("restarts, of which nobody planned", f"{month.replicas.restarts}, {month.replicas.unplanned}"),
        Row("real seconds until a row told of a notification, at most", f"{waited:.1f}"),
        Row("real seconds that the clock stood still", f"{month.clock.paused_seconds:.0f}"),
    )


def _line(death: Death, end: float) -> str:
    lost = "no message" if death.lost is None else text_of(Span(death.lost, end)).partition(" to ")[0]
    return f"{death.mailbox} {text_of(Span(death.began, death.ended or end))} ({death.how}), first lost: {lost}"


def _drawing(month: Month, deaths: Deaths, account: SilenceView) -> dict[str, Any]:
    origin, end = month.clock.origin, month.clock.now()

    def day(moment: float) -> float:
        return (moment - origin) / DAY

    return {
        "days": month.plan.days,
        "mailboxes": len(month.boxes),
        "deaths": [
            (
                death.mailbox,
                day(death.began),
                day(death.lost or death.ended or end),
                day(death.ended or end),
                death.found,
            )
            for death in deaths.due
        ],
        "false_alarms": [day(one.at.timestamp()) for one in account.replacements if one.healthy],
        "weekends": [number for number in range(int(month.plan.days) + 1) if _weekend(origin + number * DAY)],
        "marks": [(mark.what.value, day(mark.simulated.start), day(mark.simulated.end)) for mark in month.marks],
    }


def _weekend(moment: float) -> bool:
    """1970 began on a Thursday."""
    return int(moment / DAY + 3) % 7 >= 5
