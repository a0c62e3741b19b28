"""Each answer that Graph and sign-in are known to give, met over the wire: what it means to us."""

import pytest

from graphmail.graph import GraphRefused, Meaning, SignInError
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.signin_answers import SIGNIN_ANSWERS

from .conftest import Place, later

GUID = "1bf1e19a-5da0-4b4f-9d6e-6b1b0a8d5b6c"

WHEN_RENEWING = {
    "subscription-not-found": Meaning.GONE,
    "gone": Meaning.GONE,
    "mailbox-not-enabled": Meaning.MAILBOX_TERMINAL,
    "rest-not-supported": Meaning.MAILBOX_TERMINAL,
    "endpoint-validation-failed": Meaning.ENDPOINT,
    "endpoint-wrong-token": Meaning.ENDPOINT,
    "endpoint-timed-out": Meaning.ENDPOINT,
    "endpoint-unresolved": Meaning.ENDPOINT,
    "ceiling": Meaning.CEILING,
    "patch-refused": Meaning.INVALID,
    "token-expired": Meaning.UNAUTHORIZED,
    "token-missing": Meaning.UNAUTHORIZED,
    "access-denied": Meaning.PERMISSION,
    "forbidden": Meaning.PERMISSION,
    "forbidden-service-unavailable": Meaning.TRANSIENT,
    "limit-of-one": Meaning.TRANSIENT,
    "throttled": Meaning.THROTTLED,
    "mailbox-throttled": Meaning.THROTTLED,
    "internal-error": Meaning.TRANSIENT,
    "bad-gateway": Meaning.TRANSIENT,
    "service-unavailable": Meaning.TRANSIENT,
    "gateway-timeout": Meaning.TRANSIENT,
}
WHEN_CREATING = {
    "user-not-found": Meaning.TARGET_MISSING,
    "folder-not-found": Meaning.TARGET_MISSING,
    "mailbox-not-enabled": Meaning.MAILBOX_TERMINAL,
    "endpoint-validation-failed": Meaning.ENDPOINT,
    "ceiling": Meaning.CEILING,
    "access-denied": Meaning.PERMISSION,
    "duplicate": Meaning.ALREADY_EXISTS,
    "subscription-count-reached": Meaning.QUOTA_FULL,
    "limit-of-one": Meaning.TRANSIENT,
    "internal-error": Meaning.TRANSIENT,
    "service-unavailable": Meaning.TRANSIENT,
    "bad-gateway": Meaning.OUTCOME_UNKNOWN,
    "gateway-timeout": Meaning.OUTCOME_UNKNOWN,
}
AT_SIGN_IN = {
    "refresh-expired": Meaning.INTERACTION_REQUIRED,
    "grant-expired": Meaning.INTERACTION_REQUIRED,
    "grant-revoked": Meaning.INTERACTION_REQUIRED,
    "consent-missing": Meaning.INTERACTION_REQUIRED,
    "interaction-required": Meaning.INTERACTION_REQUIRED,
    "bad-refresh-token": Meaning.INTERACTION_REQUIRED,
    "wrong-client": Meaning.INTERACTION_REQUIRED,
    "wrong-tenant": Meaning.INTERACTION_REQUIRED,
    "invalid-client": Meaning.CREDENTIAL_INVALID,
    "secret-expired": Meaning.CREDENTIAL_INVALID,
    "secret-missing": Meaning.CREDENTIAL_INVALID,
    "certificate-refused": Meaning.CREDENTIAL_INVALID,
    "federation-refused": Meaning.CREDENTIAL_INVALID,
    "client-public": Meaning.CREDENTIAL_INVALID,
    "certificate-expired": Meaning.CREDENTIAL_INVALID,
    "assertion-signature-refused": Meaning.CREDENTIAL_INVALID,
    "assertion-malformed": Meaning.CREDENTIAL_INVALID,
    "assertion-client-refused": Meaning.CREDENTIAL_INVALID,
    "assertion-audience-refused": Meaning.CREDENTIAL_INVALID,
    "assertion-out-of-time": Meaning.TRANSIENT,
    "federation-issuer-refused": Meaning.CREDENTIAL_INVALID,
    "federation-audience-refused": Meaning.CREDENTIAL_INVALID,
    "app-not-found": Meaning.APP_DISABLED,
    "app-disabled": Meaning.APP_DISABLED,
    "tenant-not-found": Meaning.CREDENTIAL_INVALID,
    "signin-throttled": Meaning.THROTTLED,
    "signin-transient": Meaning.TRANSIENT,
    "signin-busy": Meaning.TRANSIENT,
}


async def answered(place: Place, route: str, answer: str) -> None:
    values = {"id": GUID, "minutes": 4230} if answer in {"duplicate", "ceiling"} else {}
    await place.control("add_fault", route, answer=answer, values=values)


@pytest.mark.parametrize("answer", WHEN_RENEWING)
async def test_a_refused_renewal_has_its_meaning(place: Place, answer: str) -> None:
    made = await place.create()
    await answered(place, "patch", answer)

    with pytest.raises(GraphRefused) as caught:
        await place.call(place.client.renew, made.id, later(60))

    error = caught.value
    assert error.meaning is WHEN_RENEWING[answer]
    assert error.request_id
    assert error.client_request_id
    assert error.ceiling == (4230 if answer == "ceiling" else None)


@pytest.mark.parametrize("answer", WHEN_CREATING)
async def test_a_refused_create_has_its_meaning(place: Place, answer: str) -> None:
    await answered(place, "create", answer)

    with pytest.raises(GraphRefused) as caught:
        await place.create()

    assert caught.value.meaning is WHEN_CREATING[answer]
    assert caught.value.subscription_id == (GUID if answer == "duplicate" else None)


@pytest.mark.parametrize("answer", AT_SIGN_IN)
async def test_a_refused_sign_in_has_its_meaning(place: Place, answer: str) -> None:
    await answered(place, "token", answer)

    with pytest.raises(SignInError) as caught:
        await place.sign_in.token(place.delegated())

    error = caught.value
    assert error.meaning is AT_SIGN_IN[answer]
    if error.meaning.terminal:
        assert error.remedy
        assert error.aadsts
        assert error.correlation_id


def test_no_answer_of_graph_is_left_out() -> None:
    assert set(GRAPH_ANSWERS) == set(WHEN_RENEWING) | set(WHEN_CREATING)


def test_no_answer_that_a_correct_request_can_get_at_sign_in_is_left_out() -> None:
    of_wrong_requests = {"no-tenant", "bad-scope", "unknown-resource", "bad-grant-type", "missing-parameter"}

    assert set(SIGNIN_ANSWERS) == set(AT_SIGN_IN) | of_wrong_requests
