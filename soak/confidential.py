"""Whether a secret stands in what the replicas said or wrote: logs, resources, events, metrics."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg

from rig.parts import Parts
from soak.replicas import Replica

_HELD = """
SELECT client_secret, access_token, refresh_token, webhook_verification_token FROM microsoft_email_provider_config"""
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


def shown(parts: Parts, namespace: str, replicas: Iterable[Replica], secrets: Iterable[str]) -> list[Shown]:
    """Search all of it.

    Args:
        secrets: those of the app, from first to last; what the rows hold is added.
    """
    with psycopg.connect(parts.database_url) as connection:
        held = {value for row in connection.execute(_HELD) for value in row if value}
    texts = {replica.process.log.name: replica.process.log.read_text(errors="replace") for replica in replicas}
    texts |= {f"the metrics of {one.process.name}": one.metrics() for one in replicas if one.alive}
    for path in (parts.resources_path(namespace), f"/api/v1/namespaces/{namespace}/events"):
        texts[path] = json.dumps(parts.cluster.request("GET", path, timeout=60.0))
    return search(texts, held | set(secrets))


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
