"""For the product itself, which reads Postgres and not Kubernetes.

How each mailbox stands, what happened to it, and renewals that a row asks for.
"""

import asyncio
from dataclasses import dataclass

from graphmail.pages.happenings import Happenings
from graphmail.pages.pausing import Pausing
from graphmail.pages.requests import Requests
from graphmail.pages.telling import Telling

__all__ = ["Happenings", "Pages", "Pausing", "Requests", "Telling"]


@dataclass(frozen=True, slots=True)
class Pages:
    """All that is done for the product's pages."""

    telling: Telling
    requests: Requests

    async def run(self) -> None:
        """Until cancelled. Begun once every resource is known: what is not known yet counts as gone."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.telling.run(), name="states and events for the product")
            group.create_task(self.requests.run(), name="renewals that rows ask for")
