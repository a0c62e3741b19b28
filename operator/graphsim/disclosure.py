"""Whether a secret stands in a text: for campaigns that search what an operator has said while it worked with this simulator."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TOKENS = (
    re.compile(r"eyJ[\w-]{16,}\.[\w-]{16,}\.[\w-]*"),
    re.compile(r"1\.[\w-]+\.\d+\.\d+\.[\w-]+\.[0-9a-f]{64}"),
)
"""Any access token (a JWT, RFC 7519) and any refresh token that the simulator handed out, also those that no row holds any more."""
_LEAST = 8
"""Characters: what is shorter stands in any text by chance."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a secret stood; the secret itself is not repeated."""

    where: str
    characters: int

    def __str__(self) -> str:
        """For the list of details."""
        return f"secret of {self.characters} characters in {self.where}"


def search(texts: Mapping[str, str], secrets: Iterable[str]) -> list[Shown]:
    """Each secret and each token that stands in a text, by the text's name."""
    long = [secret for secret in secrets if len(secret) >= _LEAST]
    found = [Shown(where, len(secret)) for where, text in texts.items() for secret in long if secret in text]
    tokens = (
        Shown(where, len(hit.group()))
        for where, text in texts.items()
        for form in _TOKENS
        if (hit := form.search(text))
    )
    return [*found, *tokens]
