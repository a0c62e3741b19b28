"""Signing in: whose token is used, when one is fetched, and how often."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from graphmail.graph import GraphRefused, Meaning, SignIn, SignInError, Token, with_fresh_token
from graphmail.graph.login import Grant, Login
from graphmail.graph.signin import graph_resource
from graphmail.graph.signin_table import SignInAnswer, sign_in_refusal
from graphmail.graph.tokens import describe, read_claims
from graphmail.provider import ClientCertificate, Credential

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
APP = Credential("contoso/p1", "d-1", "app-1", "f", client_secret="s-1")
USER = Credential("contoso/p2", "common", "app-1", "f", client_secret="s-1", refresh_token="refresh-0")


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.sig"


class FakeLogin(Login):
    """Numbers its tokens; refuses while told so."""

    def __init__(self) -> None:
        self.moment = START
        self.asked: list[tuple[str, ...]] = []
        self.refuses: SignInError | None = None
        self.lasts = HOUR
        self.proof_expires_at: datetime | None = None

    def close(self) -> None:
        pass

    def for_app(self, credential: Credential, scope: str) -> Grant:
        secret = credential.client_secret or ""
        return self._grant("app", credential.directory, credential.client_id, secret, scope)

    def for_user(self, credential: Credential, scope: str) -> Grant:
        token = credential.refresh_token or ""
        grant = self._grant("user", credential.directory, credential.client_id, token, scope)
        return replace(grant, refresh_token=f"refresh-{len(self.asked)}")

    def _grant(self, *question: str) -> Grant:
        self.asked.append(question)
        if self.refuses:
            raise self.refuses
        return Grant(
            f"token-{len(self.asked)}",
            self.lasts,
            proof="the certificate …3F9A",
            proof_expires_at=self.proof_expires_at,
        )


@pytest.fixture
def login() -> FakeLogin:
    return FakeLogin()


@pytest_asyncio.fixture
async def sign_in(login: FakeLogin) -> AsyncIterator[SignIn]:
    async with SignIn(
        "https://login.example.com", "https://graph.example.com/v1.0", clock=lambda: login.moment, login=login
    ) as opened:
        yield opened


async def test_mailboxes_of_one_app_share_one_token(sign_in: SignIn, login: FakeLogin) -> None:
    tokens = await asyncio.gather(*(sign_in.token(replace(APP, owner=f"contoso/p{n}")) for n in range(100)))

    assert {token.value for token in tokens} == {"token-1"}
    assert login.asked == [("app", "d-1", "app-1", "s-1", "https://graph.example.com/.default")]


async def test_another_directory_app_or_proof_has_a_token_of_its_own(sign_in: SignIn, login: FakeLogin) -> None:
    others = [
        APP,
        replace(APP, directory="d-2"),
        replace(APP, client_id="app-2"),
        replace(APP, client_secret="s-2"),
        replace(APP, client_certificate=ClientCertificate(b"one")),
        replace(APP, client_certificate=ClientCertificate(b"two")),
        replace(APP, client_certificate=ClientCertificate(b"two", "pw")),
        replace(APP, federated_token_file="/one"),
        replace(APP, federated_token_file="/two"),
    ]
    for other in (*others, *others):
        await sign_in.token(other)

    assert len(login.asked) == len(others)


async def test_a_certificate_that_ends_within_a_month_is_told_of_at_each_sign_in(login: FakeLogin) -> None:
    told: list[tuple[str, datetime]] = []

    def tell(name: str, ends: datetime) -> None:
        told.append((name, ends))

    async with SignIn(
        "https://login.example.com",
        "https://graph.example.com/v1.0",
        clock=lambda: login.moment,
        login=login,
        expires_soon=tell,
    ) as sign_in:
        login.proof_expires_at = START + timedelta(days=30, seconds=1)
        await sign_in.token(APP)
        assert told == []
        login.proof_expires_at = START + timedelta(days=30)
        for credential in (replace(APP, directory="d-2"), replace(APP, directory="d-2"), USER):
            await sign_in.token(credential)

    assert told == [("the certificate …3F9A of app app-1, in the provider's row", START + timedelta(days=30))] * 2


async def test_each_sign_in_tells_of_which_app_it_was_and_when_its_certificate_ends(login: FakeLogin) -> None:
    told: list[tuple[str, str, datetime | None]] = []

    def tell(client_id: str, place: str, ends: datetime | None) -> None:
        told.append((client_id, place, ends))

    async with SignIn(
        "https://login.example.com", "https://graph.example.com/v1.0", clock=lambda: login.moment, login=login,
        signed_in=tell,
    ) as sign_in:  # fmt: skip
        login.proof_expires_at = START + timedelta(days=300)
        await sign_in.token(APP)
        await sign_in.token(APP)
        login.proof_expires_at = None
        await sign_in.token(replace(APP, directory="d-2"))

    place = "the provider's row"
    assert told == [("app-1", place, START + timedelta(days=300)), ("app-1", place, None)]


async def test_an_app_s_token_is_used_until_shortly_before_it_expires(sign_in: SignIn, login: FakeLogin) -> None:
    await sign_in.token(APP)
    login.moment = START + HOUR - timedelta(minutes=5, seconds=1)
    assert (await sign_in.token(APP)).value == "token-1"

    login.moment = START + HOUR - timedelta(minutes=5)
    assert (await sign_in.token(APP)).value == "token-2"


async def test_a_short_lived_token_is_used_for_half_of_its_life(sign_in: SignIn, login: FakeLogin) -> None:
    login.lasts = timedelta(minutes=4)
    await sign_in.token(APP)

    login.moment = START + timedelta(minutes=1, seconds=59)
    assert (await sign_in.token(APP)).value == "token-1"


async def test_a_refused_token_is_dropped_and_one_is_fetched_for_all(sign_in: SignIn, login: FakeLogin) -> None:
    refused = (await sign_in.token(APP)).value

    tokens = await asyncio.gather(*(sign_in.token(APP, refused=refused) for _ in range(10)))

    assert {token.value for token in tokens} == {"token-2"}
    assert (await sign_in.token(APP, refused=refused)).value == "token-2"
    assert len(login.asked) == 2


async def test_a_waiter_that_leaves_does_not_end_the_fetch_for_the_others(sign_in: SignIn, login: FakeLogin) -> None:
    leaving = asyncio.ensure_future(sign_in.token(APP))
    staying = asyncio.ensure_future(sign_in.token(APP))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying).value == "token-1"


async def test_a_refused_app_is_not_asked_for_by_each_of_its_mailboxes(sign_in: SignIn, login: FakeLogin) -> None:
    login.refuses = SignInError(Meaning.CREDENTIAL_INVALID, "wrong secret")
    for number in range(20):
        with pytest.raises(SignInError, match="wrong secret"):
            await sign_in.token(replace(APP, owner=f"contoso/p{number}"))

    assert len(login.asked) == 1


async def test_whoever_shares_a_refused_app_is_told_where_their_own_secret_stands(
    sign_in: SignIn, login: FakeLogin
) -> None:
    body = json.dumps({"error": "invalid_client", "error_codes": [7000222]}).encode()
    login.refuses = sign_in_refusal(SignInAnswer(401, {}, body, START, APP))

    async def told(place: str) -> bool:
        with pytest.raises(SignInError) as caught:
            await sign_in.token(replace(APP, place=place))
        return f"and store its value in {place}." in (caught.value.remedy or "")

    assert await asyncio.gather(told("Secret one"), told("Secret two")) == [True, True], (
        "who waited for the same answer"
    )
    assert await told("Secret three"), "who came a moment later"
    assert len(login.asked) == 1


async def test_a_repaired_secret_works_at_once(sign_in: SignIn, login: FakeLogin) -> None:
    login.refuses = SignInError(Meaning.CREDENTIAL_INVALID, "wrong secret", retry_after=60)
    with pytest.raises(SignInError):
        await sign_in.token(APP)
    login.refuses = None

    assert (await sign_in.token(replace(APP, client_secret="s-2"))).value == "token-2"


async def test_an_app_that_was_mended_in_entra_works_at_once_for_a_person_who_asks(
    sign_in: SignIn, login: FakeLogin
) -> None:
    login.refuses = SignInError(Meaning.CREDENTIAL_INVALID, "unknown certificate")
    with pytest.raises(SignInError):
        await sign_in.token(APP)
    login.refuses = None
    with pytest.raises(SignInError, match="unknown certificate"):
        await sign_in.token(APP)

    assert (await sign_in.token(APP, forced=True)).value == "token-2"
    assert (await sign_in.token(APP)).value == "token-2"


async def test_a_throttle_holds_for_a_person_too(sign_in: SignIn, login: FakeLogin) -> None:
    login.refuses = SignInError(Meaning.THROTTLED, "too fast", retry_after=30)
    for _ in range(2):
        with pytest.raises(SignInError, match="too fast"):
            await sign_in.token(APP, forced=True)

    assert len(login.asked) == 1


async def test_the_row_s_own_token_is_used_while_it_is_valid(sign_in: SignIn, login: FakeLogin) -> None:
    token = jwt(tid="d-9", scp="Mail.Read User.Read")
    row = replace(USER, access_token=token, access_token_expires_at=START + timedelta(minutes=6))

    got = await sign_in.token(row)

    assert (got.value, got.directory, got.scopes, got.rotated) == (token, "d-9", ("Mail.Read", "User.Read"), None)
    assert login.asked == []


async def test_a_row_s_token_that_is_about_to_expire_is_not_used(sign_in: SignIn, login: FakeLogin) -> None:
    row = replace(USER, access_token="old", access_token_expires_at=START + timedelta(minutes=5))

    got = await sign_in.token(row)

    assert got.value == "token-1"
    assert got.rotated is not None
    assert (got.rotated.refresh_token, got.rotated.replaces) == ("refresh-1", "refresh-0")
    assert got.rotated.expires_at == START + HOUR
    assert login.asked == [("user", "common", "app-1", "refresh-0", "https://graph.example.com/Mail.Read")]


async def test_a_token_without_a_known_end_is_judged_by_its_own_claim(sign_in: SignIn, login: FakeLogin) -> None:
    good = jwt(exp=(START + HOUR).timestamp())
    assert (await sign_in.token(replace(USER, access_token=good))).value == good

    assert (await sign_in.token(replace(USER, access_token="opaque"))).value == "token-1"
    assert (await sign_in.token(replace(USER, access_token="opaque", refresh_token=None))).value == "opaque"


async def test_a_user_s_token_is_kept_and_its_rotation_repeated_until_the_row_has_it(
    sign_in: SignIn, login: FakeLogin
) -> None:
    first = await sign_in.token(USER)
    assert (await sign_in.token(USER)).rotated == first.rotated

    stored = replace(USER, refresh_token="refresh-1", access_token="token-1", access_token_expires_at=START + HOUR)
    assert (await sign_in.token(stored)).rotated is None
    assert len(login.asked) == 1


async def test_tokens_that_the_product_rotated_replace_ours(sign_in: SignIn, login: FakeLogin) -> None:
    await sign_in.token(USER)

    got = await sign_in.token(replace(USER, refresh_token="the product's"))

    assert got.rotated is not None
    assert got.rotated.replaces == "the product's"
    assert len(login.asked) == 2


async def test_users_share_no_token_even_with_one_refresh_token(sign_in: SignIn, login: FakeLogin) -> None:
    mine, theirs = await asyncio.gather(sign_in.token(USER), sign_in.token(replace(USER, owner="fabrikam/p2")))

    assert mine.value != theirs.value


async def test_a_user_who_asks_twice_at_once_spends_one_refresh(sign_in: SignIn, login: FakeLogin) -> None:
    await asyncio.gather(*(sign_in.token(USER) for _ in range(5)))

    assert len(login.asked) == 1


async def test_a_refused_row_token_leads_to_a_refresh(sign_in: SignIn, login: FakeLogin) -> None:
    row = replace(USER, access_token="refused", access_token_expires_at=START + HOUR)

    assert (await sign_in.token(row, refused="refused")).value == "token-1"


async def test_a_forgotten_owner_leaves_no_token_behind(sign_in: SignIn, login: FakeLogin) -> None:
    await sign_in.token(USER)
    sign_in.forget(USER.owner)
    await sign_in.token(USER)

    assert len(login.asked) == 2


@pytest.mark.parametrize(
    "credential",
    [
        Credential("o", "common", "app-1", "", client_secret="s"),
        Credential("o", "d-1", "app-1", ""),
        Credential("o", "d-1", "app-1", "f", access_token="old", access_token_expires_at=START),
    ],
)
async def test_without_a_way_to_sign_in_a_person_must(sign_in: SignIn, credential: Credential) -> None:
    with pytest.raises(SignInError) as caught:
        await sign_in.token(credential)

    assert caught.value.meaning is Meaning.INTERACTION_REQUIRED
    assert caught.value.remedy


async def test_a_call_that_graph_refuses_for_its_token_is_made_once_more(sign_in: SignIn) -> None:
    used: list[str] = []

    async def call(token: Token) -> str:
        used.append(token.value)
        if len(used) == 1:
            raise GraphRefused(Meaning.UNAUTHORIZED, "expired")
        return "done"

    assert await with_fresh_token(sign_in, APP, call) == "done"
    assert used == ["token-1", "token-2"]


async def test_a_call_is_made_no_third_time(sign_in: SignIn) -> None:
    used: list[str] = []

    async def call(token: Token) -> None:
        used.append(token.value)
        raise GraphRefused(Meaning.UNAUTHORIZED, "still no")

    with pytest.raises(GraphRefused):
        await with_fresh_token(sign_in, APP, call)
    assert len(used) == 2


async def test_another_failure_is_not_repeated(sign_in: SignIn, login: FakeLogin) -> None:
    async def call(token: Token) -> None:
        raise GraphRefused(Meaning.GONE, "gone")

    with pytest.raises(GraphRefused):
        await with_fresh_token(sign_in, APP, call)
    assert len(login.asked) == 1


def test_a_token_is_read_without_being_shown() -> None:
    value = jwt(tid="d-9", roles=["Mail.Read", 7])
    token = describe(value, directory="common", expires_at=START)

    assert (token.directory, token.roles) == ("d-9", ("Mail.Read",))
    assert value not in repr(token)


@pytest.mark.parametrize(
    "value", ["", "opaque", "a.b.c", "a.!!!.c", f"a.{base64.b64encode(b'[1]').decode()}.c", "x." * 40_000]
)
def test_a_token_that_cannot_be_read_still_works(value: str) -> None:
    assert read_claims(value) == {}
    assert describe(value, directory="d-1", expires_at=None).directory == "d-1"


@pytest.mark.parametrize(
    ("base_url", "resource"),
    [
        ("https://graph.microsoft.com/v1.0", "https://graph.microsoft.com"),
        ("https://microsoftgraph.chinacloudapi.cn/v1.0/", "https://microsoftgraph.chinacloudapi.cn"),
        ("https://localhost:8443/v1.0", "https://localhost:8443"),
    ],
)
def test_scopes_begin_with_the_cloud_s_graph(base_url: str, resource: str) -> None:
    assert graph_resource(base_url) == resource
