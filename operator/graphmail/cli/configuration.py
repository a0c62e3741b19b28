"""The settings that a command reads, and no others: a wrong value elsewhere must not stop a look at the mailboxes."""

import os
import re
from collections.abc import Mapping

import typer

from graphmail.cli.page import Page
from graphmail.settings import Settings

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NOWHERE = "https://application.invalid"


def read_settings(page: Page, *, namespace: str | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings that the command's page names; all others have their defaults.

    Args:
        namespace: as given on the command line; it goes before the variable.

    Raises:
        SettingsError: values are wrong.
        typer.BadParameter: the namespace is none.
    """
    given = dict(os.environ if env is None else env)
    if page.settings is not None:
        given = {name: value for name, value in given.items() if name in page.settings}
        if "APPLICATION_URL" not in page.settings:
            # Settings want it beside a database; a command that writes no URL anywhere needs none.
            given["APPLICATION_URL"] = _NOWHERE
    if namespace is not None:
        if not _NAMESPACE.fullmatch(namespace):
            raise typer.BadParameter(f"{namespace!r} is not the name of a namespace", param_hint="'--namespace'")
        given["GRAPHMAIL_NAMESPACE"] = namespace
    return Settings.load(given)
