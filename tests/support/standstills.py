"""What is done next for a mailbox that is suspended or deleted, and while a store is away. A part of the decision's table."""

from datetime import timedelta

from graphmail.decision import Action, Reason
from support.deciding import (
    ADOPT_OTHER,
    AWAY,
    CHANGED,
    ENDING,
    EXPIRED,
    FAILED,
    IN_SECRET,
    NEW_CONSENT,
    NEW_SECRET,
    NONE_YET,
    RENEW_NOW,
    STALLED,
    SUSPEND,
    SUSPEND_AND_DELETE,
    SUSPENDED,
    UNSYNCED,
    UNWRITTEN,
    Rows,
    given,
)

STANDSTILLS: Rows = {
    # Suspend (rule 11)
    "a changed spec is reported while suspended": (
        given(spec=SUSPEND, conditions=SUSPENDED, **CHANGED),
        Action.REPORT,
        Reason.SUSPENDED,
    ),
    "a suspension is reported first": (given(spec=SUSPEND, **CHANGED), Action.REPORT, Reason.SUSPENDED),
    "then nothing is done": (given(spec=SUSPEND, conditions=SUSPENDED), Action.NOTHING, Reason.SUSPENDED),
    "a suspended subscription is left to expire": (
        given(spec=SUSPEND, conditions=SUSPENDED, status=EXPIRED),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "a suspended one is not verified": (
        given(spec=SUSPEND, conditions=SUSPENDED, verified=900),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "even force makes no call for a suspended one": (
        given(spec=SUSPEND, conditions=SUSPENDED, annotations=RENEW_NOW),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "what Postgres missed is recorded while suspended": (
        given(spec=SUSPEND, conditions=SUSPENDED, status=EXPIRED, known=UNSYNCED),
        Action.RECORD,
        Reason.NOT_SYNCED,
    ),
    "a status that was not written is written while suspended": (
        given(spec=SUSPEND, conditions=SUSPENDED, known=UNWRITTEN),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "a resumed one is asked about at once, for nobody knows what became of it": (
        given(conditions=SUSPENDED, **CHANGED),
        Action.VERIFY,
        Reason.RESUMED,
    ),
    "a resumed one that is due is renewed": (
        given(conditions=SUSPENDED, status=ENDING, **CHANGED),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "a resumed one without a subscription gets one": (
        given(conditions=SUSPENDED, status=NONE_YET, **CHANGED),
        Action.CREATE,
        Reason.NOT_SUBSCRIBED,
    ),
    "an inactive row's subscription is deleted at Graph": (
        given(spec=SUSPEND_AND_DELETE, conditions=SUSPENDED),
        Action.DELETE,
        Reason.SUSPENDED,
    ),
    "so is one whose create was not answered": (
        given(spec=SUSPEND_AND_DELETE, status={**NONE_YET, "pendingCreateTime": timedelta(minutes=-1)}),
        Action.DELETE,
        Reason.SUSPENDED,
    ),
    "one that only an inactive row knows is looked up first": (
        given(spec=SUSPEND_AND_DELETE, conditions=SUSPENDED, status=NONE_YET, annotations=ADOPT_OTHER),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "when it is gone nothing is done": (
        given(spec=SUSPEND_AND_DELETE, conditions=SUSPENDED, status=NONE_YET),
        Action.NOTHING,
        Reason.SUSPENDED,
    ),
    "deleting it while suspended waits after a failure": (
        given(spec=SUSPEND_AND_DELETE, conditions=SUSPENDED, status=FAILED),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "without consent an inactive row's subscription is not deleted again and again": (
        given(spec=SUSPEND_AND_DELETE, conditions=STALLED),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "with a new consent it is": (
        given(spec=SUSPEND_AND_DELETE, conditions=STALLED, annotations=NEW_CONSENT),
        Action.DELETE,
        Reason.SUSPENDED,
    ),
    "so it is with a changed Secret, and nothing is renewed first": (
        given(spec=SUSPEND_AND_DELETE | IN_SECRET, conditions=STALLED, known=NEW_SECRET),
        Action.DELETE,
        Reason.SUSPENDED,
    ),
    "resuming acts at once": (
        given(conditions=SUSPENDED, status={**EXPIRED, **FAILED}, **CHANGED),
        Action.RENEW,
        Reason.EXPIRED,
    ),
    # Deletion (rule 10)
    "a deleted resource takes its subscription along": (given(deleted=True), Action.DELETE, Reason.DELETED),
    "so does a suspended one": (given(deleted=True, spec=SUSPEND), Action.DELETE, Reason.DELETED),
    "so does one whose create was not answered": (
        given(deleted=True, status={**NONE_YET, "pendingCreateTime": timedelta(minutes=-1)}),
        Action.DELETE,
        Reason.DELETED,
    ),
    "a changed Secret deletes the subscription of a deleted resource, and renews nothing": (
        given(deleted=True, conditions=STALLED, spec=IN_SECRET, known=NEW_SECRET),
        Action.DELETE,
        Reason.DELETED,
    ),
    "without consent what only the row knew is not looked up again and again": (
        given(deleted=True, conditions=STALLED, status=NONE_YET, annotations=ADOPT_OTHER),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "Retain lets go without a call": (
        given(deleted=True, spec={"deletionPolicy": "Retain"}),
        Action.RELEASE,
        Reason.RETAINED,
    ),
    "an expired subscription needs no call any more": (
        given(deleted=True, status=EXPIRED),
        Action.RELEASE,
        Reason.EXPIRED,
    ),
    "unless a create beside it was not answered": (
        given(deleted=True, status={**EXPIRED, "pendingCreateTime": timedelta(minutes=-1)}),
        Action.DELETE,
        Reason.DELETED,
    ),
    "one that only the row knew is looked up before the resource goes": (
        given(deleted=True, status=NONE_YET, annotations=ADOPT_OTHER),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "without a subscription it just goes": (given(deleted=True, status=NONE_YET), Action.RELEASE, Reason.DELETED),
    "a deletion that failed at Graph waits": (
        given(deleted=True, status=FAILED),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "a deletion does not sit out an older failure": (
        given(deleted=True, status=FAILED, **CHANGED),
        Action.DELETE,
        Reason.DELETED,
    ),
    "a deletion ignores force": (given(deleted=True, annotations=RENEW_NOW), Action.DELETE, Reason.DELETED),
    # One store away (rule 5)
    "with a store away renewals go on": (given(status=ENDING, known=AWAY), Action.RENEW, Reason.WITHIN_LOOK_AHEAD),
    "with a store away verification goes on": (
        given(verified=61, known=AWAY),
        Action.VERIFY,
        Reason.VERIFICATION_DUE,
    ),
    "with a store away nothing is created": (given(status=NONE_YET, known=AWAY), Action.NOTHING, Reason.STORE_AWAY),
    "with a store away nothing is deleted": (given(deleted=True, known=AWAY), Action.NOTHING, Reason.STORE_AWAY),
    "with a store away even force creates nothing": (
        given(status=NONE_YET, annotations=RENEW_NOW, known=AWAY),
        Action.NOTHING,
        Reason.STORE_AWAY,
    ),
    "with a store away a changed credential cannot be read, and is waited for": (
        given(conditions=STALLED, annotations=NEW_CONSENT, known=AWAY),
        Action.NOTHING,
        Reason.STORE_AWAY,
    ),
    "with a store away nothing is adopted": (
        given(status=NONE_YET, annotations=ADOPT_OTHER, known=AWAY),
        Action.NOTHING,
        Reason.STORE_AWAY,
    ),
    "an adoption that waits for a store does not hold up a renewal": (
        given(status=ENDING, annotations=ADOPT_OTHER, known=AWAY),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "with a store away it is not told again": (
        given(known={**AWAY, **UNSYNCED, **UNWRITTEN}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what Postgres missed is recorded": (given(known=UNSYNCED), Action.RECORD, Reason.NOT_SYNCED),
    "but not while it refuses to be told": (
        given(known=UNSYNCED | {"unsyncable": True}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "also of a stalled mailbox": (given(known=UNSYNCED, conditions=STALLED), Action.RECORD, Reason.NOT_SYNCED),
    "also of a stalled one that is about to expire": (
        given(known=UNSYNCED, conditions=STALLED, status=ENDING),
        Action.RECORD,
        Reason.NOT_SYNCED,
    ),
    "the status of a stalled one is written, too": (
        given(known=UNWRITTEN, conditions=STALLED),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "also of one that backs off": (given(known=UNSYNCED, status=FAILED), Action.RECORD, Reason.NOT_SYNCED),
    "a lost id is recorded before another is created": (
        given(known=UNSYNCED, status=NONE_YET),
        Action.RECORD,
        Reason.NOT_SYNCED,
    ),
    "a status that was not written is written": (given(known=UNWRITTEN), Action.REPORT, Reason.STATUS_OUTDATED),
    "a Postgres that refuses the record does not hold up a renewal": (
        given(known=UNSYNCED, status=ENDING),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "nor does an API server that refuses the status": (
        given(known=UNWRITTEN, status={"expirationTime": None}),
        Action.RENEW,
        Reason.EXPIRY_UNKNOWN,
    ),
}
