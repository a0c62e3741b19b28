"""The verdict over a month full of trouble: what the simulator's account, the stores and the logs say."""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphsim.control_models import CoverageView, IntervalView
from rig.account import renewed
from rig.result import Machine, Row, at_most, exactly, finding, text_table
from soak.confidential import shown
from soak.logs import Complaint, Trouble, complaints, unexplained
from soak.longlife import long_life
from soak.month import Month
from soak.oracle import Span, judge, total
from soak.plan import DAY, RESTARTS, What
from soak.stage import NAMESPACE, SWEEP_GRACE_MINUTES
from soak.stores import Reckoning, reckon

SETTLING_SECONDS = 30.0
"""Real: what is being written when the clock stops gets so long."""
TASKS_A_MAILBOX = 3
"""Most that a resource may keep for good: Kopf's timer, and what it queues."""
EXPLAINS = RESTARTS | {
    What.GRAPH_OUTAGE,
    What.POSTGRES_OUTAGE,
    What.API_SERVER_OUTAGE,
    What.THROTTLING_STORM,
    What.SECRET_ROTATED,
    What.SECRET_REPLACED,
}
"""What may make somebody log an error."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    numbers: dict[str, Any]
    rows: tuple[Row, ...]
    details: tuple[str, ...]
    """A line for each thing that should not be."""
    drawing: dict[str, Any]
    """What the picture is drawn from."""
    name: str = "soak"
    picture: str = "soak.picture"
    """The module that draws it."""

    @property
    def reached(self) -> bool:
        """All of it."""
        return all(row.reached is not False for row in self.rows)

    def text(self) -> str:
        """For a terminal; the last line is the numbers."""
        return "\n".join([*self.details[:40], "", text_table(self.rows), "", json.dumps(self.numbers)])

    def write(self, folder: Path, *, quick: bool, command: str, machine: Machine) -> None:
        """Keep it, with all details."""
        numbers = {key: value for key, value in self.numbers.items() if isinstance(value, (int, float))}
        finding(self.name, quick=quick, command=command, machine=machine, rows=self.rows, numbers=numbers).write(folder)
        (folder / "details.txt").write_text("\n".join(self.details) + "\n")
        (folder / "drawing.json").write_text(json.dumps(self.drawing))


def verdict(month: Month) -> Verdict:
    """Ask everybody, once the clock is held at the end."""
    month.judged_excuses()
    standing = settled(month)
    coverage = {account.mailbox: account for account in month.control.coverage()}
    end = month.clock.now()
    avoidable, unavoidable, details = uncovered(month, coverage, end)
    spare = _spare(coverage, end, SWEEP_GRACE_MINUTES * 60.0 + month.allowance.handling)
    bad = errors(month)
    seen = shown(month.parts, NAMESPACE, month.replicas.all, month.product.secrets)
    details += [f"leaked: {one}" for one in standing.leaked] + [f"disagree: {one}" for one in standing.disagreements]
    details += (
        [f"shown: {one}" for one in seen]
        + [f"spare: {one}" for one in spare]
        + [f"{one.log}: {one.text}" for one in bad]
    )
    numbers = {
        "days": month.plan.days,
        "mailboxes": len(month.boxes),
        "uncovered_minutes": round(sum(total(spans) for spans in avoidable.values()) / 60),
        "unavoidable_minutes": round(sum(total(spans) for spans in unavoidable.values()) / 60),
        "leaked": len(standing.leaked),
        "duplicates": len(spare),
        "renewals": renewed(month.control),
        "restarts": month.replicas.restarts,
        "errors_logged_unexplained": len(bad),
    }
    return Verdict(
        numbers, _rows(month, numbers, standing, len(seen)), tuple(details), _drawing(month, avoidable, unavoidable)
    )


def settled(month: Month) -> Reckoning:
    """Where the stores stand, once what is being written has got its time. A loss that need not have been found yet is no disagreement."""
    end = month.clock.now()
    calm = [box for box in month.boxes if not any(excuse.end > end for excuse in box.expected.excuses)]
    wanted = [box.mailbox.address for box in calm if box.expected.until is None]
    deadline = time.monotonic() + SETTLING_SECONDS
    while True:
        standing = reckon(month.parts, month.control, NAMESPACE, wanted)
        if not (standing.leaked or standing.disagreements) or time.monotonic() > deadline:
            return standing
        time.sleep(1.0)


def uncovered(
    month: Month, coverage: dict[str, CoverageView], end: float
) -> tuple[dict[str, list[Span]], dict[str, list[Span]], list[str]]:
    """By mailbox, what was uncovered and could be helped, and what could not; and a line for each of the first kind."""
    avoidable, unavoidable, details = {}, {}, []
    for box in month.boxes:
        address = box.mailbox.address
        judged = judge(box.expected, [span_of(gap, end) for gap in coverage[address].gaps], end)
        avoidable[address], unavoidable[address] = judged.avoidable, judged.unavoidable
        excuses = ", ".join(text_of(excuse) for excuse in sorted(box.expected.excuses)) or "none"
        details += [f"uncovered: {address} {text_of(span)}; excuses: {excuses}" for span in judged.avoidable]
    return avoidable, unavoidable, details


def _spare(coverage: dict[str, CoverageView], end: float, longest: float) -> list[str]:
    """Spare subscriptions at the end, and those that lasted longer than the sweep's grace time."""
    return [
        f"{account.mailbox} {text_of(span_of(one, end))}"
        for account in coverage.values()
        for one in account.duplicates
        if one.until is None or one.seconds > longest
    ]


