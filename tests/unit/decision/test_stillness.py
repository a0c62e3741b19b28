"""Whether a message proves a silent death, while the product goes away and comes back, and Graph tries again as it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from graphmail.decision import Heard, Known, Policy, minute_of
from graphmail.decision.silence import silent
from graphsim.settings import SimulatorSettings
from support.month import HOUR, START, lasting

MINUTE = timedelta(minutes=1)
PAUSES = SimulatorSettings().notification_retry_seconds
MESSAGE = START + 100 * HOUR


@dataclass(frozen=True)
class Outage:
    """The product takes nothing for a while."""

    begin: datetime
    end: datetime

    def takes(self, moment: datetime) -> bool:
        return not self.begin <= moment < self.end

    def delivered(self, first: datetime) -> datetime | None:
        """When Graph's tries succeed, of which the first one is made then; None: never."""
        moment = first
        for pause in PAUSES:
            if self.takes(moment):
                return moment
            moment += timedelta(seconds=pause)
        return moment if self.takes(moment) else None


def outages(longest: timedelta) -> st.SearchStrategy[Outage]:
    """They begin at any moment around the message, and not long after it."""
    begins = st.integers(-400 * 60, 10 * 60).map(lambda seconds: MESSAGE + timedelta(seconds=seconds))
    lengths = st.integers(1, int(longest.total_seconds())).map(lambda seconds: timedelta(seconds=seconds))
    return st.builds(lambda begin, length: Outage(begin, begin + length), begins, lengths)


def others(outage: Outage, apart: timedelta) -> list[datetime]:
    """What arrives in other mailboxes, as often as that; the retries after an outage aside."""
    start, end = MESSAGE - 30 * HOUR, MESSAGE + 16 * HOUR
    arrivals = [start + number * apart for number in range(int((end - start) / apart))]
    return [arrived for arrived in arrivals if outage.takes(arrived)]


def proven(arrivals: Sequence[datetime], now: datetime, *, checked: datetime = MESSAGE) -> bool:
    status = {"newest_message_time": MESSAGE, "last_delivery_check_time": checked}
    resource = lasting()
    resource = resource.model_copy(update={"status": resource.status.model_copy(update=status)})
    taken = {minute_of(arrived) for arrived in arrivals if arrived <= now}
    known = Known(notified_at=MESSAGE - 20 * HOUR, heard=Heard(now, taken=taken))
    return silent(resource, now=now, policy=Policy(), known=known) is not None


DELAYS = st.integers(0, 180).map(lambda seconds: timedelta(seconds=seconds))
APART = st.integers(30, 3 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@given(outages(8 * HOUR), DELAYS, APART)
def test_no_healthy_subscription_is_taken_for_dead_since_the_product_was_away(
    outage: Outage, delay: timedelta, apart: timedelta
) -> None:
    """Of what Graph has given up, that can be known once something arrives again."""
    arrivals, delivered = others(outage, apart), outage.delivered(MESSAGE + delay)
    again = min((arrived for arrived in arrivals if arrived >= outage.end), default=outage.end)
    first, last = (MESSAGE, delivered) if delivered is not None else (again, again + 6 * HOUR)
    moments = [first + number * 5 * MINUTE for number in range(int((last - first) / (5 * MINUTE)) + 1)]
    assert not [moment for moment in moments if proven(arrivals, moment)]


@given(APART, st.integers(0, 600).map(lambda minutes: minutes * MINUTE))
def test_a_dead_one_is_proven_once_graph_tries_no_more(apart: timedelta, later: timedelta) -> None:
    checked, never = MESSAGE + later, Outage(MESSAGE, MESSAGE)
    latest = max(MESSAGE + 4 * HOUR, checked) + 16 * MINUTE
    assert proven(others(never, apart), latest, checked=checked)


def test_the_only_mailbox_of_a_product_is_proven_dead_as_well() -> None:
    assert not proven([], MESSAGE + 4 * HOUR)
    assert proven([], MESSAGE + 4 * HOUR + 16 * MINUTE)
