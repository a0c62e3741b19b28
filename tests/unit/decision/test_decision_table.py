"""What is done next and why, one sentence a row. Each expectation comes from the design's rules, not from the code."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from graphmail.decision import Action, Known, Policy, Reason, decide
from graphmail.resource import GraphMailSubscription
from support.deciding import (
    ADOPT_OTHER,
    AWAITING,
    AWAY,
    CHANGED,
    ENDING,
    EXPIRED,
    FAILED,
    FORBIDDEN,
    IN_SECRET,
    NEW_CONSENT,
    NEW_SECRET,
    NO_CONSENT,
    NONE_YET,
    RENEW_NOW,
    STALLED,
    UNSYNCED,
    UNWRITTEN,
    Rows,
    given,
)
from support.lifecycles import LIFECYCLES
from support.silences import SILENCES
from support.standstills import STANDSTILLS

LIVING: Rows = {
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
    "a renewal that somebody says was in the year 9999 is not": (
        given(policy={"renewal_interval": timedelta(hours=40)}, status={"lastRenewalTime": "9999-12-31T23:59:59Z"}),
        Action.NOTHING,
        Reason.UP_TO_DATE,
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
    "before half of the hour is over it is not": (given(verified=29), Action.NOTHING, Reason.UP_TO_DATE),
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
        Reason.RENEWAL_REQUESTED,
    ),
    "a new consent does not create beside the row's subscription": (
        given(annotations={**ADOPT_OTHER, **NEW_CONSENT}, status=NONE_YET, conditions=AWAITING),
        Action.ADOPT,
        Reason.CREDENTIAL_CHANGED,
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
    "a forced renewal that failed is made good, though nothing else asks for it": (
        given(status={"nextAttemptTime": timedelta(seconds=-1), "consecutiveFailures": 1}),
        Action.RENEW,
        Reason.ATTEMPT_FAILED,
    ),
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
    "a new consent does not sit out the wait of the one that may not": (
        given(status={**ENDING, **FAILED}, conditions=FORBIDDEN, annotations=NEW_CONSENT),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "nor where nothing but the failure asks for another try": (
        given(status=FAILED, conditions=FORBIDDEN, annotations=NEW_CONSENT),
        Action.RENEW,
        Reason.ATTEMPT_FAILED,
    ),
    "a changed Secret does not either": (
        given(status={**ENDING, **FAILED}, conditions=FORBIDDEN, spec=IN_SECRET, known=NEW_SECRET),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "so it is looked at meanwhile": (
        given(status={**ENDING, **FAILED}, conditions=FORBIDDEN, spec=IN_SECRET),
        Action.CHECK_CREDENTIAL,
        Reason.BACKING_OFF,
    ),
    "a word of it that was acted on waits": (
        given(
            status={**ENDING, **FAILED, "lastHandledCredential": "fp-2"},
            conditions=FORBIDDEN,
            annotations=NEW_CONSENT,
        ),
        Action.NOTHING,
        Reason.BACKING_OFF,
    ),
    "an outage of Graph is sat out with a new consent as well": (
        given(status={**ENDING, **FAILED}, annotations=NEW_CONSENT),
        Action.NOTHING,
        Reason.BACKING_OFF,
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
    "a word of a new consent that was acted on ends no stall again": (
        given(conditions=STALLED, annotations=NEW_CONSENT, status={"lastHandledCredential": "fp-2"}),
        Action.NOTHING,
        Reason.STALLED,
    ),
    "a word about a row's credential ends no stall of a Secret": (
        given(conditions=STALLED, annotations=NEW_CONSENT, spec=IN_SECRET),
        Action.CHECK_CREDENTIAL,
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
    "a changed Secret ends a stall": (
        given(conditions=STALLED, spec=IN_SECRET, known=NEW_SECRET),
        Action.RENEW,
        Reason.CREDENTIAL_CHANGED,
    ),
    "a Secret that is as it was does not": (
        given(conditions=STALLED, spec=IN_SECRET, known={"found_credential": "fp-1"}),
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
    "a refusal that may end unseen waits for its time": (
        given(conditions=AWAITING, status={**NONE_YET, **FAILED}),
        Action.NOTHING,
        Reason.AWAITING_CREDENTIALS,
    ),
    "and is then looked at again": (
        given(conditions=AWAITING, status={**NONE_YET, "nextAttemptTime": timedelta(seconds=-1)}),
        Action.CREATE,
        Reason.ATTEMPT_FAILED,
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
    "a tenant that is not served is left alone, also where it expires": (
        given(policy={"tenants": frozenset({"t2"})}, status=ENDING),
        Action.NOTHING,
        Reason.NOT_SERVED,
    ),
    "its deleted resource goes, and its subscription stays": (
        given(policy={"tenants": frozenset({"t2"})}, deleted=True),
        Action.RELEASE,
        Reason.NOT_SERVED,
    ),
    "a resource with a Secret is no row of a tenant": (
        given(policy={"tenants": frozenset({"t2"})}, spec=IN_SECRET, status=ENDING),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "a tenant's own lookahead counts": (
        given(policy={"tenant_look_aheads": {"t1": timedelta(hours=6)}}, status=ENDING),
        Action.NOTHING,
        Reason.UP_TO_DATE,
    ),
    "a resource's own lookahead goes before its tenant's": (
        given(policy={"tenant_look_aheads": {"t1": timedelta(hours=6)}}, spec={"lookAhead": "24h"}, status=ENDING),
        Action.RENEW,
        Reason.WITHIN_LOOK_AHEAD,
    ),
    "who acts again after observing asks Graph": (
        given(conditions=[("Ready", "Unknown", "Observing")]),
        Action.VERIFY,
        Reason.VERIFICATION_DUE,
    ),
    "so is one that a person wrote, and that was made before its lifecycle URL": (
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
}

EVERY = LIVING | LIFECYCLES | STANDSTILLS | SILENCES


@pytest.mark.parametrize("sentence", EVERY)
def test_decision_follows_the_design(
    sentence: str, mailbox: Callable[..., GraphMailSubscription], now: datetime
) -> None:
    case, action, reason = EVERY[sentence]
    known = Known(**{name: now + offset for name, offset in case.known_offsets.items()}, **case.known)
    decision = decide(mailbox(**case.resource), now=now, policy=Policy(**case.policy), known=known)
    assert (decision.action, decision.reason) == (action, reason), decision.message


def test_every_reason_that_can_be_decided_for_one_folder_has_a_row() -> None:
    assert {reason for _, _, reason in EVERY.values()} == set(Reason) - {Reason.FOLDER_REMOVED, Reason.OBSERVING}


def test_every_action_has_a_row() -> None:
    assert {action for _, action, _ in EVERY.values()} == set(Action)
