"""What stands in for kubelet and controllers where no pod runs: Deployments, Jobs and bare Pods become processes of this machine.

Each gets the environment that the object gives its container, and acts as the object's ServiceAccount, by a token of the API server.
Images, volumes and limits are not looked at: of all programs it knows `graphmail` alone, that of this checkout.
"""

import asyncio
import base64
import contextlib
import os
import re
import shlex
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from localstack.controlplane import ApiRefusedError, ControlPlane
from localstack.processes import free_port

LOOK_SECONDS = 0.2
STOP_SECONDS = 120.0
ENTRYPOINT, COMMAND = ["graphmail"], ["run"]
"""Of the image (Dockerfile)."""

_KUBECTL = """#!/bin/sh
if [ "$1" = exec ]; then
  while [ "$1" != -- ]; do
    case $1 in deployment/*) . {folder}/"${{1#deployment/}}.env" ;; esac
    shift
  done
  shift
  exec "$@"
fi
exec {kubectl} "$@"
"""


@dataclass
class Replica:
    """A container of a Deployment, at work."""

    process: asyncio.subprocess.Process
    metrics_url: str
    environment: dict[str, str]

    async def ready(self) -> bool:
        """What its readiness probe finds."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(self.metrics_url.replace("/metrics", "/readyz"))).status_code == 200
            except httpx.TransportError:
                return False

    async def stop(self) -> None:
        """As kubelet ends a pod."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)


