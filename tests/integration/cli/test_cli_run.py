"""`graphmail run` and `graphmail migrate`, as processes; and the command as kubectl's plugin."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import Graphmail, start
from support.stage import Stage
from support.waiting import eventually


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_operator_works_until_it_is_told_to_stop_and_ends_with_0(
    stage: Stage, number: signal.Signals
) -> None:
    row = stage.add_delegated()
    process = await start(stage, "run")
    try:
        await stage.ready(row)
        process.send_signal(number)
        _, log = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, log.decode()
    assert all(json.loads(line)["level"] in {"info", "warning"} for line in log.decode().splitlines())
    assert "Traceback" not in log.decode()


async def test_mailboxes_are_kept_alive_when_nobody_can_read_the_log_any_more(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = stage.add_delegated()
    reading, writing = os.pipe()
    process = await start(stage, "run", stderr=writing)
    os.close(writing)
    try:
        await stage.ready(row)
        os.close(reading)  # from now on each line of the log breaks the pipe
        (await graphmail("renew", row.name)).check()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert stage.calls(row, "patch") == 1
    assert process.returncode == 0


async def test_it_stops_in_order_while_it_still_waits_for_the_api_server(stage: Stage, tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(
        stage.control_plane.kubeconfig.read_text().replace(stage.control_plane.url, "https://127.0.0.1:1")
    )
    process = await start(stage, "run", KUBECONFIG=str(nowhere))
    assert process.stderr is not None
    log = await eventually_in(process.stderr, b"the API server cannot be reached")
    process.send_signal(signal.SIGTERM)
    _, rest = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (log + rest).decode()


async def eventually_in(stream: asyncio.StreamReader, text: bytes) -> bytes:
    """What was read until the text appeared."""
    read = b""
    async with asyncio.timeout(300):
        while text not in read:
            line = await stream.readline()
            assert line, read.decode()
            read += line
    return read


async def test_wrong_settings_stop_the_start_a_line_each(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("run", GRAPHMAIL_TICK_SECONDS="soon", GRAPHMAIL_DATABASE_URL="mysql://u:hush-hush@db/x")
    assert ran.code == 1
    assert sorted(line.split()[1] for line in ran.err.splitlines()) == [
        "GRAPHMAIL_DATABASE_URL",
        "GRAPHMAIL_TICK_SECONDS",
    ]
    assert "hush-hush" not in ran.err


async def test_a_database_without_migrations_stops_the_start(
    stage: Stage, graphmail: Graphmail, older_product_database_url: str
) -> None:
    ran = await graphmail("run", GRAPHMAIL_DATABASE_URL=older_product_database_url)
    assert ran.code == 1
    assert ran.err.splitlines()[-1].endswith("run `graphmail migrate`")
    assert "Traceback" not in ran.err


async def test_rights_that_are_missing_stop_the_start(stage: Stage, graphmail: Graphmail) -> None:
    stage.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = stage.control_plane.service_account_kubeconfig(stage.namespace, "nobody")
    ran = await graphmail("run", KUBECONFIG=str(kubeconfig))
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("graphmail: the API server refuses us: 403 Forbidden")
    assert "Traceback" not in ran.err


async def test_a_namespace_that_does_not_exist_stops_the_start_with_the_command_that_makes_it(
    stage: Stage, graphmail: Graphmail
) -> None:
    ran = await graphmail("run", GRAPHMAIL_NAMESPACE="nosuch")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        "graphmail: there is no namespace nosuch: kubectl create namespace nosuch, or set GRAPHMAIL_NAMESPACE"
    )


async def test_a_migration_says_what_it_did_and_nothing_the_second_time(
    stage: Stage, graphmail: Graphmail, older_product_database_url: str
) -> None:
    first = (await graphmail("migrate", GRAPHMAIL_DATABASE_URL=older_product_database_url)).check()
    assert "added column email_provider_health.subscription_status" in first.out
    assert "applied migration claims" in first.out
    second = (await graphmail("migrate", GRAPHMAIL_DATABASE_URL=older_product_database_url)).check()
    assert second.out == "nothing to do: the database is ready\n"


async def test_a_migration_needs_no_more_than_the_databases_url(
    stage: Stage, graphmail: Graphmail, database_url: str
) -> None:
    bare = {"APPLICATION_URL": None, "KUBECONFIG": None, "GRAPHMAIL_NAMESPACE": None}
    refused = await graphmail("migrate", GRAPHMAIL_DATABASE_URL=database_url, **bare)
    assert refused.code == 1
    assert "graphmail migrate --standalone" in refused.err
    made = (await graphmail("migrate", "--standalone", GRAPHMAIL_DATABASE_URL=database_url, **bare)).check()
    assert made.out.splitlines()[0] == "created table email_providers"


async def test_an_interrupted_command_ends_quietly_with_130(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    process = await start(stage, "renew", row.name, "--timeout", "1h")
    await eventually(lambda: (stage.resource(row) or {})["metadata"].get("annotations"), "the renewal is asked for")
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_kubectl_finds_the_command_as_a_plugin(stage: Stage, tmp_path: Path) -> None:
    plugin = tmp_path / "kubectl-graphmail"
    plugin.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c \"import sys; sys.argv[0] = 'kubectl-graphmail'; "
        'from graphmail.cli import main; main()" "$@"\n'
    )
    plugin.chmod(0o755)
    ran = await asyncio.to_thread(_through_kubectl, stage, tmp_path)
    assert ran.startswith("Usage: kubectl graphmail status")


def _through_kubectl(stage: Stage, folder: Path) -> str:
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [str(stage.control_plane.kubectl), "graphmail", "status", "--help"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
