"""``python -m kind up|down``: the demo's world in a kind cluster of its own, which the user's kubeconfig never hears of."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from localstack.cache import Cache
from localstack.messages import LocalStackError, home_relative, run_main, say, step
from localstack.toolchain import HELM, KUBERNETES, Tool, Toolchain

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "helm" / "graphmail-operator"
MANIFESTS = Path(__file__).parent
STATE = CHECKOUT / ".cluster" / "kind"
NAME = NAMESPACE = "graphmail"
RELEASE = "graphmail-operator"
IMAGES = {
    "operator": "docker.io/library/graphmail-operator:dev",
    "demo": "docker.io/library/graphmail-demo:dev",
}
"""The image of each target of the Dockerfile, by the name that Kubernetes reads a short one as; podman would read another."""


def main() -> None:
    """Parse the command line and do what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m kind", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    if parser.parse_args().command == "up":
        up()
    else:
        run("kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(STATE / "kubeconfig"))
        (STATE / "kubeconfig").unlink(missing_ok=True)
        say("The kind cluster is gone.")


def up() -> None:
    """Make the cluster and all that is in it. Raises LocalStackError when something is missing or fails."""
    engine = find_engine()
    STATE.mkdir(parents=True, exist_ok=True)
    if NAME not in run("kind", "get", "clusters").split():
        with step("Making a kind cluster (1 to 3 minutes the first time)"):
            config = ["--config", str(CHECKOUT / "kind-config.yaml"), "--kubeconfig", str(STATE / "kubeconfig")]
            run("kind", "create", "cluster", "--wait", "180s", *config)
    for target, image in IMAGES.items():
        with step(f"Building the image {image} (about a minute the first time)"):
            run(engine, "build", "--target", target, "--tag", image, str(CHECKOUT))
            archive = STATE / f"{target}.tar"
            archive.unlink(missing_ok=True)
            run(engine, "save", "--output", str(archive), image)
            run("kind", "load", "image-archive", str(archive), "--name", NAME)
            archive.unlink()
    with step("Starting Postgres and what plays Microsoft (about a minute)"):
        apply(MANIFESTS / "namespace.yaml", MANIFESTS / "postgres.yaml", MANIFESTS / "microsoft.yaml")
        await_rollout("postgres", "microsoft")
        kubectl("exec", "deployment/microsoft", "--container=graphsim", "--", "python", "-m", "kind.fill")
    with step("Installing the operator's chart"):
        helm("upgrade", "--install", RELEASE, str(CHART), "--values", str(MANIFESTS / "operator-values.yaml"))
        await_rollout(RELEASE)
    with step("Letting it try everything that it needs"):
        helm("test", RELEASE, "--logs", "--timeout", "3m")
    with step("Starting Prometheus"):
        kubectl("delete", "configmap", "prometheus", "--ignore-not-found")
        files = {"prometheus.yml": MANIFESTS / "prometheus.yml", "alerts.yaml": CHART / "alerts" / "graphmail.yaml"}
        kubectl("create", "configmap", "prometheus", *(f"--from-file={name}={path}" for name, path in files.items()))
        apply(MANIFESTS / "prometheus.yaml")
        await_rollout("prometheus")
    say("\nIt is running. Look at it with")
    say(f"  export KUBECONFIG={STATE / 'kubeconfig'}")
    say(f"  kubectl --namespace {NAMESPACE} get graphmailsubscriptions --watch")
    say(f"  kubectl --namespace {NAMESPACE} logs --follow deployment/graphmail-operator")
    say(f"  kubectl --namespace {NAMESPACE} exec deployment/microsoft --container graphsim -- graphsim coverage")
    say(
        f"  kubectl --namespace {NAMESPACE} port-forward service/prometheus 9090   # its alerts: http://localhost:9090/alerts"
    )
    say("and end it with `make kind-down`.")


def find_engine() -> str:
    """The container engine: ``$CONTAINER_ENGINE``, docker or podman. Raises LocalStackError when it or kind is missing."""
    wanted = os.environ.get("CONTAINER_ENGINE")
    engine = next((name for name in ([wanted] if wanted else ["docker", "podman"]) if shutil.which(name)), None)
    if not engine:
        raise LocalStackError("make kind needs a container engine: install docker or podman; `make demo` needs none")
    if not shutil.which("kind"):
        raise LocalStackError("make kind needs kind: install it; `make demo` needs neither")
    try:
        run(engine, "info")
    except LocalStackError:
        raise LocalStackError(
            f"{engine} is installed and does not answer: start its service, or use `make demo`, which needs none"
        ) from None
    return engine


def apply(*paths: Path) -> None:
    """Apply manifests."""
    for path in paths:
        kubectl("apply", "--filename", str(path))


def await_rollout(*deployments: str) -> None:
    """Wait until these are ready."""
    for name in deployments:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s")


def kubectl(*arguments: str) -> None:
    """Run kubectl against the kind cluster."""
    _run_at_cluster(KUBERNETES, "kubectl", *arguments)


def helm(*arguments: str) -> None:
    """Run Helm against the kind cluster."""
    _run_at_cluster(HELM, "helm", *arguments)


def _run_at_cluster(tool: Tool, name: str, *arguments: str) -> None:
    """Run a program, one from PATH or the locally built one."""
    program = shutil.which(name) or str(Toolchain(Cache.default(), os.environ).program(tool, name))
    run(program, f"--kubeconfig={STATE / 'kubeconfig'}", f"--namespace={NAMESPACE}", *arguments)


def run(*command: str) -> str:
    """What a program prints. Raises LocalStackError with the end of what it complains about."""
    environ = {**os.environ, "KUBECACHEDIR": str(STATE / "kubectl-cache")}
    if shutil.which("docker") is None or os.environ.get("CONTAINER_ENGINE") == "podman":
        environ["KIND_EXPERIMENTAL_PROVIDER"] = "podman"
    try:
        answer = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    except FileNotFoundError:
        raise LocalStackError(f"{command[0]} is not installed") from None
    if answer.returncode:
        log = STATE / "failed.log"
        STATE.mkdir(parents=True, exist_ok=True)
        log.write_text(answer.stdout + answer.stderr)
        end = "\n".join(f"    {line}" for line in answer.stderr.splitlines()[-12:])
        raise LocalStackError(f"{' '.join(command[:3])} failed (all of its output: {home_relative(log)})\n{end}")
    return answer.stdout


if __name__ == "__main__":
    sys.exit(run_main(main))
