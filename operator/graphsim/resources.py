"""The resources of a mail subscription, read from their path.

Graph documents `/me/messages`, `/users/{id}/messages` and both forms of a folder's messages; paths are compared
without regard to case, and a leading slash is optional.
"""

import re
from dataclasses import dataclass

_USER = r"(?:(?P<me>me)|users/(?P<user>[^/()?]+)|users\('(?P<quoted_user>[^/]+?)'\))"
_FOLDER = r"(?:/mailfolders(?:/(?P<folder>[^/()?]+)|\('(?P<quoted_folder>[^/']+)'\)))?"
_RESOURCE = re.compile(rf"/?{_USER}{_FOLDER}/messages/?(?P<query>\?.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailResource:
    """What a subscription watches: the signed-in user's (`user` None) or a named user's mail, in a folder or in all."""

    user: str | None
    folder: str | None


def parse_mail_resource(path: str) -> MailResource | None:
    """Read a subscription's `resource`; None when it is not one of the mail resources."""
    match = _RESOURCE.fullmatch(path)
    if match is None:
        return None
    user = None if match["me"] else match["user"] or match["quoted_user"]
    return MailResource(user, match["folder"] or match["quoted_folder"])
