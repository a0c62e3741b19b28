"""A provider's row as discovery reads it."""

from datetime import UTC, datetime

from graphmail.provider import Provider, ProviderKey

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ROW = Provider(
    key=ProviderKey("t1", "p1"),
    mailbox="ann@example.com",
    active=True,
    pause_reason=None,
    polling=False,
    folders=(),
    subscription_id=None,
    expires_at=None,
    credential="row-1",
    last_notification_at=None,
    updated_at=NOW,
)
