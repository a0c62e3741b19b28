"""The cache: where it is, and that an entry is whole or absent."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from localstack.cache import Cache, default_root


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GRAPHMAIL_CACHE": "/var/g", "XDG_CACHE_HOME": "/var/x"}, Path("/var/g")),
        ({"XDG_CACHE_HOME": "/var/x"}, Path("/var/x/graphmail")),
        ({"XDG_CACHE_HOME": "relative/x"}, Path.home() / ".cache" / "graphmail"),
        ({}, Path.home() / ".cache" / "graphmail"),
    ],
    ids=["chosen", "by the desktop's convention", "a relative one is invalid there", "by default"],
)
def test_the_cache_is_where_the_environment_says(environ: dict[str, str], expected: Path) -> None:
    assert default_root(environ) == expected


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    builds = []

    def build(folder: Path) -> None:
        builds.append(folder)
        (folder / "program").write_text("whole")

    cache = Cache(tmp_path)
    first, second = cache.obtain("tool-1", build), cache.obtain("tool-1", build)
    assert first == second == tmp_path / "tool-1"
    assert (first / "program").read_text() == "whole"
    assert len(builds) == 1


def test_another_version_is_another_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entries = [cache.obtain(name, lambda folder: (folder / "program").touch()) for name in ("tool-1", "tool-2")]
    assert len(set(entries)) == 2


def test_a_build_that_fails_leaves_nothing_that_is_believed(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "program").write_text("half")
        raise KeyboardInterrupt

    cache = Cache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        cache.obtain("tool-1", fail)
    assert cache.get("tool-1") is None
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_what_a_killed_run_left_is_not_mixed_into_the_next_build(tmp_path: Path) -> None:
    leftover = tmp_path / ".building-tool-1"
    leftover.mkdir()
    (leftover / "half").touch()
    entry = Cache(tmp_path).obtain("tool-1", lambda folder: (folder / "program").touch())
    assert [path.name for path in entry.iterdir()] == ["program"]


def test_two_runs_at_once_build_once_and_the_second_says_that_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, waited_for = threading.Event(), threading.Event()
    builds: list[str] = []
    said: list[str] = []

    def slow(folder: Path) -> None:
        builds.append(threading.current_thread().name)
        building.set()
        assert waited_for.wait(timeout=60)
        (folder / "program").touch()

    def say(text: str) -> None:
        said.append(text)
        waited_for.set()

    monkeypatch.setattr("localstack.cache.say", say)
    cache = Cache(tmp_path)
    first = threading.Thread(target=cache.obtain, args=("tool-1", slow))
    second = threading.Thread(target=cache.obtain, args=("tool-1", slow))
    first.start()
    assert building.wait(timeout=60)
    second.start()
    first.join(timeout=60)
    second.join(timeout=60)
    assert said == ["Waiting for another run to finish with tool-1 ..."]
    assert len(builds) == 1
    assert (tmp_path / "tool-1" / "program").exists()
