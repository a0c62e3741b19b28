"""Reading the resource as the API server returns it, and writing it back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphmail.resource import Condition, FolderState, FolderSubscription, GraphMailSubscription, Status
from graphmail.resource.moments import read_moment, write_time
from support import moments

EXPIRY = datetime(2026, 3, 7, 15, 16, 17, tzinfo=UTC)


def body(**status: Any) -> dict[str, Any]:
    spec = {
        "tenant": "t1",
        "providerID": "p1",
        "mailbox": "ann@example.com",
        "notificationURL": "https://app.example.com/hook",
    }
    return {"metadata": {"name": "ann-1", "namespace": "mail"}, "spec": spec, "status": status}


def parsed(**spec: Any) -> GraphMailSubscription:
    resource = body()
    resource["spec"] |= spec
    return GraphMailSubscription.parse(resource)


def test_what_is_left_out_has_the_defaults_that_the_design_names() -> None:
    spec = GraphMailSubscription.parse(body()).spec
    assert (spec.look_ahead_time, spec.lifetime_time) == (None, None)
    assert (spec.folders, spec.change_types) == (["inbox"], ["created"])
    assert (spec.suspend, spec.suspend_policy.value, spec.deletion_policy.value) == (False, "Retain", "Delete")
    assert (spec.credentials.source.value, spec.credentials.secret_name) == ("ProviderRow", None)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"expirationTime": "soon"}, id="no moment"),
        pytest.param({"subscriptionID": "sub-1", "consecutiveFailures": -1}, id="a negative count"),
        pytest.param({"conditions": "Ready"}, id="text for a list"),
        pytest.param({"subscriptions": [{"folder": "inbox", "state": "Invented"}]}, id="another version's word"),
        pytest.param({"conditions": [{"type": "Ready"}]}, id="half a condition"),
    ],
)
def test_a_status_that_makes_no_sense_counts_as_none(status: dict[str, Any]) -> None:
    assert GraphMailSubscription.parse(body(**status)).status == Status()


@pytest.mark.parametrize("moment", [*moments.BEYOND_UTC, *moments.MEANINGLESS])
def test_a_moment_that_nobody_can_read_costs_neither_the_rest_of_the_status_nor_the_condition(moment: str) -> None:
    audited = {"type": "Audited", "status": "True", "reason": "ByHand", "message": "", "lastTransitionTime": moment}
    lost = {"expirationTime": moment, "nextAttemptTime": moment}
    status = GraphMailSubscription.parse(body(subscriptionID="sub-1", conditions=[audited], **lost)).status
    assert (status.subscription_id, status.expiration_time, status.next_attempt_time) == ("sub-1", None, None)
    [condition] = status.model_dump(mode="json", by_alias=True)["conditions"]
    assert condition["lastTransitionTime"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("text", [None, "", "soon", "2026-03-07", "2026-03-07T15:16:17", *moments.BEYOND_UTC])
def test_what_tells_no_moment_of_utc_tells_none(text: str | None) -> None:
    assert read_moment(text) is None


def test_a_moment_of_an_annotation_is_told_in_utc() -> None:
    moment = read_moment("2026-03-07T16:16:17+01:00")
    assert moment == EXPIRY
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("spec", [{}, {"spec": None}, {"spec": []}], ids=["missing", "null", "a list"])
def test_a_resource_without_a_spec_is_refused_as_any_other_that_the_crd_would_refuse(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="tenant"):
        GraphMailSubscription.parse({"metadata": body()["metadata"]} | spec)


@pytest.mark.parametrize("status", [None, {}, "garbage", ["garbage"], 7])
def test_a_status_that_is_no_object_counts_as_none(status: Any) -> None:
    assert GraphMailSubscription.parse({**body(), "status": status}).status == Status()


def test_a_field_of_a_later_version_is_passed_over() -> None:
    status = GraphMailSubscription.parse(body(subscriptionID="sub-1", mood="sunny")).status
    assert status.subscription_id == "sub-1"


def test_a_resource_may_have_a_look_ahead_and_a_lifetime_of_its_own() -> None:
    spec = parsed(lookAhead="1h30m", lifetime="45h").spec
    assert (spec.look_ahead_time, spec.lifetime_time) == (timedelta(minutes=90), timedelta(hours=45))


def test_a_spec_that_the_crd_would_refuse_is_refused_with_the_fields_name() -> None:
    with pytest.raises(ValidationError, match="lookAhead"):
        parsed(lookAhead="1 day")


@pytest.mark.parametrize(
    "mailbox",
    ["ann@example.com", "o'hara@example.com", "jürgen@müller.de", "6f1c2f7e-9f0e-4c53-8e5e-6f3f0f8f2f11"],
)
def test_addresses_and_object_ids_are_mailboxes(mailbox: str) -> None:
    assert parsed(mailbox=mailbox).spec.mailbox == mailbox


@pytest.mark.parametrize("mailbox", ["", "ann smith", "ann\t", "ann\u00a0", "../me", "ann?$expand", "ann#x", "a" * 321])
def test_what_could_lead_astray_in_a_path_is_no_mailbox(mailbox: str) -> None:
    with pytest.raises(ValidationError):
        parsed(mailbox=mailbox)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "https://localhost:8443/api/email/webhooks/microsoft?x=1&y=%20",
        "https://[::1]:8443/hook",
        'https://app.example.com?q="a"',
    ],
)
def test_https_urls_with_a_host_receive_notifications(url: str) -> None:
    assert parsed(notificationURL=url).spec.notification_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.com",
        "https://",
        "https:///hook",
        "https://?x",
        "https://ann:secret@example.com/",
        "https://example.com/#top",
        "https://example.com/a b",
        "https://exämple.com/",
        "ftp://example.com",
        "https://example.com/\n",
    ],
)
def test_other_urls_do_not(url: str) -> None:
    with pytest.raises(ValidationError):
        parsed(notificationURL=url)


@pytest.mark.parametrize("name", ["ann", "ann-1.mail"])
def test_a_secret_has_a_name_of_kubernetes(name: str) -> None:
    assert parsed(credentials={"source": "Secret", "secretName": name}).spec.credentials.secret_name == name


@pytest.mark.parametrize("name", ["", "../../nodes", "Ann", "ann/x", "-ann", "ann."])
def test_nothing_else_reaches_the_path_of_a_secret(name: str) -> None:
    with pytest.raises(ValidationError):
        parsed(credentials={"source": "Secret", "secretName": name})


@given(
    st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis takes bounds without a zone
        datetime(9999, 12, 30),  # noqa: DTZ001 - as above
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_a_moment_is_written_in_utc_and_whole_seconds_and_read_back(moment: datetime) -> None:
    written = Status(expiration_time=moment).model_dump(mode="json", by_alias=True)["expirationTime"]
    assert written == write_time(moment)
    read = GraphMailSubscription.parse(body(expirationTime=written)).status.expiration_time
    assert read == moment.replace(microsecond=0)


def test_a_status_survives_the_way_to_the_api_server_and_back() -> None:
    status = Status(
        observed_generation=4,
        subscription_id="sub-1",
        expiration_time=EXPIRY,
        consecutive_failures=2,
        observed_credential="",
        subscriptions=[
            FolderSubscription(folder="inbox", state=FolderState.ACTIVE, subscription_id="sub-1", granted_time=EXPIRY)
        ],
        conditions=[
            Condition(type="Ready", status="True", reason="Subscribed", message="", last_transition_time=EXPIRY)
        ],
    )
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert GraphMailSubscription.parse(body(**written)).status == status


def test_initialisms_are_written_in_capitals() -> None:
    written = GraphMailSubscription.parse(body(subscriptionID="sub-1")).model_dump(mode="json", by_alias=True)
    assert written["spec"]["notificationURL"] == "https://app.example.com/hook"
    assert written["spec"]["providerID"] == "p1"
    assert written["status"]["subscriptionID"] == "sub-1"


def test_the_status_tells_of_its_conditions_and_folders() -> None:
    shown = {
        "type": "Ready",
        "status": "False",
        "reason": "Lost",
        "message": "",
        "lastTransitionTime": "2026-03-07T15:16:17Z",
    }
    status = GraphMailSubscription.parse(
        body(conditions=[shown], subscriptions=[{"folder": "inbox", "state": "Pending"}])
    ).status
    assert status.says("Ready", "False")
    assert not status.says("Ready", "True")
    assert not status.says("Stalled", "False")
    assert status.condition("Stalled") is None
    assert status.folder("archive") is None
    inbox = status.folder("inbox")
    assert inbox is not None
    assert inbox.state is FolderState.PENDING


def test_a_copy_has_the_other_values_and_leaves_the_original_as_it_was() -> None:
    status = Status(subscription_id="sub-1", consecutive_failures=2)
    copy = status.model_copy(update={"consecutive_failures": 3})
    assert copy == Status(subscription_id="sub-1", consecutive_failures=3)
    assert status == Status(subscription_id="sub-1", consecutive_failures=2)


def test_a_copy_takes_no_field_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="failures"):
        Status().model_copy(update={"failures": 3})


def test_a_resource_that_was_read_cannot_be_changed() -> None:
    resource = GraphMailSubscription.parse(body())
    with pytest.raises(AttributeError, match="mailbox"):
        resource.spec.mailbox = "bob@example.com"


def test_what_two_resources_leave_out_they_do_not_share() -> None:
    one, other = GraphMailSubscription.parse(body()), GraphMailSubscription.parse(body())
    one.metadata.labels["a"] = "b"
    one.status.conditions.clear()
    assert other.metadata.labels == {}
    assert one.status.conditions is not other.status.conditions
