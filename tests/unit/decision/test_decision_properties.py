"""What holds for every mailbox at every moment."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.decision import (
    CALLS_GRAPH,
    JITTER_SHARE,
    Action,
    Decision,
    Heard,
    Known,
    Policy,
    Reason,
    Rhythm,
    decide,
    renewal_time,
)
from graphmail.reconciler.result import Deed, Result, Verdict
from graphmail.reconciler.status import Surroundings, status_after
from graphmail.resource import GraphMailSubscription
from graphmail.resource.duration import format_duration, parse_duration
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_LIFECYCLE
from support import moments

MINUTE = timedelta(minutes=1)
LIVES = st.integers(45, 7 * 24 * 60).map(lambda minutes: minutes * MINUTE)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them so
ANY_MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23), timezones=st.just(UTC))  # noqa: DTZ001 - as above
WRITTEN = MOMENTS.map(write_time) | st.sampled_from(moments.ANY) | ANY_MOMENTS.map(lambda when: when.isoformat())
"""What the API server takes for a moment of the status."""
EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")
VALUES = st.sampled_from(["", "a", "b"])


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Whatever the CRD lets through."""
    lifetime = draw(LIVES)
    look_ahead = draw(st.integers(1, int(lifetime.total_seconds()) - 1).map(lambda seconds: timedelta(seconds=seconds)))
    secret = {"source": "Secret", "secretName": "s"}
    own = {"lifetime": format_duration(lifetime), "lookAhead": format_duration(look_ahead)}
    return {
        "tenant": "t",
        "providerID": "p",
        "mailbox": "a@example.com",
        "notificationURL": "https://example.com/hook",
        **{name: own[name] for name in draw(st.sets(st.sampled_from(sorted(own))))},
        "suspend": draw(st.booleans()),
        "suspendPolicy": draw(st.sampled_from(["Retain", "Delete"])),
        "deletionPolicy": draw(st.sampled_from(["Retain", "Delete"])),
        "credentials": draw(st.sampled_from([{"source": "ProviderRow"}, secret])),
    }


def conditions() -> st.SearchStrategy[list[dict[str, str]]]:
    kinds = st.sampled_from(["Ready", "Authorized", "Synced", "Stalled", "Somebody.Else"])
    reasons = st.sampled_from(["Suspended", "AwaitingCredentials", "Subscribed", "ReauthorizationRequired"])
    shown = st.fixed_dictionaries(
        {
            "type": kinds,
            "status": st.sampled_from(["True", "False", "Unknown"]),
            "reason": reasons,
            "message": st.just(""),
            "lastTransitionTime": WRITTEN,
        }
    )
    return st.lists(shown, unique_by=lambda condition: condition["type"])


def statuses() -> st.SearchStrategy[dict[str, Any]]:
    row = st.fixed_dictionaries(
        {"folder": st.just("inbox"), "state": st.just("Active")},
        optional={
            "grantedTime": WRITTEN,
            "subscriptionID": VALUES,
            "lifecycle": st.dictionaries(st.sampled_from(EVENTS), WRITTEN, max_size=2),
            "notificationURL": st.sampled_from(["https://example.com/hook", "https://[x"]),
        },
    )
    return st.fixed_dictionaries(
        {"conditions": conditions(), "subscriptions": st.lists(row, max_size=1)},
        optional={
            "observedGeneration": st.integers(1, 2),
            "subscriptionID": VALUES,
            "expirationTime": WRITTEN,
            "lastRenewalTime": WRITTEN,
            "lastAttemptTime": WRITTEN,
            "nextAttemptTime": WRITTEN,
            "pendingCreateTime": WRITTEN,
            "lastNotificationTime": WRITTEN,
            "lastDeliveryCheckTime": WRITTEN,
            "newestMessageTime": WRITTEN,
            "silentReplacements": st.integers(0, 1000),
            "lastHandledRenewal": VALUES,
            "lastHandledAdoption": VALUES,
            "observedCredential": VALUES,
        },
    )


def lifecycles() -> st.SearchStrategy[str]:
    """What the receiver writes, and what nobody should."""
    moments = WRITTEN | st.sampled_from(["soon", 5, None])
    entries = st.dictionaries(st.sampled_from(EVENTS), moments, max_size=2)
    return entries.map(lambda entry: json.dumps({"a": entry})) | st.sampled_from(["", "{", '{"a": []}'])


