"""The examples for Alertmanager: valid, routed as docs/alerting.md says, and readable when they arrive."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localstack.toolchain import ALERTMANAGER
from support.alerting import EXAMPLES, example, shipped_rules
from support.monitoring import Receiver, program, running
from support.waiting import eventually

NAMES = ["email", "pagerduty", "slack"]
ALERTS = [rule for group in shipped_rules()["groups"] for rule in group["rules"] if "alert" in rule]
SIGN_IN = next(rule for rule in ALERTS if rule["alert"] == "GraphMailSignInRequired")


def amtool(*arguments: str) -> str:
    """What amtool says.

    Raises:
        AssertionError: it refuses; the text has its reason.
    """
    done = subprocess.run([program(ALERTMANAGER, "amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(rule: dict[str, Any], mailbox: str = "anna@contoso.com") -> dict[str, Any]:
    """An alert by that rule, as Prometheus sends it, but for the templates in its texts."""
    labels = {"alertname": rule["alert"], "namespace": "graphmail", "tenant": "t1", "name": mailbox, "mailbox": mailbox}
    plain = {name: re.sub(r"{{.*?}}", "…", text) for name, text in rule["annotations"].items()}
    return {"labels": labels | rule["labels"], "annotations": plain | {"summary": f"{mailbox} needs its owner."}}


def test_there_are_no_other_examples() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_amtool_accepts_it(name: str) -> None:
    assert "SUCCESS" in amtool("check-config", str(EXAMPLES / f"{name}.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_stands_in_it_but_files_that_hold_them(name: str) -> None:
    secret = re.compile(r"^\s*(?:- )?(\w*(?:api_url|password|_key|token)\w*):", re.MULTILINE)
    assert all(field.endswith("_file") for field in secret.findall((EXAMPLES / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_all_have_the_same_routes_and_inhibitions(name: str) -> None:
    shown, first = example(name), example(NAMES[0])
    assert (shown["route"], shown["inhibit_rules"]) == (first["route"], first["inhibit_rules"])


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_each_alert_goes_to_whom_it_concerns(rule: dict[str, Any]) -> None:
    expected = "graphmail-on-call" if rule["labels"]["severity"] == "critical" else "graphmail"
    if rule is SIGN_IN:
        expected = "graphmail-support"
    labels = [f"{name}={value}" for name, value in told(rule)["labels"].items()]
    assert amtool("config", "routes", "test", f"--config.file={EXAMPLES / 'slack.yaml'}", *labels).split() == [expected]


def test_what_is_not_ours_goes_elsewhere() -> None:
    assert amtool(
        "config", "routes", "test", f"--config.file={EXAMPLES / 'slack.yaml'}", "alertname=Other"
    ).split() == ["others"]


def test_inhibitions_name_alerts_that_exist() -> None:
    known = {rule["alert"] for rule in ALERTS}
    for inhibition in example("slack")["inhibit_rules"]:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            named = set(re.findall(r"GraphMail[A-Z]\w+", matcher))
            assert named <= known, named - known


async def test_slack_and_pagerduty_get_what_happened_what_to_do_and_the_links(tmp_path: Path) -> None:
    """Both examples at work: only the services' addresses are ours, and nothing waits."""
    async with Receiver() as slack, Receiver() as pagerduty, running(tmp_path) as (_, alertmanager):
        await alertmanager.start(both(tmp_path, slack.url, pagerduty.url))
        await alertmanager.take([told(SIGN_IN), told(SIGN_IN, "bert@contoso.com")])
        message, event = [await first(receiver) for receiver in (slack, pagerduty)]
    [attachment] = message["attachments"]
    runbook = SIGN_IN["annotations"]["runbook_url"]
    assert message["channel"] == "#support"
    assert (attachment["title"], attachment["title_link"]) == (
        "FIRING 2: GraphMailSignInRequired in graphmail",
        runbook,
    )
    assert "• anna@contoso.com needs its owner.\n• bert@contoso.com needs its owner.\n" in attachment["text"]
    assert "signs in again" in attachment["text"]
    assert next(action["url"] for action in attachment["actions"]) == runbook
    assert attachment["color"] == "warning"
    assert event["payload"]["summary"] == "anna@contoso.com needs its owner. And 1 more."
    assert event["payload"]["severity"] == "warning"
    assert "signs in again" in event["payload"]["custom_details"]["what to do"]
    assert event["links"][0] == {"href": runbook, "text": "Runbook"}
    assert event["routing_key"] == "key"


def both(folder: Path, slack: str, pagerduty: str) -> dict[str, Any]:
    """The receivers of Slack and PagerDuty for support, told of everything at once."""
    (folder / "url").write_text(slack)
    (folder / "key").write_text("key")
    receivers = []
    for name in ("slack", "pagerduty"):
        receiver = next(one for one in example(name)["receivers"] if one["name"] == "graphmail-support")
        receivers.append(receiver | {"name": name})
    for message in receivers[1]["pagerduty_configs"]:
        message |= {"url": pagerduty, "routing_key_file": str(folder / "key")}
    return {
        "global": {"slack_api_url_file": str(folder / "url")},
        "route": {
            "receiver": "slack",
            "group_by": example("slack")["route"]["routes"][0]["group_by"],
            "group_wait": "1s",
            "routes": [{"receiver": name, "continue": True} for name in ("slack", "pagerduty")],
        },
        "receivers": receivers,
    }


async def first(receiver: Receiver) -> dict[str, Any]:
    """The first that arrives."""
    return (await eventually(lambda: receiver.notifications, "a notification"))[0]


async def test_a_mail_says_what_happened_what_to_do_and_where_to_read_on() -> None:
    message = first_of("email")
    alerts = [told(SIGN_IN) | {"status": "firing"}]
    shared = {"status": "firing", "groupLabels": {"alertname": SIGN_IN["alert"], "namespace": "graphmail"}}
    data = json.dumps(shared | {"alerts": alerts, "commonLabels": alerts[0]["labels"]})
    subject, text = [await rendered(template, data) for template in (message["headers"]["Subject"], message["text"])]
    assert subject.strip() == "FIRING 1: GraphMailSignInRequired in graphmail"
    assert text.startswith("anna@contoso.com needs its owner.\n")
    assert "signs in again" in text
    assert f"Runbook: {SIGN_IN['annotations']['runbook_url']}\n" in text


async def test_a_headline_ends_with_the_alert_where_no_namespace_is_known() -> None:
    absent = {"labels": {"alertname": "GraphMailOperatorAbsent"}, "annotations": {}, "status": "firing"}
    data = json.dumps({"status": "firing", "groupLabels": absent["labels"], "alerts": [absent]})
    for headline in (first_of("slack")["title"], first_of("email")["headers"]["Subject"]):
        assert (await rendered(headline, data)).strip("\n") == "FIRING 1: GraphMailOperatorAbsent"


def first_of(name: str) -> dict[str, Any]:
    """The message of an example to whom is called first."""
    receiver = next(one for one in example(name)["receivers"] if one["name"] == "graphmail-on-call")
    [message] = receiver[f"{name}_configs"]
    return dict(message)


async def rendered(template: str, data: str) -> str:
    """What Alertmanager makes of a template."""
    read, write = ["template", "render", "--template.glob=/dev/null", "--template.text"], "--template.data=/dev/stdin"
    process = await asyncio.create_subprocess_exec(
        program(ALERTMANAGER, "amtool"), *read, template, write, stdin=-1, stdout=-1, stderr=-1
    )
    output, error = await process.communicate(data.encode())
    assert process.returncode == 0, error.decode()
    return output.decode()
