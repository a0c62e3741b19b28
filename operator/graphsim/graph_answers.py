"""Every error that Graph is known to answer with, each under a name.

The names serve fault rules ("answer this instead"); the simulator's own checks raise from the same table, so that an
injected answer and an earned one look alike.
"""

from dataclasses import dataclass, field
from typing import Any

from graphsim.errors import GraphError

_NIL = "00000000-0000-0000-0000-000000000000"
_WRAPPED = "Operation: {operation}; Exception: [Status Code: {inner}; Reason: {reason}]"


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """A named error of Graph; `{placeholders}` in the message have their defaults in `values`."""

    status: int
    code: str
    message: str
    meaning: str
    headers: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def error(self, **values: Any) -> GraphError:
        """Build the error, its message filled in."""
        return GraphError(self.status, self.code, self.message.format_map(self.values | values), dict(self.headers))


GRAPH_ANSWERS: dict[str, GraphAnswer] = {
    "subscription-not-found": GraphAnswer(
        404, "ResourceNotFound", "The object was not found.", "the subscription expired or was deleted"
    ),
    "gone": GraphAnswer(410, "ResourceGone", "The object is gone.", "as subscription-not-found"),
    "mailbox-not-enabled": GraphAnswer(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        "the mailbox is not in Exchange Online",
    ),
    "rest-not-supported": GraphAnswer(
        404,
        "ExtensionError",
        _WRAPPED,
        "the mailbox is not in Exchange Online, in the older wording",
        values={
            "operation": "Create",
            "inner": "NotFound",
            "reason": "REST API is not yet supported for this mailbox.",
        },
    ),
    "user-not-found": GraphAnswer(
        404, "ErrorInvalidUser", "The requested user '{user}' is invalid.", "no such user", values={"user": "nobody"}
    ),
    "folder-not-found": GraphAnswer(
        404, "ErrorItemNotFound", "The specified object was not found in the store.", "no such folder"
    ),
    "endpoint-validation-failed": GraphAnswer(
        400,
        "ValidationError",
        "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.",
        "the endpoint did not answer the handshake with 200 and text/plain",
    ),
    "endpoint-wrong-token": GraphAnswer(
        400,
        "ValidationError",
        "Subscription validation request failed. Response must exactly match validationToken query parameter.",
        "the endpoint answered the handshake with another text",
    ),
    "endpoint-timed-out": GraphAnswer(
        400, "InvalidRequest", "Subscription validation request timed out.", "the endpoint was too slow"
    ),
    "endpoint-unresolved": GraphAnswer(
        400,
        "InvalidRequest",
        "Failed to resolve domain {host}.",
        "the endpoint's host has no address",
        values={"host": "webhook.example.com"},
    ),
    "ceiling": GraphAnswer(
        400,
        "ExtensionError",
        "Subscription expiration can only be {minutes} minutes in the future.",
        "the life asked for is too long",
        values={"minutes": 10_070},
    ),
    "patch-refused": GraphAnswer(
        400, "ErrorInvalidParameter", "The parameter is invalid.", "this subscription can no longer be renewed"
    ),
    "token-expired": GraphAnswer(
        401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.", "the token is too old"
    ),
    "token-missing": GraphAnswer(401, "InvalidAuthenticationToken", "Access token is empty.", "no token was sent"),
    "access-denied": GraphAnswer(
        403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.", "the permission is missing"
    ),
    "forbidden": GraphAnswer(
        403,
        "ExtensionError",
        _WRAPPED,
        "an access policy keeps the app out",
        values={
            "operation": "Create",
            "inner": "Forbidden",
            "reason": "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
        },
    ),
    "forbidden-service-unavailable": GraphAnswer(
        403,
        "ExtensionError",
        _WRAPPED,
        "outer and inner status disagree: transient",
        values={"operation": "Create", "inner": "ServiceUnavailable", "reason": "Service Unavailable"},
    ),
    "limit-of-one": GraphAnswer(
        403,
        "ExtensionError",
        "Operation: Create; Exception: [Status Code: Forbidden; Reason: The app has reached its limit of '1' "
        "subscriptions for this resource.]",
        "POST refused while PATCH says 404: replicas disagree for hours",
    ),
    "duplicate": GraphAnswer(
        409,
        "ObjectIdentifierInUse",
        "Subscription Id {id} already exists for the requested combination",
        "a subscription for this app, resource and change type exists",
        values={"id": _NIL},
    ),
    "throttled": GraphAnswer(
        429, "TooManyRequests", "Too many requests.", "above a limit of Graph", headers={"Retry-After": "10"}
    ),
    "mailbox-throttled": GraphAnswer(
        429,
        "ApplicationThrottled",
        "Application is over its MailboxConcurrency limit.",
        "too many calls at once for one mailbox; no Retry-After",
    ),
    "subscription-count-reached": GraphAnswer(
        429,
        "ExtensionError",
        "SubscriptionCountReached has reached limit of '{limit}'. Please retry after '12/31/9999 11:59:59 PM'",
        "a quota of subscriptions, not a rate",
        values={"limit": 1_000},
    ),
    "internal-error": GraphAnswer(500, "InternalServerError", "An internal server error occurred.", "transient"),
    "bad-gateway": GraphAnswer(502, "UnknownError", "Bad Gateway", "transient"),
    "service-unavailable": GraphAnswer(
        503,
        "ServiceNotAvailable",
        "The service is temporarily unavailable.",
        "transient",
        headers={"Retry-After": "10"},
    ),
    "gateway-timeout": GraphAnswer(
        504, "GatewayTimeout", "The request timed out.", "transient, and the outcome is open"
    ),
}
