"""What docs/upgrade.md says of versions, of moving and of removing holds, by its own commands."""

import os
from dataclasses import replace
from pathlib import Path

from localstack.cache import Cache
from localstack.toolchain import HELM, Toolchain
from support.hand import Hand
from support.helm import CHART, Helm
from support.shell import Shell, open_shell, story
from support.stage import Stage
from support.waiting import eventually


async def test_an_older_operator_works_with_a_newer_database(stage: Stage, shell: Shell) -> None:
    stage.product.run("INSERT INTO graphmail.migrations (version, name) VALUES (999, 'of a later release')")
    stage.product.run("ALTER TABLE graphmail.provider_state ADD COLUMN of_a_later_release text")
    row = stage.add_app_only()
    async with stage.operator():
        await stage.covered_once(row)
    (await shell.type("graphmail check | grep 'schema .*version 999'")).check()


async def test_a_newer_operator_does_not_start_on_an_older_database_and_says_what_to_do(
    stage: Stage, shell: Shell
) -> None:
    stage.product.run("DELETE FROM graphmail.migrations WHERE version > 1")
    ran = await shell.type("graphmail run")
    assert ran.code == 1
    assert "run `graphmail migrate`" in ran.err


async def test_the_steps_of_an_upgrade_by_hand_leave_every_subscription_as_it_is(stage: Stage, shell: Shell) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        before = await stage.covered_once(row)
        [steps] = story("upgrade.md", "upgrade")
        (await shell.type(steps.typed)).check()
        assert await stage.covered_once(row) == before
    assert stage.calls(row, "create", "patch") == 1


async def test_an_installation_that_moves_takes_every_subscription_along(
    stage: Stage, shell: Shell, tmp_path: Path
) -> None:
    rows = [stage.add_app_only(), stage.add_delegated()]
    async with stage.operator():
        before = [await stage.covered_once(row) for row in rows]
    note, release = story("upgrade.md", "move")
    mark = (await shell.type(note.typed)).check().out.split()
    assert len(mark) == 1
    (await shell.type(release.typed)).check()
    assert stage.resources() == []

    new = f"{stage.namespace}-new"
    stage.control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": new}})
    moved = {**stage.environment, "GRAPHMAIL_NAMESPACE": new, "GRAPHMAIL_INSTALLATION": mark[0]}
    there = replace(stage, namespace=new, environment=moved)
    async with there.operator():
        assert [await there.covered_once(row) for row in rows] == before
        new_shell = open_shell(tmp_path / "new", stage.control_plane, new, moved)
        ran = (await new_shell.type("graphmail sweep --dry-run")).check()
    assert not [identifier for identifier in before if identifier in ran.out]
    assert [stage.calls(row, "create", "delete") for row in rows] == [1, 1]


def removal() -> str:
    """All that is typed; but for the CRD, which is the whole API server's and other tests share, what the page names in its place."""
    [steps] = story("upgrade.md", "remove")
    kept, crd, rest = steps.typed.partition("kubectl delete crd graphmailsubscriptions.graphmail.dev")
    assert (bool(crd), rest.strip()) == (True, "")
    return f"{kept}kubectl delete gms --all --timeout=5m"


def installed(stage: Stage, tmp_path: Path) -> Shell:
    """The chart's release is there, without pods, as there is no kubelet; and a shell that has Helm."""
    helm = Helm(tmp_path / "helm", stage.control_plane)
    values = "crds.enabled=false,rbac.aggregateToView=false"
    helm.run("install", "graphmail-operator", CHART, "--namespace", stage.namespace, "--no-hooks", "--set", values)
    program = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
    return open_shell(tmp_path / "remover", stage.control_plane, stage.namespace, stage.environment, helm=program)


async def test_what_is_removed_leaves_the_subscriptions_alone(stage: Stage, tmp_path: Path) -> None:
    row, hand, shell = stage.add_app_only(), Hand(stage), installed(stage, tmp_path)
    hand.app_only_secret("own")
    hand.write("own")
    async with stage.operator():
        before = await stage.covered_once(row)
        await eventually(lambda: len(hand.live("own")) == 1, "the one that was written by hand is covered")
    own = hand.live("own")
    (await shell.type(removal())).check()
    await eventually(lambda: stage.resources() == [], "the resources are gone")
    assert [subscription.id for subscription in stage.live(row)] == [before]
    assert hand.live("own") == own
    left = stage.kubectl("get", "deployments", "--output=name")
    assert left.strip() == ""


async def test_nothing_is_deleted_while_an_operator_has_not_ended(stage: Stage, tmp_path: Path) -> None:
    """A terminal goes on after a command that fails, unless the commands are joined."""
    hand, shell = Hand(stage), installed(stage, tmp_path)
    hand.app_only_secret("own")
    hand.write("own")
    async with stage.operator():
        await eventually(lambda: len(hand.live("own")) == 1, "it is covered")
        own = hand.live("own")
        typed = await shell.type(f"set +e\n{removal()}")
        assert "an operator is running" in typed.err
        assert len(stage.resources()) == 1
        assert hand.live("own") == own
