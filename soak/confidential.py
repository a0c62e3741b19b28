"""Whether a secret stands in what the replicas said or wrote: logs, resources, events, metrics."""

import json
from collections.abc import Iterable

import psycopg

from graphsim.disclosure import Shown, search
from rig.parts import Parts
from soak.replicas import Replica

_HELD = """
SELECT client_secret, access_token, refresh_token, webhook_verification_token FROM microsoft_email_provider_config"""


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
