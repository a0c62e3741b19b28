"""The mail resources that a subscription watches, as Graph writes them."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from graphmail.graph.subscription import read_time
from graphmail.provider import CredentialKind

WELL_KNOWN_FOLDERS = frozenset({
    "archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts", "inbox", "junkemail", "localfailures",
    "msgfolderroot", "outbox", "recoverableitemsdeletions", "scheduled", "searchfolders", "sentitems", "serverfailures", "syncissues",
})  # fmt: skip
"""Graph's names for folders that every mailbox has (Microsoft Graph, resource type mailFolder), valid in any language."""

_ID = re.compile(r"[A-Za-z0-9_=-]{16,}")
_SEGMENT = re.compile(r"(?P<name>[^/(?]+)(?:\((?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^)']*))\))?(?:/|(?=\?)|$)")
_ROOT = re.compile(r"^(?:https://[^/]+)?/*(?:(?:v1\.0|beta)/)?", re.IGNORECASE)


def mail_resource(folder: str, mailbox: str, kind: CredentialKind) -> str:
    """The messages of a folder: `/me/...` with a user's own token, `/users/{mailbox}/...` with the app's.

    The folder is a well-known name (in any case, and with spaces as people write it: `Sent Items`) or an id.
    """
    owner = "/me" if kind is CredentialKind.DELEGATED else _user(mailbox)
    return f"{owner}/{_folder(folder)}/messages"


def same_resource(one: str, other: str) -> bool:
    """Whether two spellings name the same resource.

    Host, version and leading slash, the case of names and addresses, and the two forms of a key do not matter
    (`mailFolders/inbox`, `mailFolders('Inbox')`). The ids of two folders may differ in case alone, so theirs does.
    """
    return _normal(one) == _normal(other)


def newest_received(page: Any) -> datetime | None:
    """When the first message of a page was received; None: the page is empty.

    Raises:
        ValueError: that cannot be read from what Graph answered.
    """
    messages = page.get("value") if isinstance(page, dict) else None
    if messages == []:
        return None
    message = messages[0] if isinstance(messages, list) else None
    received = read_time(message.get("receivedDateTime")) if isinstance(message, dict) else None
    if received is None:
        raise ValueError("Graph's answer does not tell when the newest message was received")
    return received


def well_known(folder: str) -> str | None:
    """The well-known name that a person meant, or None: it is an id."""
    name = folder.replace(" ", "").casefold()
    return name if name in WELL_KNOWN_FOLDERS else None


def _user(mailbox: str) -> str:
    """An apostrophe, or a dollar sign in front, is only safe as a quoted key (Microsoft Graph, get a user)."""
    return f"/users({_quoted(mailbox)})" if "'" in mailbox or mailbox.startswith("$") else f"/users/{mailbox}"


def _folder(folder: str) -> str:
    if name := well_known(folder):
        return f"mailFolders('{name}')"
    return f"mailFolders/{folder}" if _ID.fullmatch(folder) else f"mailFolders({_quoted(folder)})"


def _quoted(key: str) -> str:
    """A key of OData: apostrophes inside are doubled (OData 4.01, URL conventions, 4.3.1)."""
    doubled = key.replace("'", "''")
    return f"'{doubled}'"


def _normal(resource: str) -> tuple[str, ...]:
    text = _ROOT.sub("", unquote(resource).strip(), count=1)
    parts: list[str] = []
    position = 0
    while (found := _SEGMENT.match(text, position)) and found.end() > position:
        parts.append(found["name"])
        quoted, bare = found["quoted"], found["bare"]
        if quoted is not None or bare is not None:
            parts.append(quoted.replace("''", "'") if quoted is not None else bare)
        position = found.end()
    rest = text[position:]
    previous = ["", *(part.casefold() for part in parts)]
    names = (_comparable(part, before) for part, before in zip(parts, previous, strict=False))
    return (*names, rest)


def _comparable(part: str, previous: str) -> str:
    if previous == "mailfolders":
        return well_known(part) or part
    return part.casefold()