@dataclass
class Kubelet:
    """Looks at one namespace."""

    control_plane: ControlPlane
    namespace: str
    folder: Path
    program: Path
    """`graphmail`."""
    replicas: dict[str, list[Replica]] = field(default_factory=dict)
    _generations: dict[str, int] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)

    def kubectl(self) -> Path:
        """A kubectl whose `exec deployment/NAME -- COMMAND` runs the command here, with the environment of that container."""
        script = self.folder / "kubectl"
        script.write_text(_KUBECTL.format(folder=shlex.quote(str(self.folder)), kubectl=self.control_plane.kubectl))
        script.chmod(0o755)
        return script

    def log(self, name: str) -> str:
        """What containers of that object have printed."""
        path = self._log_file(name)
        return path.read_text() if path.exists() else ""

    async def look(self) -> None:
        """Carry out what is new, and write how it stands."""
        for deployment in await self._list("apis/apps/v1", "deployments"):
            await self._roll_out(deployment)
        for job in await self._list("apis/batch/v1", "jobs"):
            if job["metadata"]["uid"] not in self._begun:
                await self._run_job(job)
        for pod in await self._list("api/v1", "pods"):
            if pod["metadata"]["uid"] not in self._begun:
                await self._run_pod(pod)

    async def stop(self) -> None:
        """End all that runs."""
        await asyncio.gather(*(replica.stop() for several in self.replicas.values() for replica in several))

    # --- how it is done ----------------------------------------------------------------------------------------------

    async def _roll_out(self, deployment: dict[str, Any]) -> None:
        name, generation = deployment["metadata"]["name"], deployment["metadata"]["generation"]
        wanted = deployment["spec"]["replicas"]
        if self._generations.get(name) != generation:
            for replica in self.replicas.pop(name, []):
                await replica.stop()
            template = deployment["spec"]["template"]
            self.replicas[name] = [await self._begin(name, template["spec"], serving=True) for _ in range(wanted)]
            self._generations[name] = generation
        ready = sum([await replica.ready() for replica in self.replicas[name]])
        status = deployment.get("status", {})
        if status.get("observedGeneration") == generation and status.get("readyReplicas", 0) == ready:
            return
        counts = dict.fromkeys(["replicas", "updatedReplicas"], wanted)
        conditions = [
            _condition("Available", ready == wanted, "MinimumReplicasAvailable"),
            _condition("Progressing", True, "NewReplicaSetAvailable"),
        ]
        status = {**counts, "readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": wanted - ready}
        await self._write_status(
            f"apis/apps/v1/namespaces/{self.namespace}/deployments/{name}",
            {**status, "observedGeneration": generation, "conditions": conditions},
        )

    async def _run_job(self, job: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        self._begun.add(job["metadata"]["uid"])
        begun = _now()
        code = await self._run(name, job["spec"]["template"]["spec"])
        path = f"apis/batch/v1/namespaces/{self.namespace}/jobs/{name}"
        if code:
            interim, final, counts = "FailureTarget", "Failed", {"failed": 1}
        else:
            interim, final, counts = "SuccessCriteriaMet", "Complete", {"succeeded": 1, "completionTime": _now()}
        conditions = [_condition(interim, True, "CompletionsReached"), _condition(final, True, "CompletionsReached")]
        await self._write_status(path, {"startTime": begun, "conditions": conditions, **counts})

    async def _run_pod(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        self._begun.add(pod["metadata"]["uid"])
        code = await self._run(name, pod["spec"])
        phase = "Failed" if code else "Succeeded"
        await self._write_status(f"api/v1/namespaces/{self.namespace}/pods/{name}", {"phase": phase})

    async def _run(self, name: str, spec: dict[str, Any]) -> int:
        replica = await self._begin(name, spec, serving=False)
        return await replica.process.wait()

    async def _begin(self, name: str, spec: dict[str, Any], *, serving: bool) -> Replica:
        container = spec["containers"][0]
        environment = await self._environment(spec, container)
        metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
        if serving:  # a pod has an address of its own, and so may use the port that it likes
            environment["GRAPHMAIL_METRICS_URL"] = metrics_url
            exports = [f"export {variable}={shlex.quote(value)}\n" for variable, value in environment.items()]
            (self.folder / f"{name}.env").write_text("".join(exports))
        program, *arguments = container.get("command", ENTRYPOINT) + container.get("args", [])
        if "command" not in container and "args" not in container:
            arguments = COMMAND
        assert Path(program).name == "graphmail", f"{name} runs {program}, which nobody has here"
        with self._log_file(name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                self.program,
                *(_expanded(argument, environment) for argument in arguments),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return Replica(process, metrics_url, environment)

    async def _environment(self, spec: dict[str, Any], container: dict[str, Any]) -> dict[str, str]:
        given = {"PATH": f"{self.program.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder)}
        for source in container.get("envFrom", []):
            kind = "secret" if "secretRef" in source else "configMap"
            values = await self._values(kind, source[f"{kind}Ref"])
            given |= {source.get("prefix", "") + key: value for key, value in values.items()}
        for variable in container.get("env", []):
            value = await self._value(variable)
            if value is not None:
                given[variable["name"]] = _expanded(value, given)
        given["GRAPHMAIL_NAMESPACE"] = self.namespace
        if spec.get("automountServiceAccountToken") is False:
            return given
        account = spec.get("serviceAccountName", "default")
        made = await asyncio.to_thread(self.control_plane.service_account_kubeconfig, self.namespace, account)
        own = self.folder / f"kubeconfig-{account}"
        shutil.copy(made, own)
        return given | {"KUBECONFIG": str(own)}

    async def _value(self, variable: dict[str, Any]) -> str | None:
        source = variable.get("valueFrom", {})
        for kind in ("secret", "configMap"):
            if reference := source.get(f"{kind}KeyRef"):
                return (await self._values(kind, reference)).get(reference["key"])
        if path := source.get("fieldRef", {}).get("fieldPath"):
            return {"metadata.namespace": self.namespace}.get(path, "127.0.0.1" if path.endswith("IP") else "pod")
        return str(variable.get("value", ""))

    async def _values(self, kind: str, reference: dict[str, Any]) -> Mapping[str, str]:
        plural = {"secret": "secrets", "configMap": "configmaps"}[kind]
        try:
            found = await self._get(f"api/v1/namespaces/{self.namespace}/{plural}/{reference['name']}")
        except ApiRefusedError:
            if reference.get("optional"):
                return {}
            raise
        if kind == "configMap":
            return found.get("data", {})
        return {key: _decoded(value) for key, value in found.get("data", {}).items()}

    async def _list(self, group: str, plural: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self._get(f"{group}/namespaces/{self.namespace}/{plural}"))["items"]
        return [item for item in items if "deletionTimestamp" not in item["metadata"]]

    async def _get(self, path: str) -> Any:
        return await asyncio.to_thread(self.control_plane.request, "GET", f"/{path}")

    async def _write_status(self, path: str, status: dict[str, Any]) -> None:
        def write() -> None:
            current = self.control_plane.request("GET", f"/{path}")
            current["status"] = status
            self.control_plane.request("PUT", f"/{path}/status", current)

        with contextlib.suppress(ApiRefusedError):  # gone, or changed meanwhile: the next look writes it
            await asyncio.to_thread(write)

    def _log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"


@asynccontextmanager
async def kubelet(control_plane: ControlPlane, namespace: str, folder: Path, program: Path) -> AsyncIterator[Kubelet]:
    """It looks until the end of the block, and ends what runs then."""
    working = Kubelet(control_plane, namespace, folder, program)

    async def work() -> None:
        while True:
            await working.look()
            await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.create_task(work())
    try:
        yield working
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await working.stop()


def _condition(kind: str, holds: bool, reason: str) -> dict[str, str]:
    now = _now()
    moments = {"lastTransitionTime": now} | ({"lastUpdateTime": now} if kind in {"Available", "Progressing"} else {})
    return {"type": kind, "status": str(holds), "reason": reason, "message": reason, **moments}


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda match: environment.get(match[1], match[0]), text)


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
