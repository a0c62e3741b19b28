"""Every query of the dashboard, asked of a real Prometheus that has scraped a real operator in good and bad times."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from graphmail.resource.names import ANNOTATION_RENEW, PLURAL
from support.alerting import ROOT, quick, shipped_rules
from support.due import BY_TICKS
from support.monitoring import Prometheus, running
from support.stage import Running, Stage, condition_status
from support.waiting import eventually

BOARD = ROOT / "helm" / "graphmail-operator" / "dashboards" / "graphmail.json"
CERTIFICATES = "graphmail_certificate_expiration_timestamp_seconds"
EMPTY = {CERTIFICATES: "nobody signs in with a certificate here"}
"""Metrics whose queries are rightly without an answer, and why."""
PER_MAILBOX_OFF = {"GRAPHMAIL_METRICS_PER_MAILBOX": "false"}


def queries(**variables: str) -> list[tuple[str, str]]:
    """Title and expression of each query, with the variables put in as Grafana does."""
    variables = {"__rate_interval": "1m"} | variables
    found = []
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expression = re.sub(r"\$(\w+)", lambda match: variables[match[1]], target["expr"])
            found.append((f"{panel['id']} {panel['title']} {target['refId']}", expression))
    return found


async def unanswered(prometheus: Prometheus, **variables: str) -> list[str]:
    """The queries that have no answer, or only such as are no number. Those that Prometheus refuses raise AssertionError."""
    missing = []
    for title, expression in queries(**variables):
        series = await prometheus.query(expression)
        if all(one["value"][1] == "NaN" for one in series) and not any(metric in expression for metric in EMPTY):
            missing.append(f"{title}: {expression}")
    return missing


async def provoke(stage: Stage) -> None:
    """All that the panels tell of: success and failure, a consent that is revoked, 429."""
    good, revoked = stage.add_delegated(), stage.add_delegated()
    await stage.ready(good)
    await stage.ready(revoked)
    await stage.arrive(good)
    stage.withdraw_consent(revoked)
    await stage.status_of(revoked, lambda status: condition_status(status, "Stalled") == "True", "stalled")
    stage.fault("create", answer="throttled", count=1)
    stage.fault("create", answer="service-unavailable")
    failing = [stage.add_app_only(), stage.add_app_only()]
    for row in failing:
        await stage.status_of(row, lambda status: condition_status(status, "Ready") == "False", "not ready")
    stage.kubectl("annotate", PLURAL, good.name, f"{ANNOTATION_RENEW}=once-more")
    await stage.status_of(good, lambda status: status["lastHandledRenewal"] == "once-more", "renewed")


async def look_on(prometheus: Prometheus, operator: Running, stage: Stage) -> None:
    """Scrape that operator."""
    target = (urlsplit(operator.metrics_url).netloc, {"namespace": stage.namespace})
    await prometheus.start([target], quick(shipped_rules()))


@pytest.mark.parametrize("variables", [{}, PER_MAILBOX_OFF], ids=["per-mailbox", "totals-alone"])
async def test_every_query_of_the_dashboard_has_an_answer(
    stage: Stage, tmp_path: Path, variables: dict[str, str]
) -> None:
    async with running(tmp_path) as (prometheus, _), stage.operator(**BY_TICKS | variables) as operator:
        await look_on(prometheus, operator, stage)
        await provoke(stage)

        async def all_answered() -> bool:
            missing = await unanswered(prometheus, namespace=stage.namespace, tenant=stage.tenant)
            print("\n".join(missing))  # shown where the wait fails
            return not missing

        await eventually(all_answered, "every query has an answer")
        assert await unanswered(prometheus, namespace=".*", tenant=".*") == []
        await numbers_are_right(prometheus, stage)


async def numbers_are_right(prometheus: Prometheus, stage: Stage) -> None:
    """Two of four mailboxes fail, one waits for its owner, and one is covered: so say the tiles."""
    asked = dict(queries(namespace=stage.namespace, tenant=stage.tenant))

    async def value(title: str) -> float:
        [series] = await prometheus.query(asked[title])
        return float(series["value"][1])

    assert await value("11 Covered A") == pytest.approx(1 / 3)
    assert await value("12 Uncovered A") == 2
    assert await value("14 Wait for their owners A") == 1
    assert await value("13 Next expiry A") > 0
    [worst] = await prometheus.query(asked["4 Worst tenants A"])
    assert (worst["metric"]["tenant"], worst["value"][1]) == (stage.tenant, "2")


async def test_a_dashboard_of_an_operator_that_does_nothing_is_not_an_error(stage: Stage, tmp_path: Path) -> None:
    async with running(tmp_path) as (prometheus, _), stage.operator() as operator:
        await look_on(prometheus, operator, stage)
        await operator.metric_is(1, "graphmail_leader")
        for _, expression in queries(namespace=".*", tenant=".*"):
            await prometheus.query(expression)
