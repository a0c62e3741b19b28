"""The metrics, read back as Prometheus reads them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from graphmail.observability.families import FAMILIES, MAILBOX, TENANT, markdown_table
from graphmail.observability.metrics import ACTIONS, Metrics, Store
from graphmail.observability.standing import State
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import LABEL_MANAGED_BY, MIRROR

DOCUMENT = Path(__file__).parents[3] / "docs" / "observability.md"
EXPIRY = datetime(2026, 12, 1, 9, 30, 15, tzinfo=UTC)


def resource(
    mailbox: str = "anna@contoso.com",
    *,
    tenant: str = "acme",
    suspend: bool = False,
    status: dict[str, Any] | None = None,
    **metadata: str,
) -> GraphMailSubscription:
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": "anna-1", "namespace": "mail", "uid": "u"} | metadata,
            "spec": {
                "tenant": tenant,
                "providerID": "p-7",
                "mailbox": mailbox,
                "notificationURL": "https://app.example.com/hook",
                "suspend": suspend,
            },
            "status": status or {},
        }
    )


def condition(kind: str, status: str, reason: str = "Because") -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-11-24T00:00:00Z",
    }


def samples(metrics: Metrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    result: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            result.setdefault(sample.name, []).append((sample.labels, sample.value))
    return result


def value(metrics: Metrics, name: str, /, **labels: str) -> float:
    (found,) = [number for given_labels, number in samples(metrics)[name] if given_labels == labels]
    return found


def metrics_of(resources: Sequence[GraphMailSubscription] = ()) -> Metrics:
    return Metrics(lambda: resources, "1.2.3")


LABELS = {"namespace": "mail", "name": "anna-1", "tenant": "acme", "provider_id": "p-7", "mailbox": "anna@contoso.com"}


def test_a_mailbox_tells_when_it_expires_and_when_it_will_be_renewed() -> None:
    status = {
        "expirationTime": "2026-12-01T09:30:15Z",
        "nextRenewalTime": "2026-11-30T01:00:00Z",
        "consecutiveFailures": 2,
    }
    metrics = metrics_of([resource(status={**status, "conditions": [condition("Ready", "True")]})])
    assert value(metrics, "graphmail_subscription_expiration_timestamp_seconds", **LABELS) == EXPIRY.timestamp()
    due = datetime(2026, 11, 30, 1, tzinfo=UTC).timestamp()
    assert value(metrics, "graphmail_subscription_renewal_timestamp_seconds", **LABELS) == due
    assert value(metrics, "graphmail_subscription_ready", **LABELS) == 1
    assert value(metrics, "graphmail_subscription_consecutive_failures", **LABELS) == 2


def test_an_unknown_expiry_has_no_series_instead_of_the_year_1970() -> None:
    found = samples(metrics_of([resource()]))
    assert "graphmail_subscription_expiration_timestamp_seconds" not in found
    assert "graphmail_subscription_renewal_timestamp_seconds" not in found
    assert found["graphmail_subscription_ready"] == [(LABELS, 0)]


def test_a_resource_that_is_gone_has_no_series_left() -> None:
    fleet = [resource()]
    metrics = Metrics(lambda: fleet, "1")
    assert "graphmail_subscription_ready" in samples(metrics)
    fleet.clear()
    assert "graphmail_subscription_ready" not in samples(metrics)


@pytest.mark.parametrize(
    ("conditions", "suspend", "state"),
    [
        ([condition("Ready", "True")], False, State.READY),
        ([condition("Ready", "False")], False, State.NOT_READY),
        ([], False, State.NOT_READY),
        ([condition("Ready", "False"), condition("Stalled", "True")], False, State.STALLED),
        (
            [condition("Ready", "False"), condition("Authorized", "Unknown", "AwaitingCredentials")],
            False,
            State.AWAITING_CREDENTIALS,
        ),
        ([condition("Ready", "False"), condition("Authorized", "False", "Revoked")], False, State.NOT_READY),
        ([condition("Ready", "False"), condition("Stalled", "True")], True, State.SUSPENDED),
    ],
)
def test_each_resource_is_counted_in_exactly_one_state(
    conditions: list[dict[str, str]], suspend: bool, state: State
) -> None:
    metrics = metrics_of([resource(suspend=suspend, status={"conditions": conditions})] * 3)
    counted = {labels["state"]: number for labels, number in samples(metrics)["graphmail_subscriptions"]}
    assert counted == {each.value: 3.0 if each is state else 0.0 for each in State}


@pytest.mark.parametrize("since", ["lastRenewalTime", "lastHandledAdoption"])
def test_a_mailbox_that_was_covered_and_has_lost_its_credential_is_not_left_alone(since: str) -> None:
    known = {"lastRenewalTime": "2026-11-24T12:00:00Z", "lastHandledAdoption": "sub"}[since]
    waits = [
        condition("Ready", "False", "AwaitingCredentials"),
        condition("Authorized", "Unknown", "AwaitingCredentials"),
    ]
    found = samples(metrics_of([resource(status={"conditions": waits, since: known})]))
    [(labels, _)] = found["graphmail_subscription_unready_timestamp_seconds"]
    assert (labels["state"], labels["reason"]) == ("not_ready", "AwaitingCredentials")
    assert "graphmail_subscription_uncovered_timestamp_seconds" in found


def test_a_resource_that_is_being_deleted_is_counted_as_that_whatever_else_it_says() -> None:
    gone = resource(
        suspend=True, status={"conditions": [condition("Ready", "True")]}, deletionTimestamp="2026-11-25T00:00:00Z"
    )
    metrics = metrics_of([gone])
    assert value(metrics, "graphmail_subscriptions", state="deleting") == 1
    deleted = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
    unready = {**LABELS, "state": "deleting", "reason": "Deleting"}
    assert value(metrics, "graphmail_subscription_unready_timestamp_seconds", **unready) == deleted


@hypothesis.settings(deadline=None)
@given(
    mailbox=st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="/?#"),
        min_size=1,
        max_size=60,
    )
)
def test_any_mailbox_that_the_resource_allows_is_a_valid_label(mailbox: str) -> None:
    metrics = metrics_of([resource(mailbox)])
    ((labels, _),) = samples(metrics)["graphmail_subscription_ready"]
    assert labels["mailbox"] == mailbox


def test_finished_work_is_counted_by_action_and_outcome() -> None:
    metrics = metrics_of()
    assert {
        (labels["action"], labels["outcome"], number) for labels, number in samples(metrics)["graphmail_renewals_total"]
    } == {
        *((action, outcome, 0.0) for action in ACTIONS for outcome in ("success", "failure")),
        ("adopt", "refused", 0.0),
    }
    metrics.renewal("renew", succeeded=True)
    metrics.renewal("renew", succeeded=True)
    metrics.renewal("create", succeeded=False)
    metrics.renewal("adopt", succeeded=True, refused=True)
    assert value(metrics, "graphmail_renewals_total", action="renew", outcome="success") == 2
    assert value(metrics, "graphmail_renewals_total", action="adopt", outcome="refused") == 1
    assert value(metrics, "graphmail_renewals_total", action="adopt", outcome="failure") == 0
    assert value(metrics, "graphmail_renewals_total", action="create", outcome="failure") == 1


def test_requests_are_counted_by_route_method_and_code_and_timed() -> None:
    metrics = metrics_of()
    metrics.request("subscriptions/{id}", "PATCH", 200, 0.3)
    metrics.request("subscriptions/{id}", "PATCH", "error", 11.0)
    route = {"route": "subscriptions/{id}", "method": "PATCH"}
    assert value(metrics, "graphmail_graph_requests_total", **route, code="200") == 1
    assert value(metrics, "graphmail_graph_requests_total", **route, code="error") == 1
    assert value(metrics, "graphmail_graph_request_duration_seconds_bucket", **route, le="0.5") == 1
    assert value(metrics, "graphmail_graph_request_duration_seconds_sum", **route) == pytest.approx(11.3)


def test_what_was_never_measured_is_absent() -> None:
    metrics = metrics_of()
    late = {
        "graphmail_clock_skew_seconds",
        "graphmail_mirror_last_success_timestamp_seconds",
        "graphmail_mirror_rows",
        "graphmail_store_up",
    }
    assert not late & samples(metrics).keys()
    metrics.clock_skew(timedelta(seconds=-1.5))
    metrics.mirror_read(EXPIRY, 12)
    metrics.store(Store.POSTGRES, up=True)
    assert value(metrics, "graphmail_clock_skew_seconds") == -1.5
    assert value(metrics, "graphmail_mirror_last_success_timestamp_seconds") == EXPIRY.timestamp()
    assert value(metrics, "graphmail_mirror_rows") == 12
    assert value(metrics, "graphmail_store_up", store="postgres") == 1


def test_what_was_measured_before_is_replaced() -> None:
    metrics = metrics_of()
    for rows, up, deletions, outcomes in ((12, True, 4, 9), (11, False, 0, 7)):
        metrics.mirror_read(EXPIRY, rows)
        metrics.store(Store.KUBERNETES, up=up)
        metrics.mirror_blocked(deletions)
        metrics.unsynced(outcomes)
    assert value(metrics, "graphmail_mirror_rows") == 11
    assert value(metrics, "graphmail_store_up", store="kubernetes") == 0
    assert value(metrics, "graphmail_mirror_blocked_deletions") == 0
    assert value(metrics, "graphmail_postgres_unsynced") == 7


def test_what_the_quota_allows_and_what_waits_for_it_is_told() -> None:
    metrics = Metrics(list, "1")
    metrics.requests_allowed("write", app=100.0, tenant=25.0)
    metrics.requests_waiting(3)
    allowed = samples(metrics)["graphmail_graph_requests_allowed_per_second"]
    assert ({"scope": "app", "kind": "write"}, 100.0) in allowed
    assert ({"scope": "tenant", "kind": "write"}, 25.0) in allowed
    assert value(metrics, "graphmail_graph_requests_waiting") == 3


def test_a_gap_is_counted_with_its_length() -> None:
    metrics = metrics_of()
    metrics.gap(timedelta(seconds=1.5))
    metrics.gap(timedelta(seconds=-3))
    assert value(metrics, "graphmail_gaps_total") == 2
    assert value(metrics, "graphmail_gap_seconds_total") == 1.5


def test_each_instance_counts_for_itself() -> None:
    first, second = metrics_of(), metrics_of()
    first.abandoned()
    assert value(first, "graphmail_abandoned_total") == 1
    assert value(second, "graphmail_abandoned_total") == 0


def test_a_mailbox_to_which_messages_come_without_notifications_tells_since_when_and_why() -> None:
    silent = {"conditions": [condition("Ready", "True"), condition("Delivering", "False", "StillSilent")]}
    heard = {"conditions": [condition("Ready", "True"), condition("Delivering", "True", "NotificationArrived")]}
    metrics = metrics_of([resource(status=silent), resource("bert@contoso.com", status=heard, name="bert-1")])
    since = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
    family = "graphmail_subscription_silent_timestamp_seconds"
    assert samples(metrics)[family] == [({**LABELS, "reason": "StillSilent"}, since)]
    assert value(metrics, "graphmail_silent_subscriptions", namespace="mail", tenant="acme", reason="StillSilent") == 1


def test_who_leads_is_asked_at_each_scrape() -> None:
    metrics, holds = metrics_of(), [False]
    assert value(metrics, "graphmail_leader") == 0
    metrics.leader(lambda: holds[0])
    assert value(metrics, "graphmail_leader") == 0
    holds[0] = True
    assert value(metrics, "graphmail_leader") == 1


def test_the_processs_own_metrics_are_there_too() -> None:
    found = samples(metrics_of())
    assert {"process_resident_memory_bytes", "python_gc_collections_total", "python_info"} <= found.keys()
    assert value(metrics_of(), "graphmail_build_info", version="1.2.3") == 1


def unheard() -> GraphMailSubscription:
    """Covered, from a row, and without a notification yet."""
    body = resource(name="bert-1", status={"conditions": [condition("Ready", "True")]})
    return body.model_copy(update={"metadata": body.metadata.model_copy(update={"labels": {LABEL_MANAGED_BY: MIRROR}})})


def exercised() -> Metrics:
    """Metrics of which every series has been touched."""
    status = {
        "expirationTime": "2026-12-01T09:30:15Z",
        "nextRenewalTime": "2026-11-30T01:00:00Z",
        "lastNotificationTime": "2026-11-29T00:00:00Z",
        "conditions": [condition("Ready", "False"), condition("Delivering", "False", "StillSilent")],
    }
    lost = {"lastRenewalTime": "2026-11-28T00:00:00Z", "conditions": [condition("Ready", "False")]}
    metrics = metrics_of([resource(status=status), resource(name="cleo-1", status=lost), unheard()])
    metrics.heartbeat(lambda: 0.5)
    metrics.ticked()
    metrics.tick_interval(timedelta(minutes=15))
    metrics.certificate("app-1", "the provider's row", EXPIRY)
    metrics.request("subscriptions", "POST", 201, 0.1)
    metrics.renewal("create", succeeded=True)
    metrics.reconcile_error("Throttled")
    metrics.gap(timedelta(seconds=1))
    metrics.abandoned()
    metrics.peer_change()
    metrics.observed("renew")
    metrics.observing(only=True)
    metrics.receiver_expected(change=False, lifecycle=True)
    metrics.clock_skew(timedelta())
    metrics.mirror_read(EXPIRY, 1)
    metrics.mirror_blocked(0)
    metrics.unsynced(0)
    metrics.requests_allowed("write", app=100.0, tenant=25.0)
    metrics.store(Store.POSTGRES, up=True)
    metrics.event_dropped()
    return metrics


def test_the_declared_metrics_are_exactly_those_that_are_served() -> None:
    served = set()
    for family in text_string_to_metric_families(exercised().render().decode()):
        if family.name.startswith("graphmail_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            served.add((name, family.type, frozenset(labels)))
    assert served == {(family.name, family.kind, frozenset(family.labels)) for family in FAMILIES}


def test_each_metric_is_named_by_prometheus_rules() -> None:
    for family in FAMILIES:
        assert family.name.startswith("graphmail_")
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert not {"le", "quantile", "job", "instance"} & set(family.labels)
        assert family.help.endswith(".")
    assert TENANT == ("namespace", "tenant")
    assert MAILBOX == ("namespace", "name", "tenant", "provider_id", "mailbox")


def test_no_series_has_a_value_that_is_no_number() -> None:
    found = samples(exercised())
    assert not [name for name, rows in found.items() if any(math.isnan(number) for _, number in rows)]


def test_the_documented_table_is_the_one_that_the_code_declares() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.partition("<!-- metrics -->\n")[2].partition("<!-- /metrics -->")[0] == markdown_table()
