"""A rival: somebody else who renews the same mailboxes (design, rule 15)."""

from collections.abc import Iterable

from graphmail.cli.check.findings import Findings, ok, skipped, warning
from graphmail.cli.check.ground import WRONG_SETTINGS, Ground
from graphmail.cli.output import count
from graphmail.graph import Subscription, read_marker, without_marker

NAME = "rival"
_SHOWN = 3


async def check_rival(ground: Ground) -> Findings:
    """Ids or expiries that appeared without us, and subscriptions that deliver to our URL without being ours."""
    if ground.database is None:
        yield skipped(NAME, "needs Postgres" if ground.settings else WRONG_SETTINGS)
        return
    changes = await ground.database.peer_changes()
    if changes:
        shown = _some(f"{change.key} (subscription {change.subscription_id})" for change in changes)
        rows = count(len(changes), "provider")
        found = f"PeerActive: an id or expiry of {rows} was written by somebody else: {shown}"
        yield warning(
            NAME, found, "turn the product's own renewal loop off; a new consent in the product looks the same, once"
        )
    strangers = foreign(ground)
    if strangers:
        shown = _some(one.id for one in strangers)
        found = f"PeerActive: {count(len(strangers), 'subscription')} at our URL that nobody here knows: {shown}"
        yield warning(
            NAME,
            found,
            "end the other installation, or the product's own renewal loop; what is left over expires by itself",
        )
    if not changes and not strangers:
        rows, seen = count(len(ground.providers), "row"), count(len(ground.listed), "subscription")
        yield ok(NAME, f"nobody else renews, as far as {rows} and {seen} tell")


def foreign(ground: Ground) -> list[Subscription]:
    """What Graph showed of subscriptions that deliver to our URL, bear no mark of this installation, and are known to nobody here."""
    known = {row.subscription_id for row in ground.providers}
    known |= {resource.status.subscription_id for resource in ground.resources}
    urls = {ground.settings.notification_url, ground.settings.product_url} if ground.settings else set()

    def strange(one: Subscription) -> bool:
        marker = read_marker(one.notification_url)
        ours = marker is not None and marker.installation == ground.installation
        return not ours and one.id not in known and without_marker(one.notification_url) in urls

    return [one for one in ground.listed if strange(one)]


def _some(names: Iterable[str]) -> str:
    """The first few, and how many more."""
    all_of_them = list(names)
    more = f" and {len(all_of_them) - _SHOWN} more" if len(all_of_them) > _SHOWN else ""
    return ", ".join(all_of_them[:_SHOWN]) + more
