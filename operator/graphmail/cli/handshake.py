"""Graph's handshake with a URL that it is to post to, tried step by step as Graph does it.

Graph posts a `validationToken` in the query, and wants 200, text/plain and the decoded token within ten seconds. It follows no redirect,
and trusts public authorities alone (Microsoft Graph, change notifications delivered through webhooks).
"""

import asyncio
import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from graphmail.graph.trust import ca_bundle, tls_context

LONGEST = 4_096
"""Bytes of an answer that are read; the token is far shorter."""
_LOOK_SECONDS = 10.0
"""What asking the public authorities may take, besides the attempt itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    answer: float = 10.0
    """What Graph allows for the handshake."""
    slow: float = 3.0
    """What Graph allows for a notification: an endpoint that is slower than this here will be so there."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, as the end of a sentence that begins with the URL; and what to do about it."""

    told: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Line:
    """A connection that was made, over TLS that was verified."""

    version: str
    subject: str
    issuer: str
    ends: datetime
    bundle: str | None = None
    """The bundle of ours that vouches for it; None: a public authority does, which is what Graph asks for."""

    @property
    def caveat(self) -> str:
        """The end of a sentence about it; empty where Graph would see it as we do."""
        return f"; {self.bundle} vouches for it: for Microsoft a public authority must" if self.bundle else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the handshake was answered with."""

    status: int
    kind: str
    """Its content type, without parameters."""
    location: str | None
    text: str


@dataclass(slots=True)
class Knock:
    """How far it went."""

    token: str
    line: Line | None = None
    answer: Answer | None = None
    seconds: float = 0.0
    trouble: Trouble | None = None
    """Why there is no answer, or none that Graph takes."""


def host_of(url: str) -> str:
    """Its host."""
    return urlsplit(url).hostname or ""


def shown(url: str) -> str:
    """The URL without its query, where people keep keys."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def resolve(host: str) -> list[str]:
    """The addresses of that host; none: it does not resolve from here."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return []
    return sorted({str(address[0]) for *_, address in found})


def proxied(host: str) -> bool:
    """A proxy of the environment is asked for that host, and it is the proxy that resolves its name."""
    proxies = getproxies()
    return bool(proxies.get("https") or proxies.get("all")) and not proxy_bypass(host)


async def knock(url: str, *, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> Knock:
    """Try the handshake.

    Args:
        clock: seconds.
    """
    limits = limits or Limits()
    bundle = await _needed_bundle(url)
    found = Knock(f"Validation: Testing client application reachability. Request-Id: {secrets.token_hex(16)}")
    began = clock()
    try:
        async with asyncio.timeout(limits.answer):
            found.answer = await _post(url, found, bundle)
    except (TimeoutError, httpx.TimeoutException):
        found.trouble = _too_late(found, limits)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        found.trouble = _unreached(url, error)
    found.seconds = clock() - began
    if found.answer is not None:
        found.trouble = judge(found.answer, found.token, url)
    return found


async def _needed_bundle(url: str) -> str | None:
    """The bundle that the environment names; None: the public authorities vouch for that endpoint without it.

    Such a bundle stands for Graph and sign-in as this network shows them. The endpoint is judged by Graph, which knows no bundle of ours.
    """
    bundle, parts = ca_bundle(), urlsplit(url)
    if bundle is None or parts.scheme != "https" or proxied(parts.hostname or ""):
        return bundle
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=_public())
    except ssl.SSLCertVerificationError as error:
        return None if error.verify_code in _WHOEVER_SIGNED else bundle
    except (OSError, ValueError):
        return bundle
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


def _public() -> ssl.SSLContext:
    """Trusts the public authorities alone, whatever the environment says."""
    return httpx.create_ssl_context(trust_env=False)


async def _post(url: str, found: Knock, bundle: str | None) -> Answer:
    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith("start_tls.complete"):  # the last one is the endpoint's: a proxy's comes before
            found.line = _line(info["return_value"].get_extra_info("ssl_object"), bundle)

    verify = _public() if bundle is None else tls_context(bundle)
    target = f"{url}{'&' if '?' in url else '?'}validationToken={quote_plus(found.token)}"
    headers = {"content-type": "text/plain; charset=utf-8"}
    async with (
        httpx.AsyncClient(timeout=None, follow_redirects=False, verify=verify) as http,  # noqa: S113  # bounded as a whole
        http.stream("POST", target, headers=headers, extensions={"trace": trace}) as response,
    ):
        text = await _beginning(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, kind, response.headers.get("location"), text)


async def _beginning(response: httpx.Response) -> str:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LONGEST:
            break
    return body[:LONGEST].decode(errors="replace")


def _line(secured: ssl.SSLObject | None, bundle: str | None) -> Line | None:
    certificate = secured.getpeercert() if secured is not None else None
    if secured is None or not certificate:
        return None
    return Line(
        secured.version() or "TLS",
        _name(certificate.get("subject"), "commonName") or _alternative(certificate) or "?",
        _name(certificate.get("issuer"), "organizationName") or _name(certificate.get("issuer"), "commonName") or "?",
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC),
        bundle,
    )


def _name(parts: Any, kind: str) -> str:
    return next((value for part in parts or () for key, value in part if key == kind), "")


def _alternative(certificate: dict[str, Any]) -> str:
    return next((value for _, value in certificate.get("subjectAltName", ())), "")


def _too_late(found: Knock, limits: Limits) -> Trouble:
    if found.line is None:
        return Trouble(
            f"takes no connection within {limits.answer:g} s",
            "let the firewall pass https from Microsoft's addresses, and see that something listens there",
        )
    return Trouble(
        f"does not answer the handshake within {limits.answer:g} s, after which Graph gives up",
        "let the route answer the validationToken at once, before it does anything else",
    )


# --- what an answer means --------------------------------------------------------------------------------------------


def judge(answer: Answer, token: str, url: str) -> Trouble | None:
    """What Graph would find wrong with that answer; None: nothing."""
    if 300 <= answer.status < 400:
        return _redirect(answer, url)
    if answer.status != 200:
        return Trouble(f"answers the handshake with {answer.status} instead of 200", _mend(answer.status))
    if answer.kind != "text/plain":
        return Trouble(
            f"answers the handshake with {answer.kind or 'no content type'} instead of text/plain",
            "send the token alone, with Content-Type: text/plain; a page in its place comes from a proxy or a catch-all route",
        )
    return None if answer.text == token else _wrong_token(answer.text, token)


def _redirect(answer: Answer, url: str) -> Trouble:
    leads = shown(urljoin(url, answer.location)) if answer.location else "nowhere: there is no Location"
    remedy = f"name {leads} as the notification URL" if answer.location else "let the route answer by itself"
    return Trouble(
        f"answers the handshake with a redirect ({answer.status}) to {leads}; Graph follows none",
        f"{remedy}, or take the redirect away for this path",
    )


def _mend(status: int) -> str:
    if status in {401, 403, 407}:
        return "let Graph in without a sign-in, a firewall rule or a challenge before this path: it proves itself by clientState"
    if status == 404:
        return "correct the path, or see that the route is deployed: nothing answers there"
    if status == 405:
        return "let the route take POST"
    if status == 429:
        return "exempt this path from the rate limit"
    if status >= 500:
        return "see the log of the product, or of the receiver, and of the proxy before it"
    return "answer with 200, and the token alone"


def _wrong_token(text: str, token: str) -> Trouble:
    told = "answers the handshake with another text than the decoded token"
    if text == quote_plus(token) or "%3A" in text.upper():
        return Trouble(f"{told}: it is still URL-encoded", "decode validationToken before it is sent back")
    if text.strip().strip("\"'") == token:
        return Trouble(f"{told}: there is something around it", "send the token alone, without quotes and line ends")
    if not text:
        return Trouble(f"{told}: with none", "send validationToken of the query back as the body")
    return Trouble(
        told, "send validationToken of the query back as the body, and let no cache or proxy answer in its place"
    )


# --- what went wrong on the way --------------------------------------------------------------------------------------

_OWN = "serve a certificate of a public authority: Graph trusts no other"
_CHAIN = "serve the whole chain, intermediate certificates included, of a public authority: Graph trusts no other"
_CERTIFICATES = {
    10: ("whose certificate has expired", "renew the certificate"),
    18: ("whose certificate is self-signed", _OWN),
    19: ("whose authority is not trusted", _OWN),
    20: ("whose certificate leads to no trusted authority", _CHAIN),
    21: ("whose certificate leads to no trusted authority", _CHAIN),
    62: ("whose certificate is for another name", "serve a certificate for {host}"),
    64: ("whose certificate is for another address", "name the host in the URL as the certificate does"),
}
"""By OpenSSL's number (x509_vfy.h)."""
_WHOEVER_SIGNED = frozenset({10, 62, 64})
"""Those of them that say nothing of the authority."""


def _unreached(url: str, error: BaseException) -> Trouble:
    host = host_of(url)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = (f"whose certificate cannot be trusted ({cause.verify_message})", _OWN)
            told, remedy = _CERTIFICATES.get(cause.verify_code, words)
            return Trouble(f"is {host}, {told}", remedy.format(host=host))
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "no reason given").replace("_", " ").lower()
            return Trouble(f"does not speak TLS as we know it: {reason}", "serve https there, with TLS 1.2 or newer")
        if isinstance(cause, ConnectionRefusedError):
            return Trouble(
                "cannot be reached: the connection is refused", "see that something listens there, on that port"
            )
    return Trouble(
        f"cannot be reached: {type(error).__name__}",
        "see that the product's webhook route, or the receiver, runs there, and that Microsoft can reach it",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from: the innermost knows most."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
