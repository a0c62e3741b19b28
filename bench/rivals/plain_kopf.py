"""A renewal operator as one writes it after Kopf's tutorial: a timer, httpx, `patch.status`. Run with `kopf run`.

It is favoured where it can be: its tokens stand in a file, so it never signs in and reads no row; it writes no Postgres; it has no
claims, no quota and no record of an intent; its finalizer stands on the resources already; and its client waits a minute for a
free connection, where httpx's default of five seconds would fail most of the first ticks.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import kopf

LOOK_AHEAD = timedelta(hours=24)
LIFETIME = timedelta(minutes=10_000)


@kopf.on.startup()
def start(memo: kopf.Memo, **_: Any) -> None:
    """Open the HTTP client, and read the tokens."""
    memo.tokens = json.loads(Path(os.environ["BENCH_TOKENS"]).read_text())
    memo.client = httpx.AsyncClient(base_url=os.environ["MICROSOFT_GRAPH_BASE_URL"], timeout=60)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Close it."""
    await memo.client.aclose()


@kopf.timer("graphmail.dev", "v1alpha1", "graphmailsubscriptions", interval=900)
async def renew(spec: kopf.Spec, status: kopf.Status, patch: kopf.Patch, memo: kopf.Memo, **_: Any) -> None:
    """Renew what expires within a day."""
    now = datetime.now(UTC)
    if datetime.fromisoformat(status["expirationTime"]) - now > LOOK_AHEAD:
        return
    response = await memo.client.patch(
        f"/subscriptions/{status['subscriptionID']}",
        json={"expirationDateTime": (now + LIFETIME).isoformat()},
        headers={"Authorization": f"Bearer {memo.tokens[spec['mailbox']]}"},
    )
    if response.status_code >= 400:
        raise kopf.TemporaryError(f"Graph answered {response.status_code}", delay=60)
    patch.status["expirationTime"] = _text(datetime.fromisoformat(response.json()["expirationDateTime"]))
    patch.status["lastRenewalTime"] = _text(now)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
