"""Signing in at a simulated Microsoft, through msal, over TLS that only SSL_CERT_FILE makes trusted."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from graphmail.graph import Meaning, SignIn, SignInError, with_fresh_token

from .conftest import Place, later


async def test_a_client_secret_gets_the_app_s_own_token(place: Place) -> None:
    token = await place.sign_in.token(place.app_only)

    assert token.directory == place.tenant.id
    assert token.roles == ("Mail.Read",)
    assert token.expires_at is not None
    assert later(58) < token.expires_at < later(61)
    assert token.rotated is None


async def test_a_refresh_token_gets_the_user_s_token_and_its_own_successor(place: Place) -> None:
    credential = place.delegated()

    token = await place.sign_in.token(credential)

    assert token.directory == place.tenant.id
    assert "Mail.Read" in token.scopes
    assert token.rotated is not None
    assert token.rotated.replaces == credential.refresh_token
    assert token.rotated.refresh_token != credential.refresh_token
    successor = replace(credential, owner="contoso/p3", refresh_token=token.rotated.refresh_token)
    assert (await place.sign_in.token(successor)).rotated is not None


async def test_a_user_s_token_reads_the_user_s_own_subscriptions(place: Place) -> None:
    token = await place.sign_in.token(place.delegated())
    request = place.wanted(resource="/me/mailFolders('inbox')/messages")

    made = await place.client.create(request, token=token.value, spender=place.spender())

    listed = [item async for item in place.client.list_all(token=token.value, spender=place.spender())]
    assert [item.id for item in listed] == [made.id]


async def test_openid_discovery_is_asked_once_for_many_tokens(place: Place) -> None:
    for number in range(5):
        await place.sign_in.token(place.delegated())
        place.sign_in.forget("contoso/p2")
        assert (await place.control("requests", route="token")).matching == number + 1

    assert (await place.control("requests", route="discovery")).matching == 1


@pytest.mark.parametrize("answer", ["consent-missing", "invalid-client", "signin-throttled", "signin-busy"])
async def test_a_repaired_sign_in_works_at_once(place: Place, answer: str) -> None:
    credential = place.delegated()
    await place.control("add_fault", "token", answer=answer, count=1)
    with pytest.raises(SignInError):
        await place.sign_in.token(credential)

    assert (await place.sign_in.token(credential)).rotated is not None


async def test_a_directory_that_does_not_exist_is_told_to_a_person(place: Place) -> None:
    with pytest.raises(SignInError) as caught:
        await place.sign_in.token(replace(place.app_only, directory="nowhere.example.com"))

    assert caught.value.meaning is Meaning.CREDENTIAL_INVALID
    assert caught.value.aadsts == 90002
    assert "Microsoft knows no directory nowhere.example.com" in (caught.value.remedy or "")


async def test_a_wait_that_sign_in_asks_for_is_known(place: Place) -> None:
    await place.control("add_fault", "token", answer="signin-throttled", retry_after="33")

    with pytest.raises(SignInError) as caught:
        await place.sign_in.token(place.delegated())

    assert caught.value.meaning is Meaning.THROTTLED
    assert caught.value.retry_after == 33


@pytest.mark.parametrize("route", ["token", "discovery"])
@pytest.mark.parametrize(
    ("effect", "meaning"),
    [
        ({"status": 503}, Meaning.TRANSIENT),
        ({"status": 429}, Meaning.THROTTLED),
        ({"status": 200, "body": "<html>"}, Meaning.TRANSIENT),
        ({"status": 200, "body": "[]"}, Meaning.TRANSIENT),
        ({"status": 200, "body": "{}"}, Meaning.UNKNOWN),
        ({"status": 302, "headers": {"Location": "https://evil.example.com/"}}, Meaning.UNKNOWN),
        ({"status": 400, "body": "no JSON"}, Meaning.UNKNOWN),
        ({"drop": True}, Meaning.TRANSIENT),
    ],
)
async def test_any_trouble_of_sign_in_is_understood(
    place: Place, route: str, effect: dict[str, Any], meaning: Meaning
) -> None:
    await place.control("add_fault", route, **effect)

    with pytest.raises(SignInError) as caught:
        await place.sign_in.token(place.app_only)

    assert caught.value.meaning is meaning
    assert caught.value.message


async def test_a_sign_in_that_cannot_be_reached_is_transient(place: Place) -> None:
    async with SignIn("https://localhost:1", place.simulator.graph_url) as sign_in:
        with pytest.raises(SignInError, match=r"could not be reached \(ConnectionError\)") as caught:
            await sign_in.token(place.app_only)

    assert caught.value.meaning is Meaning.TRANSIENT


async def test_a_certificate_that_does_not_verify_says_where_to_name_its_authority(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE")
    async with SignIn(place.simulator.login_url, place.simulator.graph_url) as sign_in:
        with pytest.raises(SignInError, match="does not verify") as caught:
            await sign_in.token(place.app_only)

    assert "SSL_CERT_FILE" in (caught.value.remedy or "")


async def test_no_secret_reaches_a_log_or_an_error(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credential = place.delegated()
    token = await place.sign_in.token(credential)
    place.sign_in.forget(credential.owner)
    await place.control("add_fault", "token", status=200, body='{"access_token": "cut-off-tok', count=1)
    await place.control(
        "add_fault", "token", status=400, body={"error": "x", "error_description": credential.refresh_token}
    )
    told = ""
    for _ in range(2):
        with pytest.raises(SignInError) as caught:
            await place.sign_in.token(credential)
        told += str(caught.value) + repr(caught.value) + str(caught.value.__cause__)

    assert token.rotated is not None
    secrets = [
        credential.client_secret,
        credential.refresh_token,
        token.value,
        token.rotated.refresh_token,
        "cut-off-tok",
    ]
    for secret in secrets:
        assert secret is not None
        assert secret not in caplog.text + told + repr(token) + repr(credential)


async def test_a_token_that_graph_refuses_is_replaced_once(place: Place) -> None:
    made = await place.create()
    used: list[str] = []
    await place.control("add_fault", "get", answer="token-expired", count=1)

    async def look(token: Any) -> str:
        used.append(token.value)
        return (await place.client.get(made.id, token=token.value, spender=place.spender())).id

    assert await with_fresh_token(place.sign_in, place.app_only, look) == made.id
    assert len(set(used)) == 2
