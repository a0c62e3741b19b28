"""Settings that are right each by itself, and do not fit together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from graphmail.settings.clouds import mismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphmail.settings.model import Settings

MIRROR_QUERIES_PER_MINUTE = 30
"""The most that the mirror asks of Postgres (design, rule 13)."""
_MINUTE = timedelta(minutes=1)


def contradictions(settings: Settings) -> Iterator[tuple[set[str], str]]:
    """The variables of each contradiction, and what to say of it."""
    if clouds := mismatch(settings.graph_base_url, settings.login_base_url):
        text = f"MICROSOFT_GRAPH_BASE_URL and MICROSOFT_LOGIN_BASE_URL do not fit: {clouds}"
        yield {"MICROSOFT_GRAPH_BASE_URL", "MICROSOFT_LOGIN_BASE_URL"}, text
    if settings.look_ahead >= settings.lifetime:
        text = (
            f"MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES is {settings.look_ahead / _MINUTE:g}: allowed is less than "
            f"GRAPHMAIL_LIFETIME_MINUTES, which is {settings.lifetime / _MINUTE:g}"
        )
        yield {"MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES", "GRAPHMAIL_LIFETIME_MINUTES"}, text
    for tenant, look_ahead in (settings.tenant_look_aheads or {}).items():
        if look_ahead >= settings.lifetime:
            text = (
                f"GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES is {look_ahead / _MINUTE:g} for tenant {tenant}: allowed is less than "
                f"GRAPHMAIL_LIFETIME_MINUTES, which is {settings.lifetime / _MINUTE:g}"
            )
            yield {"GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES", "GRAPHMAIL_LIFETIME_MINUTES"}, text
    if settings.database_url is not None and settings.application_url is None:
        text = "APPLICATION_URL is not set: with GRAPHMAIL_DATABASE_URL it must be an https URL that Graph can reach"
        yield {"GRAPHMAIL_DATABASE_URL", "APPLICATION_URL"}, text
    if settings.receiver_forward_url is not None and settings.receiver_url is None:
        text = (
            "GRAPHMAIL_RECEIVER_URL is not set: with GRAPHMAIL_RECEIVER_FORWARD_URL it must be the https URL at which Graph "
            "reaches the receiver"
        )
        yield {"GRAPHMAIL_RECEIVER_URL", "GRAPHMAIL_RECEIVER_FORWARD_URL"}, text
    poll, compare = settings.mirror_poll, settings.mirror_compare
    if _MINUTE / poll + _MINUTE / compare > MIRROR_QUERIES_PER_MINUTE:
        text = (
            f"GRAPHMAIL_MIRROR_POLL_SECONDS is {poll.total_seconds():g} and GRAPHMAIL_MIRROR_COMPARE_SECONDS is "
            f"{compare.total_seconds():g}: allowed is at most {MIRROR_QUERIES_PER_MINUTE} queries a minute from both"
        )
        yield {"GRAPHMAIL_MIRROR_POLL_SECONDS", "GRAPHMAIL_MIRROR_COMPARE_SECONDS"}, text
    for kind in ("writes", "reauthorize", "reads", "lists"):
        tenant, app = (getattr(settings, f"quota_{kind}_per_{scope}") for scope in ("tenant", "app"))
        if tenant > app:
            name = f"GRAPHMAIL_QUOTA_{kind.upper()}_PER"
            text = f"{name}_TENANT is {tenant}: allowed is at most the app's, which is {app}"
            yield {f"{name}_TENANT", f"{name}_APP"}, text
