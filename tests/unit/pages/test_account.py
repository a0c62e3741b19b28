"""How a mailbox stands, in words for the product's own pages."""

from typing import Any

import pytest

from graphmail.pages.account import REMEDIES, State, account, state_of
from graphmail.reconciler.verdicts import REASONS
from graphmail.resource import GraphMailSubscription

TENANT, PROVIDER = "2f1f9d5a-0f5b-4c58-9d7e-0a6f6c2a4b11", "7b1d0a52-6d36-4b0a-8f0c-5a8f4c1f2e22"


def resource(
    *conditions: tuple[str, str, str],
    spec: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **status: Any,
) -> GraphMailSubscription:
    said = [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": f"{reason}, in full",
            "lastTransitionTime": "2026-11-24T00:00:00Z",
        }
        for kind, value, reason in conditions
    ]
    return GraphMailSubscription.parse(
        {
            "metadata": {
                "name": "ann-1",
                "namespace": "mail",
                "labels": {"app.kubernetes.io/managed-by": "graphmail-mirror"} if labels is None else labels,
                "annotations": annotations or {},
            },
            "spec": {
                "tenant": TENANT,
                "providerID": PROVIDER,
                "mailbox": "ann@example.com",
                "notificationURL": "https://app.example.com/hook",
                **(spec or {}),
            },
            "status": {**status, "conditions": said},
        }
    )


READY, STALLED = ("Ready", "True", "Subscribed"), ("Stalled", "True", "ReauthorizationRequired")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (resource(), State.UNCOVERED),
        (resource(READY), State.COVERED),
        (resource(("Ready", "True", "Throttled"), nextAttemptTime="2026-11-24T01:00:00Z"), State.FAILING),
        (resource(("Ready", "False", "GraphUnavailable")), State.UNCOVERED),
        (resource(("Ready", "False", "ReauthorizationRequired"), STALLED), State.ACTION_REQUIRED),
        (resource(("Authorized", "Unknown", "AwaitingCredentials")), State.WAITING),
        (resource(READY, spec={"suspend": True}), State.SUSPENDED),
        (resource(("Ready", "Unknown", "Observing")), State.OBSERVED),
    ],
)
def test_one_word_says_how_it_stands(given: GraphMailSubscription, state: State) -> None:
    assert state_of(given) is state


def test_a_covered_mailbox_asks_nothing_of_anybody() -> None:
    told = account(resource(READY))
    assert told is not None
    assert (told.what_to_do, told.reason) == ("", "Subscribed")


def test_what_stops_the_work_goes_before_what_the_subscription_still_says() -> None:
    told = account(resource(READY, STALLED))
    assert told is not None
    assert (told.reason, told.what_to_do) == ("ReauthorizationRequired", REMEDIES["ReauthorizationRequired"])


def test_a_suspension_says_who_can_end_it() -> None:
    by_row = account(resource(READY, spec={"suspend": True}, annotations={"graphmail.dev/paused": "tenant_cancelled"}))
    by_hand = account(resource(READY, spec={"suspend": True}))
    assert by_row is not None
    assert by_hand is not None
    assert by_row.what_to_do.endswith("the provider says tenant_cancelled.")
    assert by_hand.what_to_do.endswith("spec.suspend of the resource ann-1 is true.")


@pytest.mark.parametrize(
    "given",
    [
        resource(READY, labels={}),
        resource(READY, spec={"tenant": "acme"}),
        resource(READY, spec={"credentials": {"source": "Secret", "secretName": "ann"}}),
    ],
    ids=["made by hand", "no tenant of the product", "credentials of its own"],
)
def test_what_mirrors_no_row_is_not_shown(given: GraphMailSubscription) -> None:
    assert account(given) is None


def test_each_remedy_is_for_a_reason_that_there_is() -> None:
    assert REMEDIES.keys() <= set(REASONS.values()) | {"ClientStateTooLong"}
