"""The alert rules agree with the code that they watch, and with the runbook that they lead to."""

import re
from typing import Any

import pytest
import typer.main

from graphmail.cli import build
from graphmail.decision import Reason
from graphmail.observability.families import FAMILIES
from graphmail.observability.metrics import DEFECT
from graphmail.observability.standing import DELETING, OTHERS_MUST_ACT, PENDING, State
from graphmail.receiver.counting import ANSWER_SECONDS, KINDS, Outcome
from graphmail.receiver.counting import FAMILIES as OF_THE_RECEIVER
from graphmail.reconciler.verdicts import REASONS
from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.names import LIFECYCLE_PATH, NOTIFICATIONS_PATH
from graphmail.settings import Settings
from graphmail.settings.variables import read_variables
from support.alerts import RUNBOOK, Alert, alerts, filled, groups, own_commands, rules, sections

ROOT: Any = typer.main.get_command(build())
SECTIONS = ("Meaning", "Impact", "Diagnosis", "Remedy")
URL = "https://github.com/graphmail/graphmail-operator/blob/main/docs/runbook.md#"
PANELS = {*range(1, 11), *range(18, 24)}
BY_NAME = {family.name: family for family in (*FAMILIES, *OF_THE_RECEIVER)}
BY_NAME[f"{ANSWER_SECONDS.name}_bucket"] = ANSWER_SECONDS
EACH_RULE = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
"""By name; an alert with two severities is two rules."""
EXPRESSIONS = dict(EACH_RULE)
each_rule = pytest.mark.parametrize(("name", "expr"), EACH_RULE, ids=[name for name, _ in EACH_RULE])
KNOWN_REASONS = {*REASONS.values(), *(reason.value for reason in Reason), "Subscribed", PENDING, DELETING, DEFECT}
SELECTOR = re.compile(r"(graphmail_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def words(matcher_value: str) -> set[str]:
    return set(matcher_value.split("|"))


def matchers(expr: str) -> list[tuple[str, str, str]]:
    """Metric, label and value of everything that an expression selects by."""
    found = SELECTOR.findall(expr)
    return [(metric, label, value) for metric, inner in found for label, _, value in MATCHER.findall(inner)]


def ids(alert: Alert) -> str:
    return f"{alert.name}-{alert.labels['severity']}"


@each_rule
def test_a_rule_asks_only_for_metrics_and_labels_that_are_served(name: str, expr: str) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = set(re.findall(r"(?<![\w:])(?:namespace:)?graphmail_[\w:]+", expr))
    assert asked
    assert asked <= {*BY_NAME, *recorded}
    for metric, label, _ in matchers(expr):
        assert label in BY_NAME[metric].labels, f"{name}: {metric} has no label {label}"


@each_rule
def test_states_and_reasons_in_a_rule_are_those_of_the_code(name: str, expr: str) -> None:
    known = {"state": {state.value for state in State}, "reason": KNOWN_REASONS}
    for _, label, value in matchers(expr):
        if label in known:
            assert words(value) <= known[label], name


KNOWN_OF_THE_RECEIVER = {
    "kind": {*KINDS, "lifecycle"},
    "outcome": {*(outcome.value for outcome in Outcome), "success", "failure"},
    "route": {path.strip("/") for path in (LIFECYCLE_PATH, NOTIFICATIONS_PATH)},
    "event": {event.value for event in LifecycleEvent},
}


@each_rule
def test_what_a_rule_asks_of_the_receiver_is_spelt_as_the_receiver_does(name: str, expr: str) -> None:
    for metric, label, value in matchers(expr):
        if label in KNOWN_OF_THE_RECEIVER and metric.startswith(("graphmail_receiver_", "graphmail_lifecycle_")):
            assert words(value) <= KNOWN_OF_THE_RECEIVER[label], name


def test_an_alert_of_the_receiver_needs_one_or_the_wish_for_one() -> None:
    """Where there is none, its group must be silent: it asks for nothing else."""
    [group] = [group for group in groups() if group["name"] == "graphmail.receiver"]
    asked = {metric for rule in group["rules"] for metric in re.findall(r"graphmail_\w+", rule["expr"])}
    assert asked
    assert all(metric.startswith("graphmail_receiver_") for metric in asked)
    assert not any("absent(" in rule["expr"] for rule in group["rules"])


def test_rules_and_totals_leave_the_same_mailboxes_to_their_owners() -> None:
    near = EXPRESSIONS["GraphMailExpiryNear"]
    (stalled,) = re.findall(r'state="stalled", reason=~"([^"]*)"', near)
    (left_alone,) = re.findall(r'state=~"([^"]*)"', near)
    assert words(stalled) == OTHERS_MUST_ACT
    assert words(left_alone) == {State.SUSPENDED.value, State.DELETING.value, State.AWAITING_CREDENTIALS.value}
    expected = EXPRESSIONS["namespace:graphmail_subscriptions_expected:sum"]
    (not_expected,) = re.findall(r'reason!~"([^"]*)"', expected)
    assert words(not_expected) == OTHERS_MUST_ACT


def test_every_stall_that_lasts_is_told_by_exactly_one_alert() -> None:
    (left_out,) = set(re.findall(r'reason!~"([^"]*)"', EXPRESSIONS["GraphMailMailboxInError"]))
    told = [value for _, label, value in matchers(EXPRESSIONS["GraphMailSignInRequired"]) if label == "reason"]
    told += [value for _, label, value in matchers(EXPRESSIONS["GraphMailCredentialRefused"]) if label == "reason"]
    assert words(left_out) == {word for value in told for word in words(value)}


def test_a_credential_that_is_refused_pages_once_and_not_for_each_mailbox_that_it_uncovers() -> None:
    (left_out,) = set(re.findall(r'reason!~"([^"]*)"', EXPRESSIONS["GraphMailUncovered"]))
    (told,) = [value for _, label, value in matchers(EXPRESSIONS["GraphMailCredentialRefused"]) if label == "reason"]
    assert words(left_out) == words(told)


@pytest.mark.parametrize("alert", alerts(), ids=ids)
def test_an_alert_says_what_it_is_and_where_to_read_on(alert: Alert) -> None:
    assert alert.name.startswith("GraphMail")
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert alert.labels["scope"] in {"mailbox", "tenant", "fleet", "operator"}
    assert alert.labels.keys() == {"severity", "scope"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert alert.annotations["summary"].endswith((".", "cause."))
    assert len(alert.annotations["description"]) > 80
    assert alert.annotations["runbook_url"] == URL + alert.name.lower()
    panel = alert.annotations["dashboard_url"].removeprefix("/d/graphmail/graphmail?viewPanel=")
    assert int(panel) in PANELS


@pytest.mark.parametrize("alert", alerts(), ids=ids)
def test_the_runbook_has_a_whole_section_for_the_alert(alert: Alert) -> None:
    section = sections()[alert.name]
    parts = re.split(r"^\*\*(\w+)\.\*\*", section, flags=re.MULTILINE)
    assert tuple(parts[1::2]) == SECTIONS
    assert all(len(part.strip()) > 10 for part in parts[2::2])


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert {title for title in sections() if title != "First"} == {alert.name for alert in alerts()}


def test_the_runbooks_table_is_the_one_that_the_rules_make() -> None:
    rows = [
        f"| [`{alert.name}`](#{alert.name.lower()}) | {alert.labels['severity']} | {alert.labels['scope']} | after {alert.hold} |"
        for alert in alerts()
    ]
    table = "\n".join(["| alert | severity | scope | fires |", "|---|---|---|---|", *rows]) + "\n"
    text = RUNBOOK.read_text(encoding="utf-8")
    assert text.partition("<!-- alerts -->\n")[2].partition("<!-- /alerts -->")[0] == table


OWN = {
    " ".join(words): words
    for text in (RUNBOOK.read_text(encoding="utf-8"), *(filled(alert.annotations["description"]) for alert in alerts()))
    for words in own_commands(text)
}


@pytest.mark.parametrize("words", OWN.values(), ids=OWN.keys())
def test_a_command_that_a_tired_person_is_told_to_run_exists_with_its_options(words: list[str]) -> None:
    command = ROOT.get_command(ROOT.make_context("graphmail", ["status"]), words[0])
    assert command is not None
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert given <= options


@pytest.mark.parametrize("alert", [alert for alert in alerts() if alert.labels["scope"] == "mailbox"], ids=ids)
def test_an_alert_of_a_mailbox_names_no_check_which_knows_only_the_settings(alert: Alert) -> None:
    """The URL of a resource that was written by hand is its own, and it has no row: `probe` knows both."""
    assert "check" not in {words[0] for words in own_commands(filled(alert.annotations["description"]))}


def test_settings_that_the_texts_name_exist() -> None:
    known = {variable.name for variable in read_variables(Settings)}
    texts = [RUNBOOK.read_text(encoding="utf-8"), *(alert.annotations["description"] for alert in alerts())]
    named = {name for text in texts for name in re.findall(r"\b(?:GRAPHMAIL|MICROSOFT)_[A-Z_]+\b", text)}
    assert named
    assert named <= known


def test_reasons_that_the_runbook_names_are_those_of_the_code() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z][^|]*`) \|", text, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert named <= KNOWN_REASONS | {"ClientStateTooLong"}
