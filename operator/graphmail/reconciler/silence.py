"""What is told of silence: events, metrics and the log."""

from datetime import datetime

import structlog

from graphmail.arrivals import Arrivals
from graphmail.decision import Decision, Heard
from graphmail.fleet import Entry
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.reconciler.delivering import FOUND_SILENT
from graphmail.reconciler.journal import Announcer
from graphmail.reconciler.result import Checked, Result
from graphmail.resource import GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType

_log = structlog.get_logger("graphmail.reconciler")


class Silence:
    """Tells of checks of delivery, of mailboxes that are found silent, and of those that are heard again."""

    def __init__(self, arrivals: Arrivals, metrics: Metrics, announce: Announcer) -> None:
        self._arrivals = arrivals
        self._metrics = metrics
        self._announce = announce
        self._refused: set[str] = set()
        """Credentials that may not read mail and were told of."""

    def heard(self, entry: Entry) -> Heard | None:
        """What tells of notifications of that mailbox."""
        return self._arrivals.of(entry)

    def checked(self, entry: Entry, result: Result, proof: datetime | None) -> None:
        """A check is over and written down.

        Args:
            proof: when the message that it found proves that the subscription delivers nothing; None: it proves nothing.
        """
        checked = result.checked or Checked.FAILED
        if checked is Checked.QUIET and proof is not None:
            checked = Checked.UNHEARD
        self._metrics.delivery_check(checked.value)
        tell = _log.info if checked in {Checked.UNHEARD, Checked.FAILED} else _log.debug
        if checked is Checked.REFUSED:
            credential = result.observed_credential or ""
            tell = _log.debug if credential in self._refused else _log.warning
            self._refused.add(credential)
        newest = entry.resource.status.newest_message_time
        facts = {"newest_message": newest and newest.isoformat(), "proves_silence_at": proof and proof.isoformat()}
        tell(_SAID[checked], **facts, error=result.note or None)

    def tell(self, before: GraphMailSubscription, after: Status, decision: Decision | None) -> None:
        """A status was written."""
        condition = after.condition(ConditionType.DELIVERING)
        if condition is None:
            return
        was = before.status.condition(ConditionType.DELIVERING)
        if was is not None and (was.status, condition.status) == ("False", "True"):
            self._announce(before, EventReason.DELIVERING, f"not silent any more: {condition.message}")
        if decision is not None and decision.reason in FOUND_SILENT and was != condition:
            self._arrivals.found_silent(before)
            self._announce(before, EventReason.SILENT_SUBSCRIPTION, condition.message)
            _log.warning("a mailbox is silent", reason=condition.reason, error=condition.message)


_SAID = {
    Checked.QUIET: "delivery checked: nothing came",
    Checked.UNHEARD: "delivery checked: a message came of which no notification has arrived yet",
    Checked.REFUSED: "delivery is not checked: the credential may not read mail",
    Checked.FAILED: "delivery could not be checked",
}
