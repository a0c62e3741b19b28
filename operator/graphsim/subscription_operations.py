"""What Graph does with `/subscriptions`: create, read, list, change, delete, reauthorize."""

import base64
from typing import Any

from graphsim import subscription_input
from graphsim.directory import Mailbox
from graphsim.errors import GraphError
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.graph_context import GraphCall, Reply, may_see, require_mail_permission, require_open_mailbox
from graphsim.resources import MailResource, parse_mail_resource
from graphsim.subscriptions import WHOLE_MAILBOX, Subscription


async def create(call: GraphCall) -> Reply:
    """POST /subscriptions: check, call the endpoint, then commit."""
    caller = call.caller
    fields = subscription_input.checked_creation(call.json_body(), call.world.settings)
    mailbox, folder = _watched(call, fields["resource"])
    now = call.world.settle()
    expires_at = _granted(call, fields["expirationDateTime"], mailbox, now)
    subscription = Subscription(
        id=call.world.randomness.guid(),
        serial=call.world.next_serial(),
        tenant_id=caller.tenant_id,
        client_id=caller.client_id,
        creator_id=caller.object_id,
        user_id=mailbox.user_id,
        delegated=caller.user_id is not None,
        folder=folder,
        resource=fields["resource"],
        change_types=subscription_input.change_types(fields["changeType"]),
        change_type=fields["changeType"],
        notification_url=fields["notificationUrl"],
        lifecycle_url=fields.get("lifecycleNotificationUrl"),
        client_state=fields.get("clientState"),
        extras=subscription_input.extras(fields),
        expires_at=expires_at,
        created_at=now,
        token_expires_at=caller.expires_at,
    )
    _require_room(call, subscription)
    await _shake_hands(call, subscription.notification_url, subscription.lifecycle_url)
    subscription.created_at = call.world.settle()
    _require_room(call, subscription)
    call.world.add_live(subscription)
    call.call.subscription = subscription.id
    return Reply(201, _entity(call, subscription, with_client_state=True))


async def read(call: GraphCall) -> Reply:
    """GET /subscriptions/{id}."""
    return Reply(200, _entity(call, call.subscription()))


async def change(call: GraphCall) -> Reply:
    """PATCH /subscriptions/{id}: another expiry, another endpoint (which is called first), or both."""
    subscription = call.subscription()
    fields = subscription_input.checked_change(call.json_body(), call.world.settings)
    mailbox = call.world.directory.mailbox(subscription.user_id)
    require_mail_permission(call.caller)
    require_open_mailbox(mailbox, call.caller.client_id, "Update")
    now = call.world.settle()
    wanted = fields.get("expirationDateTime")
    expires_at = _granted(call, wanted, mailbox, now) if wanted else None
    url = fields.get("notificationUrl")
    if url and url != subscription.notification_url:
        await _shake_hands(call, url)
        subscription = call.subscription()
    _apply(call, subscription, url, expires_at)
    return Reply(200, _entity(call, subscription))


async def delete(call: GraphCall) -> Reply:
    """DELETE /subscriptions/{id}."""
    call.world.end_subscription(call.subscription(), "deleted")
    return Reply(204)


async def reauthorize(call: GraphCall) -> Reply:
    """POST /subscriptions/{id}/reauthorize."""
    subscription = call.subscription()
    require_mail_permission(call.caller)
    call.world.reauthorize(subscription, call.caller.expires_at)
    return Reply(204)


async def list_page(call: GraphCall) -> Reply:
    """GET /subscriptions: one page, with empty pages and omissions when the settings ask for them."""
    settings, caller = call.world.settings, call.caller
    after, empties = _decode_position(call.query.get("$skiptoken", ""))
    call.world.settle()
    rest = [
        subscription
        for subscription in call.world.subscriptions.of_owner(caller.tenant_id, caller.client_id)
        if subscription.serial > after
        and may_see(caller, subscription)
        and _share_of(subscription.id) >= settings.list_omits_share
    ]
    body: dict[str, Any] = {"@odata.context": f"{call.runtime.graph_url}/$metadata#subscriptions", "value": []}
    if empties < settings.empty_pages:
        body["@odata.nextLink"] = _link(call, after, empties + 1)
        return Reply(200, body)
    page = rest[: settings.page_size]
    body["value"] = [subscription.body() for subscription in page]
    if len(rest) > len(page):
        body["@odata.nextLink"] = _link(call, page[-1].serial, 0)
    return Reply(200, body)


def _watched(call: GraphCall, path: str) -> tuple[Mailbox, str]:
    resource = parse_mail_resource(path)
    if resource is None:
        raise GraphError(400, "InvalidRequest", f"The resource '{path}' is not supported for subscriptions.")
    mailbox = call.mailbox(resource.user, quoted=resource.quoted)
    require_open_mailbox(mailbox, call.caller.client_id, "Create")
    return mailbox, _folder_key(mailbox, resource)


def _folder_key(mailbox: Mailbox, resource: MailResource) -> str:
    if resource.folder is None:
        return WHOLE_MAILBOX
    folder = mailbox.folder(resource.folder)
    if folder is None:
        raise GRAPH_ANSWERS["folder-not-found"].error()
    return folder.id


def _granted(call: GraphCall, wanted: Any, mailbox: Mailbox, now: float) -> float:
    settings = call.world.settings
    own_ceiling = call.world.directory.tenant(mailbox.tenant_id).ceiling_minutes
    return subscription_input.granted_expiry(wanted, now, own_ceiling or settings.ceiling_minutes, settings)


def _require_room(call: GraphCall, wanted: Subscription) -> None:
    settings, store = call.world.settings, call.world.subscriptions
    if settings.duplicates == "refuse":
        for existing in store.of_mailbox(wanted.user_id):
            if existing.combination == wanted.combination:
                raise GRAPH_ANSWERS["duplicate"].error(id=existing.id)
    if store.count_of_mailbox(wanted.user_id) >= settings.mailbox_subscription_limit:
        raise GRAPH_ANSWERS["subscription-count-reached"].error(limit=settings.mailbox_subscription_limit)


async def _shake_hands(call: GraphCall, *urls: str | None) -> None:
    for url in dict.fromkeys(url for url in urls if url):
        await call.runtime.notifier.handshake(url)


def _apply(call: GraphCall, subscription: Subscription, url: str | None, expires_at: float | None) -> None:
    if url:
        subscription.notification_url = url
    if expires_at is not None:
        call.world.renew(subscription, expires_at, call.caller.expires_at)


def _entity(call: GraphCall, subscription: Subscription, *, with_client_state: bool = False) -> dict[str, Any]:
    context = {"@odata.context": f"{call.runtime.graph_url}/$metadata#subscriptions/$entity"}
    return context | subscription.body(with_client_state=with_client_state)


def _share_of(subscription_id: str) -> float:
    return int(subscription_id[:8], 16) / 0x1_0000_0000 if subscription_id[:8].isalnum() else 0.0


def _link(call: GraphCall, after: int, empties: int) -> str:
    token = base64.urlsafe_b64encode(f"{after}.{empties}".encode()).decode()
    return f"{call.runtime.graph_url}/subscriptions?$skiptoken={token}"


def _decode_position(token: str) -> tuple[int, int]:
    if not token:
        return 0, 0
    try:
        after, empties = base64.urlsafe_b64decode(token.encode()).decode().split(".")
        return int(after), int(empties)
    except ValueError:
        raise GraphError(400, "BadRequest", "The $skiptoken is not valid.") from None
