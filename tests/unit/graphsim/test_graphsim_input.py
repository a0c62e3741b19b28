import pytest

from graphsim.errors import GraphError
from graphsim.settings import SimulatorSettings
from graphsim.subscription_input import checked_change, checked_creation, granted_expiry

NOON = 1_795_521_600.0
GOOD = {
    "changeType": "created",
    "notificationUrl": "https://hook.example.com/a?gms=x",
    "resource": "/me/messages",
    "expirationDateTime": "2026-11-26T12:00:00Z",
}


@pytest.fixture
def settings():
    return SimulatorSettings()


def grant(text, settings, ceiling=10_070):
    return granted_expiry(text, NOON, ceiling, settings) - NOON


def test_a_sound_creation_passes_and_loses_its_annotations(settings):
    assert checked_creation(GOOD | {"@odata.type": "#microsoft.graph.subscription"}, settings) == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"changeType": None},
        {"changeType": "created,read"},
        {"notificationUrl": ""},
        {"notificationUrl": "http://hook.example.com"},
        {"notificationUrl": "hook"},
        {"notificationUrl": "https://"},
        {"notificationUrl": 5},
        {"lifecycleNotificationUrl": "http://hook.example.com"},
        {"resource": None},
        {"expirationDateTime": None},
        {"clientState": "x" * 129},
        {"unknownField": "x"},
        {"includeResourceData": "yes"},
    ],
)
def test_a_creation_that_makes_no_sense_is_a_bad_request(settings, wrong):
    with pytest.raises(GraphError, match="400 InvalidRequest"):
        checked_creation(GOOD | wrong, settings)


def test_the_longest_client_state_passes(settings):
    assert checked_creation(GOOD | {"clientState": "x" * 128}, settings)


def test_plain_http_passes_only_on_this_machine_and_when_allowed():
    settings = SimulatorSettings(allow_http=True)
    assert checked_creation(GOOD | {"notificationUrl": "http://127.0.0.1:8000/x"}, settings)
    with pytest.raises(GraphError):
        checked_creation(GOOD | {"notificationUrl": "http://hook.example.com/x"}, settings)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"resource": "/me/messages"}, {"expirationDateTime": GOOD["expirationDateTime"], "clientState": "x"}],
)
def test_a_change_of_anything_else_is_a_bad_request(settings, wrong):
    with pytest.raises(GraphError, match="400 InvalidRequest"):
        checked_change(wrong, settings)


def test_the_expiry_and_the_url_can_be_changed(settings):
    body = {"expirationDateTime": GOOD["expirationDateTime"], "notificationUrl": "https://other.example.com/"}
    assert checked_change(body | {"clientState": None}, settings) == body | {"clientState": None}


def test_the_ceiling_is_an_error_that_names_it(settings):
    assert grant("2026-12-01T11:50:00Z", settings) == 10_070 * 60
    with pytest.raises(GraphError) as caught:
        grant("2026-12-01T11:50:01Z", settings)
    assert caught.value.message == "Subscription expiration can only be 10070 minutes in the future."


@pytest.mark.parametrize("text", ["2026-11-24T12:44:59Z", "2016-11-20T18:23:45.9356913Z"])
def test_a_short_life_is_raised_to_forty_five_minutes(settings, text):
    assert grant(text, settings) == 45 * 60


def test_what_is_granted_can_be_clipped_to_about_a_day():
    assert grant("2026-11-30T12:00:00Z", SimulatorSettings(grant_at_most_minutes=1_440)) == 86_400


@pytest.mark.parametrize("text", ["soon", 5, None])
def test_an_expiry_that_is_no_time_is_a_bad_request(settings, text):
    with pytest.raises(GraphError, match="400 InvalidRequest"):
        grant(text, settings)
