"""Which renewals are a matter of course, whose events may go untold in a wave of them."""

import json

import pytest

from graphmail.backoff import Pace
from graphmail.decision import Known, Policy, next_step
from graphmail.reconciler.announcements import is_routine
from graphmail.reconciler.result import Deed, Result, Verdict
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_LIFECYCLE, ANNOTATION_RENEW
from support.reconciling import HELD, NOW, holding, resource_body

RENEWED = Result(Deed.RENEW, None, granted=True)
FAILED = Result(Deed.RENEW, None, verdict=Verdict("ServerError", "Graph answered 500", Pace.QUICK))
RECREATED = Result(Deed.RECREATE, None, granted=True)


def told_by_graph() -> dict[str, str]:
    return {ANNOTATION_LIFECYCLE: json.dumps({HELD: {"reauthorizationRequired": NOW.isoformat()}})}


@pytest.mark.parametrize(
    ("annotations", "failures", "result", "routine"),
    [
        pytest.param({}, 0, RENEWED, True, id="one by the calendar"),
        pytest.param(told_by_graph(), 0, RENEWED, True, id="one that Graph asked for"),
        pytest.param({ANNOTATION_RENEW: "please"}, 0, RENEWED, False, id="not one that somebody asked for"),
        pytest.param({}, 2, RENEWED, False, id="not one that ends a failure"),
        pytest.param({}, 0, FAILED, False, id="not one that fails"),
        pytest.param({}, 0, RECREATED, False, id="not one that found a loss"),
    ],
)
def test_only_a_renewal_that_went_as_planned_is_routine(
    annotations: dict[str, str], failures: int, result: Result, *, routine: bool
) -> None:
    assert (
        is_routine(next_step(mailbox(annotations, failures), now=NOW, policy=Policy(), known=known), result) is routine
    )


def known(_: str) -> Known:
    return Known(verified_at=NOW)


def mailbox(annotations: dict[str, str], failures: int) -> GraphMailSubscription:
    """A mailbox whose renewal is due."""
    return GraphMailSubscription.parse(
        resource_body({**holding(hours=20), "consecutiveFailures": failures}, annotations)
    )
