"""The ownership marker in a notification URL: the only proof that a subscription is ours.

All mailboxes of the product share one URL, and delegated subscriptions read `/me/...`, so resource and URL prove nothing.
Graph preserves the query of a notification URL, and PATCH can add a marker to an adopted subscription.
"""

import re
from dataclasses import dataclass

PARAMETER = "gms"

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_PART = r"(?:[A-Za-z0-9_-]|~[0-9A-Fa-f]{2})*"
_VALUE = re.compile(rf"{PARAMETER}=({_PART})\.({_PART})\.({_PART})")


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose subscription it is: the installation that made it, and the provider and folder that it serves."""

    installation: str
    provider: str
    folder: str

    def __str__(self) -> str:
        return ".".join(_escape(part) for part in (self.installation, self.provider, self.folder))


def add_marker(url: str, marker: Marker) -> str:
    """The URL with this marker at the end of its query, in place of one that it carried. All else stays as it was written."""
    base, mark, fragment = without_marker(url).partition("#")
    return f"{base}{'&' if '?' in base else '?'}{PARAMETER}={marker}{mark}{fragment}"


def read_marker(url: str) -> Marker | None:
    """The marker that the URL carries, if it carries one. A parameter `gms` of another form is somebody else's."""
    _, _, query = url.partition("#")[0].partition("?")
    for parameter in query.split("&"):
        if marker := _parse(parameter):
            return marker
    return None


def without_marker(url: str) -> str:
    """The URL as it was before a marker was added."""
    whole, mark, fragment = url.partition("#")
    base, question, query = whole.partition("?")
    kept = [parameter for parameter in query.split("&") if _parse(parameter) is None]
    if len(kept) == query.count("&") + 1:
        return url
    query = "&".join(kept)
    return f"{base}{question if query else ''}{query}{mark}{fragment}"


def _parse(parameter: str) -> Marker | None:
    found = _VALUE.fullmatch(parameter)
    if found is None:
        return None
    try:
        return Marker(*(_unescape(part) for part in found.groups()))
    except UnicodeDecodeError:
        return None


def _escape(text: str) -> str:
    """Only letters, digits, `-`, `_` and `~` remain: characters that no proxy or parser of URLs rewrites, dots excepted.

    Percent-encoding would not do: a `%2E` may come back as the dot that separates the parts (RFC 3986, section 6.2.2.2).
    """
    return "".join(
        character if _PLAIN.fullmatch(character) else "".join(f"~{byte:02X}" for byte in character.encode())
        for character in text
    )


def _unescape(text: str) -> str:
    """Raises UnicodeDecodeError where the bytes are no UTF-8."""
    plain = text.encode("ascii")
    return re.sub(rb"~([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), plain).decode()
