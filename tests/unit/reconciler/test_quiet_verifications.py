"""A verification that finds nothing new writes no status and no line, also where a token was fetched for a Secret."""

from datetime import timedelta

from structlog.testing import capture_logs

from graphmail.graph import Token
from graphmail.observability.metrics import Metrics
from graphmail.provider import Credential, RotatedTokens
from support.reconciling import DIRECTORY, HELD, HOOK, NOW, Microsoft, Play, Reply, holding

FOUND = Reply(
    200,
    body=f'{{"id": "{HELD}", "expirationDateTime": "2026-11-27T06:00:00Z", "notificationUrl": "{HOOK}?gms=here.p1.inbox"}}'.encode(),
)
ROTATED = RotatedTokens("access", NOW + timedelta(days=9), "refresh-2", "refresh-1")


class Delegated(Microsoft):
    """Sign-in for a user, whose refresh token is always another one than that in the Secret."""

    async def token(self, _credential: Credential, *, refused: str | None = None, forced: bool = False) -> Token:
        return Token("access", NOW + timedelta(days=9), DIRECTORY, rotated=ROTATED)


async def test_nothing_is_written_and_nothing_told_of_each_verification() -> None:
    microsoft = Delegated([FOUND])
    play = Play(microsoft, holding(hours=162), metrics=Metrics(list, "0"), verified_hours_ago=2)
    await play.look()
    written = play.api.asked
    with capture_logs() as lines:
        while play.now() < NOW + timedelta(hours=10):
            await play.look()
    assert len(microsoft.asked) >= 9
    assert play.api.asked == written
    assert [line for line in lines if line["log_level"] == "info" and "verify" in line["event"]] == []
    await play.http.aclose()