def errors(month: Month) -> list[Complaint]:
    """The errors in the logs that nothing explains."""
    troubles = [Trouble(mark.real, mark.mailbox) for mark in month.marks if mark.what in EXPLAINS or mark.mailbox]
    return unexplained(complaints(month.replicas.logs), troubles)


def _rows(month: Month, numbers: dict[str, Any], standing: Reckoning, secrets_shown: int) -> tuple[Row, ...]:
    life = long_life(month.replicas.all)
    allowed = TASKS_A_MAILBOX * (len(month.boxes) - month.plan.mailboxes)
    return (
        exactly("minutes uncovered that could be helped", numbers["uncovered_minutes"], 0),
        Row("minutes uncovered that could not be helped", f"{numbers['unavoidable_minutes']:,}"),
        exactly("subscriptions leaked", numbers["leaked"], 0),
        exactly("duplicates at the end, or longer than the grace time", numbers["duplicates"], 0),
        exactly("mailboxes on which the stores disagree", len(standing.disagreements), 0),
        Row("renewals", f"{numbers['renewals']:,}"),
        Row("restarts, of which nobody planned", f"{month.replicas.restarts}, {month.replicas.unplanned}"),
        exactly("secrets in logs, resources, events or metrics", secrets_shown, 0),
        exactly("errors in the log that nothing explains", numbers["errors_logged_unexplained"], 0),
        Row("memory's slope of the longest life", f"{life.slope:+.2f} MiB a simulated day, over {life.days:.1f} days"),
        at_most("asyncio tasks at its end, more than at first", life.more_tasks, allowed, "{:+d}"),
        Row("real seconds that the clock stood still", f"{month.clock.paused_seconds:.0f}"),
    )


def _drawing(month: Month, avoidable: dict[str, list[Span]], unavoidable: dict[str, list[Span]]) -> dict[str, Any]:
    origin = month.clock.origin

    def days(spans: list[Span]) -> list[tuple[float, float]]:
        return [((span.start - origin) / DAY, (span.end - origin) / DAY) for span in spans]

    return {
        "days": month.plan.days,
        "mailboxes": len(month.boxes),
        "avoidable": days([span for spans in avoidable.values() for span in spans]),
        "unavoidable": days([span for spans in unavoidable.values() for span in spans]),
        "marks": [(mark.what.value, *days([mark.simulated])[0]) for mark in month.marks],
        "real": [(mark.what.value, *asdict(mark)["real"]) for mark in month.marks],
        "memory": [
            [((at - origin) / DAY, rss / 2**20) for at, rss in replica.memory] for replica in month.replicas.all
        ],
    }


def span_of(interval: IntervalView, end: float) -> Span:
    """What the simulator's account calls an interval; one that lasts is over at the end."""
    return Span(interval.start.timestamp(), end if interval.until is None else interval.until.timestamp())


def text_of(span: Span) -> str:
    """For people."""
    begin, end = (datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H:%M:%S") for moment in span)
    return f"{begin} to {end}"
