"""What is done next for a mailbox in which nothing arrives. A part of the decision's table."""

from datetime import UTC, datetime, timedelta

from graphmail.decision import Action, Heard, Reason, Rhythm
from support.deciding import AWAY, ENDING, FAILED, STALLED, SUSPEND, SUSPENDED, Rows, given, taken_up

NOW = datetime(2026, 3, 2, 9, 17, 11, tzinfo=UTC)
"""The `now` of the table: a Monday."""
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ALWAYS = range(2**40)
"""In every minute something arrives somewhere."""
HEARD = {"heard": Heard(NOW, taken=ALWAYS)}
"""Notifications are told of, and no rhythm is known: twelve hours are long."""
DOWN = {"heard": Heard(NOW, taken=ALWAYS, way_down=True)}


def busy() -> Rhythm:
    """Six arrivals in each hour of the last ten days."""
    rhythm = Rhythm(NOW - 240 * HOUR)
    for number in range(240 * 6):
        rhythm.saw(NOW - 240 * HOUR + 10 * number * MINUTE)
    return rhythm


def taken(*spans: tuple[int, int]) -> dict[str, Heard]:
    """In each of these minutes from now something arrived somewhere."""
    now = int(NOW.timestamp()) // 60
    return {"heard": Heard(NOW, taken={now + minute for first, last in spans for minute in range(first, last)})}


def found(*, message: float, checked: float = -20) -> dict[str, timedelta]:
    """A check found a message of which no notification came, both in minutes from now."""
    return {"lastDeliveryCheckTime": checked * MINUTE, "newestMessageTime": message * MINUTE}


def quiet(hours: float) -> dict[str, timedelta]:
    """A notification last came so long ago, and the status tells of it."""
    return {"notified_at": timedelta(hours=-hours)}


def told(hours: float, **status: object) -> dict[str, object]:
    return {"lastNotificationTime": timedelta(hours=-hours), **status}


FOUND = {"lastDeliveryCheckTime": -20 * MINUTE, "newestMessageTime": -25 * MINUTE}
"""A check has found a message of which no notification came."""
LONG_FOUND = {"lastDeliveryCheckTime": timedelta(hours=-4), "newestMessageTime": timedelta(hours=-4.3)}
"""Four hours of Graph's tries ago, and a quarter of one."""
RECENT = {"lastDeliveryCheckTime": -5 * MINUTE, "newestMessageTime": -9 * MINUTE}
OLDER = {"lastDeliveryCheckTime": -20 * MINUTE, "newestMessageTime": timedelta(hours=-13)}
SILENT = [("Ready", "True", "Subscribed"), ("Delivering", "False", "NothingArrives")]

