"""What Graph posts, read from bytes that anybody may have sent. Pure."""

import hmac
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from graphmail.provider import client_state_fingerprint
from graphmail.resource.lifecycle import LifecycleEvent

MOST_PARAMETERS = 50
MOST_ITEMS = 1_000
"""Notifications in a body. Graph's have 300 bytes at least, so that no more of them fit into what is read; of `{}` it would be 87,000."""
_TOKEN = "validationToken"  # noqa: S105  # the name of a parameter
_LONGEST_ID = 128
"""Characters of a subscription's id that are looked at; Graph's are UUIDs."""
_LONGEST_STATE = 1_024
"""Graph takes 128 characters."""


class Malformed(Exception):
    """It is nothing that Graph posts."""


class TooMany(Malformed):
    """There are more notifications in it than anybody sends."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One item of what was posted."""

    subscription_id: str
    """In small letters; empty where there is none."""
    event: str
    """The lifecycle event, as it was named; empty for a change."""
    state: str = field(repr=False)
    """Fingerprint of the clientState that came with it; empty where none did."""

    def proves(self, fingerprint: str) -> bool:
        """Whether it knows the clientState with this fingerprint. It takes equally long for any that it does not."""
        return bool(fingerprint) and hmac.compare_digest(self.state, fingerprint)


def read_token(query: str) -> str | None:
    """The decoded token of a handshake, from the query as it was sent; None: this is no handshake.

    Bytes that are no UTF-8 become replacement characters: whoever sent them is not Graph, and gets an answer all the same.

    Raises:
        Malformed: there are more parameters than anybody sends.
    """
    if _TOKEN not in query:
        return None
    try:
        parameters = parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise Malformed("too many parameters") from error
    return next((value for name, value in parameters if name == _TOKEN), None)


def token_answer(token: str) -> str:
    """The token as it is sent back: what could be taken for HTML or a script is escaped, as Microsoft asks for."""
    return html.escape(token.encode(errors="replace").decode())


def read_notifications(body: bytes) -> list[Notification]:
    """The items of a body.

    Raises:
        Malformed: it is not `{"value": [{...}, ...]}`.
        TooMany: it is, and has more items than are looked at.
    """
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error
    items = content.get("value") if isinstance(content, dict) else None
    if not isinstance(items, list) or not items:
        raise Malformed("no list of notifications")
    if len(items) > MOST_ITEMS:
        raise TooMany(f"more than {MOST_ITEMS:,} at once")
    if not all(isinstance(item, dict) for item in items):
        raise Malformed("no list of notifications")
    return [_notification(item) for item in items]


def _notification(item: dict[str, Any]) -> Notification:
    return Notification(
        subscription_id=_text(item, "subscriptionId", _LONGEST_ID).lower(),
        event=_text(item, "lifecycleEvent", _LONGEST_ID),
        state=_fingerprint(_text(item, "clientState", _LONGEST_STATE)),
    )


def _text(item: dict[str, Any], name: str, longest: int) -> str:
    value = item.get(name)
    return value if isinstance(value, str) and len(value) <= longest else ""


def _fingerprint(state: str) -> str:
    """Half a surrogate pair is no clientState of Graph's."""
    try:
        return client_state_fingerprint(state) if state else ""
    except UnicodeEncodeError:
        return ""


def read_entries(text: str | None) -> dict[str, dict[str, str]]:
    """What stands in the annotation: times by event, by subscription. What somebody else has put there counts as nothing."""
    try:
        content: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return dict(_entries(content)) if isinstance(content, dict) else {}


def _entries(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    known = {event.value for event in LifecycleEvent}
    for subscription, events in content.items():
        if isinstance(events, dict):
            kept = {name: at for name, at in events.items() if name in known and isinstance(at, str)}
            if kept:
                yield subscription, kept


def merged(current: str | None, news: dict[str, dict[LifecycleEvent, datetime]], held: set[str]) -> str:
    """The annotation with the news in it, and without the subscriptions that the resource's status does not name any more."""
    entries = {name: events for name, events in read_entries(current).items() if name in held}
    for subscription, events in news.items():
        if subscription in held:
            entries.setdefault(subscription, {}).update({event.value: write_moment(at) for event, at in events.items()})
    return json.dumps(entries, separators=(",", ":"), sort_keys=True)


def write_moment(at: datetime) -> str:
    """RFC 3339 in UTC with all six digits, so that later is also greater as a text."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
