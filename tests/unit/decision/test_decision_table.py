"""What is done next and why, one sentence a row. Each expectation comes from the design's rules, not from the code."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from graphmail.decision import Action, Known, Policy, Reason, decide
from graphmail.resource import GraphMailSubscription

RENEW_NOW = {"graphmail.dev/renew-requested-at": "2026-03-02T09:00:00Z"}
ADOPT_OTHER = {"graphmail.dev/adopt-subscription-id": "sub-row"}
NEW_CONSENT = {"graphmail.dev/credential": "fp-2"}
NO_CONSENT = {"graphmail.dev/credential": ""}

STALLED = [("Ready", "False", "ReauthorizationRequired"), ("Stalled", "True", "ReauthorizationRequired")]
AWAITING = [("Ready", "False", "AwaitingCredentials"), ("Authorized", "Unknown", "AwaitingCredentials")]
SUSPENDED = [("Ready", "False", "Suspended")]

NONE_YET = {"subscriptionID": None, "expirationTime": None, "lastRenewalTime": None}
EXPIRED = {"expirationTime": timedelta(minutes=-3)}
ENDING = {"expirationTime": timedelta(hours=23)}
FAILED = {"nextAttemptTime": timedelta(minutes=7), "consecutiveFailures": 2}
IN_SECRET = {"credentials": {"source": "Secret", "secretName": "ann"}}

SUSPEND = {"suspend": True}
SUSPEND_AND_DELETE = {"suspend": True, "suspendPolicy": "Delete"}


@dataclass
class Given:
    """How a mailbox stands, as far as it differs from one that is well covered and was confirmed 20 minutes ago."""

    resource: dict[str, Any]
    known: dict[str, Any]
    known_offsets: dict[str, timedelta]
    policy: dict[str, Any]


def given(
    *,
    known: dict[str, Any] | None = None,
    known_offsets: dict[str, timedelta] | None = None,
    policy: dict[str, Any] | None = None,
    verified: int = 20,
    **resource: Any,
) -> Given:
    """`verified` is in minutes before now; `known_offsets` are offsets to now."""
    offsets = {"verified_at": timedelta(minutes=-verified), "seen_at": timedelta(days=-1), **(known_offsets or {})}
    return Given(resource, known or {}, offsets, policy or {})


AWAY = {"stores_away": True}
UNSYNCED = {"unsynced": True}
UNWRITTEN = {"unwritten": True}
CHANGED = {"generation": 4}

ROWS: dict[str, tuple[Given, Action, Reason]] = {
    # Nothing due (rule 13)
    "a covered mailbox is left alone": (given(), Action.NOTHING, Reason.UP_TO_DATE),
    "a request that was acted on is not acted on twice": (
        given(annotations=RENEW_NOW, status={"lastHandledRenewal": RENEW_NOW["graphmail.dev/renew-requested-at"]}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "an empty request is none": (
        given(annotations={"graphmail.dev/renew-requested-at": ""}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "an adoption that was acted on is not acted on twice": (
        given(annotations=ADOPT_OTHER, status={"lastHandledAdoption": "sub-row"}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "the id that is held already is not adopted": (
        given(annotations=ADOPT_OTHER, status={"subscriptionID": "sub-row"}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a rotated credential of a working mailbox changes nothing": (
        given(annotations=NEW_CONSENT),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a changed spec that needs no call is only reported": (given(**CHANGED), Action.REPORT, Reason.STATUS_OUTDATED),
    "a notification is news for the status": (
        given(known_offsets={"notified_at": timedelta(minutes=-1)}),
        Action.REPORT,
        Reason.STATUS_OUTDATED,
    ),
    "but at most hourly": (
        given(
            status={"lastNotificationTime": timedelta(minutes=-58)},
            known_offsets={"notified_at": timedelta(minutes=-1)},
        ),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    # Due (Postgres: "Due is")
    "a mailbox without a subscription gets one": (given(status=NONE_YET), Action.CREATE, Reason.NOT_SUBSCRIBED),
    "an unknown expiry is found out by a renewal": (
        given(status={"expirationTime": None}),
        Action.RENEW,
        Reason.EXPIRY_UNKNOWN,
    ),
    "an expiry within the look-ahead is renewed": (given(status=ENDING), Action.RENEW, Reason.WITHIN_LOOK_AHEAD),
    "an expired subscription is renewed or made anew": (given(status=EXPIRED), Action.RENEW, Reason.EXPIRED),
    "an expiry of the year one is an expired one": (
        given(status={"expirationTime": "0001-01-01T00:00:00Z"}, granted=None),
        Action.RENEW,
        Reason.EXPIRED,
    ),
    "a renewal older than the interval is due": (
        given(policy={"renewal_interval": timedelta(hours=40)}),
        Action.RENEW,
        Reason.RENEWAL_INTERVAL,
    ),
    "a renewal younger than the interval is not": (
        given(policy={"renewal_interval": timedelta(hours=47)}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "another URL is a PATCH": (
        given(url="https://old.example.com/hook", known={"notification_url": "https://app.example.com/hook?gms=i.p.f"}),
        Action.RENEW,
        Reason.NOTIFICATION_URL_CHANGED,
    ),
    "another query is another URL": (
        given(
            url="https://app.example.com/hook?v=1&gms=i.p.f",
            known={"notification_url": "https://app.example.com/hook?v=2&gms=i.p.f"},
        ),
        Action.RENEW,
        Reason.NOTIFICATION_URL_CHANGED,
    ),
    "a missing marker alone can wait for the next renewal": (
        given(url="https://app.example.com/hook", known={"notification_url": "https://app.example.com/hook?gms=i.p.f"}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    # A loss is noticed (rule 4)
    "an hour after the last confirmation Graph is asked": (given(verified=61), Action.VERIFY, Reason.VERIFICATION_DUE),
    "before the hour is over it is not": (given(verified=58), Action.NOTHING, Reason.UP_TO_DATE),
    "with verification off it never is": (
        given(verified=6100, policy={"verification_interval": None}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    # Adoption (rules 3 and 10, back-fill)
    "an id that only the row knows is asked for": (
        given(annotations=ADOPT_OTHER),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "the back-fill adopts before anything is created": (
        given(annotations=ADOPT_OTHER, status=NONE_YET),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "a forced renewal does not create beside the row's subscription": (
        given(annotations={**ADOPT_OTHER, **RENEW_NOW}, status=NONE_YET),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "a new consent does not create beside the row's subscription": (
        given(annotations={**ADOPT_OTHER, **NEW_CONSENT}, status=NONE_YET, conditions=AWAITING),
        Action.ADOPT,
        Reason.ADOPTION_REQUESTED,
    ),
    "an adoption that failed waits": (
        given(annotations=ADOPT_OTHER, status=FAILED),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    # Failures (rule 5, Graph away)
    "a failure waits for its next attempt": (given(status=FAILED), Action.NOTHING, Reason.BACKING_OFF),
    "a due renewal that failed waits too": (given(status={**ENDING, **FAILED}), Action.NOTHING, Reason.BACKING_OFF),
    "a create that failed waits too": (given(status={**NONE_YET, **FAILED}), Action.NOTHING, Reason.BACKING_OFF),
    "when the wait is over it is tried again": (
        given(status={**ENDING, "nextAttemptTime": timedelta(seconds=-1)}),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "a changed spec does not sit out the wait": (
        given(status={**ENDING, **FAILED}, **CHANGED),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "a forced renewal does not sit out the wait": (
        given(status=FAILED, annotations=RENEW_NOW),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    # Terminal is terminal (rule 6)
    "a stall waits for a person": (given(conditions=STALLED), Action.NOTHING, Reason.STALLED),
    "a stall outlasts the expiry": (given(conditions=STALLED, status=EXPIRED), Action.NOTHING, Reason.STALLED),
    "a stall outlasts the verification": (given(conditions=STALLED, verified=900), Action.NOTHING, Reason.STALLED),
    "a stall outlasts an adoption": (
        given(conditions=STALLED, annotations=ADOPT_OTHER),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "a new consent ends a stall": (
        given(conditions=STALLED, annotations=NEW_CONSENT),
        Action.RENEW,
        Reason.CREDENTIAL_CHANGED,
    ),
    "a new consent ends a stall without a subscription": (
        given(conditions=STALLED, annotations=NEW_CONSENT, status=NONE_YET),
        Action.CREATE,
        Reason.CREDENTIAL_CHANGED,
    ),
    "a consent that was taken away ends no stall": (
        given(conditions=STALLED, annotations=NO_CONSENT),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "a changed spec ends a stall": (given(conditions=STALLED, **CHANGED), Action.RENEW, Reason.SPEC_CHANGED),
    "force ends a stall": (
        given(conditions=STALLED, annotations=RENEW_NOW),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    "a stalled Secret is looked at": (
        given(conditions=STALLED, spec=IN_SECRET),
        Action.CHECK_CREDENTIAL,
        Reason.STALLED,
    ),
    "a row without credentials waits": (
        given(conditions=AWAITING, status=NONE_YET, annotations=NO_CONSENT),
        Action.NOTHING,
        Reason.AWAITING_CREDENTIALS,
    ),
    "the first consent starts": (
        given(conditions=AWAITING, status={**NONE_YET, "observedCredential": ""}),
        Action.CREATE,
        Reason.CREDENTIAL_CHANGED,
    ),
    # Which comes first, where two are due
    "an expiry and another URL are one renewal, for the expiry": (
        given(
            status=ENDING,
            url="https://old.example.com/hook",
            known={"notification_url": "https://app.example.com/hook"},
        ),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "a move to another URL confirms the subscription as well": (
        given(
            verified=61, url="https://old.example.com/hook", known={"notification_url": "https://app.example.com/hook"}
        ),
        Action.RENEW,
        Reason.NOTIFICATION_URL_CHANGED,
    ),
    "a verification reports a changed spec as well": (
        given(verified=61, **CHANGED),
        Action.VERIFY,
        Reason.VERIFICATION_DUE,
    ),
    "Postgres is told before the API server": (
        given(known={**UNSYNCED, **UNWRITTEN}),
        Action.RECORD,
        Reason.NOT_SYNCED,
    ),
    # A person asks (Reconciling)
    "a forced renewal renews": (given(annotations=RENEW_NOW), Action.RENEW, Reason.RENEWAL_REQUESTED),
    "a new value forces again": (
        given(annotations=RENEW_NOW, status={"lastHandledRenewal": "2026-03-01T22:00:00Z"}),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    "what a person asked for stays theirs where a new consent would do it too": (
        given(annotations={**RENEW_NOW, **NEW_CONSENT}, conditions=STALLED),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    "a forced renewal does not wait for Postgres to hear of the last one": (
        given(annotations=RENEW_NOW, known=UNSYNCED),
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    ),
    "a forced renewal without a subscription creates": (
        given(annotations=RENEW_NOW, status=NONE_YET),
        Action.CREATE,
        Reason.RENEWAL_REQUESTED,
    ),
    # What PATCH cannot change (rule 2)
    "a subscription that reports other changes is replaced": (
        given(row={"changeTypes": ["created", "updated"]}),
        Action.REPLACE,
        Reason.SUBSCRIPTION_OUTDATED,
    ),
    "so is one that was made before the lifecycle URL": (
        given(row={"changeTypes": ["created"]}, spec={"lifecycleNotificationURL": "https://app.example.com/life"}),
        Action.REPLACE,
        Reason.SUBSCRIPTION_OUTDATED,
    ),
    "so is one that was made with another clientState": (
        given(row={"clientState": "cs-1"}, annotations={"graphmail.dev/client-state": "cs-2"}),
        Action.REPLACE,
        Reason.SUBSCRIPTION_OUTDATED,
    ),
    "what Graph never told of an adopted one is no difference": (
        given(annotations={"graphmail.dev/client-state": "cs-2"}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "the order of change types is none": (
        given(spec={"changeTypes": ["updated", "created"]}, row={"changeTypes": ["created", "updated"]}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "what is about to expire is renewed before it is replaced": (
        given(row={"changeTypes": ["updated"]}, status=ENDING),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "with a store away nothing is replaced": (
        given(row={"changeTypes": ["updated"]}, known=AWAY),
        Action.NOTHING,
        Reason.STORE_AWAY,
    ),
    "a replacement that was interrupted after its deletion is looked into at once": (
        given(status={"pendingCreateTime": timedelta(seconds=-20)}),
        Action.VERIFY,
        Reason.OUTCOME_UNKNOWN,
    ),
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


@pytest.mark.parametrize("sentence", ROWS)
def test_decision_follows_the_design(
    sentence: str, mailbox: Callable[..., GraphMailSubscription], now: datetime
) -> None:
    case, action, reason = ROWS[sentence]
    known = Known(**{name: now + offset for name, offset in case.known_offsets.items()}, **case.known)
    decision = decide(mailbox(**case.resource), now=now, policy=Policy(**case.policy), known=known)
    assert (decision.action, decision.reason) == (action, reason), decision.message


def test_every_reason_that_can_be_decided_for_one_folder_has_a_row() -> None:
    assert {reason for _, _, reason in ROWS.values()} == set(Reason) - {Reason.FOLDER_REMOVED}


def test_every_action_has_a_row() -> None:
    assert {action for _, action, _ in ROWS.values()} == set(Action)
