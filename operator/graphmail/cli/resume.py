"""`graphmail resume`: calls to Graph begin again for mailboxes that were suspended by hand."""

from graphmail.cli.clusters import Place, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.options import ContextOption, KubeconfigOption, NamesArgument, NamespaceOption, TenantOption
from graphmail.cli.output import Screen
from graphmail.cli.page import Page
from graphmail.cli.selection import Selection, selected
from graphmail.cli.suspend import change_all, chosen
from graphmail.cli.suspension import resume as resume_one

PAGE = Page(
    "Begin the calls to Graph again for suspended mailboxes.",
    """
    The operator acts at once: it looks whether the subscription still lives, and makes a new one where it does not. This takes
    back what was suspended by hand. Where the provider's row is paused, the row rules: the mailbox is still suspended, and
    resumes when somebody resumes it in the product.

    You need the rights to get (for a tenant or an address: list) and patch graphmailsubscriptions.
    """,
    {
        "graphmail resume ann@contoso.example": "one mailbox",
        "graphmail resume --tenant acme": "all mailboxes of a tenant",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)


def resume(
    *,
    names: NamesArgument = None,
    tenant: TenantOption = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Begin the calls again."""
    conduct(_resume(chosen(names, tenant), Place(namespace, kubeconfig, context)))


async def _resume(selection: Selection, place: Place) -> int:
    settings = place.read(PAGE)
    async with connected(place.target(settings).client()) as cluster:
        resources = await selected(cluster, selection)
        return await change_all(cluster, resources, resume_one, Screen.of_process(), selection)
