"""The product's own renewal loop, imitated: what runs beside the operator when nobody has turned it off."""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from support.stage import LIVE_HOURS, Stage
from support.waiting import eventually

_ENDED = frozenset({401, 403, 410, 429})
"""And everything from 500 on: it marks the provider in error at once, whatever comes later."""
_DUE = """
SELECT p.id, p.tenant, p.mailbox, c.* FROM email_providers p
JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id
WHERE p.provider_type = 'microsoft' AND p.is_active ORDER BY p.mailbox
"""


class _Refused(Exception):
    """Graph or sign-in said no."""


@dataclass
class Rival:
    """Every so often, all providers, one after the other, without a lock, a limit, a backoff or a look at Retry-After.

    Attributes:
        asked: its own calls of Graph and of sign-in, by method.
        created: the subscriptions that it asked for.
        sweeps: how often it has gone through all of them.
        rotates: it fetches new tokens in each sweep, as if those of the row had always just run out.
        resting: held, it begins nothing.
    """

    stage: Stage
    http: httpx.AsyncClient
    rotates: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    created: int = 0
    sweeps: int = 0
    resting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def has_swept(self) -> None:
        """Return once it has gone through all providers that there are now."""
        before = self.sweeps
        await eventually(lambda: self.sweeps >= before + 2, "the rival has swept")

    async def work(self, pause_seconds: float) -> None:
        """For ever; its quarter of an hour is the pause."""
        while True:
            async with self.resting:
                await self.sweep()
            await asyncio.sleep(pause_seconds)

    async def sweep(self) -> None:
        """All providers once."""
        for row in self.stage.product.run(_DUE):
            try:
                await self._renew(row, await self._token(row))
            except _Refused as error:
                self.stage.product.set_provider(row["id"], status="error", error_message=str(error))
        self.sweeps += 1

    async def _renew(self, row: dict[str, Any], token: str) -> None:
        """List, newest message, clean-up, PATCH; 404 recreates, and deletes the old one before it makes the new one."""
        listed = (await self._graph("GET", "/subscriptions", token)).json()["value"]
        newest = {"$top": "1", "$orderby": "receivedDateTime desc", "$select": "id"}
        await self._graph("GET", f"/{self._root(row)}/mailFolders/inbox/messages", token, params=newest)
        for found in listed:
            if found["notificationUrl"] == self._url and found["id"] != row["webhook_subscription_id"]:
                await self._graph("DELETE", f"/subscriptions/{found['id']}", token, missing=True)
        held, body = row["webhook_subscription_id"], {"expirationDateTime": _in_sixty_hours()}
        renewed = await self._graph("PATCH", f"/subscriptions/{held}", token, json=body, missing=True)
        if held is None or renewed.status_code == 404:
            renewed = await self._recreate(row, token)
        self._write(row, renewed.json())

    async def _recreate(self, row: dict[str, Any], token: str) -> httpx.Response:
        await self._graph("DELETE", f"/subscriptions/{row['webhook_subscription_id']}", token, missing=True)
        body = {
            "changeType": "created",
            "resource": f"{self._root(row)}/mailFolders('inbox')/messages",
            "notificationUrl": self._url,
            "clientState": row["webhook_verification_token"] or "product",
            "expirationDateTime": _in_sixty_hours(),
        }
        self.created += 1
        return await self._graph("POST", "/subscriptions", token, json=body)

    def _write(self, row: dict[str, Any], renewed: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        self.stage.product.set_config(
            row["id"],
            webhook_subscription_id=renewed["id"],
            webhook_expires_at=renewed["expirationDateTime"],
            last_subscription_renewal=now,
        )
        self.stage.product.run(
            "UPDATE email_provider_health SET subscription_status = 'healthy', last_renewal_attempt_at = %s, "
            "last_renewal_result = 'success', updated_at = now() WHERE tenant = %s AND provider_id = %s::text",
            now,
            row["tenant"],
            row["id"],
        )

    # --- calls -------------------------------------------------------------------------------------------------------

    async def _token(self, row: dict[str, Any]) -> str:
        """The row's own while it is good, else a new one, which is written whatever stands there by now."""
        good = row["access_token"] and row["token_expires_at"] and row["token_expires_at"] > datetime.now(UTC)
        if good and not self.rotates:
            return str(row["access_token"])
        form = {"client_id": row["client_id"], "client_secret": row["client_secret"]}
        if row["refresh_token"]:
            form |= {"grant_type": "refresh_token", "refresh_token": row["refresh_token"]}
            form["scope"] = "https://graph.microsoft.com/Mail.Read offline_access"
        else:
            form |= {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
        answer = await self._call(
            "POST", f"{self.stage.simulator.login_url}/{row['tenant_id']}/oauth2/v2.0/token", data=form
        )
        tokens = answer.json()
        if row["refresh_token"]:
            self.stage.product.set_config(
                row["id"],
                access_token=tokens["access_token"],
                refresh_token=tokens["refresh_token"],
                token_expires_at=datetime.now(UTC) + timedelta(seconds=tokens["expires_in"]),
            )
        return str(tokens["access_token"])

    async def _graph(self, method: str, path: str, token: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._call(method, self.stage.simulator.graph_url + path, headers=headers, **more)

    async def _call(self, method: str, url: str, *, missing: bool = False, **more: Any) -> httpx.Response:
        """The answer; one that it cannot work with is the end for this provider, except for 404 where something may be missing."""
        self.asked[method] += 1
        answer = await self.http.request(method, url, **more)
        if answer.is_success or (missing and answer.status_code == 404):
            return answer
        assert answer.status_code in _ENDED or answer.status_code >= 400, answer.text
        raise _Refused(f"Graph answered {answer.status_code}")

    @property
    def _url(self) -> str:
        return self.stage.endpoint.url + self.stage.endpoint.path

    def _root(self, row: dict[str, Any]) -> str:
        return "me" if row["refresh_token"] else f"users/{row['mailbox']}"


@asynccontextmanager
async def rival(stage: Stage, *, rotates: bool = False, pause_seconds: float = 0.2) -> AsyncIterator[Rival]:
    """It runs until the end of the block; a defect of its own ends the test."""
    context = ssl.create_default_context(cafile=str(stage.simulator.ca_path))
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=60) as http:
        running = Rival(stage, http, rotates)
        work = asyncio.create_task(running.work(pause_seconds))
        try:
            yield running
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


def _in_sixty_hours() -> str:
    return (datetime.now(UTC) + timedelta(hours=LIVE_HOURS)).isoformat()
