"""Every query of the dashboard, asked of a real Prometheus that has scraped a real operator and a real receiver in good and bad times."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from graphmail.resource.names import ANNOTATION_RENEW, PLURAL
from support.alerting import ROOT, quick, shipped_rules
from support.due import BY_TICKS
from support.monitoring import Prometheus, running
from support.reception import ingress_of, receiver, switched_on
from support.stage import Row, Running, Stage, condition_status
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
    for panel in (one for one in json.loads(BOARD.read_text())["panels"] if one["type"] != "row"):
        for target in panel["targets"]:
            expression = re.sub(r"\$(\w+)", lambda match: variables[match[1]], target["expr"])
            found.append((f"{panel['id']} {panel['title']} {target['refId']}", expression))
    return found


async def answered(prometheus: Prometheus, expression: str) -> bool:
    """It has an answer that is a number, or rightly none. One that Prometheus refuses raises AssertionError."""
    values = [one["value"][1] for one in await prometheus.query(expression)]
    return any(value != "NaN" for value in values) or any(metric in expression for metric in EMPTY)


async def provoke(stage: Stage) -> Row:
    """All that the panels tell of: success and failure, a consent that is revoked, 429. The mailbox that is well."""
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
    return good


@asynccontextmanager
async def graph_posts(stage: Stage, row: Row) -> AsyncIterator[None]:
    """Mail arrives there all the time, and Graph tells of the subscription: a rate needs more than one."""

    async def post() -> None:
        while True:
            await stage.arrive(row)
            await stage.order("/lifecycle", {"items": [{"event": "missed", "mailbox": row.address}]})
            await asyncio.sleep(1)  # more often than Prometheus looks

    posting = asyncio.create_task(post())
    try:
        yield
        assert not posting.done(), "Graph posts to the end"
    finally:
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)


async def look_on(prometheus: Prometheus, stage: Stage, *processes: Running) -> None:
    """Scrape them."""
    targets = [(urlsplit(one.metrics_url).netloc, {"namespace": stage.namespace}) for one in processes]
    await prometheus.start(targets, quick(shipped_rules()))


@asynccontextmanager
async def watched(stage: Stage, folder: Path, **variables: str) -> AsyncIterator[Prometheus]:
    """An operator and a receiver at work, and Prometheus that looks on."""
    async with running(folder) as (prometheus, _), ingress_of(stage) as ingress:
        on = switched_on(stage, ingress)
        async with receiver(stage, ingress, **on) as receiving, stage.operator(**variables | on) as operator:
            await look_on(prometheus, stage, operator, receiving)
            yield prometheus


@pytest.mark.parametrize("variables", [{}, PER_MAILBOX_OFF], ids=["per-mailbox", "totals-alone"])
async def test_every_query_of_the_dashboard_has_an_answer(
    stage: Stage, tmp_path: Path, variables: dict[str, str]
) -> None:
    async with watched(stage, tmp_path, **BY_TICKS | variables) as prometheus:
        good = await provoke(stage)
        async with graph_posts(stage, good):
            for chosen in ({"namespace": stage.namespace, "tenant": stage.tenant}, {"namespace": ".*", "tenant": ".*"}):
                for title, expression in queries(**chosen):
                    await eventually(partial(answered, prometheus, expression), f"{title} has an answer: {expression}")
        await numbers_are_right(prometheus, stage)


async def numbers_are_right(prometheus: Prometheus, stage: Stage) -> None:
    """Two of four mailboxes fail, one waits for its owner, and one is covered: so say the tiles.

    Each is waited for: while a process is too slow for a scrape, its series are away.
    """
    asked = dict(queries(namespace=stage.namespace, tenant=stage.tenant))

    async def shows(title: str, right: Callable[[float], bool], **labels: str) -> None:
        async def shown() -> bool:
            series = await prometheus.query(asked[title])
            found = [float(one["value"][1]) for one in series if labels.items() <= one["metric"].items()]
            return len(found) == len(series) == 1 and right(found[0])

        await eventually(shown, f"{title} shows what is so")

    await shows("11 Covered A", lambda value: value == pytest.approx(1 / 3))
    await shows("12 Uncovered A", lambda value: value == 2)
    await shows("14 Wait for their owners A", lambda value: value == 1)
    await shows("13 Next expiry A", lambda value: value > 0)
    await shows("21 Receivers A", lambda value: value == 1)
    await shows("21 Receivers B", lambda value: value == 1)
    await shows("21 Receivers E", lambda value: value > 0)
    await shows("4 Worst tenants A", lambda value: value == 2, tenant=stage.tenant)


async def test_a_dashboard_of_an_operator_that_does_nothing_is_not_an_error(stage: Stage, tmp_path: Path) -> None:
    async with running(tmp_path) as (prometheus, _), stage.operator() as operator:
        await look_on(prometheus, stage, operator)
        await operator.metric_is(1, "graphmail_leader")
        for _, expression in queries(namespace=".*", tenant=".*"):
            await prometheus.query(expression)
