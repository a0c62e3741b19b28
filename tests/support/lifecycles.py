"""What is done next for a mailbox of which Graph itself has told something. A part of the decision's table."""

from datetime import timedelta

from graphmail.decision import Action, Mode, Reason
from support.deciding import (
    ADOPT_OTHER,
    AWAITING,
    AWAY,
    CHANGED,
    ENDING,
    EXPIRED,
    FAILED,
    IN_SECRET,
    NEW_CONSENT,
    NONE_YET,
    RENEW_NOW,
    STALLED,
    SUSPEND,
    SUSPENDED,
    UNSYNCED,
    Rows,
    given,
    taken_up,
    told,
)

REMOVED = told(subscriptionRemoved=-0.1)
ASKED = told(reauthorizationRequired=-0.1)
MISSED = told(missed=-0.1)
HAVING_FAILED = {"nextAttemptTime": timedelta(seconds=-1), "consecutiveFailures": 1}
HOOK = "https://app.example.com/hook"
LIFE = "https://app.example.com/life"
BEFORE_THE_URL = {
    "mirrored": True,
    "row": {"changeTypes": ["created"]},
    "spec": {"lifecycleNotificationURL": LIFE},
}

LIFECYCLES: Rows = {
    # Removed: the mailbox is not covered
    "what Graph has removed is made anew at once": (
        given(annotations=REMOVED),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "a removal does not sit out an older failure": (
        given(annotations=REMOVED, status=FAILED),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "one that could not be made anew waits as after any failure": (
        given(annotations=REMOVED, status=FAILED, row=taken_up(subscriptionRemoved=-0.1)),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "and is then tried again": (
        given(annotations=REMOVED, status=HAVING_FAILED, row=taken_up(subscriptionRemoved=-0.1)),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "a removal goes before the renewal that is due": (
        given(annotations=REMOVED, status=ENDING),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "a removed one is not renewed as well": (
        given(annotations=told(subscriptionRemoved=-0.1, reauthorizationRequired=-0.2)),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "the removal of another subscription than the one that is held changes nothing": (
        given(annotations=told(subscription="sub-0", subscriptionRemoved=-0.1)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "nor does one of a mailbox that holds none by now: it gets one": (
        given(annotations=REMOVED, status=NONE_YET),
        Action.CREATE,
        Reason.NOT_SUBSCRIBED,
    ),
    "what the row names is looked up before the removed one is replaced": (
        given(annotations={**REMOVED, **ADOPT_OTHER}),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "Postgres is told of the last outcome before a removed one is replaced": (
        given(annotations=REMOVED, known=UNSYNCED),
        Action.RECORD,
        Reason.NOT_SYNCED,
    ),
    # Graph asks for a renewal
    "what Graph asks a renewal for is renewed": (
        given(annotations=ASKED),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    "so is an adopted one, whose last renewal nobody knows": (
        given(annotations=ASKED, granted=None),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    "a renewal since then is the answer, and only told": (
        given(annotations=told(reauthorizationRequired=-6), granted=timedelta(minutes=-5)),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "so is one of the ten minutes before": (
        given(annotations=told(reauthorizationRequired=-1), granted=timedelta(minutes=-10)),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "one of earlier is not": (
        given(annotations=told(reauthorizationRequired=-1), granted=timedelta(minutes=-12)),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    "what was answered and told is done with": (
        given(
            annotations=told(reauthorizationRequired=-6),
            granted=timedelta(minutes=-5),
            row=taken_up(reauthorizationRequired=-6),
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what Graph asks for does not sit out an older failure": (
        given(annotations=ASKED, status=FAILED),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    "but its own": (
        given(annotations=ASKED, status=FAILED, row=taken_up(reauthorizationRequired=-0.1)),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "Graph's next question ends that wait": (
        given(annotations=ASKED, status=FAILED, row=taken_up(reauthorizationRequired=-30)),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    "what a person asked for stays theirs where Graph asks too": (
        given(annotations={**ASKED, **RENEW_NOW}),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    # Missed: there is nothing to renew
    "missed notifications are told of": (given(annotations=MISSED), Action.REPORT, Reason.NOTIFICATIONS_MISSED),
    "once": (given(annotations=MISSED, row=taken_up(missed=-0.1)), Action.NOTHING, Reason.UP_TO_DATE),
    "and again when more were missed": (
        given(annotations=MISSED, row=taken_up(missed=-30)),
        Action.REPORT,
        Reason.NOTIFICATIONS_MISSED,
    ),
    "also while a failure is waited out": (
        given(annotations=MISSED, status=FAILED),
        Action.REPORT,
        Reason.NOTIFICATIONS_MISSED,
    ),
    "what was missed before the removal is told with the replacement": (
        given(annotations=told(missed=-0.2, subscriptionRemoved=-0.1)),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "the first notification after some were missed is news": (
        given(
            row=taken_up(missed=-5),
            status={"lastNotificationTime": timedelta(minutes=-9)},
            known_offsets={"notified_at": timedelta(minutes=-4)},
        ),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "the second is not": (
        given(
            row=taken_up(missed=-5),
            status={"lastNotificationTime": timedelta(minutes=-4)},
            known_offsets={"notified_at": timedelta(minutes=-3)},
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    # What is not believed
    "a moment that is far from having come is not believed": (
        given(annotations=told(subscriptionRemoved=6, reauthorizationRequired=600, missed=5.1)),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a receiver whose clock is a little ahead is": (
        given(annotations=told(subscriptionRemoved=4)),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    # What stands still stays so
    "that Graph has dropped notifications of a stalled mailbox is told all the same": (
        given(annotations=MISSED, conditions=STALLED),
        Action.REPORT,
        Reason.NOTIFICATIONS_MISSED,
    ),
    "and of one without a credential": (
        given(annotations=MISSED, conditions=AWAITING),
        Action.REPORT,
        Reason.NOTIFICATIONS_MISSED,
    ),
    "but only once": (
        given(annotations=MISSED, conditions=STALLED, row=taken_up(missed=-0.1)),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "and not where the operator observes": (
        given(annotations=MISSED, conditions=STALLED, policy={"mode": Mode.OBSERVE}),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "a stalled mailbox stays stalled, whatever Graph says": (
        given(annotations=REMOVED, conditions=STALLED),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "so does one that waits for a consent": (
        given(annotations=ASKED, conditions=AWAITING),
        Action.NOTHING,
        Reason.AWAITING_CREDENTIALS,
    ),
    "a new consent takes up a removed one with a renewal, which finds the loss": (
        given(annotations={**REMOVED, **NEW_CONSENT}, conditions=STALLED),
        Action.RENEW,
        Reason.CREDENTIAL_CHANGED,
    ),
    "a suspended mailbox stays suspended, whatever Graph says": (
        given(annotations=REMOVED, spec=SUSPEND, conditions=SUSPENDED),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "a resumed one is made anew at once where Graph has removed it meanwhile": (
        given(annotations=REMOVED, conditions=SUSPENDED, **CHANGED),
        Action.REPLACE,
        Reason.SUBSCRIPTION_REMOVED,
    ),
    "a deleted one goes": (given(annotations=REMOVED, deleted=True), Action.DELETE, Reason.DELETED),
    "a tenant that is not served is left alone, whatever Graph says": (
        given(annotations=REMOVED, policy={"tenants": frozenset({"t2"})}),
        Action.NOTHING,
        Reason.NOT_SERVED,
    ),
    # One store away (rule 5)
    "with a store away a removed one is not made anew": (
        given(annotations=REMOVED, known=AWAY),
        Action.NOTHING,
        Reason.STORE_AWAY,
    ),
    "and a renewal that is due goes on, for who knows": (
        given(annotations=REMOVED, status=ENDING, known=AWAY),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "with a store away what Graph asks a renewal for is renewed": (
        given(annotations=ASKED, known=AWAY),
        Action.RENEW,
        Reason.RENEWAL_ASKED_BY_GRAPH,
    ),
    # The lifecycle URL, which the mirror changes for a whole fleet at once
    "one that the mirror made keeps its lifecycle URL until its renewal is due": (
        given(**BEFORE_THE_URL),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "then it is replaced in place of the renewal": (
        given(**BEFORE_THE_URL, status=ENDING),
        Action.REPLACE,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "and in place of one that a person asks for": (
        given(**BEFORE_THE_URL, annotations=RENEW_NOW),
        Action.REPLACE,
        Reason.RENEWAL_REQUESTED,
    ),
    "a changed notification URL, which a fleet takes up at once, is a renewal": (
        given(**BEFORE_THE_URL, url="https://old.example.com/hook", known={"notification_url": HOOK}),
        Action.RENEW,
        Reason.NOTIFICATION_URL_CHANGED,
    ),
    "one of which the expiry is not known is renewed": (
        given(**BEFORE_THE_URL, status={"expirationTime": None}),
        Action.RENEW,
        Reason.EXPIRY_UNKNOWN,
    ),
    "one that could not be replaced is renewed": (
        given(**BEFORE_THE_URL, status={**ENDING, **HAVING_FAILED}),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "with a store away it is renewed, too": (
        given(**BEFORE_THE_URL, status=ENDING, known=AWAY),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "one that has expired is made anew anyway": (
        given(**BEFORE_THE_URL, status=EXPIRED),
        Action.RENEW,
        Reason.EXPIRED,
    ),
    "where more differs it is replaced at once": (
        given(mirrored=True, row={"changeTypes": ["updated"]}, spec={"lifecycleNotificationURL": LIFE}),
        Action.REPLACE,
        Reason.SUBSCRIPTION_OUTDATED,
    ),
    "a person's own resource that only looks like the mirror's is replaced at once": (
        given(mirrored=True, row={"changeTypes": ["created"]}, spec={**IN_SECRET, "lifecycleNotificationURL": LIFE}),
        Action.REPLACE,
        Reason.SUBSCRIPTION_OUTDATED,
    ),
}
