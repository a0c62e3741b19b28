"""What the world has to tell to endpoints and has not sent yet. The world only puts in; the notifier takes out and posts."""

import asyncio
from dataclasses import dataclass

from graphsim.directory import Mailbox, Message
from graphsim.lifecycle import LifecycleItem
from graphsim.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that arrived, and the subscriptions that are to hear of it."""

    mailbox: Mailbox
    message: Message
    subscriptions: tuple[Subscription, ...]


class Outbox:
    """Notices and lifecycle items in the order of simulated time; `stirred` is set with each."""

    def __init__(self, stirred: asyncio.Event) -> None:
        self._stirred = stirred
        self._notices: list[Notice] = []
        self._items: list[LifecycleItem] = []

    def put_notice(self, notice: Notice) -> None:
        """Have the subscriptions of a notice told."""
        self._notices.append(notice)
        self._stirred.set()

    def put_item(self, item: LifecycleItem) -> None:
        """Have a lifecycle notification sent."""
        self._items.append(item)
        self._stirred.set()

    def take_notices(self) -> list[Notice]:
        """Answer the notices that wait, and forget them."""
        taken, self._notices = self._notices, []
        return taken

    def take_items(self) -> list[LifecycleItem]:
        """Answer the lifecycle items that wait, and forget them."""
        taken, self._items = self._items, []
        return taken
