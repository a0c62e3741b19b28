"""Microsoft: sign-in, Graph, and how far its clock is from ours."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from graphmail.cli.check.account import Account, choose
from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped, warning
from graphmail.cli.check.ground import WRONG_SETTINGS, Ground
from graphmail.cli.failures import CommandFailed, explain
from graphmail.cli.output import count
from graphmail.cli.spans import human, when
from graphmail.database import Database, DatabaseError
from graphmail.graph import Budget, GraphClient, GraphError, Meaning, SignIn, SignInError, Spender, Subscription, Token
from graphmail.graph.clock_offset import WARN_ABOVE
from graphmail.settings import Settings

LISTED = 1_000
"""Subscriptions that are looked at in search of a rival."""


async def check_microsoft(ground: Ground) -> Findings:
    """One account signs in, and Graph answers it."""
    settings = ground.settings
    if settings is None:
        yield skipped("sign-in", WRONG_SETTINGS)
        return
    try:
        account = await choose(ground)
    except CommandFailed as error:
        yield failed("sign-in", str(error))
        return
    if account is None:
        yield _nobody(ground, settings)
        return
    async with SignIn(settings.login_base_url, settings.graph_base_url) as signin:
        token, finding = await sign_in(signin, account, ground.database, force=ground.wish.sign_in)
    yield finding
    if token is not None:
        async with aclosing(_graph(ground, settings, account, token)) as found:
            async for finding in found:
                yield finding


def _nobody(ground: Ground, settings: Settings) -> Finding:
    """There is no account to try with, and why."""
    if settings.database_url is not None and ground.database is None:
        return skipped("sign-in", "needs Postgres")
    if settings.database_url is None and ground.cluster is None:
        return skipped("sign-in", "needs the API server")
    if ground.wish.client_id is not None:
        return failed("sign-in", f"no mailbox has a credential of app {ground.wish.client_id}, or it cannot be read")
    return skipped("sign-in", "nobody has a credential yet, or it cannot be read")


async def sign_in(
    signin: SignIn, account: Account, database: Database | None, *, force: bool
) -> tuple[Token | None, Finding]:
    """A token; None: there is none, or it would cost a refresh that nobody asked for."""
    if not account.free and not force:
        return None, skipped(
            "sign-in",
            f"the access token of {account.mailbox} has expired",
            "--sign-in fetches a new one, and keeps it in the row as the operator would",
        )
    refused = account.credential.access_token if force else None
    try:
        token = await signin.token(account.credential, refused=refused)
    except SignInError as error:
        return None, failed("sign-in", f"{account.mailbox}: {error}", error.remedy or "")
    if token.rotated is not None:
        return token, await _kept(database, account, token)
    if account.delegated:
        left = human(token.expires_at - datetime.now(UTC)) if token.expires_at else "an unknown time"
        return token, ok("sign-in", f"the access token of {account.mailbox} is valid for {left} more; none was fetched")
    return token, ok("sign-in", f"app {account.credential.client_id} got a token for {account.mailbox}")


async def _kept(database: Database | None, account: Account, token: Token) -> Finding:
    """Store what a refresh brought (design, rule 7)."""
    if token.rotated is None or account.key is None or database is None:
        return ok("sign-in", f"{account.mailbox} got a new token, which is not kept: a Secret is only read")
    try:
        stored = await database.store_tokens(account.key, token.rotated)
    except DatabaseError as error:
        return warning(
            "sign-in",
            f"{account.mailbox} got a new token, which could not be kept: {error}",
            "the older one stays valid",
        )
    fate = "kept in the row" if stored else "discarded, since the row has another one by now"
    return ok("sign-in", f"{account.mailbox} got a new token, {fate}")


async def _graph(ground: Ground, settings: Settings, account: Account, token: Token) -> Findings:
    spender = Spender(app=account.credential.client_id, directory=token.directory, mailbox=account.mailbox)
    answered = True
    async with GraphClient(settings.graph_base_url, Budget()) as graph:
        try:
            ground.listed = await _list(graph, token, spender)
            yield await _confirm(graph, account, token, spender, len(ground.listed))
        except GraphError as error:
            answered = error.status is not None
            [told] = explain(error)[:1]
            yield failed("graph", told)
        if answered:
            yield clocks(graph.clock_offset)


async def _list(graph: GraphClient, token: Token, spender: Spender) -> list[Subscription]:
    found: list[Subscription] = []
    async for subscription in graph.list_all(token=token.value, spender=spender):
        found.append(subscription)
        if len(found) >= LISTED:
            break
    return found


async def _confirm(graph: GraphClient, account: Account, token: Token, spender: Spender, listed: int) -> Finding:
    """Graph answers; where the row knows a subscription, it is asked for by its id: a list proves nothing."""
    told = "Graph answers"
    if account.subscription_id is None:
        return ok("graph", f"{told}, and shows {count(listed, 'subscription')}")
    try:
        held = await graph.get(account.subscription_id, token=token.value, spender=spender)
    except GraphError as error:
        if error.meaning is not Meaning.GONE:
            raise
        found = f"{told}, and has no subscription {account.subscription_id} of {account.mailbox} any more"
        return warning("graph", found, "a running operator makes a new one within its verification interval")
    expires = when(held.expires_at, graph.graph_time())
    return ok("graph", f"{told}: subscription {held.id} of {account.mailbox} expires {expires}")


def clocks(offset: timedelta) -> Finding:
    """How far Graph's clock is from ours."""
    apart = (
        f"Graph's clock is {abs(offset.total_seconds()):.1f} s {'ahead of' if offset > timedelta() else 'behind'} ours"
    )
    if abs(offset) <= WARN_ABOVE:
        return ok("clock", apart)
    return warning(
        "clock", apart, "let this machine's clock be set by NTP; expiries are judged by Graph's clock all the same"
    )
