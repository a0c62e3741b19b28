"""The parts of `graphmail check` that need nobody else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.cli import check
from graphmail.cli.check import environment
from graphmail.cli.check.account import Account
from graphmail.cli.check.findings import Finding, Verdict, failed, ok
from graphmail.cli.check.ground import Ground, Wish
from graphmail.cli.check.kubernetes import NAMESPACE, SECRETS, Right, rights
from graphmail.cli.check.microsoft import clocks
from graphmail.cli.check.postgres import place
from graphmail.cli.check.rival import foreign
from graphmail.graph import Marker, Subscription, add_marker
from graphmail.provider import Credential
from graphmail.settings import Settings
from unit.cli.conftest import Mailbox

TENANT = "1907133e-5beb-5e51-a677-c99de9869156"
HOOK = "https://product.example/api/email/webhooks/microsoft"
SETTINGS = Settings.load(
    {
        "GRAPHMAIL_DATABASE_URL": "postgresql://op:hush-hush@db.example:5432/alga",
        "APPLICATION_URL": "https://product.example",
    }
)


def ground() -> Ground:
    return Ground(Wish(), AsyncExitStack(), settings=SETTINGS, installation="here")


async def test_a_check_that_breaks_is_a_failure_and_hides_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Ground) -> AsyncIterator[Finding]:
        yield ok("first", "half of it went well")
        raise KeyError("hush-hush")

    async def sound(_: Ground) -> AsyncIterator[Finding]:
        yield ok("second", "went well")

    monkeypatch.setattr(check, "CHECKS", ((("first",), broken), (("second",), sound)))
    found = [finding async for finding in check.examine(Wish())]
    assert [(one.check, one.verdict) for one in found] == [
        ("first", Verdict.OK),
        ("first", Verdict.FAILED),
        ("second", Verdict.OK),
    ]
    assert "unexpected KeyError" in found[1].found
    assert "hush" not in found[1].found


async def test_what_stands_on_something_that_is_not_there_is_told_to_be_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(_: Ground) -> AsyncIterator[Finding]:
        yield ok("first", "went well")
        yield failed("second", "went wrong")

    async def enough(_: Ground) -> AsyncIterator[Finding]:
        yield ok("fourth", "went well")

    groups = (("first", "second", "third"), away), (("fourth", "fifth"), enough)
    monkeypatch.setattr(check, "CHECKS", groups)
    found = [finding async for finding in check.examine(Wish())]
    assert [(one.check, one.verdict) for one in found] == [
        ("first", Verdict.OK),
        ("second", Verdict.FAILED),
        ("third", Verdict.SKIPPED),
        ("fourth", Verdict.OK),
    ]


async def test_where_the_settings_are_wrong_all_other_checks_are_told_to_be_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAPHMAIL_TICK_SECONDS", "soon")
    found = [finding async for finding in check.examine(Wish())]
    skipped = [one for one in found if one.verdict is Verdict.SKIPPED]
    every = [name for names, _ in check.CHECKS for name in names]
    assert [one.check for one in found] == every
    assert len(skipped) == len(every) - 1
    assert {one.found for one in skipped} == {"settings are wrong"}


@pytest.mark.parametrize(
    ("seconds", "verdict", "text"),
    [(0.4, Verdict.OK, "0.4 s ahead of"), (-59, Verdict.OK, "59.0 s behind"), (-61, Verdict.WARNING, "61.0 s behind")],
)
def test_a_clock_that_is_more_than_a_minute_off_is_a_warning(seconds: float, verdict: Verdict, text: str) -> None:
    found = clocks(timedelta(seconds=seconds))
    assert found.verdict is verdict
    assert f"Graph's clock is {text} ours" == found.found


def test_only_unmarked_and_unknown_subscriptions_to_our_url_are_a_rivals(mailbox: Mailbox) -> None:
    def seen(subscription_id: str, url: str) -> Subscription:
        return Subscription(subscription_id, datetime.now(UTC), notification_url=url)

    looked_at = ground()
    looked_at.resources = [mailbox(status={"subscriptionID": "adopted"})]
    looked_at.listed = [
        seen("ours", add_marker(HOOK, Marker("here", "p1", "inbox"))),
        seen("adopted", HOOK),
        seen("elsewhere", "https://other.example/hook"),
        seen("products-loop", HOOK),
        seen("other-installation", add_marker(HOOK, Marker("there", "p1", "inbox"))),
    ]
    assert [one.id for one in foreign(looked_at)] == ["products-loop", "other-installation"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "namespace graphmail, mode act, all tenants"),
        ({"GRAPHMAIL_MODE": "observe", "GRAPHMAIL_TENANTS": TENANT}, "namespace graphmail, mode observe, 1 tenant"),
    ],
)
def test_where_and_how_the_operator_would_work_is_told(given: dict[str, str], told: str) -> None:
    assert environment.place(Settings.load(given)) == told


def test_the_place_of_postgres_is_told_without_user_and_password() -> None:
    assert place(SETTINGS) == "db.example:5432/alga"


def test_the_rights_that_are_asked_for_follow_the_settings() -> None:
    with_rows = rights(SETTINGS)
    by_hand = rights(Settings.load({"GRAPHMAIL_INSTALLATION": "here"}))
    create = Right("create", "graphmailsubscriptions", "graphmail.dev")
    assert create in with_rows
    assert NAMESPACE in with_rows
    assert create not in by_hand
    assert NAMESPACE not in by_hand
    assert SECRETS in by_hand
    assert str(Right("patch", "x", subresource="status")) == "patch x/status"


def credential(**tokens: object) -> Credential:
    return Credential(owner="a/p", directory="11111111-aaaa", client_id="c", fingerprint="f", **tokens)  # type: ignore[arg-type]


SOON = datetime.now(UTC) + timedelta(minutes=1)
LATER = datetime.now(UTC) + timedelta(days=1)
FREE = {
    "an app's secret": (credential(client_secret="s"), True),
    "a user's token that is still good": (
        credential(refresh_token="r", access_token="a", access_token_expires_at=LATER), True,
    ),
    "a user's token that is about to expire": (
        credential(refresh_token="r", access_token="a", access_token_expires_at=SOON), False,
    ),
    "a user's token of unknown age": (credential(refresh_token="r", access_token="a"), False),
    "a refresh token alone": (credential(refresh_token="r"), False),
}  # fmt: skip


@pytest.mark.parametrize(("given", "free"), FREE.values(), ids=FREE.keys())
def test_only_what_uses_nothing_up_is_tried_unasked(given: Credential, free: bool) -> None:
    assert Account("ann@contoso.example", given, None).free is free
