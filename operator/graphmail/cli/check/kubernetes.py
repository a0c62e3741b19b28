"""The API server: reachable, with our CRD, and with the rights that the operator needs."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from graphmail.cli.check.findings import Finding, failed, ok, skipped
from graphmail.cli.check.ground import Ground
from graphmail.cli.clusters import explain_cluster
from graphmail.cli.selection import Selection, selected
from graphmail.cluster import Cluster, ClusterConfigError, ClusterError
from graphmail.resource import CredentialSource, GraphMailSubscription
from graphmail.resource.names import GROUP, PLURAL
from graphmail.settings import Settings

INSTALL = "kubectl apply -f crds/graphmailsubscriptions.yaml"


class Right(NamedTuple):
    """What the operator does in its namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {resource}"


WATCHING = tuple(Right(verb, PLURAL, GROUP) for verb in ("get", "list", "watch", "patch"))
MIRRORING = tuple(Right(verb, PLURAL, GROUP) for verb in ("create", "delete"))
TELLING = (Right("patch", PLURAL, GROUP, "status"), Right("create", "events"), Right("patch", "events"))
SECRETS = Right("get", "secrets")
ELECTING = tuple(Right(verb, "leases", "coordination.k8s.io") for verb in ("get", "create", "patch"))
NAMESPACE = Right("get", "namespaces")
NEEDED = (*WATCHING, *MIRRORING, *TELLING, SECRETS, *ELECTING, NAMESPACE)
"""All that the operator may need; which of it depends on the settings, and of Secrets on the resources that name them."""


def rights(settings: Settings) -> list[Right]:
    """What the operator needs with these settings, whatever resources there are."""
    mirroring = MIRRORING if settings.database_url is not None else ()
    electing = ELECTING if settings.leader_election else ()
    return [*WATCHING, *mirroring, *TELLING, *electing, *([] if settings.installation else [NAMESPACE])]


async def check_kubernetes(ground: Ground) -> AsyncIterator[Finding]:
    """It answers, knows our resource, and lets us do our work."""
    settings = ground.settings
    if settings is None:
        yield skipped("api server", "settings are wrong")
        return
    try:
        cluster = await ground.opened.enter_async_context(ground.wish.target(settings).client())
        yield ok("api server", f"{cluster.server} answers, and knows us as {await _name(cluster)}")
        async for finding in _resources(ground, cluster, settings):
            yield finding
    except ClusterConfigError as error:
        yield failed("api server", str(error))
    except ClusterError as error:
        yield failed("api server", explain_cluster(error, settings.namespace))


async def _resources(ground: Ground, cluster: Cluster, settings: Settings) -> AsyncIterator[Finding]:
    if not await cluster.serves_subscriptions():
        yield failed("crd", "the API server does not know graphmailsubscriptions", INSTALL)
        return
    yield ok("crd", "graphmailsubscriptions are served")
    wanted = rights(settings)
    granted = await asyncio.gather(
        *(
            cluster.may(
                right.verb,
                right.resource,
                group=right.group,
                subresource=right.subresource,
                name=settings.namespace if right is NAMESPACE else "",
            )
            for right in wanted
        )
    )
    missing = [str(right) for right, given in zip(wanted, granted, strict=True) if not given]
    if missing:
        remedy = (
            "grant it with a Role and a RoleBinding (docs/security.md), or check with the operator's own credentials"
        )
        yield failed("rights", f"missing in namespace {settings.namespace}: {', '.join(missing)}", remedy)
    else:
        yield ok("rights", f"all {len(wanted)} that the operator needs in namespace {settings.namespace}")
    if str(WATCHING[1]) not in missing:
        ground.resources = await selected(cluster, Selection())
        ground.cluster = cluster
        async for finding in _secrets(cluster, ground.resources):
            yield finding
    if settings.installation:
        ground.installation = settings.installation
    elif str(NAMESPACE) not in missing:
        yield await _namespace(ground, cluster, settings)


async def _secrets(cluster: Cluster, resources: Iterable[GraphMailSubscription]) -> AsyncIterator[Finding]:
    """Only those that resources name need to be readable; where none does, there is nothing to tell."""
    credentials = [resource.spec.credentials for resource in resources]
    names = sorted(
        {one.secret_name for one in credentials if one.source is CredentialSource.SECRET and one.secret_name}
    )
    if not names:
        return
    readable = await cluster.may(SECRETS.verb, SECRETS.resource)
    unreadable = [
        name for name in names if not readable and not await cluster.may(SECRETS.verb, SECRETS.resource, name=name)
    ]
    if unreadable:
        remedy = "name them in the chart's value rbac.credentialSecrets, or check with the operator's own credentials"
        yield failed("secrets", f"missing: {SECRETS} for {', '.join(unreadable)}, which resources name", remedy)
    else:
        yield ok("secrets", f"all {len(names)} that resources name may be read")


async def _namespace(ground: Ground, cluster: Cluster, settings: Settings) -> Finding:
    """It is there: its uid is what the marks in notification URLs are made from."""
    name = settings.namespace
    try:
        ground.installation = settings.installation_for(await cluster.namespace_uid())
    except ClusterError as error:
        if error.status != 404:
            raise
        remedy = f"`kubectl create namespace {name}`, or set GRAPHMAIL_NAMESPACE"
        return failed("namespace", f"there is no namespace {name}", remedy)
    return ok("namespace", f"{name} is there")


async def _name(cluster: Cluster) -> str:
    try:
        return await cluster.whoami()
    except ClusterError as error:
        if error.status != 404:
            raise
        return "somebody (it is too old to say whom)"
