"""What the API server refuses, and how it says so to a person."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graphmail.resource import GraphMailSubscription

IDENTITY = "cannot be changed: it is the resource's identity. Delete the resource and create another one."
NO_URL = "must be an https URL with a host, without user name or fragment"
NO_MARKER = "must not carry the parameter gms"
NO_DURATION = "must be a duration in hours, minutes and seconds, such as 24h, 90m or 166h40m"
NO_LABEL = "must be fit for a label"

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a tenant that no label could have": ({"tenant": "t/1"}, "spec.tenant", f"tenant {NO_LABEL}"),
    "a provider that no label could have": ({"providerID": "p1-"}, "spec.providerID", f"providerID {NO_LABEL}"),
    "a provider that is too long": ({"providerID": "p" * 64}, "spec.providerID", "may not be more than 63"),
    "a mailbox with a space": ({"mailbox": "ann smith"}, "spec.mailbox", "no spaces, and none of / ? #"),
    "a mailbox that leads astray": ({"mailbox": "../me"}, "spec.mailbox", "no spaces, and none of / ? #"),
    "no mailbox": ({"mailbox": None}, "spec.mailbox", "Required value"),
    "a URL without TLS": ({"notificationURL": "http://x.example.com"}, "spec.notificationURL", NO_URL),
    "a URL without a host": ({"notificationURL": "https:///hook"}, "spec.notificationURL", NO_URL),
    "a URL of a broken host": ({"notificationURL": "https://[::1"}, "spec.notificationURL", NO_URL),
    "a URL with a password": ({"notificationURL": "https://a:b@x.example.com"}, "spec.notificationURL", NO_URL),
    "a URL with a fragment": ({"notificationURL": "https://x.example.com/#a"}, "spec.notificationURL", NO_URL),
    "a URL that is too long": (
        {"notificationURL": "https://x.example.com/" + "a" * 2048},
        "spec.notificationURL",
        "may not be more than 2048",
    ),
    "a URL with our marker": ({"notificationURL": "https://x.example.com?gms=1"}, "spec.notificationURL", NO_MARKER),
    "a URL with our marker among others": (
        {"notificationURL": "https://x.example.com/?a=b&gms=i.p.f&c=d"},
        "spec.notificationURL",
        NO_MARKER,
    ),
    "a lifecycle URL without TLS": (
        {"lifecycleNotificationURL": "http://x.example.com"},
        "spec.lifecycleNotificationURL",
        NO_URL,
    ),
    "a lifecycle URL with our marker": (
        {"lifecycleNotificationURL": "https://x.example.com?gms="},
        "spec.lifecycleNotificationURL",
        NO_MARKER,
    ),
    "days": ({"lookAhead": "1d"}, "spec.lookAhead", f"lookAhead {NO_DURATION}"),
    "a bare number": ({"lifetime": "4320"}, "spec.lifetime", f"lifetime {NO_DURATION}"),
    "no look-ahead at all": ({"lookAhead": "0m"}, "spec.lookAhead", "lookAhead must be longer than 0s"),
    "a look-ahead as long as the lifetime": (
        {"lookAhead": "1h30m", "lifetime": "90m"},
        "spec.lookAhead",
        "lookAhead must be shorter than lifetime",
    ),
    "a look-ahead longer than any life": (
        {"lookAhead": "168h"},
        "spec.lookAhead",
        "lookAhead must be shorter than 168h, the longest life that Graph grants",
    ),
    "more life than Graph grants": ({"lifetime": "168h1s"}, "spec.lifetime", "lifetime must be at most 168h"),
    "less life than Graph grants": (
        {"lifetime": "44m59s", "lookAhead": "9m"},
        "spec.lifetime",
        "lifetime must be at least 45m",
    ),
    "more life than time has": ({"lifetime": "999999h999999h99999h"}, "spec.lifetime", "lifetime must be at most 168h"),
    "a Secret without a name": (
        {"credentials": {"source": "Secret"}},
        "spec.credentials.secretName",
        "credentials.secretName must name the Secret when credentials.source is Secret",
    ),
    "a Secret's name for a row": (
        {"credentials": {"secretName": "ann"}},
        "spec.credentials.secretName",
        "credentials.secretName is for credentials.source Secret only",
    ),
    "a Secret's name that leads astray": (
        {"credentials": {"source": "Secret", "secretName": "../../nodes"}},
        "spec.credentials.secretName",
        "should match",
    ),
    "an unknown source": (
        {"credentials": {"source": "Vault"}},
        "spec.credentials.source",
        'supported values: "ProviderRow", "Secret"',
    ),
    "an unknown change": (
        {"changeTypes": ["moved"]},
        "spec.changeTypes[0]",
        'supported values: "created", "updated", "deleted"',
    ),
    "one change twice": ({"changeTypes": ["created", "created"]}, "spec.changeTypes[1]", "Duplicate value"),
    "no folder": ({"folders": []}, "spec.folders", "should have at least 1 items"),
    "one folder twice": ({"folders": ["inbox", "inbox"]}, "spec.folders[1]", "Duplicate value"),
    "an unknown deletion policy": (
        {"deletionPolicy": "Orphan"},
        "spec.deletionPolicy",
        'supported values: "Delete", "Retain"',
    ),
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "the least that must be said": {},
    "a mailbox by object id": {"mailbox": "6f1c2f7e-9f0e-4c53-8e5e-6f3f0f8f2f11"},
    "a mailbox with an apostrophe": {"mailbox": "o'hara@example.com"},
    "a mailbox beyond ASCII": {"mailbox": "jürgen@müller.de"},
    "a URL with port and query": {"notificationURL": "https://localhost:8443/hook?a=b&gmsx=1"},
    "a URL of an IPv6 host": {"notificationURL": "https://[::1]:8443/hook"},
    "a lifecycle URL": {"lifecycleNotificationURL": "https://x.example.com/lifecycle"},
    "the longest life": {"lifetime": "168h"},
    "the shortest life": {"lifetime": "45m", "lookAhead": "44m59s"},
    "a life shorter than the operator's own look-ahead": {"lifetime": "2h"},
    "seconds": {"lifetime": "604800s"},
    "a Secret": {"credentials": {"source": "Secret", "secretName": "ann.mail-1"}},
    "several folders and changes": {"folders": ["inbox", "archive"], "changeTypes": ["created", "updated", "deleted"]},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_with_a_reason(case: str, dry: Any) -> None:
    spec, field, message = REFUSED[case]
    causes = dry.refusal(dry.body(**spec))
    assert any(field == at and message in text for at, text in causes), causes


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_makes_sense_is_taken_and_understood(case: str, dry: Any) -> None:
    body = dry.body(**ACCEPTED[case])
    assert dry.refusal(body) == set()
    GraphMailSubscription.parse(body)


def test_a_wrong_duration_is_told_once_and_not_as_an_error_of_the_rules(dry: Any) -> None:
    messages = [text for _, text in dry.refusal(dry.body(lookAhead="1 day"))]
    assert not [text for text in messages if "call to duration" in text or "shorter than" in text]


@pytest.mark.parametrize(("field", "value"), [("tenant", "t2"), ("providerID", "p2"), ("mailbox", "ben@example.com")])
def test_the_identity_cannot_be_changed(field: str, value: str, resources: Any) -> None:
    body = resources.create(resources.body())
    body["spec"][field] = value
    causes = resources.refusal(body, replaces=True)
    assert [at for at, _ in causes] == [f"spec.{field}"]
    assert f"{field} {IDENTITY}" in next(text for _, text in causes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"source": "Secret", "secretName": "a"}, {"source": "ProviderRow"}, id="from a Secret to a row"),
        pytest.param({"source": "Secret", "secretName": "a"}, None, id="to a row by leaving it out"),
        pytest.param({"source": "ProviderRow"}, {"source": "Secret", "secretName": "a"}, id="from a row to a Secret"),
    ],
)
def test_no_resource_turns_to_another_ones_credential(
    before: dict[str, str], after: dict[str, str] | None, resources: Any
) -> None:
    body = resources.create(resources.body(credentials=before))
    body["spec"].pop("credentials")
    body["spec"] |= {"credentials": after} if after else {}
    causes = resources.refusal(body, replaces=True)
    assert any(at == "spec.credentials.source" and "cannot be changed" in text for at, text in causes), causes


def test_everything_else_can_be_changed(resources: Any) -> None:
    body = resources.create(resources.body(credentials={"source": "Secret", "secretName": "a"}))
    body["spec"] |= {
        "folders": ["archive"],
        "changeTypes": ["updated"],
        "notificationURL": "https://other.example.com/hook",
        "lifecycleNotificationURL": "https://other.example.com/lifecycle",
        "lookAhead": "12h",
        "lifetime": "48h",
        "suspend": True,
        "suspendPolicy": "Delete",
        "deletionPolicy": "Retain",
        "credentials": {"source": "Secret", "secretName": "b"},
    }
    assert resources.refusal(body, replaces=True) == set()


TRICKY = st.text(
    alphabet="ab1-._~@/?#&=%:[]'\"\\ \t\n\x7f\x85\u00a0\u2003\ufeff\u00e9\U0001d538", min_size=1, max_size=12
)
DURATIONS = st.text(alphabet="0159hmsd.-+ ", min_size=1, max_size=9)
SPECS = st.one_of(
    st.fixed_dictionaries({"tenant": TRICKY}),
    st.fixed_dictionaries({"mailbox": TRICKY}),
    st.fixed_dictionaries({"notificationURL": TRICKY.map(lambda rest: f"https://{rest}")}),
    st.fixed_dictionaries({"lookAhead": DURATIONS}),
    st.fixed_dictionaries({"credentials": st.fixed_dictionaries({"source": st.just("Secret"), "secretName": TRICKY})}),
)


@settings(max_examples=150)
@given(spec=SPECS)
def test_whatever_the_api_server_takes_the_operator_can_read(spec: dict[str, Any], dry: Any) -> None:
    body = dry.body(**spec)
    try:
        GraphMailSubscription.parse(body)
    except ValidationError:
        assert dry.refusal(body)
