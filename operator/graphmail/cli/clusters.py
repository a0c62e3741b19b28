"""The API server, as the commands reach it: with the rights of whoever types, and with errors that say what to do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from kubernetes.client import Configuration

from graphmail.cli.configuration import read_settings
from graphmail.cli.failures import CommandFailed
from graphmail.cli.page import Page
from graphmail.cluster import (
    INSTALL_CRD,
    Cluster,
    ClusterError,
    ClusterUnavailable,
    context_namespace,
    load_configuration,
)
from graphmail.settings import Settings

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[\w/.-]+)"(?: in API group "(?P<group>[^"]*)")?'
)
C = TypeVar("C", bound=Cluster)


@dataclass(frozen=True, slots=True)
class Target:
    """Which API server, and which namespace of it."""

    namespace: str
    kubeconfig: str | None = None
    context: str | None = None

    def configuration(self) -> Configuration:
        """How to reach it.

        Raises:
            ClusterConfigError: there is no usable configuration.
        """
        return load_configuration(self.kubeconfig, self.context)

    def client(self) -> Cluster:
        """A client for it, to be entered with `connected`.

        Raises:
            ClusterConfigError: there is no usable configuration.
        """
        return Cluster(self.configuration(), self.namespace)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, as it was typed."""

    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def read(self, page: Page) -> Settings:
        """The settings of a command. What no option and no variable says of the namespace, the kubeconfig's context does, as for kubectl.

        Raises:
            SettingsError: values are wrong.
            typer.BadParameter: the namespace is none.
        """
        return read_settings(page, namespace=self.namespace, otherwise=self.context_namespace)

    def context_namespace(self) -> str | None:
        """The namespace of the chosen context."""
        return context_namespace(self.kubeconfig, self.context)

    def target(self, settings: Settings) -> Target:
        """The API server and the namespace to ask."""
        return Target(settings.namespace, self.kubeconfig, self.context)


@asynccontextmanager
async def connected(cluster: C) -> AsyncIterator[C]:
    """The API server; its errors that nobody caught within become failures of the command.

    Raises:
        CommandFailed: the API server refused, or cannot be reached.
    """
    try:
        async with cluster:
            yield cluster
    except ClusterError as error:
        raise CommandFailed(explain_cluster(error, cluster.namespace)) from error


def explain_cluster(error: ClusterError, namespace: str) -> str:
    """What an error of the API server means, and how to mend it."""
    if isinstance(error, ClusterUnavailable):
        return f"{error}. Is it the right one? See KUBECONFIG, --kubeconfig and --context"
    if error.status == 401:
        return "the API server does not accept our credentials: sign in again, or choose others with KUBECONFIG or --context"
    if error.status == 403:
        return missing_right(error, namespace)
    if error.status == 404:
        return (
            "the API server does not know graphmailsubscriptions: choose another cluster with --context, or "
            f"{INSTALL_CRD}"
        )
    return f"the API server refuses: {error}"


def missing_right(error: ClusterError, namespace: str) -> str:
    """Which right is missing, as the API server names it."""
    found = _FORBIDDEN.search(str(error))
    if found is None:
        return f"the API server forbids it: {error}"
    resource = found["resource"] + (f".{found['group']}" if found["group"] else "")
    return (
        f"{found['user']} lacks the right to {found['verb']} {resource} in namespace {namespace}: "
        "whoever runs the cluster can grant it with a Role and a RoleBinding"
    )
