"""A command reads the settings that its help names, and is not stopped by any other."""

import pytest
import typer

from graphmail.cli.configuration import read_settings
from graphmail.cli.page import Page
from graphmail.settings import SettingsError

EXAMPLES = {"graphmail x": "an example"}
NAMESPACE = Page("S.", "t", EXAMPLES, settings=("GRAPHMAIL_NAMESPACE",))
DATABASE = Page("S.", "t", EXAMPLES, settings=("GRAPHMAIL_DATABASE_URL",))
ALL = Page("S.", "t", EXAMPLES, settings=None)
URL = {"GRAPHMAIL_DATABASE_URL": "postgresql://u@db/x"}


def test_a_setting_that_is_not_named_is_not_read() -> None:
    settings = read_settings(NAMESPACE, env={"GRAPHMAIL_NAMESPACE": "mail", "GRAPHMAIL_TICK_SECONDS": "soon"} | URL)
    assert settings.namespace == "mail"
    assert settings.database_url is None


def test_a_setting_that_is_named_must_be_right() -> None:
    with pytest.raises(SettingsError, match="GRAPHMAIL_NAMESPACE"):
        read_settings(NAMESPACE, env={"GRAPHMAIL_NAMESPACE": "Mail Room"})
    with pytest.raises(SettingsError, match="GRAPHMAIL_TICK_SECONDS"):
        read_settings(ALL, env={"GRAPHMAIL_TICK_SECONDS": "soon"})


def test_a_command_that_writes_no_url_needs_no_url_of_the_product() -> None:
    assert read_settings(DATABASE, env=URL).database_url is not None
    with pytest.raises(SettingsError, match="APPLICATION_URL"):
        read_settings(ALL, env=URL)


def test_the_command_line_goes_before_the_environment() -> None:
    assert read_settings(NAMESPACE, namespace="other", env={"GRAPHMAIL_NAMESPACE": "mail"}).namespace == "other"
    with pytest.raises(typer.BadParameter):
        read_settings(NAMESPACE, namespace="Mail Room", env={})
