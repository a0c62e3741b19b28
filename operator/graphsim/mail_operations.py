"""The little of Outlook mail that a renewal loop reads: the signed-in user, the folders, the newest messages."""

import math
import re
from collections.abc import Callable
from typing import Any

from graphsim.directory import Folder, Mailbox, Message
from graphsim.errors import GraphError
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.graph_context import GraphCall, Reply, require_open_mailbox
from graphsim.timestamps import graph_timestamp, parse_graph_timestamp

_DEFAULT_TOP = 10
_LARGEST_TOP = 1_000
_NEWEST_FIRST, _OLDEST_FIRST = "receiveddatetime desc", "receiveddatetime asc"
_ALWAYS_SHOWN = frozenset({"@odata.etag", "id"})
_RECEIVED_AFTER = re.compile(r"receivedDateTime (ge|gt) (\S+)", re.IGNORECASE)


async def user(call: GraphCall) -> Reply:
    """GET /me and /users/{user}."""
    mailbox = call.mailbox(call.path.get("user"))
    body = {
        "@odata.context": f"{call.runtime.graph_url}/$metadata#users/$entity",
        "id": mailbox.user_id,
        "userPrincipalName": mailbox.upn,
        "mail": mailbox.upn,
        "displayName": mailbox.upn.partition("@")[0],
    }
    return Reply(200, body)


async def folders(call: GraphCall) -> Reply:
    """GET …/mailFolders."""
    mailbox = _open_mailbox(call)
    return _collection(call, "mailFolders", [_folder_body(folder) for folder in mailbox.folders()])


async def folder(call: GraphCall) -> Reply:
    """GET …/mailFolders/{folder}."""
    found = _named_folder(call, _open_mailbox(call))
    context = {"@odata.context": f"{call.runtime.graph_url}/$metadata#mailFolders/$entity"}
    return Reply(200, context | _folder_body(found))


async def messages(call: GraphCall) -> Reply:
    """GET …/messages: of all folders, the newest first."""
    mailbox = _open_mailbox(call)
    return _collection(call, "messages", _page(call, list(mailbox.messages)))


async def folder_messages(call: GraphCall) -> Reply:
    """GET …/mailFolders/{folder}/messages, the newest first."""
    mailbox = _open_mailbox(call)
    found = _named_folder(call, mailbox)
    return _collection(call, "messages", _page(call, [one for one in mailbox.messages if one.folder_id == found.id]))


def _open_mailbox(call: GraphCall) -> Mailbox:
    call.world.settle()
    mailbox = call.mailbox(call.path.get("user"))
    require_open_mailbox(mailbox, call.caller.client_id, "Read")
    return mailbox


def _named_folder(call: GraphCall, mailbox: Mailbox) -> Folder:
    found = mailbox.folder(call.path["folder"].removeprefix("('").removesuffix("')"))
    if found is None:
        raise GRAPH_ANSWERS["folder-not-found"].error()
    return found


def _page(call: GraphCall, found: list[Message]) -> list[dict[str, Any]]:
    earliest = _earliest_second(call.query.get("$filter", ""))
    selected = _selected(call.query.get("$select", ""))
    in_order = sorted(
        (one for one in found if int(one.received_at) >= earliest),
        key=lambda one: one.received_at,
        reverse=_newest_first(call.query.get("$orderby", "")),
    )
    return [selected(_message_body(message)) for message in in_order[: _top(call)]]


def _newest_first(text: str) -> bool:
    """Read `$orderby`: by `receivedDateTime`, down (also when nothing is said) or up, is all that is known here."""
    wanted = " ".join(text.lower().split())
    if wanted in {"", _NEWEST_FIRST}:
        return True
    if wanted in {_OLDEST_FIRST, _OLDEST_FIRST.removesuffix(" asc")}:
        return False
    raise GraphError(400, "BadRequest", f"Invalid $orderby '{text}': only receivedDateTime is known.")


def _selected(text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Read `$select`: what narrows a message to the named fields; Graph shows the id in any case."""
    names = {name.strip() for name in text.split(",")} - {""}
    if not names:
        return lambda body: body
    kept = names | _ALWAYS_SHOWN
    return lambda body: {name: value for name, value in body.items() if name in kept}


def _earliest_second(text: str) -> int:
    """Read `receivedDateTime ge …` or `gt …`; Graph shows and compares whole seconds."""
    if not text:
        return 0
    match = _RECEIVED_AFTER.fullmatch(text)
    if match is None:
        raise GraphError(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
    try:
        moment = parse_graph_timestamp(match[2])
    except ValueError:
        raise GraphError(400, "BadRequest", f"Invalid filter clause: '{match[2]}' is no date and time.") from None
    return math.floor(moment) + 1 if match[1].lower() == "gt" else math.ceil(moment)


def _top(call: GraphCall) -> int:
    text = call.query.get("$top", str(_DEFAULT_TOP))
    if not text.isdigit() or not 1 <= int(text) <= _LARGEST_TOP:
        raise GraphError(400, "BadRequest", f"Invalid value '{text}' for $top query option found.")
    return int(text)


def _collection(call: GraphCall, name: str, value: list[dict[str, Any]]) -> Reply:
    return Reply(200, {"@odata.context": f"{call.runtime.graph_url}/$metadata#{name}", "value": value})


def _folder_body(found: Folder) -> dict[str, Any]:
    return {"id": found.id, "displayName": found.name, "isHidden": False}


def _message_body(message: Message) -> dict[str, Any]:
    received = graph_timestamp(int(message.received_at))
    return {
        "@odata.etag": f'W/"{message.id[-12:]}"',
        "id": message.id,
        "createdDateTime": received,
        "receivedDateTime": received,
        "subject": message.subject,
        "parentFolderId": message.folder_id,
        "isRead": False,
    }
