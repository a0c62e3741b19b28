"""When was the last notification taken, for each app that watches a folder: what a product would write down itself."""

from dataclasses import dataclass

from graphsim.subscriptions import Subscription


@dataclass(slots=True)
class LastDelivered:
    """The newest notification that was taken: when, of which subscription, for a message received when, and how many before.

    Moments are simulated seconds.
    """

    user_id: str
    client_id: str
    folder: str
    subscription_id: str
    delivered_at: float
    received_at: float
    count: int = 0


class DeliveredAccount:
    """One line for each app that watches a folder of a mailbox, from its first notification on."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, str], LastDelivered] = {}

    def note(self, subscription: Subscription, *, received_at: float, delivered_at: float) -> None:
        """A notification was taken at `delivered_at`; one that was overtaken by a newer one is only counted."""
        key = (subscription.user_id, subscription.client_id, subscription.folder)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = LastDelivered(*key, subscription.id, delivered_at, received_at)
        elif delivered_at >= line.delivered_at:
            line.subscription_id, line.delivered_at = subscription.id, delivered_at
            line.received_at = max(line.received_at, received_at)
        line.count += 1

    def after(self, moment: float) -> list[LastDelivered]:
        """Answer the lines whose last notification was taken later than `moment`."""
        return [line for line in self._lines.values() if line.delivered_at > moment]
