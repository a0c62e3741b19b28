"""Options that several commands share."""

from typing import Annotated

import typer

from graphmail.cli.completion import NAMES, PROVIDERS, TENANTS
from graphmail.cli.output import OutputFormat

NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="Namespace of the resources, instead of GRAPHMAIL_NAMESPACE and the context's.",
    ),
]
KubeconfigOption = Annotated[
    str | None, typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig to use, instead of KUBECONFIG.")
]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="Context of the kubeconfig to use, instead of its current one."),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", "-t", metavar="ID", help="Only mailboxes of this tenant of the product.", **TENANTS),
]
ProviderOption = Annotated[
    str | None,
    typer.Option("--provider", "-p", metavar="ID", help="Only the mailbox of this provider.", **PROVIDERS),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="A table, or JSON for programs.")]
NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Names of resources, or addresses of mailboxes.", **NAMES)
]
