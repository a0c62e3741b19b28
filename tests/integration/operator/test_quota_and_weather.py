"""Graph says wait, or fails for everybody: it is nobody's fault, and stops nobody else (design, rules 5 and 8)."""

from typing import Any

import pytest

from graphmail.resource.names import ANNOTATION_RENEW, PLURAL
from support.stage import Row, Stage, condition_reason, condition_status

WAIT_SECONDS = 40
"""The sibling and the other tenant have been asked by then, also on a slow machine."""

pytestmark = pytest.mark.usefixtures("no_retry")


async def test_a_retry_after_stops_one_entra_tenant_and_not_the_fleet(stage: Stage) -> None:
    other_entra = stage.add_entra("Fabrikam")
    told, sibling = stage.add_delegated(), stage.add_app_only()
    elsewhere = stage.add_app_only(entra=other_entra)
    async with stage.operator():
        for row in (told, sibling, elsewhere):
            await stage.ready(row)
        stage.fault("patch", answer="throttled", headers={"Retry-After": str(WAIT_SECONDS)}, count=1)
        stage.request_renewal(told, "now")
        status = await stage.status_of(
            told, lambda status: condition_reason(status, "Ready") == "Throttled", "throttled"
        )
        stage.request_renewal(sibling, "now")
        stage.request_renewal(elsewhere, "now")
        for row in (elsewhere, sibling):
            await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
    assert (status["consecutiveFailures"], condition_status(status, "Ready")) == (0, "True")
    [refusal] = stage.log(told, "patch")
    [waited] = stage.log(sibling, "patch")
    [at_once] = stage.log(elsewhere, "patch")
    assert refusal.status == 429
    assert waited.at - refusal.at >= WAIT_SECONDS
    assert at_once.number < waited.number


async def test_a_graph_that_fails_for_most_of_the_fleet_is_no_providers_fault(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(24)]
    async with stage.operator(MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD="1"):
        for row in rows:
            await stage.ready(row)
        fault = stage.fault("patch", answer="internal-error")
        failed = [await renewed_together(stage, rows, value) for value in ("one", "two", "three")]
        assert fault.hits == 3 * len(rows)
        stage.simulator.faults.clear()
        healed = await renewed_together(stage, rows, "four")
    assert all(condition_reason(status, "Ready") == "GraphUnavailable" for status in failed[-1])
    assert max(status["consecutiveFailures"] for status in failed[-1]) <= 1
    assert [status["consecutiveFailures"] for status in healed] == [0] * len(rows)
    assert "error" not in {stage.product.provider(row.id)["status"] for row in rows}


async def renewed_together(stage: Stage, rows: list[Row], value: str) -> list[dict[str, Any]]:
    """A person renews the whole fleet; the statuses after it."""
    stage.kubectl("annotate", PLURAL, "--all", "--overwrite", f"{ANNOTATION_RENEW}={value}")
    return [await stage.status_of(row, lambda status: status["lastHandledRenewal"] == value, value) for row in rows]
