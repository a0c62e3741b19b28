"""The settings that a command reads, and no others: a wrong value elsewhere must not stop a look at the mailboxes."""

import os
import re
from collections.abc import Callable, Mapping

import typer

from graphmail.cli.page import Page
from graphmail.settings import Settings
from graphmail.settings.values import NAMESPACE

_VARIABLE = "GRAPHMAIL_NAMESPACE"


def read_settings(
    page: Page,
    *,
    namespace: str | None = None,
    otherwise: Callable[[], str | None] = lambda: None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """The settings that the command's page names; all others have their defaults.

    Args:
        namespace: as given on the command line; it goes before the variable.
        otherwise: the namespace where neither says one; None: the default.

    Raises:
        SettingsError: values are wrong.
        typer.BadParameter: the namespace is none.
    """
    given = dict(os.environ if env is None else env)
    if namespace is not None:
        if not re.fullmatch(NAMESPACE, namespace):
            raise typer.BadParameter(f"{namespace!r} is not the name of a namespace", param_hint="'--namespace'")
        given[_VARIABLE] = namespace
    elif not given.get(_VARIABLE, "").strip():
        given[_VARIABLE] = otherwise() or ""
    return Settings.load(given, only=page.settings)
