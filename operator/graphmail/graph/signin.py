"""Signing in: an access token for a credential, from the row, from memory, or from Microsoft."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self, TypeVar
from urllib.parse import urlsplit

from graphmail.graph.errors import GraphError, SignInError
from graphmail.graph.flights import Flights
from graphmail.graph.login import Grant, Login
from graphmail.graph.login_proof import generation
from graphmail.graph.meaning import Meaning
from graphmail.graph.signin_table import sign_in_again
from graphmail.graph.tokens import Token, describe
from graphmail.provider import Credential, CredentialKind, RotatedTokens

T = TypeVar("T")

MARGIN = timedelta(minutes=5)
"""A token that expires sooner than this is not used any more: the call may take a while, and clocks differ."""
REFUSAL_LASTS = 5.0
"""Seconds that a refused app is not asked for again by the others that share its credential."""
MAX_REFUSAL_LASTS = 60.0
WORK = 60.0
"""Seconds after which a fetch is given up, however slowly the answer trickles in."""
THREADS = 8
EXPIRES_SOON = timedelta(days=30)
"""A certificate that ends within this time is told of at each sign-in with it."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def graph_resource(graph_base_url: str) -> str:
    """What scopes begin with: `https://graph.microsoft.com` for `https://graph.microsoft.com/v1.0`, alike in every cloud."""
    parts = urlsplit(graph_base_url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token that we fetched, and until when it is used."""

    token: Token
    until: datetime


@dataclass(frozen=True, slots=True)
class _AppKey:
    """What shares one app-only token. The login is one for each `SignIn`."""

    directory: str
    client_id: str
    generation: str
    """Digest of what the app proves itself with."""


class SignIn:
    """Hands out access tokens. App-only: one for each directory, app and secret, certificate or workload identity. Delegated: one for
    each owner, never shared."""

    def __init__(
        self,
        login_base_url: str,
        graph_base_url: str,
        *,
        clock: Callable[[], datetime] = _utc_now,
        verify: bool | str | None = None,
        login: Login | None = None,
        expires_soon: Callable[[str, datetime], None] | None = None,
        signed_in: Callable[[str, str, datetime | None], None] | None = None,
    ) -> None:
        """`login_base_url`: `https://login.microsoftonline.com` or another cloud's. `verify`: see `Login`; an own one replaces both.
        `expires_soon`: told of a certificate that ends within 30 days, by a name for people, at each sign-in with it. `signed_in`: told at
        each sign-in of the app's client id, the place of its secret or certificate, and when that ends, where it says so."""
        self._resource = graph_resource(graph_base_url)
        self._clock = clock
        self._login = login or Login(login_base_url, verify=verify, clock=clock)
        self._expires_soon = expires_soon
        self._signed_in = signed_in
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sign-in")
        self._flights: Flights[_Kept] = Flights()
        self._apps: dict[_AppKey, _Kept] = {}
        self._refusals: dict[_AppKey, tuple[float, SignInError]] = {}
        self._users: dict[str, _Kept] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give up what is under way, and close all connections."""
        await self._flights.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._login.close()

    async def token(self, credential: Credential, *, refused: str | None = None, forced: bool = False) -> Token:
        """An access token that Graph should take.

        Args:
            credential: what signs in.
            refused: a token that Graph did not take: another is given.
            forced: a person asks, who may have mended the app in Entra a moment ago: no remembered refusal is the answer.

        Raises:
            SignInError: there is none to be had.
        """
        if credential.kind is CredentialKind.APP_ONLY:
            return await self._app_token(credential, refused, forced=forced)
        if credential.kind is CredentialKind.DELEGATED:
            return await self._user_token(credential, refused)
        raise SignInError(
            Meaning.INTERACTION_REQUIRED,
            "there is no credential yet",
            remedy="Somebody must sign in and consent first.",
        )

    def forget(self, owner: str) -> None:
        """Drop what is remembered for a provider that is gone."""
        self._users.pop(owner, None)

    async def _app_token(self, credential: Credential, refused: str | None, *, forced: bool) -> Token:
        key = _AppKey(credential.directory, credential.client_id, generation(credential))
        kept = self._apps.get(key)
        if kept is not None and self._good(kept, refused):
            return kept.token
        try:
            self._raise_recent_refusal(key, forced=forced)
            kept = await self._flights.join(key, partial(self._fetch_app_token, key, credential))
        except SignInError as error:
            if error.told_to is None:
                raise
            raise error.told_to(credential) from error.__cause__
        return kept.token

    async def _fetch_app_token(self, key: _AppKey, credential: Credential) -> _Kept:
        self._apps.pop(key, None)
        fetch = partial(self._login.for_app, credential, f"{self._resource}/.default")
        try:
            grant = await self._in_thread(fetch)
        except SignInError as error:
            lasts = min(error.retry_after or REFUSAL_LASTS, MAX_REFUSAL_LASTS)
            self._refusals[key] = (asyncio.get_running_loop().time() + lasts, error)
            raise
        kept = self._keep(grant, key.directory)
        self._tell_of_expiry(grant, credential)
        now = self._clock()
        self._apps = {other: fresh for other, fresh in self._apps.items() if fresh.until > now}
        self._apps[key] = kept
        return kept

    def _raise_recent_refusal(self, key: _AppKey, *, forced: bool) -> None:
        """Thousands of mailboxes share one app: when it is refused, they need not all be told by Microsoft. A throttle holds for
        everybody."""
        until, error = self._refusals.get(key, (0.0, None))
        if error is None:
            return
        overruled = forced and error.meaning is not Meaning.THROTTLED
        if asyncio.get_running_loop().time() < until and not overruled:
            raise error.with_traceback(None)
        del self._refusals[key]

    async def _user_token(self, credential: Credential, refused: str | None) -> Token:
        """The row's own token while it is good, then ours, then a new one (rule: tokens are shared with the product)."""
        kept = self._ours(credential)
        row = self._row_token(credential, refused)
        if row is not None:
            return replace(row, rotated=_unstored(kept, credential))
        if kept is not None and self._good(kept, refused):
            return replace(kept.token, rotated=_unstored(kept, credential))
        if not credential.refresh_token:
            raise SignInError(
                Meaning.INTERACTION_REQUIRED,
                "the access token has expired or is refused, and there is no refresh token",
                remedy=sign_in_again(credential),
            )
        key = (credential.owner, credential.client_id, credential.refresh_token, generation(credential))
        kept = await self._flights.join(key, partial(self._fetch_user_token, credential, credential.refresh_token))
        return kept.token

    async def _fetch_user_token(self, credential: Credential, refresh_token: str) -> _Kept:
        grant = await self._in_thread(partial(self._login.for_user, credential, f"{self._resource}/Mail.Read"))
        kept = self._keep(grant, credential.directory, replaces=refresh_token)
        self._tell_of_expiry(grant, credential)
        self._users[credential.owner] = kept
        return kept

    def _row_token(self, credential: Credential, refused: str | None) -> Token | None:
        if not credential.access_token or credential.access_token == refused:
            return None
        token = describe(
            credential.access_token, directory=credential.directory, expires_at=credential.access_token_expires_at
        )
        if token.expires_at is None:
            return None if credential.refresh_token else token
        return token if self._clock() < token.expires_at - MARGIN else None

    def _ours(self, credential: Credential) -> _Kept | None:
        """What we fetched for this owner, if the row still has the refresh token that we used, or the one that we got."""
        kept = self._users.get(credential.owner)
        rotated = kept.token.rotated if kept else None
        if rotated and credential.refresh_token in {rotated.replaces, rotated.refresh_token}:
            return kept
        self._users.pop(credential.owner, None)
        return None

    def _good(self, kept: _Kept, refused: str | None) -> bool:
        return kept.token.value != refused and self._clock() < kept.until

    def _keep(self, grant: Grant, directory: str, *, replaces: str | None = None) -> _Kept:
        now = self._clock()
        expires_at = now + grant.lasts
        rotated = None
        if replaces is not None:
            rotated = RotatedTokens(grant.access_token, expires_at, grant.refresh_token or replaces, replaces)
        token = describe(grant.access_token, directory=directory, expires_at=expires_at, rotated=rotated)
        return _Kept(token, until=expires_at - min(MARGIN, grant.lasts / 2))

    def _tell_of_expiry(self, grant: Grant, credential: Credential) -> None:
        ends = grant.proof_expires_at
        if self._signed_in is not None:
            self._signed_in(credential.client_id, credential.place, ends)
        if self._expires_soon is not None and ends is not None and ends - self._clock() <= EXPIRES_SOON:
            self._expires_soon(f"{grant.proof} of app {credential.client_id}, in {credential.place}", ends)

    async def _in_thread(self, fetch: Callable[[], Grant]) -> Grant:
        try:
            async with asyncio.timeout(WORK):
                return await asyncio.get_running_loop().run_in_executor(self._threads, fetch)
        except TimeoutError as timeout:
            raise SignInError(Meaning.TRANSIENT, f"Microsoft sign-in did not answer within {WORK:.0f} s") from timeout


def _unstored(kept: _Kept | None, credential: Credential) -> RotatedTokens | None:
    """Our tokens, as long as the row does not show that they were stored."""
    rotated = kept.token.rotated if kept else None
    stored = rotated is not None and credential.access_token == rotated.access_token
    return None if stored else rotated


async def with_fresh_token(
    sign_in: SignIn, credential: Credential, call: Callable[[Token], Awaitable[T]], *, forced: bool = False
) -> T:
    """Make a call to Graph; when Graph refuses the token, make it once more with another. `forced`: see `SignIn.token`.

    Raises:
        SignInError: there is no token.
        GraphError: what the call raises, the second time a refusal of the token too.
    """
    token = await sign_in.token(credential, forced=forced)
    try:
        return await call(token)
    except GraphError as error:
        if error.meaning is not Meaning.UNAUTHORIZED:
            raise
    return await call(await sign_in.token(credential, refused=token.value))
