"""With the triggers, a change is followed at once, however seldom the mirror asks by itself."""

from graphmail.database import migrate
from support.stage import Stage
from support.waiting import eventually

NOTIFIED = {
    "GRAPHMAIL_MIRROR_NOTIFY": "true",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "300",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "3600",
}
"""Nothing but a notification makes the mirror ask within the time of a test."""


async def test_new_and_changed_rows_are_followed_without_a_poll(stage: Stage) -> None:
    await migrate(stage.product.url, notify_trigger=True)
    first = stage.add_delegated()
    async with stage.operator(**NOTIFIED):
        await stage.ready(first)
        second = stage.add_delegated()
        await stage.ready(second)
        stage.product.set_provider(first.id, inbound_paused_at="2026-01-01", inbound_pause_reason="manual")
        await eventually(lambda: stage.resource(first)["spec"].get("suspend"), "the pause is followed")
        stage.product.run("UPDATE email_providers SET is_active = false WHERE id = %s", second.id)
        await eventually(
            lambda: not stage.live(second), "so is a change that leaves updated_at alone, through to Graph"
        )
