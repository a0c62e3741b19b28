"""A shell as the reader of a page has it: the page's programs on its PATH, and a kubeconfig of its own."""

import asyncio
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from localstack.controlplane import ControlPlane
from support.command import Ran
from support.documents import ROOT, Block, blocks

_OURS = ("graphmail", "graphsim")
_FOREIGN = ("GRAPHMAIL_", "MICROSOFT_", "AZURE_", "KUBE", "HELM_", "APPLICATION_URL")
"""What of these stands in the environment of the tests is not the reader's."""


@dataclass(frozen=True)
class Shell:
    """Runs what a page tells the reader to type, from the top of a checkout. What is exported stays for what is typed next."""

    folder: Path
    environment: dict[str, str]
    checkout: Path = ROOT

    async def type(self, text: str, **variables: str) -> Ran:
        """Run these lines in one shell, which ends at the first that fails."""
        process = await self.begin(f"{text}\nexport -p > ~/exported", **variables)
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def begin(
        self, text: str, output: int = asyncio.subprocess.PIPE, **variables: str
    ) -> asyncio.subprocess.Process:
        """The shell with these lines, begun; with `output` both of its streams go there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return await asyncio.create_subprocess_exec(
            *("sh", "-eu", "-c", f"[ ! -e ~/exported ] || . ~/exported\n{text}"),
            cwd=self.checkout,
            env=kept | self.environment | variables | {"PATH": path, "HOME": str(self.folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def linked_checkout(folder: Path) -> Path:
    """A checkout in which the reader may leave files."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name != ".demo":
            (folder / entry.name).symlink_to(entry)
    return folder


def open_shell(
    folder: Path, control_plane: ControlPlane, namespace: str, environment: dict[str, str], **programs: Path
) -> Shell:
    """A shell whose kubectl looks at that namespace; `programs` are further ones, by their names."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    kubeconfig = folder / "kubeconfig"
    shutil.copy(control_plane.kubeconfig, kubeconfig)
    for name, program in {"kubectl": control_plane.kubectl, **programs}.items():
        (bin_folder / name).symlink_to(program)
    for name in _OURS:
        _ours(bin_folder / name, name)
    shell = Shell(folder, {**environment, "KUBECONFIG": str(kubeconfig)})
    control_plane.run_kubectl(
        f"--kubeconfig={kubeconfig}", "config", "set-context", "--current", f"--namespace={namespace}"
    )
    return shell


def _ours(path: Path, name: str) -> None:
    """The command of this checkout, whether it is installed or not."""
    run = f"import sys; sys.argv[0] = {name!r}; from {name}.cli import main; main()"
    modules = shlex.quote(os.pathsep.join(sys.path))
    path.write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec {shlex.quote(sys.executable)} -c {shlex.quote(run)} "$@"\n')
    path.chmod(0o755)


def story(page: str, *names: str) -> list[Block]:
    """The blocks of a page of docs/ that are marked `run: NAME`, with one of these names, in their order."""
    return [
        block
        for block in blocks(ROOT / "docs" / page)
        if block.mark and block.mark.kind == "run" and block.mark.what in names
    ]
