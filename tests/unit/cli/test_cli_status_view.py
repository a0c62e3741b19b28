"""What `graphmail status` shows of what it found."""

import io
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from graphmail.cli.output import Screen, TableFormat
from graphmail.cli.reasons import OF_CONDITIONS, read_reason
from graphmail.cli.selection import Selection
from graphmail.cli.situation import Situation, situation
from graphmail.cli.status import Wish, as_json, show, summary
from unit.cli.conftest import Mailbox, at

DOWN = ("False", "GraphUnavailable", "Graph did not answer")


def shown(
    found: list[Situation],
    now: datetime,
    *,
    not_ready: bool = False,
    output: TableFormat = TableFormat.TABLE,
    **wish: Any,
) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err, terminal=False, width=80, asks=False)
    show(found, Wish(Selection(tenant="acme"), output, not_ready, **wish), now, screen, "mail")
    return out.getvalue(), err.getvalue()


def test_a_mailbox_says_when_it_expires_and_when_it_is_renewed(mailbox: Mailbox, now: datetime) -> None:
    out, err = shown([situation(mailbox(), now)], now)
    assert re.split(" {2,}", out.splitlines()[1]) == ["ann@contoso.example", "yes", "in 46h", "in 22h", "0", "-", "-"]
    assert err == ""


def test_where_all_are_ready_that_is_said(mailbox: Mailbox, now: datetime) -> None:
    assert shown([situation(mailbox(), now)], now, not_ready=True) == ("", "1 mailbox: 1 ready; 0 shown\n")


def test_where_there_is_no_mailbox_the_place_is_named(now: datetime) -> None:
    out, err = shown([], now)
    assert out == ""
    assert err.startswith(
        "no mailbox of tenant acme in namespace mail: is it the right one? See --namespace and --context"
    )
    assert err.endswith("are named by their ids, see `graphmail status -o wide`\n")


def test_programs_get_a_list_even_of_nothing(now: datetime) -> None:
    assert json.loads(shown([], now, output=TableFormat.JSON)[0]) == []


def test_the_summary_counts_how_they_stand(mailbox: Mailbox, now: datetime) -> None:
    found = [
        situation(one, now) for one in (mailbox(), mailbox(), mailbox(ready=DOWN), mailbox(spec={"suspend": True}))
    ]
    assert summary(found) == "4 mailboxes: 2 ready, 1 suspended, 1 not ready"


def test_programs_get_moments_and_the_words_of_the_resource(mailbox: Mailbox, now: datetime) -> None:
    assert as_json(situation(mailbox(ready=DOWN), now), now) == {
        "name": "ann-1",
        "namespace": "mail",
        "tenant": "acme",
        "providerID": "p1",
        "mailbox": "ann@contoso.example",
        "ready": "no",
        "reason": "GraphUnavailable",
        "message": "Graph did not answer",
        "nextStep": "nothing, unless it stays: `graphmail describe ann-1`",
        "consecutiveFailures": 0,
        "subscriptionID": "s1",
        "expirationTime": "2026-03-03T01:00:00Z",
        "nextRenewalTime": "2026-03-02T01:00:00Z",
        "lastRenewalTime": None,
        "lastNotificationTime": None,
    }


def test_only_what_is_asked_for_is_shown_and_how_many_that_are(mailbox: Mailbox, now: datetime) -> None:
    soon = mailbox({"nextRenewalTime": at(hours=2)}, spec={"mailbox": "soon@contoso.example"})
    down = mailbox({"nextRenewalTime": None}, ready=DOWN, spec={"mailbox": "down@contoso.example"})
    found = [situation(one, now) for one in (mailbox(), soon, down)]

    def boxes(**wish: Any) -> list[str]:
        return [line.partition("@")[0] for line in shown(found, now, **wish)[0].splitlines()[1:]]

    assert boxes() == ["ann", "soon", "down"]
    assert boxes(reason="GraphUnavailable") == ["down"]
    assert boxes(due_before=now + timedelta(hours=3)) == ["soon"]
    assert boxes(due_before=now + timedelta(hours=47)) == ["ann", "soon", "down"], (
        "where none is planned, the expiry counts"
    )
    assert shown(found, now, reason="Throttled") == ("", "3 mailboxes: 2 ready, 1 not ready; 0 shown\n")


LONG = (
    "AADSTS50173: The grant of ann@contoso.example was revoked on 2026-02-28T11:12:13.5Z. Somebody must sign in again! "
    "Trace ID: 1f0c3a2b"
)


def test_a_table_has_the_first_sentence_and_a_wide_one_all_of_it(mailbox: Mailbox, now: datetime) -> None:
    found = [situation(mailbox(ready=("False", "ReauthorizationRequired", LONG)), now)]
    first = (
        "  ReauthorizationRequired: AADSTS50173: The grant of ann@contoso.example was revoked on 2026-02-28T11:12:13.5Z"
    )
    assert shown(found, now)[0].splitlines()[1].endswith(first)
    assert shown(found, now, output=TableFormat.WIDE)[0].splitlines()[1].endswith(f"  ReauthorizationRequired: {LONG}")
    assert json.loads(shown(found, now, output=TableFormat.JSON)[0])[0]["message"] == LONG


@pytest.mark.parametrize("typed", ["Throttled", "throttled", "THROTTLED"])
def test_the_case_of_a_reason_does_not_matter(typed: str) -> None:
    assert read_reason(typed) == "Throttled"


def test_a_word_that_is_no_reason_is_refused_with_those_that_are_near() -> None:
    with pytest.raises(typer.BadParameter, match="'throtled' is no reason: is Throttled meant"):
        read_reason("throtled")
    with pytest.raises(typer.BadParameter, match="docs/observability\\.md lists them"):
        read_reason("xyz")


def test_every_documented_reason_of_a_condition_can_be_asked_for() -> None:
    text = (Path(__file__).parents[3] / "docs" / "observability.md").read_text()
    table = text.partition("<!-- reasons -->")[2].partition("<!-- /reasons -->")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(OF_CONDITIONS)


def test_yaml_holds_what_json_holds(mailbox: Mailbox, now: datetime) -> None:
    found = [situation(mailbox(), now)]
    told = yaml.safe_load(shown(found, now, output=TableFormat.YAML)[0])
    assert told == json.loads(shown(found, now, output=TableFormat.JSON)[0])
