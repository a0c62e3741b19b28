"""The operator's settings, typed, from the environment. `python -m graphmail.settings` prints the table of docs/settings.md.

Kubernetes gives every container variables for each Service of its namespace: a Service `graphmail` brings GRAPHMAIL_PORT,
GRAPHMAIL_SERVICE_HOST and GRAPHMAIL_PORT_80_TCP_ADDR, a Service `graphmail-metrics` brings GRAPHMAIL_METRICS_PORT. So no name here ends in
_PORT, _SERVICE_HOST or _SERVICE_PORT, or contains _PORT_ or _SERVICE_PORT_; addresses are given as URLs.
"""

from collections.abc import Mapping

from graphmail.settings.model import POD_NAMESPACE_FILE, Settings, SettingsError
from graphmail.settings.variables import Variable, read_variables, unknown_names

__all__ = [
    "POD_NAMESPACE_FILE",
    "Settings",
    "SettingsError",
    "Variable",
    "markdown_table",
    "unknown_variables",
    "variables",
]


def variables() -> list[Variable]:
    """All variables that the operator reads, in the order of the documentation."""
    return read_variables(Settings)


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """A warning for each variable that looks like one of ours and is none, with the nearest name that is."""
    return unknown_names(env, {variable.name for variable in variables()})


def markdown_table() -> str:
    """The table of docs/settings.md."""
    rows = [
        f"| `{variable.name}` | {variable.description} | {variable.default or '(unset)'} | {variable.unit} | {variable.allowed} |"
        for variable in variables()
    ]
    return "\n".join(["| variable | what | default | unit | allowed |", "|---|---|---|---|---|", *rows]) + "\n"
