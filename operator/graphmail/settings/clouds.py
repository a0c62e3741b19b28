"""Microsoft's clouds: which sign-in issues tokens for which Graph (Microsoft Graph, "National cloud deployments")."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: its Graph, and its sign-in with the other names that it answers to."""

    name: str
    graph: str
    login: str
    aliases: tuple[str, ...] = ()


CLOUDS = (
    Cloud(
        "the global cloud",
        "graph.microsoft.com",
        "login.microsoftonline.com",
        ("login.microsoft.com", "login.windows.net", "sts.windows.net"),
    ),
    Cloud("US Government (GCC High)", "graph.microsoft.us", "login.microsoftonline.us"),
    Cloud("US Government (DoD)", "dod-graph.microsoft.us", "login.microsoftonline.us"),
    Cloud(
        "China (21Vianet)",
        "microsoftgraph.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
        ("login.chinacloudapi.cn",),
    ),
)


def mismatch(graph_url: str, login_url: str) -> str | None:
    """What to set instead, when Graph and sign-in are known to be of different clouds; None: they fit, or are not Microsoft's own.

    A token of another cloud's sign-in is refused at every call, so this would never work.
    """
    graph, login = _host(graph_url), _host(login_url)
    cloud = next((cloud for cloud in CLOUDS if cloud.graph == graph), None)
    issuers = [cloud for cloud in CLOUDS if login in {cloud.login, *cloud.aliases}]
    if cloud is None or not issuers or cloud in issuers:
        return None
    graphs = " or ".join(f"https://{one.graph}/v1.0" for one in issuers)
    return (
        f"{login} signs in to {issuers[0].name}, and {graph} is Graph of {cloud.name}: for the one, "
        f"MICROSOFT_GRAPH_BASE_URL is {graphs}; for the other, MICROSOFT_LOGIN_BASE_URL is https://{cloud.login}"
    )


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()
