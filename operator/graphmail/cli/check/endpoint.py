"""The notification URL, as Graph would try it: it resolves, and answers the handshake."""

from graphmail.cli.check.findings import Finding, Findings, ok, skipped, warning
from graphmail.cli.check.ground import WRONG_SETTINGS, Ground
from graphmail.cli.handshake import host_of, knock, resolve

NAME = "notifications"


async def check_endpoint(ground: Ground) -> Findings:
    """Tried from here, which is not where Graph is: trouble is a warning."""
    url = ground.settings.notification_url if ground.settings else None
    if url is None:
        yield skipped(NAME, "APPLICATION_URL is not set" if ground.settings else WRONG_SETTINGS)
    urls = {
        "APPLICATION_URL": url,
        "GRAPHMAIL_RECEIVER_URL": ground.settings.lifecycle_url if ground.settings else None,
    }
    for setting, each in urls.items():
        if each is not None:
            yield await _tried(each, setting)


async def _tried(url: str, setting: str) -> Finding:
    host = host_of(url)
    if not await resolve(host):
        return warning(NAME, f"{host} does not resolve from here", f"see {setting}")
    found = await knock(url)
    if found.trouble is not None:
        return warning(NAME, f"{url} {found.trouble.told}", found.trouble.remedy)
    return ok(NAME, f"{url} answers the handshake{found.line.caveat if found.line else ''}")
