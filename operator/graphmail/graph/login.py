"""The way to Microsoft sign-in: msal over an HTTP session of our own. Blocking; `SignIn` runs it in threads.

Each token is fetched with a new msal application. msal hides a refusal for a minute and a throttle for as long as it lasts,
keeps tokens of its own, and cannot be told to forget them for one user; a new application remembers nothing, so a repaired
credential works at once and no user's token lies in a shared cache. What makes a new one cheap is that the answers of
OpenID discovery are remembered here.
"""

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import msal  # type: ignore[import-untyped]  # msal ships no types
import requests

from graphmail.graph.answers import read_json
from graphmail.graph.errors import SignInError
from graphmail.graph.login_proof import Proof, proof_of
from graphmail.graph.meaning import Meaning
from graphmail.graph.signin_table import SignInAnswer, sign_in_refusal
from graphmail.graph.trust import ca_bundle
from graphmail.provider import Credential

TIMEOUT = (10.0, 20.0)
"""Seconds to connect, and to wait for a part of the answer."""
WHOLE_ANSWER = 30.0
"""Seconds for all parts of it: one that trickles in would keep a thread for as long as it likes."""
MAX_ANSWER = 1024 * 1024
"""Bytes."""
DISCOVERY_LASTS = timedelta(hours=1)

_CA_REMEDY = "Where the network inspects TLS, name its CA bundle in SSL_CERT_FILE (or REQUESTS_CA_BUNDLE)."


@dataclass(frozen=True, slots=True)
class Grant:
    """What sign-in gave."""

    access_token: str = field(repr=False)
    lasts: timedelta
    refresh_token: str | None = field(default=None, repr=False)
    proof: str = ""
    """What the app proved itself with, for people."""
    proof_expires_at: datetime | None = None
    """When the certificate ends that it was proved with."""


@dataclass(frozen=True, slots=True)
class Response:
    """What msal wants of an answer. It is always a success: refusals are raised before msal sees them."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Nothing to raise."""


class Login:
    """Fetches tokens from one cloud's sign-in."""

    def __init__(
        self,
        base_url: str,
        *,
        verify: bool | str | None,
        clock: Callable[[], datetime],
        whole_answer: float = WHOLE_ANSWER,
    ) -> None:
        """`verify`: a CA bundle. None takes the one that the environment names, and without it certifi's."""
        self._whole_answer = whole_answer
        self._base = base_url.rstrip("/")
        self._verify = verify if verify is not None else ca_bundle()
        self._clock = clock
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._discovered: dict[str, tuple[datetime, Response]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def for_app(self, credential: Credential, scope: str) -> Grant:
        """A token for the app itself.

        Raises:
            SignInError: there is none.
        """
        door = Door(self, credential, proof_of(credential, now=self._clock()))
        with door.translated():
            return door.grant(self._application(door).acquire_token_for_client(scopes=[scope]))

    def for_user(self, credential: Credential, scope: str) -> Grant:
        """A token for the user whose refresh token it is, and a new refresh token. msal asks for `offline_access` by itself.

        Raises:
            SignInError: there is none.
        """
        door = Door(self, credential, proof_of(credential, now=self._clock()))
        with door.translated():
            app = self._application(door)
            return door.grant(app.acquire_token_by_refresh_token(credential.refresh_token, scopes=[scope]))

    def answer(self, method: str, url: str, **what: Any) -> tuple[int, Mapping[str, str], bytes]:
        """One exchange: status, headers, body. `verify` goes with each request, since from a session it would yield to
        REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE (requests, SSL certificate verification). Proxies come from the environment."""
        with (
            self._session.request(
                method, url, timeout=TIMEOUT, allow_redirects=False, stream=True, verify=self._verify, **what
            ) as response,
            _cut_off(response, self._whole_answer),
        ):
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) >= MAX_ANSWER:
                    break
            return response.status_code, response.headers, bytes(body[:MAX_ANSWER])

    def remembered(self, url: str) -> Response | None:
        """The answer to this question of OpenID discovery, if it was asked within the hour."""
        with self._lock:
            until, response = self._discovered.get(url, (None, None))
            return response if until is not None and self._clock() < until else None

    def remember(self, url: str, response: Response) -> None:
        """Keep an answer of OpenID discovery."""
        with self._lock:
            self._discovered[url] = (self._clock() + DISCOVERY_LASTS, response)

    def now(self) -> datetime:
        """What the clock shows."""
        return self._clock()

    def _application(self, door: "Door") -> Any:
        """No instance discovery: the login's address comes from our own settings, and is as trusted as they are."""
        authority = f"{self._base}/{quote(door.credential.directory or 'common', safe='')}"
        common: dict[str, Any] = {"authority": authority, "instance_discovery": False, "http_client": door}
        client_id, proof = door.credential.client_id, door.proof
        if proof is None:
            return msal.PublicClientApplication(client_id, **common)
        return msal.ConfidentialClientApplication(
            client_id, client_credential=proof.client_credential, azure_region=False, **common
        )


