"""The resources of a mail subscription, read from their path.

Graph documents `/me/messages`, `/users/{id}/messages` and both forms of a folder's messages; paths are compared
without regard to case, and a leading slash is optional.
"""

import re
from dataclasses import dataclass

_KEY = r"(?:[^/']|'')+"
"""What stands between the quotes of a key: an apostrophe of its own is doubled (OData 4.01, URL conventions, 4.3.1)."""
_USER = rf"(?:(?P<me>me)|users/(?P<user>[^/()?]+)|users\('(?P<quoted_user>{_KEY})'\))"
_FOLDER = rf"(?:/mailfolders(?:/(?P<folder>[^/()?]+)|\('(?P<quoted_folder>{_KEY})'\)))?"
_RESOURCE = re.compile(rf"/?{_USER}{_FOLDER}/messages/?(?P<query>\?.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailResource:
    """What a subscription watches: the signed-in user's (`user` None) or a named user's mail, in a folder or in all."""

    user: str | None
    folder: str | None
    quoted: bool = False
    """The user stands between quotes: the only form that takes an apostrophe."""


def parse_mail_resource(path: str) -> MailResource | None:
    """Read a subscription's `resource`; None when it is not one of the mail resources."""
    match = _RESOURCE.fullmatch(path)
    if match is None:
        return None
    user, folder = _unquoted(match["quoted_user"]), _unquoted(match["quoted_folder"])
    return MailResource(user or match["user"], folder or match["folder"], quoted=user is not None)


def _unquoted(key: str | None) -> str | None:
    return None if key is None else key.replace("''", "'")
