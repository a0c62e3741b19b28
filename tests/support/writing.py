"""What people do to a resource, and what one sees of it."""

import json

from graphmail.resource.names import PLURAL
from support.stage import Row, Stage, condition_reason


def suspend(stage: Stage, name: str, *, suspended: bool) -> None:
    stage.kubectl("patch", PLURAL, name, "--type=merge", "-p", json.dumps({"spec": {"suspend": suspended}}))


async def suspended_and_resumed(stage: Stage, name: str) -> None:
    suspend(stage, name, suspended=True)
    await stage.status_of(name, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
    suspend(stage, name, suspended=False)
    await stage.ready(name)


def suspensions(stage: Stage, name: str) -> int:
    """How often events tell that it was suspended."""
    return sum(event["count"] for event in stage.events(name) if event["reason"] == "Suspended")


async def renewed(stage: Stage, name: Row | str, value: str) -> None:
    stage.request_renewal(name, value)
    await stage.status_of(name, lambda status: status["lastHandledRenewal"] == value, f"{value} is handled")
