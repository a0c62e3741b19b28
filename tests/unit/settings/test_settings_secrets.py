"""No message about a setting shows a secret."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.settings import Settings, SettingsError

PASSWORD = "pw/with@odd:signs"


@pytest.mark.parametrize(
    "value",
    [
        f"mysql://alga:{PASSWORD}@db/server",
        f"postgresql://alga:{PASSWORD}@db/ser ver",
        PASSWORD,
        f"host=db password={PASSWORD}",
        f"postgresql ://alga:{PASSWORD}@db",
    ],
)
@pytest.mark.parametrize("variable", ["GRAPHMAIL_DATABASE_URL", "GRAPHMAIL_DATABASE_DIRECT_URL"])
def test_a_wrong_database_url_shows_no_password(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({variable: value})
    assert f"{variable} is '" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "odd:signs" not in str(caught.value)


@hypothesis.settings(deadline=None)
@given(password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8))
def test_no_password_reaches_message_cause_or_representation(password: str) -> None:
    marked = f"begin{password}end"
    env = {"GRAPHMAIL_DATABASE_URL": f"postgresql://alga:{marked}@db/server"}
    with pytest.raises(SettingsError) as caught:
        Settings.load(env)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert marked not in str(caught.value)
    settings = Settings.load({**env, "APPLICATION_URL": "https://a.example"}, namespace_file=Path("/nonexistent"))
    assert marked not in repr(settings)
    assert marked not in str(settings)
    assert marked not in settings.model_dump_json()


def test_a_wrong_database_url_still_shows_where_it_leads() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"GRAPHMAIL_DATABASE_URL": f"mysql://alga:{PASSWORD}@db.internal/server"})
    assert "GRAPHMAIL_DATABASE_URL is 'mysql://***@db.internal/server'" in str(caught.value)
