"""One call of the simulated Graph: who calls, with what, and the answer in the making."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphsim.calls import Call
from graphsim.directory import Mailbox
from graphsim.errors import GraphError
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.runtime import Runtime
from graphsim.subscriptions import Subscription
from graphsim.tokens import Caller
from graphsim.world import MAIL_PERMISSIONS, World


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of Graph; None as body means that none is sent."""

    status: int
    body: dict[str, Any] | None = None


@dataclass(slots=True)
class GraphCall:
    """What an operation works with. `caller` is set, and its token still alive, before any operation runs."""

    runtime: Runtime
    call: Call
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: bytes = field(default=b"", repr=False)
    authenticated: Caller | None = None

    @property
    def world(self) -> World:
        """The simulated world."""
        return self.runtime.world

    @property
    def caller(self) -> Caller:
        """Who calls; raises GraphError 401 when no token was sent."""
        if self.authenticated is None:
            raise GRAPH_ANSWERS["token-missing"].error()
        return self.authenticated

    def json_body(self) -> dict[str, Any]:
        """Read the body as a JSON object; raises GraphError 400 as Graph words it."""
        try:
            body = json.loads(self.raw_body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise GraphError(
                400,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of "
                "valid JSON format.",
            )
        return body

    def subscription(self) -> Subscription:
        """Find the live subscription of the path, if the caller may see it; raises GraphError 404 otherwise."""
        found = self.world.live(self.path["id"])
        if found is None or not may_see(self.caller, found):
            raise GRAPH_ANSWERS["subscription-not-found"].error()
        return found

    def mailbox(self, user: str | None, *, quoted: bool = False) -> Mailbox:
        """Find the mailbox that `/me` (None), `/users/{user}` or `/users('user')` (quoted) means, and check the caller's rights to it.

        A segment of a path that is not quoted takes no apostrophe, as has been reported of Graph.
        """
        caller = self.caller
        if user is None and caller.user_id is None:
            raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        mailbox = self.world.directory.find_mailbox(user or caller.user_id or "")
        if mailbox is None or mailbox.tenant_id != caller.tenant_id or (not quoted and "'" in (user or "")):
            raise GRAPH_ANSWERS["user-not-found"].error(user=user)
        require_mail_permission(caller)
        if caller.user_id not in {None, mailbox.user_id}:
            raise GRAPH_ANSWERS["access-denied"].error()
        return mailbox


def may_see(caller: Caller, subscription: Subscription) -> bool:
    """Say whether a subscription is in a caller's sight: of its app and tenant, and of the signed-in user if any."""
    return (
        subscription.client_id == caller.client_id
        and subscription.tenant_id == caller.tenant_id
        and (caller.user_id is None or (subscription.delegated and subscription.user_id == caller.user_id))
    )


def require_mail_permission(caller: Caller) -> None:
    """Raise GraphError 403 unless the token carries a permission to read mail."""
    if caller.permissions.isdisjoint(MAIL_PERMISSIONS):
        raise GRAPH_ANSWERS["access-denied"].error()


def require_open_mailbox(mailbox: Mailbox, client_id: str, operation: str) -> None:
    """Raise GraphError when a mailbox is not in Exchange Online, or when an access policy keeps the app out."""
    if not mailbox.enabled:
        raise GRAPH_ANSWERS["mailbox-not-enabled"].error()
    if client_id in mailbox.denied_clients:
        raise GRAPH_ANSWERS["forbidden"].error(operation=operation)
