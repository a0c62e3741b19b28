"""How this command was called, so that the commands that it advises act in the same place when somebody copies them."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_OPTIONS = {"namespace": "-n", "context": "--context", "kubeconfig": "--kubeconfig"}
"""Those that say where to look, by the names of their parameters."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The command's name, and where it was told to look."""

    program: str = "graphmail"
    place: Mapping[str, str] = field(default_factory=dict)
    """The options as they were given; what the environment says holds for the next command too."""

    def options(self, *but: str) -> str:
        """The options with a space before each, but for those parameters."""
        return "".join(
            f" {option} {shlex.quote(self.place[name])}"
            for name, option in _OPTIONS.items()
            if name in self.place and name not in but
        )


_typed: ContextVar[Typed] = ContextVar("typed", default=Typed())  # noqa: B039 - frozen


@contextmanager
def typed(program: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Within, what is advised is to be typed like this."""
    place = {name: str(parameters[name]) for name in _OPTIONS if parameters.get(name) is not None}
    token = _typed.set(Typed(program, place))
    try:
        yield
    finally:
        _typed.reset(token)


def advised(words: str) -> str:
    """A command of ours, to be copied: `resume ann-1` is `kubectl graphmail resume ann-1 -n mail` where it was called like that."""
    now = _typed.get()
    return f"{now.program} {words}{now.options()}"


def kubectl_options() -> str:
    """What kubectl must be told beside the namespace to reach the same API server; with a space before each."""
    return _typed.get().options("namespace")
