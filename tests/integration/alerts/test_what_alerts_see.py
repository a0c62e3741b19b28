"""What the rules ask for, from an operator at work; and the commands of the runbook, on a real API server."""

import asyncio
import re
from datetime import datetime

import pytest

from localstack.controlplane import ControlPlane
from support.alerts import RUNBOOK, commands
from support.stage import Stage
from support.waiting import eventually

UNREADY = "graphmail_subscription_unready_timestamp_seconds"
REVOKED = {"state": "stalled", "reason": "ReauthorizationRequired"}


async def test_a_revoked_consent_shows_why_and_since_when(stage: Stage) -> None:
    row, other = stage.add_delegated(), stage.add_delegated()
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator() as running:
        await stage.ready(other)
        await running.metric_is(1, "graphmail_tenant_subscriptions", tenant=row.tenant, **REVOKED)
        await running.metric_is(1, "graphmail_tenant_subscriptions", state="ready", reason="Subscribed")
        since = await running.metric(UNREADY, name=row.name, tenant=row.tenant, mailbox=row.address, **REVOKED)
        status = (stage.resource(row) or {})["status"]
        (ready,) = [one for one in status["conditions"] if one["type"] == "Ready"]
        assert since == datetime.fromisoformat(ready["lastTransitionTime"]).timestamp()
        assert await running.metric(UNREADY, name=other.name) is None


async def test_without_series_of_mailboxes_the_totals_tell_of_the_same(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator(GRAPHMAIL_METRICS_PER_MAILBOX="false", GRAPHMAIL_TICK_SECONDS="60") as running:
        await stage.ready(row)
        await running.metric_is(1, "graphmail_tenant_subscriptions", tenant=row.tenant, state="ready")
        expires = await running.metric("graphmail_tenant_expiration_timestamp_seconds", tenant=row.tenant)
        due = await running.metric("graphmail_tenant_renewal_timestamp_seconds", tenant=row.tenant)
        tick = await running.metric("graphmail_last_tick_timestamp_seconds")
        assert expires is not None
        assert due is not None
        assert tick is not None
        assert tick < due < expires
        assert await running.metric("graphmail_tick_interval_seconds") == 60
        assert await running.metric("graphmail_subscription_ready") is None
        assert await running.metric(UNREADY) is None


async def test_the_mirrors_last_success_moves_on_between_two_comparisons(stage: Stage) -> None:
    row = stage.add_delegated()
    slow = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "3600", "GRAPHMAIL_MIRROR_POLL_SECONDS": "2.5"}
    name = "graphmail_mirror_last_success_timestamp_seconds"
    async with stage.operator(**slow) as running:
        await stage.ready(row)
        first = await eventually(lambda: running.metric(name), "the first comparison is over")

        async def moved() -> bool:
            return (await running.metric(name) or 0.0) > first

        await eventually(moved, "a cheap read counts")


FLAGS = {
    " ".join(words): words
    for words in commands(RUNBOOK.read_text(encoding="utf-8"))
    if words[0] == "kubectl" and words[1] != "graphmail"
}


async def test_every_look_of_the_runbook_works_on_a_real_api_server(stage: Stage) -> None:
    row = stage.add_delegated()
    values = {"$NS": stage.namespace, "NAME": row.name}
    looks = [
        [values.get(word, word) for word in words[1:]]
        for words in FLAGS.values()
        if words[1] in {"get", "describe"} and not {"deployment", "pods"} & set(words)
    ]
    assert len(looks) > 5
    async with stage.operator():
        await stage.ready(row)
        for look in looks:
            await asyncio.to_thread(stage.control_plane.run_kubectl, *look)


async def test_every_statement_of_the_runbook_runs(stage: Stage) -> None:
    row = stage.add_delegated()
    statements = re.findall(r"^```sql\n(.*?)^```", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [never_adopted] = [one for one in statements if "PROVIDER" in one]
    [found] = stage.product.run(never_adopted.replace("PROVIDER", row.id))
    assert set(found) == {"webhook_subscription_id", "webhook_expires_at"}
    for statement in set(statements) - {never_adopted}:
        stage.product.run(statement)


@pytest.mark.parametrize("words", FLAGS.values(), ids=FLAGS.keys())
def test_kubectl_knows_every_command_and_option_of_the_runbook(control_plane: ControlPlane, words: list[str]) -> None:
    verbs = words[1:3] if words[1] in {"rollout", "top"} else words[1:2]
    known = control_plane.run_kubectl(*verbs, "--help") + control_plane.run_kubectl("options")
    given = words[: words.index("--")] if "--" in words else words
    for option in (word.partition("=")[0] for word in given if word.startswith("-") and word != "-it"):
        assert f"{option}=" in known or f"{option}," in known, option