SILENCES: Rows = {
    "a mailbox without a rhythm is suspected after twelve hours": (
        given(known=HEARD, known_offsets=quiet(12.1), status=told(12.1)),
        Action.CHECK_DELIVERY,
        Reason.SILENCE_SUSPECTED,
    ),
    "and not before": (
        given(known=HEARD, known_offsets=quiet(11.9), status=told(11.9)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "one that was never notified is suspected that long after its subscription was made": (
        given(known=HEARD, granted=timedelta(hours=-12.1)),
        Action.CHECK_DELIVERY,
        Reason.SILENCE_SUSPECTED,
    ),
    "which is when the folder got it, and not when it was renewed": (
        given(known=HEARD, granted=timedelta(hours=-2), row={"sinceTime": timedelta(hours=-12.1)}),
        Action.CHECK_DELIVERY,
        Reason.SILENCE_SUSPECTED,
    ),
    "one that is seldom still for ten minutes is suspected after little more than an hour": (
        given(known={"heard": Heard(NOW, busy())}, known_offsets=quiet(1.2), status=told(1.2)),
        Action.CHECK_DELIVERY,
        Reason.SILENCE_SUSPECTED,
    ),
    "and never before an hour": (
        given(known={"heard": Heard(NOW, busy())}, known_offsets=quiet(0.98), status=told(0.98)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "where nothing tells of notifications, silence proves nothing": (
        given(known_offsets=quiet(100), status=told(100)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nor where new messages are not subscribed": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100), spec={"changeTypes": ["updated"]}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nor where it is not asked for": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100), policy={"delivery_allowance": None}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a credential that may not read mail is not tried again": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100, uncheckedCredential="fp-1")),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "another one is": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100, uncheckedCredential="fp-0")),
        Action.CHECK_DELIVERY,
        Reason.SILENCE_SUSPECTED,
    ),
    "after a check the next one needs as much silence again": (
        given(known=HEARD, known_offsets=quiet(24), status=told(24, lastDeliveryCheckTime=timedelta(hours=-11.9))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "and comes after six hours at the earliest": (
        given(
            known={"heard": Heard(NOW, busy())},
            known_offsets=quiet(5),
            status=told(5, lastDeliveryCheckTime=timedelta(hours=-5.9)),
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what is due comes before a check": (
        given(known=HEARD, known_offsets=quiet(100), status={**told(100), **ENDING}),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "so does a verification": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100), verified=61),
        Action.VERIFY,
        Reason.VERIFICATION_DUE,
    ),
    "a suspended mailbox is not checked": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100), spec=SUSPEND, conditions=SUSPENDED),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "nor is a stalled one": (
        given(known=HEARD, known_offsets=quiet(100), status=told(100), conditions=STALLED),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "nor one while a store is away, since what arrived is not known": (
        given(known={**HEARD, **AWAY}, known_offsets=quiet(100), status=told(100)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a message without a notification proves that the subscription is dead": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **FOUND)),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "Graph has a quarter of an hour for it": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **RECENT)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "or as long as it is set": (
        given(
            known=HEARD,
            known_offsets=quiet(13),
            status=told(13, **RECENT),
            policy={"delivery_allowance": timedelta(minutes=4)},
        ),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "where nothing arrived anywhere around then, Graph has four hours to try again": (
        given(known=taken((-400, -60)), known_offsets=quiet(13), status=told(13, **FOUND)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "after which it proves the same": (
        given(known={"heard": Heard(NOW)}, known_offsets=quiet(13), status=told(13, **LONG_FOUND)),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "also where something had arrived just before it": (
        given(known=taken((-400, -80)), known_offsets=quiet(13), status=told(13, **found(message=-75))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "and where something arrives again soon after it": (
        given(known=taken((-400, -130), (-30, 0)), known_offsets=quiet(13), status=told(13, **found(message=-40))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "or arrived in the moment before Graph's first try": (
        given(known=taken((-400, -99), (-30, 0)), known_offsets=quiet(13), status=told(13, **found(message=-100))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a short stillness is waited for four times as long": (
        given(known=taken((-400, -40), (-28, 0)), known_offsets=quiet(13), status=told(13, **found(message=-50))),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "and not less": (
        given(known=taken((-400, -40), (-28, 0)), known_offsets=quiet(13), status=told(13, **found(message=-38))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "where nothing arrived for as long as Graph tries, it may have given up, and nothing is proven afterwards": (
        given(known=taken((-500, -360), (-60, 0)), known_offsets=quiet(13), status=told(13, **found(message=-350))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "it is while nothing arrives: the only mailbox of a product is mended as well": (
        given(known=taken((-500, -270)), known_offsets=quiet(13), status=told(13, **LONG_FOUND)),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "a message from before all that is remembered proves nothing": (
        given(known=taken((-60, 0)), known_offsets=quiet(13), status=told(13, **found(message=-300))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nor does one that was first seen days late": (
        given(
            known=HEARD,
            known_offsets=quiet(120),
            granted=timedelta(hours=-130),
            status=told(120, **found(message=-97 * 60)),
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what Graph says to have dropped is not held against the subscription": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **FOUND), row=taken_up(missed=-24)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what comes after that is": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **FOUND), row=taken_up(missed=-41)),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "a message that was moved into the folder is older than its notification, which has its time from the check on": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **found(message=-300, checked=-14))),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "and no more than that": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **found(message=-300, checked=-16))),
        Action.REPLACE,
        Reason.SILENT_SUBSCRIPTION,
    ),
    "while what a check has found is waited for, there is no other one": (
        given(
            known={"heard": Heard(NOW, busy(), taken=ALWAYS)},
            known_offsets=quiet(20),
            status=told(20, **found(message=-430, checked=-420)),
            policy={"delivery_allowance": timedelta(hours=8)},
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "its notification may have arrived since it was last asked": (
        given(
            known={"heard": Heard(NOW - 12 * MINUTE, taken=ALWAYS)}, known_offsets=quiet(13), status=told(13, **FOUND)
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a notification that came after it acquits the subscription": (
        given(known=HEARD, known_offsets=quiet(0.1), status=told(0.1, **FOUND)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a message from just after the last notification proves nothing": (
        given(known=HEARD, known_offsets=quiet(13.1), status=told(13.1, **OLDER)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nor does one from before the subscription was made": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **FOUND), row={"sinceTime": -24 * MINUTE}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nothing is replaced while a store is away": (
        given(known={**HEARD, **AWAY}, known_offsets=quiet(13), status=told(13, **FOUND)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a replacement that failed waits for its next attempt": (
        given(known=HEARD, known_offsets=quiet(13), status={**told(13, **FOUND), **FAILED}),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "one that is silent after its replacement is replaced again": (
        given(known=HEARD, known_offsets=quiet(30), status=told(30, **FOUND, silentReplacements=1)),
        Action.REPLACE,
        Reason.STILL_SILENT,
    ),
    "but checked more and more seldom": (
        given(
            known=HEARD,
            known_offsets=quiet(100),
            status=told(100, lastDeliveryCheckTime=timedelta(hours=-23.9), silentReplacements=3),
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "where nothing arrives in many mailboxes, nothing is replaced": (
        given(known=DOWN, known_offsets=quiet(13), status=told(13, **FOUND)),
        Action.REPORT,
        Reason.NOTHING_ARRIVES,
    ),
    "that is told once": (
        given(known=DOWN, known_offsets=quiet(13), status=told(13, **FOUND), conditions=SILENT),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what was missed meanwhile proves nothing afterwards": (
        given(known=HEARD, known_offsets=quiet(13), status=told(13, **FOUND), conditions=SILENT),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a notification that ends a silence is told at once": (
        given(
            known=HEARD,
            known_offsets={"notified_at": MINUTE},
            status=told(0.01),
            conditions=[("Ready", "True", "Subscribed"), ("Delivering", "False", "SilentSubscription")],
        ),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
}
