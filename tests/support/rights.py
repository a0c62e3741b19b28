"""The chart's ServiceAccount and its Role on a real API server, where one right after the other is taken away and given back."""

import asyncio
import contextlib
import copy
import json
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from graphmail.cli.check.kubernetes import Right
from localstack.controlplane import ControlPlane
from support.command import start
from support.helm import CHART, Helm
from support.stage import Stage
from support.waiting import eventually

RELEASE = "graphmail-operator"
_TEMPLATES = ("templates/serviceaccount.yaml\n", "templates/rbac.yaml\n")

_MIRRORING = ('database.existingSecret="postgres"', 'product.applicationURL="https://product.example.com"')


@cache
def rendered(namespace: str, *values: str) -> list[dict[str, Any]]:
    """What the chart makes of accounts and rights where rows are mirrored; each further value is `name=JSON`."""
    given = [argument for value in (*_MIRRORING, *values) for argument in ("--set-json", value)]
    text = Helm(Path(tempfile.gettempdir()) / "graphmail-helm").run(
        "template", RELEASE, CHART, "--namespace", namespace, *given
    )
    ours = [part for part in text.split("\n---\n") if any(f"/{template}" in part for template in _TEMPLATES)]
    return [document for part in ours if (document := yaml.safe_load(part.removeprefix("---\n"))) is not None]


def the_only(kind: str, documents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The only document of that kind."""
    [found] = [document for document in documents if document["kind"] == kind]
    return found


def rights_of(rules: Iterable[dict[str, Any]]) -> set[tuple[Right, str]]:
    """Each right of a Role by itself, with the name that it is limited to, or none."""
    return {
        (Right(verb, name, group, subresource), only)
        for rule in rules
        for group in rule.get("apiGroups", ())
        for name, _, subresource in (resource.partition("/") for resource in rule["resources"])
        for verb in rule["verbs"]
        for only in rule.get("resourceNames") or [""]
    }


async def given(control_plane: ControlPlane, namespace: str, account: str, right: Right) -> None:
    """Return once the API server knows that a service account has this right: a moment after a RoleBinding was made it does not."""
    attributes = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": right.resource}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    review["spec"] = {"user": f"system:serviceaccount:{namespace}:{account}", "resourceAttributes": attributes}  # type: ignore[assignment]

    def known() -> bool:
        answer = control_plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    await eventually(known, f"{account} may {right}")


@dataclass
class Account:
    """The chart's ServiceAccount in a namespace, with what the chart's Role grants."""

    control_plane: ControlPlane
    namespace: str
    documents: list[dict[str, Any]]

    def __post_init__(self) -> None:
        self.control_plane.run_kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, self.documents)))
        name = the_only("ServiceAccount", self.documents)["metadata"]["name"]
        self.kubeconfig = str(self.control_plane.service_account_kubeconfig(self.namespace, name))
        token = yaml.safe_load(Path(self.kubeconfig).read_text())["users"][0]["user"]["token"]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._trust = ssl.create_default_context(cafile=self.control_plane.ca_file)

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The Role's, as the chart has them."""
        rules: list[dict[str, Any]] = the_only("Role", self.documents)["rules"]
        return rules

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What the API server answers to the account itself."""
        with httpx.Client(verify=self._trust, trust_env=False, timeout=60) as http:
            return http.request(method, self.control_plane.url + path, json=body, headers=self._headers)

    async def loses(self, right: Right) -> None:
        """Take a right away; returns once the API server knows."""
        await self._known(right, allowed=True)  # of what was just applied it may not know yet
        rules = copy.deepcopy(self.rules)
        for rule in rules:
            if right.group in rule["apiGroups"] and _named(right) in rule["resources"]:
                rule["verbs"] = [verb for verb in rule["verbs"] if verb != right.verb]
        await self._granted([rule for rule in rules if rule["verbs"]], right, allowed=False)

    async def regains(self, right: Right) -> None:
        """Give it back, and all others; returns once the API server knows."""
        await self._granted(self.rules, right, allowed=True)

    async def _granted(self, rules: list[dict[str, Any]], right: Right, *, allowed: bool) -> None:
        role = the_only("Role", self.documents)["metadata"]["name"]
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/roles/{role}"
        self.control_plane.request("PUT", path, {**self.control_plane.request("GET", path), "rules": rules})
        await self._known(right, allowed=allowed)

    async def _known(self, right: Right, *, allowed: bool) -> None:
        [only, *_] = [only for known, only in rights_of(self.rules) if known == right]
        attributes = {"namespace": self.namespace, "verb": right.verb, "group": right.group, "name": only}
        attributes |= {"resource": right.resource, "subresource": right.subresource}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        review["spec"] = {"resourceAttributes": attributes}  # type: ignore[assignment]

        def known() -> bool:
            answer = self.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            return bool(answer.raise_for_status().json()["status"]["allowed"]) is allowed

        await eventually(known, f"{right} is {'given' if allowed else 'taken'}")


def _named(right: Right) -> str:
    return f"{right.resource}/{right.subresource}" if right.subresource else right.resource


@dataclass(frozen=True)
class Log:
    """What an operator in another process has written, a JSON object a line."""

    file: Path

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines so far; what is no JSON stands as `event` with level `raw`."""
        whole = self.file.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) if line.startswith("{") else {"event": line, "level": "raw"} for line in whole]

    def size(self) -> int:
        """How many there are."""
        return len(self.lines())

    async def says(self, *words: str, since: int = 0) -> None:
        """Wait for a line that has all these words, from that line on."""

        def found() -> bool:
            return any(all(word in str(line) for word in words) for line in self.lines()[since:])

        await eventually(found, f"the log says {words}")

    def tracebacks(self) -> list[dict[str, Any]]:
        """Lines of defects."""
        return [line for line in self.lines() if "Traceback" in str(line)]


@contextmanager
def log_file(folder: Path) -> Iterator[tuple[Log, int]]:
    """A log, and the file descriptor to write it to."""
    file = folder / "operator.log"
    with file.open("ab") as opened:
        yield Log(file), opened.fileno()


QUICK = {
    "GRAPHMAIL_LOG_FORMAT": "json",
    "GRAPHMAIL_LEASE_SECONDS": "15",
    "GRAPHMAIL_TICK_SECONDS": "5",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "10",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "2.5",
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.05",
}
"""What brings a test forward; at most 30 queries a minute from both of the mirror's."""


@asynccontextmanager
async def running(
    stage: Stage, account: Account, folder: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Log]]:
    """The operator with that account's token."""
    with log_file(folder) as (log, descriptor):
        process = await start(stage, "run", stderr=descriptor, KUBECONFIG=account.kubeconfig, **QUICK)
        try:
            yield process, log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            print(log.file.read_text())  # pytest shows it where a test fails


async def stopped(process: asyncio.subprocess.Process) -> int:
    """Told to stop; the exit code."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), 60)
