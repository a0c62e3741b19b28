"""A subscription as Graph describes it, and as it is asked for."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.graph import Subscription, SubscriptionRequest
from graphmail.graph.subscription import UnusableSubscription, is_id, read_time, write_time

ANSWER = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity",
    "id": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
    "resource": "me/mailFolders('Inbox')/messages",
    "applicationId": "24d3b144-21ae-4080-943f-7067b395b913",
    "changeType": "updated,Created",
    "clientState": None,
    "notificationUrl": "https://mail.example.com/hook?gms=prod.p.inbox",
    "lifecycleNotificationUrl": None,
    "expirationDateTime": "2026-11-20T18:23:45.9356913Z",
    "creatorId": "8ee44408-0679-472c-bc2a-692812af3437",
}
MOMENT = datetime(2026, 11, 20, 18, 23, 45, 935691, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def test_graph_s_own_example_is_read() -> None:
    subscription = Subscription.parse(ANSWER)

    assert subscription.id == "7f105c7d-2dc5-4530-97cd-4e7ae6534c07"
    assert subscription.expires_at == MOMENT
    assert subscription.application_id == "24d3b144-21ae-4080-943f-7067b395b913"
    assert subscription.lifecycle_notification_url is None
    assert subscription.change_types == {"created", "updated"}


@pytest.mark.parametrize("name", ["resource", "applicationId", "changeType", "notificationUrl", "creatorId"])
def test_a_missing_or_odd_field_loses_no_subscription(name: str) -> None:
    for odd in (None, 7, ["x"]):
        assert Subscription.parse(ANSWER | {name: odd}).id == ANSWER["id"]


@pytest.mark.parametrize("answer", [None, [], "text", {}, {"id": ""}, {"id": 5}, {"id": "a/b"}, {"id": ".."}])
def test_an_answer_without_an_id_is_unusable(answer: Any) -> None:
    with pytest.raises(UnusableSubscription) as caught:
        Subscription.parse(answer)

    assert caught.value.subscription_id is None


@pytest.mark.parametrize("expiry", [None, "", "soon", 1700000000, "0001-01-01T00:00:00+14:00", "9" * 100])
def test_an_answer_without_a_readable_expiry_keeps_its_id(expiry: Any) -> None:
    with pytest.raises(UnusableSubscription) as caught:
        Subscription.parse(ANSWER | {"expirationDateTime": expiry})

    assert caught.value.subscription_id == ANSWER["id"]


@given(
    answer=st.fixed_dictionaries({}, optional={name: json_values | st.just(value) for name, value in ANSWER.items()})
)
def test_any_json_is_read_or_refused_clearly(answer: dict[str, Any]) -> None:
    subscription_id: str | None
    try:
        subscription_id = Subscription.parse(answer).id
    except UnusableSubscription as error:
        subscription_id = error.subscription_id

    given_id = answer.get("id")
    assert subscription_id == (given_id if isinstance(given_id, str) and is_id(given_id) else None)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_that_is_written_is_read_to_the_millisecond(moment: datetime) -> None:
    assert timedelta(0) <= moment - (read_time(write_time(moment)) or moment) < timedelta(milliseconds=1)


def test_times_are_written_in_utc() -> None:
    moment = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert write_time(moment) == "2026-11-20T18:23:45.935Z"


def test_a_request_says_what_is_wanted_and_nothing_more() -> None:
    request = SubscriptionRequest("/me/messages", "https://mail.example.com/hook", MOMENT)

    assert request.body() == {
        "changeType": "created",
        "notificationUrl": "https://mail.example.com/hook",
        "resource": "/me/messages",
        "expirationDateTime": "2026-11-20T18:23:45.935Z",
    }


def test_a_request_carries_lifecycle_url_and_client_state() -> None:
    request = SubscriptionRequest(
        "/me/messages",
        "https://mail.example.com/hook",
        MOMENT,
        change_types=("created", "deleted"),
        lifecycle_notification_url="https://mail.example.com/life",
        client_state="s3cret",
    )

    assert request.body()["changeType"] == "created,deleted"
    assert request.body()["lifecycleNotificationUrl"] == "https://mail.example.com/life"
    assert request.body()["clientState"] == "s3cret"
    assert "s3cret" not in repr(request)


def test_a_client_state_that_graph_would_refuse_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="129 characters") as caught:
        SubscriptionRequest("/me/messages", "https://mail.example.com/hook", MOMENT, client_state="s" * 129)

    assert "sss" not in str(caught.value)
