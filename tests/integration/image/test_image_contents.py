"""What the Dockerfile does, without a container engine: the wheel is built of what it copies, and installed by the lock alone."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from localstack import pypi_tools
from localstack.cache import Cache

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
Command = Callable[..., subprocess.CompletedProcess[str]]


def copied(stage: str) -> list[str]:
    """The paths that a stage takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", text_of(stage), re.MULTILINE)
    return [path for line in lines for path in line.split()]


def text_of(stage: str) -> str:
    """What a stage does."""
    text = re.search(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert text, stage
    return text[1]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs a program of an environment that holds the image's packages and no others."""
    folder = tmp_path_factory.mktemp("image")
    context, environment = folder / "source", folder / "opt"
    for name in copied("build"):
        target = context / (Path(name).name if (ROOT / name).is_file() else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=context, check=True)
    cache = Cache.default()
    uv = pypi_tools.obtain(cache, "uv", takes="a few seconds") / "bin" / "uv"
    # The packages are in uv's cache already: they are those of the developer's environment.
    settings = {**os.environ, "UV_CACHE_DIR": str(cache.root / "uv-cache"), "VIRTUAL_ENV": str(environment)}
    [wheel] = folder.glob("*.whl")
    for arguments in (
        ["venv", "--python", sys.executable, environment],
        ["pip", "install", "--require-hashes", "--no-deps", "--requirements", context / "requirements.lock"],
        ["pip", "install", "--no-deps", "--offline", wheel],
    ):
        subprocess.run([uv, "--quiet", *arguments], env=settings, check=True)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # As in the image: nothing of the developer's environment, and a home that cannot be written.
        bare = {"PATH": str(environment / "bin"), "HOME": "/nonexistent"}
        program = environment / "bin" / arguments[0]
        return subprocess.run([program, *arguments[1:]], env=bare, cwd="/", capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("program", ["graphmail", "kubectl-graphmail"])
def test_the_command_runs_without_the_developer_s_tools(program: str, command: Command) -> None:
    version = command(program, "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert re.search(r"\d+\.\d+\.\d+", version.stdout)
    helped = command(program, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "migrate" in helped.stdout


def test_the_simulator_runs_too(command: Command) -> None:
    helped = command("graphsim", "serve", "--help")
    assert (helped.returncode, helped.stderr) == (0, "")


def test_an_operator_without_settings_says_what_is_missing(command: Command) -> None:
    ran = command("graphmail", "migrate")
    assert ran.returncode == 1
    assert "GRAPHMAIL_DATABASE_URL" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_every_module_can_be_imported(command: Command) -> None:
    walk = (
        "import importlib, pkgutil, graphmail\n"
        "for module in pkgutil.walk_packages(graphmail.__path__, 'graphmail.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
    )
    ran = command("python", "-W", "error", "-c", walk)
    assert ran.returncode == 0, ran.stderr


def test_the_crd_and_the_migrations_are_inside(command: Command) -> None:
    listing = (
        "from importlib.resources import files\n"
        "print(*sorted(p.name for f in ('crds', 'database/migrations') for p in files('graphmail').joinpath(f).iterdir()))"
    )
    inside = command("python", "-c", listing).stdout.split()
    migrations = {path.name for path in (ROOT / "operator" / "graphmail" / "database" / "migrations").glob("*.sql")}
    assert migrations
    assert migrations | {"graphmailsubscriptions.yaml"} <= set(inside)


@pytest.mark.parametrize("module", ["pytest", "hypothesis", "mypy", "hatchling", "pip"])
def test_tools_of_developers_are_not_inside(module: str, command: Command) -> None:
    assert "ModuleNotFoundError" in command("python", "-c", f"import {module}").stderr


def test_the_installer_of_python_s_image_is_taken_away_while_that_can_be_done() -> None:
    as_root, _, as_nobody = text_of("operator").partition("USER ")
    # By the whole path: the Python that PATH finds is the operator's, which has no pip to take away.
    assert re.search(r"^RUN /usr/local/bin/python -m pip uninstall --yes pip\b", as_root, re.MULTILINE)
    assert "rm -r /usr/local/lib/python3.*/ensurepip" in as_root
    assert "RUN" not in as_nobody


def test_both_stages_stand_on_one_image_which_can_be_pinned() -> None:
    assert "\nARG PYTHON=python:3.12-slim\n" in DOCKERFILE.partition("FROM ")[0]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON}", "${PYTHON}", "operator", "operator"]


@pytest.mark.parametrize("stage", ["build", "demo"])
def test_what_is_copied_reaches_the_engine(stage: str) -> None:
    allowed = [
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for name in copied(stage):
        assert (ROOT / name).exists(), name
        assert any(name == path or name.startswith(f"{path}/") for path in allowed), f"{name} is in .dockerignore"


def test_the_image_runs_as_nobody_in_particular_by_number() -> None:
    # Kubernetes can tell that a user is not root only when it is a number; the chart says the same one.
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert users == [("65532", "65532")]
    assert "runAsUser: 65532" in (ROOT / "helm" / "graphmail-operator" / "values.yaml").read_text()
