"""How still it was everywhere when a message came: Graph may have told of it in vain, and may tell again, or have given up. Pure."""

from datetime import datetime, timedelta

from graphmail.decision.words import Heard, minute_of

RETRIED = timedelta(hours=4)
"""For so long Graph tries again with a notification that nobody took (Graph's contract)."""
LAST_TRY = timedelta(hours=3, minutes=30)
"""The last of its tries may be as early as this: after that it may have given up."""
FIRST_TRY = timedelta(minutes=3)
"""So long after a message Graph tells of it at the latest, where nothing is in the way."""
PAUSES_GROW = 4
"""Its tries become rarer: the next one after a stillness comes within four times as long as that has lasted."""
_LOOKED_BACK = 24 * 60
_TOO_OLD = 96 * 60
"""Minutes. No message is judged for the first time so late, and nobody remembers how still it was."""


def tried_again(heard: Heard, message: datetime) -> timedelta | None:
    """For how long after that message Graph may try again to tell of it, since the product, or its database, was perhaps away.

    None: it proves nothing, since Graph may have given up. Something arrived again, so that the way is open; but before that, nothing did
    for as long as Graph tries, or nobody remembers.
    """
    tried, known = minute_of(message + FIRST_TRY) + 1, minute_of(heard.until)
    if known - tried > _TOO_OLD:
        return None
    after = next((minute for minute in range(tried, known + 1) if minute in heard.taken), None)
    before = next((minute for minute in range(tried - 1, tried - _LOOKED_BACK, -1) if minute in heard.taken), None)
    if before is None:
        return RETRIED if after is None else None
    still = timedelta(minutes=max((known if after is None else after) - before - 1, 0))
    if after is not None and still >= LAST_TRY:
        return None
    return min(PAUSES_GROW * still, RETRIED)