@st.composite
def resources(draw: st.DrawFn) -> GraphMailSubscription:
    names = [f"graphmail.dev/{name}" for name in ("renew-requested-at", "adopt-subscription-id", "credential")]
    told = {ANNOTATION_LIFECYCLE: draw(lifecycles())} if draw(st.booleans()) else {}
    metadata = {
        "name": "n",
        "namespace": "ns",
        "uid": draw(st.uuids().map(str)),
        "generation": draw(st.integers(1, 2)),
        "annotations": draw(st.dictionaries(st.sampled_from(names), VALUES)) | told,
        **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if draw(st.booleans()) else {}),
    }
    return GraphMailSubscription.parse({"metadata": metadata, "spec": draw(specs()), "status": draw(statuses())})


POLICIES = st.builds(
    Policy,
    tick=st.integers(1, 24 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
    verification_interval=st.none() | LIVES,
    renewal_interval=st.none() | LIVES,
)
KNOWN = st.builds(
    Known,
    verified_at=st.none() | MOMENTS,
    seen_at=st.none() | MOMENTS,
    stores_away=st.booleans(),
    unwritten=st.booleans(),
    unsynced=st.booleans(),
    notification_url=st.none() | st.just("https://example.com/hook?gms=i.p.f"),
    notified_at=st.none() | ANY_MOMENTS,
    heard=st.none() | st.builds(Heard, MOMENTS, st.none() | st.builds(Rhythm, MOMENTS), way_down=st.booleans()),
)


@given(resources(), MOMENTS, POLICIES, KNOWN)
def test_every_mailbox_gets_an_answer_and_is_looked_at_again_within_a_tick(
    resource: GraphMailSubscription, now: datetime, policy: Policy, known: Known
) -> None:
    decision = decide(resource, now=now, policy=policy, known=known)
    assert decision.again_at > now
    assert decision.message
    if decision.reason is Reason.BACKING_OFF:
        assert decision.again_at == resource.status.next_attempt_time
    else:
        assert decision.again_at <= now + policy.tick


@given(resources(), MOMENTS, POLICIES, KNOWN)
def test_with_a_store_away_nothing_is_made_or_deleted_at_graph(
    resource: GraphMailSubscription, now: datetime, policy: Policy, known: Known
) -> None:
    if known.stores_away:
        decision = decide(resource, now=now, policy=policy, known=known)
        assert decision.action not in {
            Action.CREATE,
            Action.ADOPT,
            Action.DELETE,
            Action.REPLACE,
            Action.CHECK_DELIVERY,
        }


@given(resources(), MOMENTS, POLICIES, KNOWN)
def test_a_suspended_mailbox_is_never_called_for_but_to_find_and_delete_its_subscription(
    resource: GraphMailSubscription, now: datetime, policy: Policy, known: Known
) -> None:
    spec = resource.spec
    if not spec.suspend or resource.metadata.deletion_timestamp is not None:
        return
    action = decide(resource, now=now, policy=policy, known=known).action
    allowed = {Action.DELETE, Action.ADOPT} if spec.suspend_policy.value == "Delete" else set()
    assert action not in CALLS_GRAPH - allowed


@given(resources(), MOMENTS, POLICIES, KNOWN)
def test_a_stalled_mailbox_is_never_called_for_until_somebody_changes_something(
    resource: GraphMailSubscription, now: datetime, policy: Policy, known: Known
) -> None:
    status, metadata = resource.status, resource.metadata
    noticed = (
        metadata.deletion_timestamp is None
        and metadata.generation == status.observed_generation
        and metadata.annotations.get("graphmail.dev/credential", "") in {"", status.observed_credential}
        and metadata.annotations.get("graphmail.dev/renew-requested-at", "") in {"", status.last_handled_renewal}
    )
    if noticed and status.says("Stalled", "True"):
        assert decide(resource, now=now, policy=policy, known=known).action not in CALLS_GRAPH


@given(resources(), MOMENTS, POLICIES, KNOWN, VALUES)
def test_one_attempt_that_stalls_a_mailbox_is_the_last_whatever_its_annotations_say_of_the_credential(
    resource: GraphMailSubscription, now: datetime, policy: Policy, known: Known, found: str
) -> None:
    if resource.metadata.deletion_timestamp is not None:
        return
    refused = Verdict("ReauthorizationRequired", "sign in again", pace=None, authorized=False)
    result = Result(Deed.RENEW, None, verdict=refused, observed_credential=found, answers_request=True)
    status = status_after(resource, "inbox", result, Surroundings(now, policy, synced=None))
    stalled = resource.model_copy(update={"status": status})
    assert decide(stalled, now=now, policy=policy, known=known).action not in CALLS_GRAPH


@st.composite
def granted(draw: st.DrawFn, *, microseconds: bool = False) -> tuple[GraphMailSubscription, datetime, timedelta]:
    """A subscription at the moment of its grant, and how long it lives."""
    now, life, spec = draw(MOMENTS), draw(LIVES), draw(specs())
    moment = now if microseconds else now.replace(microsecond=0)
    body = {
        "metadata": {"name": "n", "namespace": "ns", "uid": draw(st.uuids().map(str)), "generation": 1},
        "spec": {**spec, "suspend": False},
        "status": {
            "observedGeneration": 1,
            "subscriptionID": "sub",
            "lastRenewalTime": write_time(moment),
            "expirationTime": write_time(moment + life),
            "subscriptions": [{"folder": "inbox", "state": "Active", "grantedTime": write_time(moment)}],
        },
    }
    resource = GraphMailSubscription.parse(body)
    if microseconds:
        status = resource.status.model_copy(update={"expiration_time": moment + life})
        resource = resource.model_copy(update={"status": status})
    return resource, moment, life


def must_by(resource: GraphMailSubscription, start: datetime, life: timedelta) -> datetime:
    """The last moment at which a renewal keeps what `lookAhead` promises: the resource's own, or else the operator's 24 hours."""
    return start + life - min(parse_duration(resource.spec.look_ahead or "24h"), life / 2)


@given(granted(), POLICIES)
def test_a_renewal_is_never_planned_too_late_nor_earlier_than_tick_and_jitter_explain(
    case: tuple[GraphMailSubscription, datetime, timedelta], policy: Policy
) -> None:
    resource, start, life = case
    due = renewal_time(resource, Policy(tick=policy.tick))
    latest = must_by(resource, start, life)
    assert due is not None
    assert due <= latest
    assert due >= latest - policy.tick - life * JITTER_SHARE - timedelta(seconds=1)


def lived(
    resource: GraphMailSubscription, start: datetime, policy: Policy, pause: timedelta | None
) -> Iterator[tuple[datetime, Decision]]:
    """Every look at a mailbox: as each decision asks for it, or each `pause` when the timer knows no better."""
    now = start
    while True:
        decision = decide(resource, now=now, policy=policy, known=Known(verified_at=now))
        yield now, decision
        now = now + pause if pause else decision.again_at


@pytest.mark.parametrize("exact", [True, False], ids=["an exact timer", "a timer that only ticks"])
@given(case=granted(), share=st.floats(0.005, 0.1))
def test_a_mailbox_is_renewed_in_time_and_not_in_its_first_quarter(
    exact: bool, case: tuple[GraphMailSubscription, datetime, timedelta], share: float
) -> None:
    resource, start, life = case
    tick = life * share
    for now, decision in lived(resource, start, Policy(tick=tick), None if exact else tick):
        if decision.action is Action.RENEW:
            break
        assert decision.action is Action.NOTHING
        assert now <= must_by(resource, start, life), "a mailbox was left uncovered"
    assert now <= must_by(resource, start, life)
    assert now >= start + life / 4


@given(granted(), POLICIES, st.floats(0, 0.25))
def test_nothing_is_done_for_a_fresh_subscription(
    case: tuple[GraphMailSubscription, datetime, timedelta], policy: Policy, share: float
) -> None:
    resource, start, life = case
    now = start + life * share
    decision = decide(resource, now=now, policy=Policy(tick=policy.tick), known=Known(verified_at=now))
    assert (decision.action, decision.reason) == (Action.NOTHING, Reason.UP_TO_DATE)


@given(granted(microseconds=True), POLICIES)
def test_a_restart_does_not_move_a_renewal(
    case: tuple[GraphMailSubscription, datetime, timedelta], policy: Policy
) -> None:
    """In memory a moment may be finer than the whole seconds that the API server returns."""
    resource, _, _ = case
    body = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    before, after = renewal_time(resource, policy), renewal_time(GraphMailSubscription.parse(body), policy)
    assert before is not None
    assert after is not None
    assert abs(before - after) <= timedelta(seconds=1)
