"""The Lease at the API server (`coordination.k8s.io/v1`), through a blocking client: the election has a thread of its own for it.

Times in a Lease are written for people to read, and never compared: no two machines have the same clock, and any of them may jump.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from kubernetes import client as kubernetes_client

from graphmail.cluster import ClusterUnavailable, authorization, read_answer, ssl_context
from graphmail.election.candidate import Record

_MERGE = "application/merge-patch+json"


class LeaseClient:
    """One Lease.

    It is changed by a merge patch that names the version it is based on, which the API server refuses with 409 when another one was
    quicker, and which leaves alone what others have written beside it.

    Every method raises `ClusterError` for an answer that is one, and `ClusterUnavailable` when there is none; nothing is tried twice.

    Args:
        answer_within: seconds for each step of a request: connecting, sending, and each piece of the answer.
        now: the wall clock, for what people read.
    """

    def __init__(
        self,
        configuration: kubernetes_client.Configuration,
        namespace: str,
        name: str,
        *,
        answer_within: float,
        now: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._name = name
        self._now = now
        self._server = configuration.host.rstrip("/")
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._http = httpx.Client(verify=ssl_context(configuration), timeout=answer_within, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self) -> Record | None:
        """The lease; None when there is none."""
        answer = self._send("GET", f"{self._leases}/{self._name}")
        return None if answer.status_code == 404 else _record(answer)

    def create(self, holder: str, seconds: float) -> Record:
        """A lease that is held from the start."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._held(holder, seconds), "acquireTime": self._time(), "leaseTransitions": 0},
        }
        return _record(self._send("POST", self._leases, body))

    def take(self, holder: str, seconds: float, over: Record) -> Record:
        """Take over a lease that is free."""
        taken = {"acquireTime": self._time(), "leaseTransitions": over.transitions + 1}
        return self._patch(over, {**self._held(holder, seconds), **taken})

    def renew(self, holder: str, seconds: float, over: Record) -> Record:
        """Prolong a lease of our own."""
        return self._patch(over, self._held(holder, seconds))

    def give_back(self, over: Record) -> Record:
        """Blank the holder: whoever stands by takes it at once."""
        return self._patch(over, {"holderIdentity": None, "renewTime": self._time()})

    def _held(self, holder: str, seconds: float) -> dict[str, Any]:
        return {"holderIdentity": holder, "leaseDurationSeconds": math.ceil(seconds), "renewTime": self._time()}

    def _time(self) -> str:
        """As Kubernetes' MicroTime has it, which needs all six digits."""
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _patch(self, over: Record, spec: Mapping[str, Any]) -> Record:
        body = {"metadata": {"resourceVersion": over.version}, "spec": spec}
        return _record(self._send("PATCH", f"{self._leases}/{self._name}", body, _MERGE))

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = "application/json"
    ) -> httpx.Response:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        headers |= {"Authorization": token} if (token := authorization(self._configuration)) else {}
        content = None if body is None else json.dumps(body)
        try:
            return self._http.request(method, self._server + path, content=content, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise ClusterUnavailable(
                0, type(error).__name__, f"the API server {self._server} cannot be reached"
            ) from error


def _record(answer: httpx.Response) -> Record:
    lease = read_answer(answer.status_code, answer.content)
    spec = lease.get("spec", {})
    return Record(
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=str(lease["metadata"]["resourceVersion"]),
    )
