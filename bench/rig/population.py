"""The mailboxes of a bench, as data: the same ones at every run."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from graphmail.provider import ProviderKey
from graphmail.resource.names import resource_name

_NAMES = uuid.UUID("5b0c1a52-4f0e-4d5c-9a43-7a3f6c1f2b10")


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMES, "/".join(names)))


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant of the product with an Entra tenant of its own."""

    number: int

    @property
    def tenant(self) -> str:
        """The product's id of it."""
        return _id("tenant", str(self.number))

    @property
    def directory(self) -> str:
        """The id of its Entra tenant."""
        return _id("directory", str(self.number))

    @property
    def domain(self) -> str:
        """Where its mailboxes are."""
        return f"customer{self.number}.example"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail provider of the product whose subscription stands at Graph, in Postgres and in its resource's status."""

    number: int
    customer: Customer
    granted_at: datetime
    expires_at: datetime

    @property
    def address(self) -> str:
        """The user principal name."""
        return f"support{self.number}@{self.customer.domain}"

    @property
    def provider_id(self) -> str:
        """The product's id of the provider."""
        return _id("provider", str(self.number))

    @property
    def key(self) -> ProviderKey:
        """Tenant and provider."""
        return ProviderKey(self.customer.tenant, self.provider_id)

    @property
    def subscription_id(self) -> str:
        """The id at Graph."""
        return _id("subscription", str(self.number))

    @property
    def client_state(self) -> str:
        """What Graph repeats in each notification."""
        return f"state-{self.number}"

    @property
    def resource(self) -> str:
        """The name of its resource."""
        return resource_name(self.customer.tenant, self.provider_id, self.address)


@dataclass(frozen=True, slots=True)
class Left:
    """The life that is left to the subscriptions, spread evenly between two bounds."""

    least: timedelta
    most: timedelta


ALL_DUE = Left(timedelta(hours=2), timedelta(hours=20))
"""Within the lookahead of a day: every one is due."""
NONE_DUE = Left(timedelta(days=5), timedelta(days=6, hours=12))
"""Far from it."""
LIFETIME = timedelta(minutes=10_000)
"""What was granted when they were last renewed."""


def population(count: int, customers: int, left: Left, now: datetime) -> Sequence[Mailbox]:
    """So many mailboxes, dealt out to so many customers; which expires when is shuffled, the same way at every run."""
    owners = [Customer(number) for number in range(customers)]
    step = (left.most - left.least) / max(1, count)
    remaining = [left.least + step * number for number in range(count)]
    random.Random(count).shuffle(remaining)  # noqa: S311  # an order, no secret
    mailboxes = []
    for number, rest in enumerate(remaining):
        expires_at = (now + rest).replace(microsecond=0)
        mailboxes.append(Mailbox(number, owners[number % customers], expires_at - LIFETIME, expires_at))
    return mailboxes
