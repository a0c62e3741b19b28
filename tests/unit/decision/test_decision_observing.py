"""What is told, in place of being done, where the operator only observes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from graphmail.decision import Action, Known, Mode, Policy, Reason, Step, next_step
from graphmail.decision.words import CALLS_GRAPH
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from support.deciding import ENDING, NONE_YET, RENEW_NOW
from unit.decision.test_decision_table import EVERY

Mailbox = Callable[..., GraphMailSubscription]
Observe = Callable[..., Step]


@pytest.fixture
def observe(mailbox: Mailbox, now: datetime) -> Observe:
    def observed(*, row: tuple[str, timedelta] | None = None, **resource: Any) -> Step:
        known = Known(
            verified_at=now - timedelta(minutes=20),
            row_subscription_id=row[0] if row else None,
            row_expires_at=now + row[1] if row else None,
        )
        policy = Policy(mode=Mode.OBSERVE)
        return next_step(mailbox(**resource), now=now, policy=policy, known=lambda _: known)

    return observed


@pytest.mark.parametrize("sentence", EVERY)
def test_nothing_that_calls_anybody_is_ever_decided(sentence: str, mailbox: Mailbox, now: datetime) -> None:
    case, *_ = EVERY[sentence]
    known = Known(**{name: now + offset for name, offset in case.known_offsets.items()}, **case.known)
    policy = Policy(**{**case.policy, "mode": Mode.OBSERVE})
    action = next_step(mailbox(**case.resource), now=now, policy=policy, known=lambda _: known).decision.action
    assert action not in CALLS_GRAPH | {Action.RECORD, Action.CHECK_CREDENTIAL}


def test_a_mailbox_without_a_subscription_is_told_that_one_would_be_created(observe: Observe) -> None:
    decision = observe(status=NONE_YET).decision
    assert (decision.action, decision.reason, decision.would) == (Action.REPORT, Reason.OBSERVING, Action.CREATE)
    assert "would create the subscription" in decision.message


def test_the_rows_subscription_is_told_with_the_moment_of_its_renewal(observe: Observe, now: datetime) -> None:
    adopt = {"graphmail.dev/adopt-subscription-id": "sub-row"}
    decision = observe(status=NONE_YET, annotations=adopt, row=("sub-row", timedelta(hours=60))).decision
    assert decision.would is Action.ADOPT
    assert "would adopt subscription sub-row" in decision.message
    assert ", and renew it at 2026-" in decision.message


def test_a_row_that_is_about_to_expire_would_be_renewed_at_once(observe: Observe, now: datetime) -> None:
    adopt = {"graphmail.dev/adopt-subscription-id": "sub-row"}
    decision = observe(status=NONE_YET, annotations=adopt, row=("sub-row", timedelta(hours=5))).decision
    assert decision.would is Action.RENEW
    assert f"renew it at once: expires at {write_time(now + timedelta(hours=5))}" in decision.message


@pytest.mark.parametrize(
    "resource", [{"status": ENDING}, {"annotations": RENEW_NOW}], ids=["within the lookahead", "a person asked"]
)
def test_what_would_be_renewed_is_told(observe: Observe, resource: dict[str, Any]) -> None:
    decision = observe(**resource).decision
    assert (decision.action, decision.would) == (Action.REPORT, Action.RENEW)


def test_what_the_status_tells_already_is_not_told_again(observe: Observe, mailbox: Mailbox) -> None:
    first = observe(status=NONE_YET).decision
    again = mailbox(status=NONE_YET, conditions=[("Ready", "Unknown", "Observing")])
    told = again.status.conditions[0].model_copy(update={"message": first.message})
    status = again.status.model_copy(update={"conditions": [told]})
    step = next_step(
        again.model_copy(update={"status": status}),
        now=first.again_at,
        policy=Policy(mode=Mode.OBSERVE),
        known=lambda _: Known(),
    )
    assert step.decision.action is Action.NOTHING


def test_a_deleted_resource_is_let_go_without_a_call(observe: Observe) -> None:
    decision = observe(deleted=True).decision
    assert (decision.action, decision.reason) == (Action.RELEASE, Reason.OBSERVING)


def test_a_plan_that_a_setting_has_changed_is_told_anew_and_nothing_else_is_done(
    mailbox: Mailbox, now: datetime
) -> None:
    known = Known(verified_at=now - timedelta(minutes=20))
    resource = mailbox(status={"nextRenewalTime": timedelta(hours=101)})
    step = next_step(resource, now=now, policy=Policy(look_ahead=timedelta(hours=12)), known=lambda _: known)
    assert (step.decision.action, step.decision.reason) == (Action.REPORT, Reason.STATUS_OUTDATED)
