"""Whether a URL answers as Graph wants it: its name, the connection, and the handshake."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped, warning
from graphmail.cli.handshake import Knock, Limits, Line, host_of, knock, proxied, resolve, shown
from graphmail.cli.spans import human, when

ADDRESS, CONNECTION, HANDSHAKE = "address", "connection", "handshake"
SOON = timedelta(days=14)
"""A certificate that ends within this should have been renewed by now: the usual ones are renewed a month before."""


async def try_url(url: str, kind: str = "", limits: Limits | None = None) -> Findings:
    """Each step stands on the one before it.

    Args:
        kind: goes before the name of each step, such as `lifecycle `.
    """
    limits = limits or Limits()
    host = host_of(url)
    addresses = await resolve(host)
    if not addresses and not proxied(host):
        yield failed(
            kind + ADDRESS,
            f"{host} does not resolve from here",
            "correct the host of the URL, or publish its name in public DNS; try elsewhere if this machine cannot resolve it",
        )
        return
    yield _address(host, addresses, kind + ADDRESS)
    found = await knock(url, limits=limits)
    for finding in judged(found, url, kind, limits):
        yield finding


def _address(host: str, addresses: list[str], step: str) -> Finding:
    if not addresses:
        return skipped(step, f"{host} does not resolve from here; a proxy is asked for it")
    private = not any(ip_address(address.partition("%")[0]).is_global for address in addresses)
    note = "; that is no public address: for Microsoft it must have one" if private else ""
    return ok(step, f"{host} resolves to {', '.join(addresses)}{note}")


def judged(found: Knock, url: str, kind: str, limits: Limits) -> list[Finding]:
    """What the attempt shows about the connection, and about the answer."""
    place = shown(url)
    if found.line is None and found.answer is None:
        trouble = found.trouble
        return [failed(kind + CONNECTION, f"{place} {trouble.told}", trouble.remedy)] if trouble else []
    line = [_line(found.line, kind + CONNECTION)] if found.line is not None else []
    return [*line, _handshake(found, place, kind + HANDSHAKE, limits)]


def _line(line: Line, step: str) -> Finding:
    now = datetime.now(UTC)
    told = f"{line.version}, certificate of {line.issuer} for {line.subject}, which ends {when(line.ends, now)}"
    if line.ends - now <= SOON:
        return warning(step, told, f"renew it: {human(line.ends - now)} are left, and Graph trusts no expired one")
    return ok(step, told + line.caveat)


def _handshake(found: Knock, place: str, step: str, limits: Limits) -> Finding:
    if found.trouble is not None:
        return failed(step, f"{place} {found.trouble.told}", found.trouble.remedy)
    told = f"{place} answers as Graph wants it, in {found.seconds:.1f} s"
    if found.seconds > limits.slow:
        return warning(
            step,
            told,
            f"answer within {limits.slow:g} s: Graph takes what is slower for a failure when it delivers, "
            "and drops notifications of an endpoint that is often slow",
        )
    return ok(step, told)
