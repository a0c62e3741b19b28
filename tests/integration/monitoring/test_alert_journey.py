"""Alerts on their whole way: from a running operator through Prometheus and Alertmanager, with our rules and routes, to a receiver."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from graphmail.resource.names import ANNOTATION_RENEW, PLURAL
from support.alerting import ROOT, example, quick, shipped_rules, to_webhook
from support.due import BY_TICKS
from support.monitoring import Alertmanager, Prometheus, Receiver, running
from support.stage import Running, Stage, condition_status
from support.waiting import eventually

FLEET = 12
"""Mailboxes, enough for GraphMailFleetFailing."""


@dataclass
class Watched:
    """An operator that is watched as in production."""

    operator: Running
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver


@asynccontextmanager
async def watched(stage: Stage, folder: Path) -> AsyncIterator[Watched]:
    """The operator of this stage, and whoever watches it."""
    async with (
        Receiver() as receiver,
        running(folder) as (prometheus, alertmanager),
        stage.operator(**BY_TICKS) as operator,
    ):
        await alertmanager.start(to_webhook(example("slack"), receiver.url))
        target = (urlsplit(operator.metrics_url).netloc, {"namespace": stage.namespace})
        await prometheus.start([target], quick(shipped_rules()), alertmanager.url)
        yield Watched(operator, prometheus, alertmanager, receiver)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


async def test_a_revoked_consent_reaches_support_and_clears_after_a_new_one(stage: Stage, tmp_path: Path) -> None:
    row, other = stage.add_delegated(), stage.add_delegated()
    async with watched(stage, tmp_path) as watch:
        await stage.ready(row)
        await stage.ready(other)
        refusal = stage.withdraw_consent(row)

        alert = await watch.receiver.alert("GraphMailSignInRequired")

        assert alert["labels"] == {
            "alertname": "GraphMailSignInRequired",
            "severity": "warning",
            "scope": "mailbox",
            "namespace": stage.namespace,
            "name": row.name,
            "tenant": row.tenant,
            "provider_id": row.id,
            "mailbox": row.address,
        }
        assert row.address in alert["annotations"]["summary"]
        assert "signs in again" in alert["annotations"]["description"]
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page.endswith("/docs/runbook.md")
        assert anchor in anchors(ROOT / "docs" / "runbook.md")
        assert alert["annotations"]["dashboard_url"] == "/d/graphmail/graphmail?viewPanel=7"
        [notification] = watch.receiver.notifications
        assert notification["receiver"] == "graphmail-support"

        stage.simulator.faults.clear([refusal.id])
        stage.consent_anew(row)

        resolved = await watch.receiver.alert("GraphMailSignInRequired", "resolved")
        assert resolved["labels"] == alert["labels"]
        assert condition_status(await stage.ready(row), "Stalled") is None
        assert {told["labels"]["name"] for note in watch.receiver.notifications for told in note["alerts"]} == {
            row.name
        }


async def test_what_strikes_the_whole_fleet_is_one_notification(stage: Stage, tmp_path: Path) -> None:
    rows = [stage.add_app_only() for _ in range(FLEET)]
    fault = stage.fault("create", answer="service-unavailable")
    async with watched(stage, tmp_path) as watch:
        fleet = await watch.receiver.alert("GraphMailFleetFailing")
        assert (fleet["labels"]["severity"], fleet["labels"]["scope"]) == ("critical", "fleet")
        assert "GraphMailMailboxInError" not in {alert["alertname"] for alert in await watch.prometheus.firing()}

        # An hour later: each mailbox has an alert of its own.
        await watch.prometheus.take_rules(quick(shipped_rules(), hour=1))

        async def all_inhibited() -> bool:
            names = [alert["labels"].get("name") for alert in await watch.alertmanager.inhibited()]
            return {row.name for row in rows} <= set(names)

        await eventually(all_inhibited, "Alertmanager knows an alert of each mailbox, and inhibits it")
        await eventually(watch.alertmanager.kept_back, "their notification was due, and was not sent")
        assert [note["receiver"] for note in watch.receiver.notifications] == ["graphmail-on-call"]
        assert len(watch.receiver.alerts("GraphMailFleetFailing")) == 1

        stage.simulator.faults.clear([fault.id])
        stage.kubectl("annotate", "--all", PLURAL, f"{ANNOTATION_RENEW}=mended")
        await watch.receiver.alert("GraphMailFleetFailing", "resolved")
