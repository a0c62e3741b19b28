"""The notification URL, as Graph would try it: it resolves, and answers the handshake."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx

from graphmail.cli.check.findings import Finding, ok, skipped, warning
from graphmail.cli.check.ground import Ground

NAME = "notifications"
SECONDS = 10.0
"""What Graph allows (Microsoft Graph, change notifications delivered through webhooks)."""
REMEDY = "see that the product's webhook route, or the receiver, runs there, and that Microsoft can reach it"


async def check_endpoint(ground: Ground) -> AsyncIterator[Finding]:
    """Tried from here, which is not where Graph is: trouble is a warning."""
    url = ground.settings.notification_url if ground.settings else None
    if url is None:
        yield skipped(NAME, "APPLICATION_URL is not set" if ground.settings else "settings are wrong")
    urls = {
        "APPLICATION_URL": url,
        "GRAPHMAIL_RECEIVER_URL": ground.settings.lifecycle_url if ground.settings else None,
    }
    for setting, each in urls.items():
        if each is not None:
            yield await _tried(each, setting)


async def _tried(url: str, setting: str) -> Finding:
    host = urlsplit(url).hostname or ""
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None)
    except (socket.gaierror, UnicodeError):
        return warning(NAME, f"{host} does not resolve from here", f"see {setting}")
    trouble = await shake_hands(url)
    return warning(NAME, f"{url} {trouble}", REMEDY) if trouble else ok(NAME, f"{url} answers the handshake")


async def shake_hands(url: str) -> str:
    """What is wrong with the answer to Graph's handshake; empty when nothing is.

    Graph posts a `validationToken` in the query, and wants 200, text/plain and the decoded token within ten seconds; it follows no
    redirect.
    """
    token = f"Validation: graphmail check {secrets.token_hex(8)} + ä"
    try:
        async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as http:
            response = await http.post(url, params={"validationToken": token}, headers={"content-type": "text/plain"})
    except httpx.TimeoutException:
        return f"does not answer within {SECONDS:.0f} s"
    except httpx.HTTPError as error:
        return f"cannot be reached: {type(error).__name__}"
    if response.status_code != 200:
        return f"answers the handshake with {response.status_code} instead of 200"
    kind = response.headers.get("content-type", "nothing").partition(";")[0]
    if kind != "text/plain":
        return f"answers the handshake with {kind} instead of text/plain"
    return "" if response.text == token else "answers the handshake with another text than the decoded token"
