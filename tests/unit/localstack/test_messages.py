"""What a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from localstack.messages import LocalStackError, duration, home_relative, run_main, step, tail


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (4.94, "4.9 s"), (8.2, "8 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (215.4, "3 min 35 s")],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_step_says_what_it_does_and_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([100.0, 112.0])
    with step("Baking", clock=lambda: next(times)):
        assert capsys.readouterr().out == "Baking ...\n"
    assert capsys.readouterr().out == "  done in 12 s\n"


def test_a_mendable_error_is_one_message_without_a_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise LocalStackError("no Postgres; install it")

    assert run_main(fail) == 1
    assert capsys.readouterr().err == "error: no Postgres; install it\n"


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run_main(interrupted) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_an_interrupt_may_say_itself_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt("interrupted")

    assert run_main(interrupted) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_a_folder_that_cannot_be_made_is_one_message_without_a_stack_trace(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert run_main((tmp_path / "file" / "folder").mkdir) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/file/folder: Not a directory\n"


def test_a_success_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_only_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\nthree\n")
    assert tail(tmp_path / "log", lines=2) == "    two\n    three"
    assert tail(tmp_path / "absent") == ""


def test_a_path_below_home_is_shortened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_relative(tmp_path / "a" / "b") == "~/a/b"
    assert home_relative(Path("/elsewhere/b")) == "/elsewhere/b"
