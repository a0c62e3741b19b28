"""Whoever does not lead, or cannot see the resources, tells the product's pages nothing."""

import asyncio
from typing import cast

import pytest

from graphmail.database import Database, MailboxState
from graphmail.election import Standing
from graphmail.fleet import Fleet
from graphmail.observability.metrics import Store
from graphmail.pages import Telling
from graphmail.pages.happenings import Happenings
from graphmail.stores import Stores
from support.waiting import eventually


class Asked:
    """Postgres, and how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    async def mailbox_states(self, _namespace: str) -> list[MailboxState]:
        self.times += 1
        return []


async def there() -> bool:
    return True


@pytest.mark.parametrize("why", [Standing.OUT, Standing.STOOD_IN_FOR, "the API server is away"])
async def test_nothing_is_told_until_the_lease_is_ours_and_both_stores_are_there(why: Standing | str) -> None:
    standing = [why if isinstance(why, Standing) else Standing.HOLDS]
    stores = Stores({Store.KUBERNETES: there}, standing=lambda: standing[0])
    if not isinstance(why, Standing):
        stores.lost(Store.KUBERNETES)
    asked = Asked()
    telling = Telling(
        cast("Database", asked), Fleet(), stores, "mail", happenings=Happenings(3), pausing=None, events_kept=None
    )
    task = asyncio.create_task(telling.run(look_seconds=0.0))
    for _ in range(100):
        await asyncio.sleep(0)
    assert asked.times == 0
    standing[0] = Standing.HOLDS
    stores.back(Store.KUBERNETES)
    await eventually(lambda: asked.times, "it is told")
    task.cancel()
