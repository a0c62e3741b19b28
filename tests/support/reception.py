"""The receiver turned on for a stage: between Graph and the product, behind what ends TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graphmail.receiver import receive
from graphmail.receiver.running import Manners
from graphmail.settings import Settings
from localstack.processes import free_port
from support.receiving import Ingress
from support.stage import Running, Stage

PATIENT = Manners(farewell_seconds=0.0, hand_seconds=60.0, forward_seconds=60.0)
"""It ends at once; and a slow machine makes no refusal, which Graph's three seconds would."""
BEHIND_A_PROXY = {"GRAPHMAIL_RECEIVER_ADDRESS": "127.0.0.1:0", "GRAPHMAIL_RECEIVER_BATCH_SECONDS": "0.2"}


@asynccontextmanager
async def ingress_of(stage: Stage) -> AsyncIterator[Ingress]:
    """The way to the receiver from outside, over TLS that Graph trusts."""
    async with Ingress(stage.endpoint.certificate, stage.endpoint.key) as serving:
        yield serving


def switched_on(stage: Stage, ingress: Ingress, *, forwards: bool = True) -> dict[str, str]:
    """What operator and receiver are both told."""
    product = {"GRAPHMAIL_RECEIVER_FORWARD_URL": stage.endpoint.url + stage.endpoint.path} if forwards else {}
    return {"GRAPHMAIL_RECEIVER_URL": ingress.url} | product


@asynccontextmanager
async def receiver(stage: Stage, ingress: Ingress, **variables: str) -> AsyncIterator[Running]:
    """A receiver at work, to which the ingress leads."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
    own = BEHIND_A_PROXY | {"GRAPHMAIL_METRICS_URL": metrics_url}
    task = asyncio.create_task(
        receive(
            Settings.load(stage.environment | own | variables),
            stop,
            manners=PATIENT,
            listening=port.set_result,
        )
    )
    await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    ingress.target = f"http://127.0.0.1:{port.result()}"
    try:
        yield Running(metrics_url)
    finally:
        stop.set()
        await task
