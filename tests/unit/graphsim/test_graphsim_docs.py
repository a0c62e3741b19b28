from pathlib import Path

import pytest

from graphsim.control_routes import ROUTES
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.graph_routes import GRAPH_ROUTES
from graphsim.settings import SimulatorSettings
from graphsim.signin_answers import SIGNIN_ANSWERS
from graphsim.signin_routes import SIGNIN_ROUTES

PAGE = (Path(__file__).parents[3] / "docs" / "graphsim.md").read_text()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_control_route_is_documented_in_its_own_words(route):
    assert f"| `{route.method} {route.path}` | {route.summary} |" in PAGE


def test_no_control_route_is_documented_that_does_not_exist():
    documented = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith(("| `GET /", "| `POST /"))]
    assert set(documented) <= {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("name", sorted({route[0] for route in (*GRAPH_ROUTES, *SIGNIN_ROUTES)}))
def test_every_route_name_for_fault_rules_is_documented(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", [*GRAPH_ANSWERS, *SIGNIN_ANSWERS])
def test_every_named_answer_is_documented(name):
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("name", list(SimulatorSettings.model_fields))
def test_every_setting_is_documented(name):
    assert f"| `{name}` |" in PAGE
