"""What to do next for a mailbox, and why: pure functions, without I/O and without a clock.

Only this package decides what is due (design, rule 14): SQL feeds the mirror, and nothing else.
"""

from graphmail.decision.arrivals import arrived_since, notification_is_news
from graphmail.decision.case import awaits_credentials, blocked_reason
from graphmail.decision.checks import adoption_pending, decide, suspended_before
from graphmail.decision.lifecycle import lifecycle_news, taken_up
from graphmail.decision.observing import as_the_row_says
from graphmail.decision.rhythm import Kept, Rhythm
from graphmail.decision.steps import Step, next_step
from graphmail.decision.times import JITTER_SHARE, planned_renewal, renewal_time, verification_time
from graphmail.decision.words import (
    CALLS_GRAPH,
    NEEDS_STORES,
    Action,
    Decision,
    Heard,
    Known,
    Mode,
    Policy,
    Reason,
    minute_of,
)

__all__ = [
    "CALLS_GRAPH",
    "JITTER_SHARE",
    "NEEDS_STORES",
    "Action",
    "Decision",
    "Heard",
    "Kept",
    "Known",
    "Mode",
    "Policy",
    "Reason",
    "Rhythm",
    "Step",
    "adoption_pending",
    "arrived_since",
    "as_the_row_says",
    "awaits_credentials",
    "blocked_reason",
    "decide",
    "lifecycle_news",
    "minute_of",
    "next_step",
    "notification_is_news",
    "planned_renewal",
    "renewal_time",
    "suspended_before",
    "taken_up",
    "verification_time",
]
