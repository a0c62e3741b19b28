"""What the benches found: how it is printed, kept, and told in the documentation."""

import json
from pathlib import Path

import pytest

from benches import compare, idle, quota
from benches.publish import DOCUMENT, filled, published, section
from benches.scale import Scale
from localstack.messages import LocalStackError
from rig.account import Account
from rig.result import Finding, Machine, Row, at_least, at_most, exactly, text_table

MACHINE = Machine("a processor", 2, 24, "Linux 6", "3.11.7", load_before=0.1)


def made(bench: str = "quota", *, load: float = 0.1, rows: tuple[Row, ...] = (Row("renewals", "5,000"),)) -> Finding:
    machine = Machine("a processor", 2, 24, "Linux 6", "3.11.7", load_before=load)
    return Finding(
        bench, False, "make bench-quota", "2026-03-01", "abc1234", machine, rows, {"renewals": 5000}, (0, 100, 200)
    )


def test_a_finding_that_was_kept_is_read_as_it_was(tmp_path: Path) -> None:
    found = made(rows=(Row("renewals", "5,000"), exactly("answers 429", 0, 0)))
    assert Finding.read(found.write(tmp_path)) == found


def test_a_quick_run_never_overwrites_a_full_one(tmp_path: Path) -> None:
    full = made()
    quick = Finding(
        full.bench, True, *(getattr(full, name) for name in ("command", "date", "commit", "machine", "rows", "numbers"))
    )
    assert quick.write(tmp_path) != full.write(tmp_path)


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (at_most("ms", 5, 5, "{} ms"), True),
        (at_most("ms", 5.01, 5, "{} ms"), False),
        (at_least("share", 0.97, 0.97, "{}"), True),
        (at_least("share", 0.9699, 0.97, "{}"), False),
        (exactly("429", 0, 0), True),
        (exactly("429", 1, 0), False),
    ],
)
def test_a_bound_itself_is_reached_and_beyond_it_is_missed(row: Row, reached: bool) -> None:
    assert row.reached is reached
    assert row.verdict == ("reached" if reached else "MISSED")


def test_the_table_lines_its_columns_up() -> None:
    lines = text_table([Row("a", "1", "2", True), Row("a longer name", "10")]).splitlines()
    assert lines[0].index("1") == lines[1].index("10")


def test_a_run_on_a_busy_machine_is_told_as_one() -> None:
    assert "not quiet" in section(made(load=3.2))
    assert "not quiet" not in section(made(load=0.1))


def test_a_finding_takes_the_place_between_its_marks_and_nothing_else() -> None:
    document = "before\n<!-- quota -->\nold\n<!-- /quota -->\nafter <!-- compare -->\n"
    text = filled(document, [made()])
    assert text.startswith("before\n<!-- quota -->\n")
    assert text.endswith("<!-- /quota -->\nafter <!-- compare -->\n")
    assert "old" not in text
    assert filled(text, [made()]) == text


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(LocalStackError, match="no place for idle"):
        filled("nothing", [made("idle")])


def test_the_documentation_tells_what_was_found() -> None:
    document = DOCUMENT.read_text()
    assert filled(document, published()) == document


def test_what_is_published_was_measured_at_full_size() -> None:
    assert [found.bench for found in published() if found.quick] == []


ACCOUNT = Account(renewals=5000, other_writes=0, http_429=0, began=1000.0, ended=1050.5, curve=(0,))
QUOTA = quota.Measured(
    mailboxes=5000,
    account=ACCOUNT,
    urgency=0.06,
    duplicates=0,
    postgres_synced=5000,
    kubernetes_synced=5000,
    cpu_start=2.0,
    cpu_work=20.0,
    rss_mb=300.0,
    cpu_parts={"etcd": 4.0},
)
CONTESTANT = compare.Contestant("one", 1000, 240.0, 4.0)
COMPARED = compare.Compared(
    CONTESTANT, compare.Contestant("two", 1000, 60.0, 16.0), compare.Contestant("three", 50, 1.6, 13.0)
)
IDLE = idle.Measured(10_000, 300.0, 0, 0, 145, cpu_share=0.013, rss_mb=330.0, rss_empty_mb=110.0)


def test_the_last_lines_have_the_names_that_are_fixed_for_them() -> None:
    assert QUOTA.numbers() == {
        "renewals": 5000,
        "seconds": 50.5,
        "quota_share": 0.9901,
        "http_429": 0,
        "duplicates": 0,
        "cpu_ms_per_renewal": 4.0,
        "postgres_synced": 5000,
    }
    assert COMPARED.numbers() == {
        "ours_per_s": 240.0,
        "plain_kopf_per_s": 60.0,
        "loop_per_s": 1.6,
        "ours_cpu_ms": 4.0,
        "plain_kopf_cpu_ms": 16.0,
        "loop_cpu_ms": 13.0,
    }
    assert IDLE.numbers() == {
        "resources": 10_000,
        "minutes": 5.0,
        "graph_calls": 0,
        "api_writes": 0,
        "queries": 145,
        "cpu_share": 0.013,
        "rss_mb": 330.0,
        "kb_per_resource": 22.0,
    }


def test_the_last_line_is_one_json_object() -> None:
    assert json.loads(made().last_line()) == {"renewals": 5000}


def test_numbers_as_good_as_these_reach_everything() -> None:
    rows = [*QUOTA.rows(), *COMPARED.rows(), *IDLE.rows()]
    assert [row.what for row in rows if row.reached is False] == []


def test_the_command_in_a_finding_is_what_one_types() -> None:
    assert Scale.full().command("bench-quota") == "make bench-quota"
    assert Scale.small().command("bench-quota") == "make bench-quota QUICK=1"
