"""`graphsim serve`: one simulator in a process of its own, until it is told to end."""

import asyncio
import gc
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from pydantic import ValidationError

from graphsim import control_models as m
from graphsim import control_running
from graphsim.directory import UnknownObjectError
from graphsim.server import ServerOptions, Simulator
from graphsim.settings import SimulatorSettings

READY_FILE = "graphsim.json"
SEEDED_FILE = "seeded.json"


class ServeError(Exception):
    """The simulator cannot start; the text says why."""


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What to serve: the state directory, the servers' options, the settings, and a seed to begin with."""

    state_dir: Path
    options: ServerOptions
    settings: SimulatorSettings
    seed_file: Path | None = None


def serve(request: ServeRequest, announce: Callable[[m.Health], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` hears of the URLs once everything listens. Raises ServeError."""
    # Tens of thousands of long-lived objects: the default thresholds would walk them all the time.
    gc.set_threshold(100_000, 20, 100)
    seed = _read_seed(request.seed_file)
    try:
        uvloop.run(_serve(request, seed, announce))
    except OSError as error:
        raise ServeError(f"cannot listen or write: {error}") from error


async def _serve(request: ServeRequest, seed: m.Seed | None, announce: Callable[[m.Health], None]) -> None:
    ready, stop = request.state_dir / READY_FILE, asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(request.state_dir, options=request.options, settings=request.settings) as simulator:
        if seed is not None:
            seeded = _plant(simulator, seed, request.seed_file)
            _write_whole(request.state_dir / SEEDED_FILE, seeded.model_dump_json(indent=2), mode=0o600)
        health = control_running.health(simulator.runtime, m.Nothing())
        where = health.model_dump(include={"graph_url", "login_url", "control_url", "ca_path"}) | {"pid": os.getpid()}
        _write_whole(ready, json.dumps(where, indent=2), mode=0o644)
        announce(health)
        await stop.wait()
    ready.unlink(missing_ok=True)


def _read_seed(path: Path | None) -> m.Seed | None:
    if path is None:
        return None
    try:
        return m.Seed.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ServeError(f"cannot read the seed: {error}") from error
    except ValidationError as error:
        raise ServeError(f"the seed {path} is wrong {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    """Where, and what, without the value: it may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"at {where or 'its top'}: {first['msg']}"


def _plant(simulator: Simulator, seed: m.Seed, source: Path | None) -> m.Seeded:
    try:
        return control_running.seed(simulator.runtime, seed)
    except ValidationError as error:
        raise ServeError(f"the seed {source} is wrong {_first_problem(error)}") from None
    except (UnknownObjectError, ValueError) as error:  # what the control API refuses, too
        raise ServeError(f"the seed {source} is wrong: {error}") from error


def _write_whole(path: Path, text: str, *, mode: int) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=mode)
    beside.write_text(text + "\n")
    beside.replace(path)
