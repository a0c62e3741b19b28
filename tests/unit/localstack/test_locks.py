"""The locks of the Python packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
LOCKS = [
    ROOT / "requirements.lock",
    ROOT / "requirements-dev.lock",
    *sorted((ROOT / "hack/localstack/pypi").glob("*.lock")),
    ROOT / "bench/picture.lock",
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: Path) -> dict[str, str]:
    """Package to version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_download_host_and_no_path(lock: Path) -> None:
    for line in lock.read_text().splitlines():
        assert not re.search(
            r"https?:|//|--index|--extra-index|--find-links|--trusted-host| @ |(^|\s)-[ef] |/\w", line
        ), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_locked_package_has_its_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=[\w.-]+==)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_tests_run_on_what_the_image_holds() -> None:
    runtime, developer = pins(LOCKS[0]), pins(LOCKS[1])
    assert runtime
    assert runtime.items() <= developer.items()


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        (LOCKS[0], [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["sim"]]),
        (LOCKS[1], PROJECT["dependency-groups"]["dev"]),
    ],
    ids=["runtime and simulator", "development"],
)
def test_the_lock_fits_what_the_project_asks_for(lock: Path, requirements: list[str]) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, requirements):
        version = locked.get(normal(requirement.name))
        assert version, f"{requirement.name} is missing from {lock.name}; run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement} against {version}; run `make lock`"
