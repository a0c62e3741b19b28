"""Graph's quota as it is set. Apart from the settings themselves, which every command reads: this needs the room of Graph."""

from graphmail.graph import KindLimit, Limits
from graphmail.settings.model import Settings


def limits(settings: Settings) -> Limits:
    """What Graph allows, by kind of call."""
    return Limits(
        write=KindLimit(settings.quota_writes_per_app, settings.quota_writes_per_tenant),
        reauthorize=KindLimit(settings.quota_reauthorize_per_app, settings.quota_reauthorize_per_tenant),
        read=KindLimit(settings.quota_reads_per_app, settings.quota_reads_per_tenant),
        list=KindLimit(settings.quota_lists_per_app, settings.quota_lists_per_tenant),
    )
