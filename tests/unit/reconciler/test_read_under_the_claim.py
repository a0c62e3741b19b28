"""What is read of the row under a claim counts, also where Postgres goes away right after it (design, rule 1)."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from graphmail.database import AccessDenied, Claim, Recorded, RowFate
from graphmail.fleet import Access
from graphmail.observability.metrics import Metrics, Store
from graphmail.provider import Outcome, ProviderKey, ProviderState
from graphmail.resource import GraphMailSubscription
from support.reconciling import CREDENTIAL, HELD, HOOK, NOW, Desk, Microsoft, Play, Reply

KEY = ProviderKey("t1", "p1")
ROW = ProviderState(KEY, "ann@example.com", True, CREDENTIAL, "state", None, None)
FOUND = Reply(
    200,
    body=f'{{"id": "{HELD}", "expirationDateTime": "2026-11-27T06:00:00Z", "notificationUrl": "{HOOK}?gms=here.p1.inbox", '
    f'"resource": "/users/ann@example.com/mailFolders(\'inbox\')/messages"}}'.encode(),
)


class Rows:
    """Postgres, where another process records its subscription while this one waits for its claim; then a call to it fails."""

    def __init__(self) -> None:
        self.play: Play
        self.recorded: list[Outcome] = []

    async def claim(self, key: ProviderKey, _action: str, *, limit: int) -> Claim:
        assert limit
        state = dataclasses.replace(ROW, subscription_id=HELD, expires_at=NOW + timedelta(days=6))
        self.play.stores.lost(Store.POSTGRES)
        return Claim(key, 2, NOW + timedelta(minutes=2), state=state)

    async def record(self, claim: Claim, outcome: Outcome, **_: Any) -> Recorded:
        self.recorded.append(outcome)
        return Recorded(claim.key, RowFate.WRITTEN)

    async def release(self, _claim: Claim, *, settled: bool) -> bool:
        return settled


class RowDesk(Desk):
    """Reads the row, which knew of no subscription at first; under a claim, it may be refused to complete it."""

    def __init__(self, *, refuses: bool) -> None:
        super().__init__()
        self._refuses = refuses

    async def of(self, _resource: GraphMailSubscription, claim: Claim | None = None) -> Access:
        if claim is None or claim.state is None:
            return Access(CREDENTIAL, "state", None)
        if self._refuses:
            raise AccessDenied("permission denied")
        return Access(CREDENTIAL, "state", claim.state.subscription_id, claim.state.expires_at)


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_subscription_that_another_process_has_recorded_is_adopted_and_no_twin_is_made(refuses: bool) -> None:
    rows, microsoft = Rows(), Microsoft([FOUND])
    play = Play(microsoft, {}, metrics=Metrics(list, "0"), desk=RowDesk(refuses=refuses), database=rows)
    rows.play = play
    await play.look()
    assert {call.method for call in microsoft.asked} == {"GET"}
    assert [outcome.subscription_id for outcome in rows.recorded][:1] == [HELD]
    await play.http.aclose()
