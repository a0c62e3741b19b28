"""Which mailboxes a command is about, and how to find them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from graphmail.cli.failures import CommandFailed
from graphmail.cli.typed import advised
from graphmail.cluster import Cluster
from graphmail.resource import GraphMailSubscription


@dataclass(frozen=True, slots=True)
class Selection:
    """Names of resources or addresses of mailboxes, or a tenant and a provider, or none of them for all."""

    names: Sequence[str] = ()
    tenant: str | None = None
    provider: str | None = None

    def includes(self, resource: GraphMailSubscription) -> bool:
        """Whether that mailbox is one of them."""
        spec = resource.spec
        return (
            (not self.names or any(_means(name, resource) for name in self.names))
            and self.tenant in {None, spec.tenant}
            and self.provider in {None, spec.provider_id}
        )

    @property
    def bulk(self) -> bool:
        """Many mailboxes, none of them named."""
        return not self.names and self.provider is None

    def describe(self) -> str:
        """For messages: ` of tenant acme`."""
        parts = {"tenant": self.tenant, "provider": self.provider}
        words = [f"{word} {value}" for word, value in parts.items() if value is not None]
        return f" of {' and '.join(words)}" if words else ""


async def selected(cluster: Cluster, selection: Selection) -> list[GraphMailSubscription]:
    """The mailboxes that are selected; a resource that is not what the CRD promises is left out.

    Raises:
        CommandFailed: a name is none.
        ClusterError: the API server refuses, or cannot be reached.
    """
    if selection.names and not any(map(is_address, selection.names)):
        return [await _named(cluster, name) for name in dict.fromkeys(selection.names)]
    found = []
    async for body in cluster.subscriptions():
        try:
            resource = GraphMailSubscription.parse(body)
        except ValidationError:
            continue
        if selection.includes(resource):
            found.append(resource)
    for name in selection.names:
        if not any(_means(name, resource) for resource in found):
            raise CommandFailed(_unknown(name, cluster))
    return found


def is_address(name: str) -> bool:
    """The name of a mailbox, and none of a resource."""
    return "@" in name


def _means(name: str, resource: GraphMailSubscription) -> bool:
    if is_address(name):
        return resource.spec.mailbox.casefold() == name.casefold()
    return resource.metadata.name == name


def _unknown(name: str, cluster: Cluster) -> str:
    return f"there is no mailbox {name} in namespace {cluster.namespace}: `{advised('status -o wide')}` lists the names"


async def _named(cluster: Cluster, name: str) -> GraphMailSubscription:
    body = await cluster.subscription(name)
    if body is None:
        raise CommandFailed(_unknown(name, cluster))
    try:
        return GraphMailSubscription.parse(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False))
        raise CommandFailed(f"{name} is not what the CRD promises, see its fields {fields}") from None
