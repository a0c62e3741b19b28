"""The commands work with exactly the documented rights of whoever types them, and name the one that is missing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from graphmail.cli import build
from graphmail.cli.check.kubernetes import WATCHING
from support.command import Graphmail
from support.rights import given
from support.stage import Stage
from support.waiting import eventually

GMS, EVENTS = "graphmailsubscriptions.graphmail.dev", "events"
Right = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """A command, and the rights that it needs."""

    arguments: tuple[str, ...]
    rights: tuple[Right, ...]


CASES = {
    "status": Case(("status",), (("list", GMS),)),
    "describe by name": Case(("describe", "NAME"), (("get", GMS),)),
    "describe by address": Case(("describe", "ADDRESS"), (("list", GMS),)),
    "events": Case(("events",), (("list", EVENTS),)),
    "events by address": Case(("events", "ADDRESS"), (("list", GMS), ("list", EVENTS))),
    "renew one": Case(("renew", "NAME", "--no-wait", "--again"), (("get", GMS), ("patch", GMS))),
    "renew all": Case(("renew", "--all", "--no-wait", "--again"), (("list", GMS), ("patch", GMS))),
    "suspend one": Case(("suspend", "NAME"), (("get", GMS), ("patch", GMS))),
    "suspend a tenant": Case(("suspend", "--tenant", "TENANT", "--yes"), (("list", GMS), ("patch", GMS))),
    "resume one": Case(("resume", "NAME"), (("get", GMS), ("patch", GMS))),
    "uninstall": Case(("uninstall", "--yes"), (("list", GMS), ("get", GMS), ("patch", GMS))),
}


def allow(stage: Stage, rights: tuple[Right, ...]) -> None:
    """The account `somebody` has these rights now, and no others."""
    rules = [
        {"apiGroups": [resource.partition(".")[2]], "resources": [resource.partition(".")[0]], "verbs": [verb]}
        for verb, resource in rights
    ]
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{stage.namespace}/roles/somebody"
    role = stage.control_plane.request("GET", path)
    stage.control_plane.request("PUT", path, role | {"rules": rules})


async def typed(stage: Stage, variables: Mapping[str, str], *arguments: str) -> Result:
    """In this process: what is tried are the rights, and a process for each would take minutes."""
    runner = CliRunner(env={**stage.environment, **variables})
    return await asyncio.to_thread(runner.invoke, build(), arguments, prog_name="graphmail")


async def allowed(stage: Stage, variables: Mapping[str, str], *arguments: str) -> Result:
    """The API server knows of new rights a moment after they were given."""

    async def works() -> Result | None:
        result = await typed(stage, variables, *arguments)
        return result if result.exit_code == 0 else None

    return await eventually(works, f"{arguments} works with these rights")


async def test_the_documented_rights_suffice_and_the_missing_one_is_named(
    stage: Stage, graphmail: Graphmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmail.cli.uninstall.SETTLE_SECONDS", 0.0)
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    stage.kubectl("create", "serviceaccount", "somebody")
    stage.kubectl("create", "role", "somebody", "--verb=get", f"--resource={GMS}")
    stage.kubectl(
        "create", "rolebinding", "somebody", "--role=somebody", f"--serviceaccount={stage.namespace}:somebody"
    )
    kubeconfig = {"KUBECONFIG": str(stage.control_plane.service_account_kubeconfig(stage.namespace, "somebody"))}
    words = {"NAME": row.name, "ADDRESS": row.address, "TENANT": stage.tenant}
    for name, case in CASES.items():
        arguments = [words.get(word, word) for word in case.arguments]
        for missing in case.rights:
            allow(stage, tuple(right for right in case.rights if right != missing))
            await eventually_refused(stage, kubeconfig, name, missing, arguments)
        allow(stage, case.rights)
        result = await allowed(stage, kubeconfig, *arguments)
        assert result.exit_code == 0, f"{name}: {result.output}"
        if name.startswith("describe"):
            assert f"somebody lacks the right to list events in namespace {stage.namespace}" in result.stderr
            assert row.id in result.stdout, "all else is shown"


async def eventually_refused(
    stage: Stage, variables: Mapping[str, str], name: str, missing: Right, arguments: list[str]
) -> None:
    """The command fails, and its only line names the right. An authorizer may know of a right for a moment longer."""
    wanted = f"somebody lacks the right to {missing[0]} {missing[1]} in namespace {stage.namespace}: "

    async def refused() -> Result | None:
        result = await typed(stage, variables, *arguments)
        return result if result.exit_code == 1 and wanted in result.stderr else None

    result = await eventually(refused, f"{name} without {missing} is refused in those words")
    assert result.stderr.count("\n") == 1, f"{name}: {result.stderr}"


async def test_a_watch_that_is_not_allowed_names_the_right(stage: Stage) -> None:
    stage.kubectl("create", "serviceaccount", "lister")
    stage.kubectl("create", "role", "lister", "--verb=list", f"--resource={GMS}", "--resource=events")
    stage.kubectl("create", "rolebinding", "lister", "--role=lister", f"--serviceaccount={stage.namespace}:lister")
    await given(stage.control_plane, stage.namespace, "lister", WATCHING[1])
    kubeconfig = {"KUBECONFIG": str(stage.control_plane.service_account_kubeconfig(stage.namespace, "lister"))}
    for command, resource in (("status", GMS), ("events", EVENTS)):
        result = await typed(stage, kubeconfig, command, "--watch")
        assert result.exit_code == 1
        assert f"lister lacks the right to watch {resource} in namespace {stage.namespace}: " in result.stderr
