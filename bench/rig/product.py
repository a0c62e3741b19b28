"""``python -m rig.product PORT``: a stand-in for the product's webhook route, which takes everything after a while."""

import asyncio
import sys

from aiohttp import web

ANSWER_SECONDS = 0.02


async def _take(request: web.BaseRequest) -> web.Response:
    await request.read()
    await asyncio.sleep(ANSWER_SECONDS)
    return web.Response(status=202)


async def _serve(port: int) -> None:
    runner = web.ServerRunner(web.Server(_take, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1_024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
