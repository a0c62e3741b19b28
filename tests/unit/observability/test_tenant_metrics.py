"""Why a mailbox is not ready and since when, and the totals of a tenant: what alerts are made of."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from graphmail.observability.families import OF_MAILBOXES, OF_TENANTS
from graphmail.observability.metrics import CERTIFICATE_TOLD_SECONDS, Metrics
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import LABEL_MANAGED_BY, MIRROR

BEGAN = datetime(2026, 11, 24, tzinfo=UTC)
UNREADY = "graphmail_subscription_unready_timestamp_seconds"
UNCOVERED = "graphmail_subscription_uncovered_timestamp_seconds"
UNHEARD = "graphmail_subscription_unheard_timestamp_seconds"


def moment(hours: float) -> str:
    return (BEGAN + timedelta(hours=hours)).isoformat()


def at(hours: float) -> float:
    return (BEGAN + timedelta(hours=hours)).timestamp()


def condition(kind: str, status: str, reason: str, hours: float = 0) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": moment(hours)}


READY = [condition("Ready", "True", "Subscribed")]
REVOKED = [
    condition("Ready", "False", "ReauthorizationRequired", 5),
    condition("Stalled", "True", "ReauthorizationRequired", 6),
]


def resource(
    mailbox: str,
    conditions: Sequence[dict[str, str]] = (),
    *,
    tenant: str = "acme",
    suspend: bool = False,
    created: float = 1,
    row: bool = True,
    **status: Any,
) -> GraphMailSubscription:
    return GraphMailSubscription.parse(
        {
            "metadata": {
                "name": mailbox,
                "namespace": "mail",
                "uid": mailbox,
                "creationTimestamp": moment(created),
                "labels": {LABEL_MANAGED_BY: MIRROR} if row else {},
            },
            "spec": {
                "tenant": tenant,
                "providerID": f"p-{mailbox}",
                "mailbox": f"{mailbox}@contoso.com",
                "notificationURL": "https://app.example.com/hook",
                "suspend": suspend,
            },
            "status": {"conditions": list(conditions)} | status,
        }
    )


def series(*fleet: GraphMailSubscription, per_mailbox: bool = True) -> dict[str, dict[tuple[str, ...], float]]:
    """What is served, by metric and by the values of its labels, those that name a mailbox left out."""
    left_out = {"namespace", "provider_id", "mailbox"}
    found: dict[str, dict[tuple[str, ...], float]] = {}
    text = Metrics(lambda: fleet, "1", per_mailbox=per_mailbox).render().decode()
    for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
        labels = tuple(value for name, value in sample.labels.items() if name not in left_out)
        found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.mark.parametrize(
    ("conditions", "suspend", "told"),
    [
        ((), False, ("not_ready", "Pending", at(1))),
        ([condition("Ready", "False", "FolderNotFound", 3)], False, ("not_ready", "FolderNotFound", at(3))),
        ([condition("Ready", "Unknown", "Observing", 4)], False, ("observed", "Observing", at(4))),
        (REVOKED, False, ("stalled", "ReauthorizationRequired", at(5))),
        (REVOKED, True, ("suspended", "Suspended", at(5))),
        (
            [
                condition("Ready", "False", "AwaitingCredentials", 2),
                condition("Authorized", "Unknown", "AwaitingCredentials", 2),
            ],
            False,
            ("awaiting_credentials", "AwaitingCredentials", at(2)),
        ),
    ],
)
def test_a_mailbox_that_is_not_ready_tells_since_when_and_why(
    conditions: Sequence[dict[str, str]], suspend: bool, told: tuple[str, str, float]
) -> None:
    state, reason, since = told
    found = series(resource("anna", conditions, suspend=suspend))
    assert found[UNREADY] == {("anna", "acme", state, reason): since}
    assert found["graphmail_tenant_unready_timestamp_seconds"] == {("acme", state, reason): since}


def test_a_ready_mailbox_has_no_time_since_which_it_is_not() -> None:
    assert UNREADY not in series(resource("anna", READY))


def test_a_tenant_tells_how_many_of_its_mailboxes_stand_how() -> None:
    fleet = [
        resource("anna", READY),
        resource("bert", READY),
        resource("cleo", REVOKED),
        resource("dora", REVOKED, tenant="zeta"),
    ]
    assert series(*fleet)["graphmail_tenant_subscriptions"] == {
        ("acme", "ready", "Subscribed"): 2,
        ("acme", "stalled", "ReauthorizationRequired"): 1,
        ("zeta", "stalled", "ReauthorizationRequired"): 1,
    }


def test_a_tenant_tells_its_earliest_expiry_and_renewal_its_worst_failures_and_its_last_notification() -> None:
    found = series(
        resource(
            "anna",
            READY,
            expirationTime=moment(60),
            nextRenewalTime=moment(30),
            consecutiveFailures=4,
            lastNotificationTime=moment(7),
        ),
        resource("bert", READY, expirationTime=moment(50), nextRenewalTime=moment(40), lastNotificationTime=moment(3)),
    )
    assert found["graphmail_tenant_expiration_timestamp_seconds"] == {("acme",): at(50)}
    assert found["graphmail_tenant_renewal_timestamp_seconds"] == {("acme",): at(30)}
    assert found["graphmail_tenant_consecutive_failures"] == {("acme",): 4}
    assert found["graphmail_tenant_notification_timestamp_seconds"] == {("acme",): at(7)}


def test_a_covered_mailbox_that_never_had_a_notification_tells_since_when_it_is_covered() -> None:
    found = series(
        resource("anna", [condition("Ready", "True", "Subscribed", 4)]),
        resource("bert", [condition("Ready", "True", "Subscribed", 2)]),
        resource("cleo", [condition("Ready", "True", "Subscribed", 1)], lastNotificationTime=moment(9)),
    )
    assert found[UNHEARD] == {("anna", "acme"): at(4), ("bert", "acme"): at(2)}
    assert found["graphmail_tenant_unheard_timestamp_seconds"] == {("acme",): at(2)}


@pytest.mark.parametrize(
    "other",
    [
        resource("anna", READY, row=False),
        resource("anna", REVOKED),
        resource("anna", READY, suspend=True),
        resource("anna"),
    ],
    ids=["without a row, nobody tells of notifications", "not covered", "suspended", "not looked at yet"],
)
def test_no_other_mailbox_is_expected_to_have_had_a_notification(other: GraphMailSubscription) -> None:
    assert not {UNHEARD, "graphmail_tenant_unheard_timestamp_seconds"} & series(other).keys()


REFUSED = [condition("Ready", "False", "PermissionMissing", 5)]
FOLDERS = [
    {"folder": "inbox", "state": "Active", "expirationTime": moment(60)},
    {"folder": "archive", "state": "Pending", "reason": "FolderNotFound"},
]


@pytest.mark.parametrize(
    ("status", "since"),
    [
        ({"lastRenewalTime": moment(2)}, 5),
        ({"lastHandledAdoption": "the id that the row named"}, 5),
        ({"lastRenewalTime": moment(2), "expirationTime": moment(60), "subscriptions": FOLDERS}, 5),
    ],
    ids=["it was renewed once", "its row named one", "one of its folders"],
)
def test_a_mailbox_that_has_lost_its_subscription_tells_since_when_it_is_not_ready(
    status: dict[str, Any], since: float
) -> None:
    found = series(resource("anna", REFUSED, **status))
    assert found[UNCOVERED] == {("anna", "acme", "PermissionMissing"): at(since)}
    assert found["graphmail_tenant_uncovered_timestamp_seconds"] == {("acme", "PermissionMissing"): at(since)}


def test_a_tenant_tells_of_the_mailbox_that_has_been_without_its_subscription_longest() -> None:
    earlier = [condition("Ready", "False", "PermissionMissing", 3)]
    had = {"lastRenewalTime": moment(2)}
    found = series(resource("anna", REFUSED, **had), resource("bert", earlier, **had), resource("cleo", READY, **had))
    assert found["graphmail_tenant_uncovered_timestamp_seconds"] == {("acme", "PermissionMissing"): at(3)}


NOT_DELIVERABLE = [FOLDERS[0], {"folder": "archive", "state": "NotDeliverable"}]


@pytest.mark.parametrize(
    "other",
    [
        resource("anna", REFUSED),
        resource("anna", REFUSED, lastRenewalTime=moment(2), expirationTime=moment(60)),
        resource("anna", REFUSED, lastRenewalTime=moment(2), expirationTime=moment(60), subscriptions=NOT_DELIVERABLE),
        resource("anna", REVOKED, lastRenewalTime=moment(2)),
        resource("anna", REFUSED, suspend=True, lastRenewalTime=moment(2)),
        resource("anna", [condition("Ready", "False", "Suspended", 5)], lastRenewalTime=moment(2)),
    ],
    ids=[
        "never had one",
        "has one",
        "needs no other",
        "waits for its owner",
        "suspended",
        "resumed, waits for its turn",
    ],
)
def test_no_other_mailbox_tells_of_a_loss(other: GraphMailSubscription) -> None:
    assert not {UNCOVERED, "graphmail_tenant_uncovered_timestamp_seconds"} & series(other).keys()


@pytest.mark.parametrize(
    "left",
    [
        resource("cleo", REVOKED, expirationTime=moment(2), nextRenewalTime=moment(1), consecutiveFailures=9),
        resource("cleo", READY, suspend=True, expirationTime=moment(2), consecutiveFailures=9),
    ],
    ids=["waits for its owner", "suspended"],
)
def test_a_mailbox_that_is_rightly_left_alone_makes_no_tenants_expiry_look_near(left: GraphMailSubscription) -> None:
    found = series(left, resource("anna", READY, expirationTime=moment(60), nextRenewalTime=moment(30)))
    assert found["graphmail_tenant_expiration_timestamp_seconds"] == {("acme",): at(60)}
    assert found["graphmail_tenant_renewal_timestamp_seconds"] == {("acme",): at(30)}
    assert found["graphmail_tenant_consecutive_failures"] == {("acme",): 0}


def test_a_stall_that_someone_on_call_can_end_counts_for_the_tenants_expiry() -> None:
    expired_secret = [
        condition("Ready", "False", "CredentialInvalid"),
        condition("Stalled", "True", "CredentialInvalid"),
    ]
    found = series(resource("anna", expired_secret, expirationTime=moment(2)))
    assert found["graphmail_tenant_expiration_timestamp_seconds"] == {("acme",): at(2)}


def test_without_series_of_mailboxes_only_totals_are_left() -> None:
    fleet = [resource("anna", REVOKED, expirationTime=moment(60), lastNotificationTime=moment(1))]
    with_them, without = series(*fleet), series(*fleet, per_mailbox=False)
    assert {family.name for family in OF_MAILBOXES} & with_them.keys()
    assert not {family.name for family in OF_MAILBOXES} & without.keys()
    for family in OF_TENANTS:
        assert with_them.get(family.name) == without.get(family.name)
    text = Metrics(lambda: fleet, "1", per_mailbox=False).render().decode()
    assert not re.search(r"anna|graphmail_subscription_", text)


def test_several_folders_tell_the_earliest_expiry_and_the_most_failures() -> None:
    rows = [
        {"folder": "inbox", "state": "Active", "expirationTime": moment(60)},
        {"folder": "archive", "state": "Active", "expirationTime": moment(20), "consecutiveFailures": 3},
    ]
    found = series(resource("anna", READY, expirationTime=moment(60), subscriptions=rows))
    assert found["graphmail_subscription_expiration_timestamp_seconds"] == {("anna", "acme"): at(20)}
    assert found["graphmail_subscription_consecutive_failures"] == {("anna", "acme"): 3}


def certificates(metrics: Metrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    samples = [sample for family in families for sample in family.samples]
    name = "graphmail_certificate_expiration_timestamp_seconds"
    return {(one.labels["client_id"], one.labels["place"]): one.value for one in samples if one.name == name}


def test_a_certificate_is_told_of_until_it_is_replaced() -> None:
    metrics = Metrics(list, "1")
    metrics.certificate("app-1", "file a.pem", BEGAN)
    metrics.certificate("app-1", "file a.pem", BEGAN + timedelta(hours=1))
    metrics.certificate("app-2", "file b.pem", BEGAN)
    assert certificates(metrics) == {("app-1", "file a.pem"): at(1), ("app-2", "file b.pem"): at(0)}
    metrics.certificate("app-2", "file b.pem", None)
    assert certificates(metrics) == {("app-1", "file a.pem"): at(1)}


def test_a_certificate_that_nobody_signs_in_with_any_more_is_forgotten_after_a_day() -> None:
    now = [0.0]
    metrics = Metrics(list, "1", clock=lambda: now[0])
    metrics.certificate("app-1", "file a.pem", BEGAN)
    now[0] = CERTIFICATE_TOLD_SECONDS
    assert certificates(metrics) == {("app-1", "file a.pem"): at(0)}
    now[0] += 1
    assert certificates(metrics) == {}


def test_a_hung_event_loop_shows_when_it_last_moved() -> None:
    metrics, silent_for = Metrics(list, "1"), [0.0]
    metrics.heartbeat(lambda: silent_for[0])
    fresh = heartbeat(metrics)
    silent_for[0] = 1000.0
    assert heartbeat(metrics) < fresh - 900


def heartbeat(metrics: Metrics) -> float:
    text = metrics.render().decode()
    (found,) = re.findall(r"^graphmail_heartbeat_timestamp_seconds (\S+)$", text, re.MULTILINE)
    return float(found)
