"""The real Helm on the project's chart."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from graphmail.settings import Settings
from localstack.cache import Cache
from localstack.controlplane import ControlPlane
from localstack.toolchain import HELM, Toolchain

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "graphmail-operator"
VALUE_FILES = sorted((CHART / "ci").glob("*-values.yaml"))
"""One for each documented way to install the chart."""
Resource = dict[str, Any]


class HelmError(AssertionError):
    """Helm refused; the text is what it said on standard error."""


@dataclass(frozen=True)
class Helm:
    """Helm with a home of its own, and with a cluster where one is given."""

    home: Path
    cluster: ControlPlane | None = None

    def run(self, *arguments: str | Path) -> str:
        """What it prints. Raises HelmError with what it complains about."""
        program = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
        kubeconfig = self.cluster.kubeconfig if self.cluster else self.home / "none"
        folders = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        ran = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **folders, "KUBECONFIG": str(kubeconfig)},
            check=False,
        )
        if ran.returncode:
            raise HelmError(ran.stderr)
        return ran.stdout

    def template(
        self, *arguments: str | Path, namespace: str = "graphmail", chart: Path = CHART, release: str = "graphmail"
    ) -> list[Resource]:
        """All that is rendered, hooks and test too. Raises HelmError where values are refused."""
        return parse(_rendered(self, release, chart, "--namespace", namespace, *arguments))

    def notes(self, *arguments: str | Path) -> str:
        """What Helm says after an installation."""
        dry = ["--dry-run=client", "--no-hooks", "--namespace", "graphmail"]
        return self.run("install", "graphmail-operator", CHART, *dry, *arguments).partition("\nNOTES:\n")[2]


@cache
def _rendered(helm: Helm, *arguments: str | Path) -> str:
    """Rendered once in a process: it takes Helm half a second, and many tests look at the same."""
    return helm.run("template", *arguments)


def parse(text: str) -> list[Resource]:
    """The resources of a text of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def named(resources: Iterable[Resource], kind: str, component: str | None = None) -> Resource:
    """The only one of a kind, and of a component where it is said."""
    found = [
        each
        for each in resources
        if each["kind"] == kind
        and component in {None, each["metadata"].get("labels", {}).get("app.kubernetes.io/component")}
    ]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]


def pod_specs(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    """The spec of every pod that comes of them, with the name of what makes it."""
    for each in resources:
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]
        elif each["kind"] in {"Deployment", "Job"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def container(resources: Iterable[Resource], component: str = "operator") -> Resource:
    """The operator's container, or that of another component."""
    found: Resource = named(resources, "Deployment", component)["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(
    resources: Iterable[Resource], secrets: Mapping[str, str] | None = None, *, component: str = "operator"
) -> dict[str, str]:
    """The variables of that container, each Secret's key with the value that is given for its variable."""
    return {
        item["name"]: item["value"] if "value" in item else (secrets or {})[item["name"]]
        for item in container(resources, component)["env"]
    }


def load(variables: Mapping[str, str]) -> Settings:
    """The settings as an operator in the pod reads them. Raises SettingsError."""
    return Settings.load(variables, namespace_file=Path("/nonexistent"))
