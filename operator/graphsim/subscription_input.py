"""Graph's checks on what a client sends to create or change a subscription. Pure; raises GraphError 400."""

from typing import Any
from urllib.parse import urlsplit

from graphsim.errors import GraphError
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.settings import SimulatorSettings
from graphsim.timestamps import parse_graph_timestamp

_REQUIRED = ("changeType", "notificationUrl", "resource", "expirationDateTime")
_EXTRAS = frozenset(
    {
        "latestSupportedTlsVersion",
        "includeResourceData",
        "encryptionCertificate",
        "encryptionCertificateId",
        "notificationQueryOptions",
        "notificationUrlAppId",
    }
)
_KNOWN = frozenset(_REQUIRED) | _EXTRAS | {"clientState", "lifecycleNotificationUrl"}
_CHANGEABLE = frozenset({"expirationDateTime", "notificationUrl"})
_CHANGE_TYPES = frozenset({"created", "updated", "deleted"})
_LONGEST_CLIENT_STATE = 128
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def checked_creation(body: dict[str, Any], settings: SimulatorSettings) -> dict[str, Any]:
    """Check the body of a POST; answer it without annotations of OData."""
    fields = _without_annotations(body)
    if not _KNOWN.issuperset(fields) or not all(_is_plain(name, value) for name, value in fields.items()):
        raise _invalid(
            "Could not process subscription creation payload. Are all property names spelled and camelCased properly?"
        )
    for name in _REQUIRED:
        if not fields.get(name):
            raise _invalid(f"{name} is a required property for subscription creation")
    if not _CHANGE_TYPES.issuperset(change_types(fields["changeType"])):
        raise _invalid("The changeType of the subscription must be a combination of created, updated and deleted.")
    if len(fields.get("clientState") or "") > _LONGEST_CLIENT_STATE:
        raise _invalid(f"The clientState of the subscription is longer than {_LONGEST_CLIENT_STATE} characters.")
    check_endpoint(fields["notificationUrl"], "notificationUrl", settings)
    if fields.get("lifecycleNotificationUrl"):
        check_endpoint(fields["lifecycleNotificationUrl"], "lifecycleNotificationUrl", settings)
    return fields


def checked_change(body: dict[str, Any], settings: SimulatorSettings) -> dict[str, Any]:
    """Check the body of a PATCH: `expirationDateTime`, `notificationUrl` or both, and nothing else."""
    fields = _without_annotations(body)
    if not any(fields.get(name) for name in _CHANGEABLE):
        raise _invalid(
            "Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property and its value."
        )
    foreign = sorted(name for name, value in fields.items() if name not in _CHANGEABLE and value is not None)
    if foreign:
        raise _invalid(f"The property '{foreign[0]}' of a subscription cannot be updated.")
    if fields.get("notificationUrl"):
        check_endpoint(fields["notificationUrl"], "notificationUrl", settings)
    return fields


def change_types(text: str) -> frozenset[str]:
    """Read a comma-separated `changeType`, without regard to case."""
    return frozenset(part.strip().lower() for part in text.split(","))


def check_endpoint(url: Any, name: str, settings: SimulatorSettings) -> None:
    """Refuse an endpoint that is not an https URL; http on this machine passes when the settings allow it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except (ValueError, TypeError, AttributeError):
        raise _invalid(f"{name}: the URL is not well formed.") from None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and settings.allow_http and host in _LOOPBACK)
    if not allowed or not host:
        raise _invalid(f"The {name} of the subscription must use the HTTPS protocol.")


def granted_expiry(text: Any, now: float, ceiling_minutes: int, settings: SimulatorSettings) -> float:
    """Answer the expiry that Graph grants: refused above the ceiling, raised to the floor, clipped when told so."""
    try:
        wanted = parse_graph_timestamp(text)
    except (ValueError, AttributeError, OverflowError):
        raise _invalid(
            "Could not process subscription creation payload. Are all property names spelled and camelCased properly?"
        ) from None
    if wanted > now + ceiling_minutes * 60:
        raise GRAPH_ANSWERS["ceiling"].error(minutes=ceiling_minutes)
    granted = max(wanted, now + settings.floor_minutes * 60)
    if settings.grant_at_most_minutes is not None:
        granted = min(granted, now + settings.grant_at_most_minutes * 60)
    return granted


def extras(fields: dict[str, Any]) -> dict[str, Any]:
    """Answer the fields that the simulator keeps and gives back, but does not act upon."""
    return {name: value for name, value in fields.items() if name in _EXTRAS and value is not None}


def _without_annotations(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if "@odata." not in name}


def _is_plain(name: str, value: Any) -> bool:
    return value is None or isinstance(value, bool if name == "includeResourceData" else str)


def _invalid(message: str) -> GraphError:
    return GraphError(400, "InvalidRequest", message)
