"""The settings, as the operator would read them."""

import os

from graphmail.cli.check.findings import Findings, failed, ok, warning
from graphmail.cli.check.ground import Ground
from graphmail.cli.output import count
from graphmail.cli.page import Page
from graphmail.settings import Settings, SettingsError, unknown_variables

NAME = "settings"
SEE = "see docs/settings.md"


async def check_settings(ground: Ground, page: Page) -> Findings:
    """All of them are right, and none is misspelt."""
    try:
        ground.settings = ground.wish.place.read(page)
    except SettingsError as error:
        for problem in error.problems:
            yield failed(NAME, problem, SEE)
        return
    unknown = unknown_variables(os.environ)
    for name in unknown:
        yield warning(NAME, name, SEE)
    if not unknown:
        yield ok(NAME, f"all are right; {place(ground.settings)}")


def place(settings: Settings) -> str:
    """Where the operator would work with these settings, for whom, and whether it would act."""
    tenants = "all tenants" if settings.tenants is None else count(len(settings.tenants), "tenant")
    return f"namespace {settings.namespace}, mode {settings.mode}, {tenants}"
