"""The help of a command: what it does, examples, and the settings that it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent

CLUSTER_VARIABLES = ("KUBECONFIG",)
"""Read by every command that talks to the API server, as kubectl does."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is said about a command.

    The settings are what it reads of the environment, and nothing else is handed to it: the help cannot lie.
    """

    summary: str
    """One line; it stands in the list of commands too."""
    text: str
    examples: Mapping[str, str]
    """What to type, and what it is for."""
    settings: Sequence[str] | None
    """Names of variables; None: all of docs/settings.md."""
    cluster: bool = True
    """It talks to the API server."""

    def render(self) -> str:
        """The help as typer prints it; a form feed's worth of `\\b` keeps the lines of the examples."""
        width = max(len(example) for example in self.examples)
        lines = (f"  {example.ljust(width)}  {purpose}" for example, purpose in self.examples.items())
        return "\n\n".join(
            [self.summary, dedent(self.text).strip(), "\b\nExamples:\n" + "\n".join(lines), self._reads()]
        )

    def _reads(self) -> str:
        own = CLUSTER_VARIABLES if self.cluster else ()
        if self.settings is None:
            return f"Reads all settings of docs/settings.md, and {' and '.join(own)}."
        return f"Reads {', '.join([*self.settings, *own])}."
