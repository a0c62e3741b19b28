"""The command as a person types it: in a process of its own."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from support.stage import Stage

_RUN = "import sys; sys.argv[0] = 'graphmail'; from graphmail.cli import main; main()"


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def check(self) -> "Ran":
        """It succeeded."""
        assert self.code == 0, f"{self.out}\n{self.err}"
        return self


Graphmail = Callable[..., Awaitable[Ran]]


async def run(stage: Stage, *arguments: str, **variables: str | None) -> Ran:
    """Type a command, with the stage's environment and further variables."""
    process = await start(stage, *arguments, **variables)
    out, err = await process.communicate(b"")
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def start(
    stage: Stage, *arguments: str, stderr: int = asyncio.subprocess.PIPE, **variables: str | None
) -> asyncio.subprocess.Process:
    """The command, begun; `stderr`: a file descriptor for it instead of a pipe to read from."""
    given = {**os.environ, **stage.environment, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    environment = {name: value for name, value in given.items() if value is not None}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _RUN, *arguments, env=environment, stdin=pipe, stdout=pipe, stderr=stderr
    )