class Door:
    """What msal takes for its HTTP client, for one token. Refusals and nonsense are raised here, before msal interprets them:
    it would turn some into dicts, some into ValueErrors, and write an answer that is no JSON, token and all, to its log."""

    def __init__(self, login: Login, credential: Credential, proof: Proof | None) -> None:
        self.credential = credential
        self.proof = proof
        self._login = login

    def get(self, url: str, **what: Any) -> Response:
        """OpenID discovery."""
        response = self._login.remembered(url)
        if response is None:
            response = self._success("GET", url, **what)
            self._login.remember(url, response)
        return response

    def post(self, url: str, **what: Any) -> Response:
        """A request for a token."""
        return self._success("POST", url, **what)

    def close(self) -> None:
        """The connections are the login's."""

    def grant(self, result: Any) -> Grant:
        """Read what msal made of the answer."""
        access_token = result.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise self._refusal(200, {}, json.dumps(result, default=str).encode())
        refresh_token = result.get("refresh_token")
        return Grant(
            access_token=access_token,
            lasts=timedelta(seconds=_seconds(result.get("expires_in"))),
            refresh_token=refresh_token if isinstance(refresh_token, str) and refresh_token else None,
            proof=self.proof.name if self.proof else "",
            proof_expires_at=self.proof.expires_at if self.proof else None,
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Foreign failures as SignInError."""
        try:
            yield
        except SignInError:
            raise
        except requests.exceptions.SSLError as error:
            text = "Microsoft sign-in cannot be trusted: its certificate does not verify"
            raise SignInError(Meaning.TRANSIENT, text, remedy=_CA_REMEDY) from error
        except (requests.RequestException, OSError) as error:
            text = f"Microsoft sign-in could not be reached ({type(error).__name__})"
            raise SignInError(Meaning.TRANSIENT, text) from error
        except Exception as error:
            text = f"Microsoft sign-in gave an answer that cannot be used ({type(error).__name__})"
            raise SignInError(Meaning.UNKNOWN, text) from error

    def _success(self, method: str, url: str, **what: Any) -> Response:
        status, headers, body = self._login.answer(method, url, **what)
        if status != 200:
            raise self._refusal(status, headers, body)
        if not isinstance(read_json(body), dict):
            raise SignInError(Meaning.TRANSIENT, "Microsoft sign-in gave an answer that is no JSON", status=status)
        return Response(status, body.decode(errors="replace"), headers)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> SignInError:
        return sign_in_refusal(
            SignInAnswer(status, headers, body, self._login.now(), self.credential, proof=self.proof)
        )


@contextmanager
def _cut_off(response: requests.Response, seconds: float) -> Iterator[None]:
    """End the answer after that time, whatever is still to come of it."""

    def cut() -> None:
        with suppress(ValueError, RuntimeError, OSError):  # it has just ended by itself
            response.raw.shutdown()

    end = threading.Timer(seconds, cut)
    end.daemon = True
    end.start()
    try:
        yield
    finally:
        end.cancel()


def _seconds(value: Any) -> float:
    """How long the token lasts; an hour where the answer does not say, which is the least that Microsoft issues."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 3600.0
    return min(max(seconds, 0.0), 7 * 86400.0) if math.isfinite(seconds) else 3600.0
