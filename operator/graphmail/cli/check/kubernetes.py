"""The API server: reachable, with our CRD, and with the rights that the operator needs."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped
from graphmail.cli.check.ground import WRONG_SETTINGS, Ground
from graphmail.cli.clusters import explain_cluster
from graphmail.cli.selection import Selection, selected
from graphmail.cli.typed import kubectl_options
from graphmail.cluster import INSTALL_CRD, Cluster, ClusterConfigError, ClusterError
from graphmail.resource.names import GROUP, OPERATOR, PLURAL
from graphmail.settings import Settings


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
"""All that the operator may need; which of it depends on the settings, and on the Secrets that resources name."""


def rights(settings: Settings) -> list[Right]:
    """What the operator needs with these settings."""
    mirroring = MIRRORING if settings.database_url is not None else ()
    electing = ELECTING if settings.leader_election else ()
    return [*WATCHING, *mirroring, *TELLING, SECRETS, *electing, *([] if settings.installation else [NAMESPACE])]


async def check_kubernetes(ground: Ground) -> Findings:
    """It answers, knows our resource, and lets us do our work."""
    settings = ground.settings
    if settings is None:
        yield skipped("api server", WRONG_SETTINGS)
        return
    try:
        cluster = await ground.opened.enter_async_context(ground.wish.place.target(settings).client())
        yield ok("api server", f"{cluster.server} answers, and knows us as {await _name(cluster)}")
        async with aclosing(_resources(ground, cluster, settings)) as found:
            async for finding in found:
                yield finding
    except ClusterConfigError as error:
        yield failed("api server", str(error))
    except ClusterError as error:
        yield failed("api server", explain_cluster(error, settings.namespace))


async def _resources(ground: Ground, cluster: Cluster, settings: Settings) -> Findings:
    if not await cluster.serves_subscriptions():
        yield failed("crd", "the API server does not know graphmailsubscriptions", INSTALL_CRD)
        return
    yield ok("crd", "graphmailsubscriptions are served")
    wanted = [right for right in rights(settings) if right is not SECRETS]
    missing = await _refused(cluster, [(right, _name_of(right, settings)) for right in wanted])
    if str(WATCHING[1]) not in missing:
        ground.resources = await selected(cluster, Selection())
        ground.cluster = cluster
    read = {resource.spec.credentials.secret_name for resource in ground.resources} - {None}
    missing += await _refused(cluster, [(SECRETS, str(name)) for name in sorted(map(str, read))])
    if missing:
        remedy = (
            "grant it with a Role and a RoleBinding (docs/security.md; Secrets by the chart's value rbac.credentialSecrets), "
            "or check with the operator's own credentials"
        )
        yield failed("rights", f"missing in namespace {settings.namespace}: {', '.join(missing)}", remedy)
    else:
        yield ok("rights", f"all {len(wanted) + len(read)} that the operator needs in namespace {settings.namespace}")
    if settings.installation:
        ground.installation = settings.installation
    elif str(NAMESPACE) not in missing:
        yield await _namespace(ground, cluster, settings)


def _name_of(right: Right, settings: Settings) -> str:
    """The one object that the right is needed for, since a Role may grant it for that alone; empty for all of them."""
    if right is NAMESPACE:
        return settings.namespace
    # The API server does not know the name of what is to be created when it asks whether that may be.
    return OPERATOR if right in ELECTING and right.verb != "create" else ""


async def _refused(cluster: Cluster, wanted: Sequence[tuple[Right, str]]) -> list[str]:
    """Those of these rights that we lack, for people."""
    granted = await asyncio.gather(
        *(
            cluster.may(right.verb, right.resource, group=right.group, subresource=right.subresource, name=name)
            for right, name in wanted
        )
    )
    lacking = [item for item, given in zip(wanted, granted, strict=True) if not given]
    return [f"{right} {name}" if right is SECRETS else str(right) for right, name in lacking]


async def _namespace(ground: Ground, cluster: Cluster, settings: Settings) -> Finding:
    """It is there: its uid is what the marks in notification URLs are made from."""
    name = settings.namespace
    try:
        ground.installation = settings.installation_for(await cluster.namespace_uid())
    except ClusterError as error:
        if error.status != 404:
            raise
        remedy = f"`kubectl{kubectl_options()} create namespace {name}`, or set GRAPHMAIL_NAMESPACE"
        return failed("namespace", f"there is no namespace {name}", remedy)
    return ok("namespace", f"{name} is there")


async def _name(cluster: Cluster) -> str:
    try:
        return await cluster.whoami()
    except ClusterError as error:
        if error.status != 404:
            raise
        return "somebody (it is too old to say whom)"
