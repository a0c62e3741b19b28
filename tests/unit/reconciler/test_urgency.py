"""Who goes first where Graph's quota is short (design, rule 8)."""

from datetime import timedelta

import pytest

from graphmail.decision import Action, Decision, Policy, Reason, decide
from graphmail.graph import Priority
from graphmail.reconciler.urgency import covered_until, urgency
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_RENEW
from support.reconciling import NOW, resource_body

POLICY = Policy()
COVERED, DUE, EXPIRED = timedelta(days=5), timedelta(hours=20), timedelta(hours=-1)


def mailbox(expires_in: timedelta | None, asked: str | None) -> GraphMailSubscription:
    """A mailbox whose subscription lives so long, and which was asked to be renewed by that value."""
    held = {"subscriptionID": "sub-1", "expirationTime": write_time(NOW + expires_in)} if expires_in is not None else {}
    return GraphMailSubscription.parse(
        resource_body({"observedGeneration": 1, **held}, {ANNOTATION_RENEW: asked} if asked else {})
    )


def judged(resource: GraphMailSubscription) -> tuple[Decision, Priority]:
    decision = decide(resource, now=NOW, policy=POLICY)
    return decision, urgency(resource, decision, now=NOW, policy=POLICY)


@pytest.mark.parametrize(
    ("expires_in", "asked", "priority"),
    [
        pytest.param(COVERED, "2026-03-02T09:17:00Z", Priority.FORCED, id="one that a person asked for goes first"),
        pytest.param(COVERED, "please", Priority.FORCED, id="whatever the value"),
        pytest.param(COVERED, "bulk/2026-03-02", Priority.BULK, id="one that was asked for among many goes last"),
        pytest.param(DUE, "bulk/2026-03-02", Priority.NORMAL, id="unless its renewal is due anyway"),
        pytest.param(EXPIRED, "bulk/2026-03-02", Priority.NORMAL, id="or it has expired"),
        pytest.param(None, "bulk/2026-03-02", Priority.NORMAL, id="or it is not covered at all"),
    ],
)
def test_a_request_has_its_place(expires_in: timedelta | None, asked: str, priority: Priority) -> None:
    decision, found = judged(mailbox(expires_in, asked))
    assert decision.reason is Reason.RENEWAL_REQUESTED
    assert found is priority


def test_what_is_due_by_itself_is_neither_hurried_nor_held_back() -> None:
    decision, found = judged(mailbox(DUE, None))
    assert decision.action is Action.RENEW
    assert found is Priority.NORMAL


def test_what_graph_has_removed_goes_before_all_that_are_covered_still() -> None:
    covered = mailbox(DUE, None)
    renewal = decide(covered, now=NOW, policy=POLICY)
    assert covered_until(covered, renewal) == NOW + DUE
    removed = renewal._replace(action=Action.REPLACE, reason=Reason.SUBSCRIPTION_REMOVED)
    assert covered_until(covered, removed) is None
