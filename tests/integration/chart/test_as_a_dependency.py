"""The chart as one of the charts that another chart depends on."""

import shutil
from pathlib import Path

import pytest
import yaml

from support.helm import CHART, Helm, container, named

DEPENDENCY = {"name": "graphmail-operator", "version": "*", "condition": "graphmail-operator.enabled"}


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart that takes this one along where its values say so."""
    folder = tmp_path / "desk"
    shutil.copytree(CHART, folder / "charts" / "graphmail-operator")
    about = {"apiVersion": "v2", "name": "desk", "version": "1.0.0", "dependencies": [DEPENDENCY]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about))
    (folder / "values.yaml").write_text(yaml.safe_dump({"graphmail-operator": {"enabled": False, "replicas": 3}}))
    return folder


def test_it_is_left_out_where_its_condition_is_false(parent: Path, helm: Helm) -> None:
    assert helm.template(chart=parent) == []


def test_it_is_installed_with_the_parent_s_values_where_its_condition_is_true(parent: Path, helm: Helm) -> None:
    rendered = helm.template("--set", "graphmail-operator.enabled=true", chart=parent)
    assert named(rendered, "Deployment")["spec"]["replicas"] == 3


def test_registry_and_pull_secrets_may_be_those_of_all_charts(parent: Path, helm: Helm) -> None:
    shared = "global.imageRegistry=registry.example.com,global.imagePullSecrets[0].name=all,global.of=others"
    own = "graphmail-operator.enabled=true,graphmail-operator.imagePullSecrets[0].name=own"
    rendered = helm.template("--set", f"{shared},{own}", chart=parent)
    assert container(rendered)["image"].startswith("registry.example.com/graphmail-operator:")
    pod = named(rendered, "Deployment")["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "all"}]


def test_a_registry_of_its_own_comes_first(parent: Path, helm: Helm) -> None:
    own = "graphmail-operator.enabled=true,graphmail-operator.image.registry=own.example.com"
    rendered = helm.template("--set", f"global.imageRegistry=registry.example.com,{own}", chart=parent)
    assert container(rendered)["image"].startswith("own.example.com/graphmail-operator:")


def test_a_value_that_the_chart_does_not_know_is_still_refused(parent: Path, helm: Helm) -> None:
    with pytest.raises(AssertionError, match="additional properties 'enable' not allowed"):
        helm.template("--set", "graphmail-operator.enabled=true,graphmail-operator.enable=true", chart=parent)
