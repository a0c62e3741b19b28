"""What `graphmail probe` finds: the handshake over real TLS, and what follows from status and conditions."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus

import pytest
import trustme
from aiohttp import web

from graphmail.cli.check.findings import Finding, Verdict, failed, ok, skipped, warning
from graphmail.cli.handshake import Knock, Limits, Line, knock, resolve, shown
from graphmail.cli.probe import as_json, conclusion
from graphmail.cli.probe.delivery import check_delivery, delivering
from graphmail.cli.probe.subject import Subject
from graphmail.cli.probe.subscriptions import ask_graph, check_status, moved
from graphmail.cli.probe.urls import judged, try_url
from graphmail.cluster import Cluster
from graphmail.graph import Marker, Subscription, add_marker
from graphmail.resource.names import ANNOTATION_ADOPT
from graphmail.settings import Settings
from support.product import Endpoint
from unit.cli.conftest import NOW, Mailbox, at

HOOK = "https://product.example/hook"
PATIENT = Limits(answer=60.0, slow=60.0)
"""What is tried is the answer; how long it takes is the machine's business."""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Whom we trust instead of the public authorities."""
    made = trustme.CA(organization_name="Public Trust")
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def at_disk(certificate: trustme.LeafCert, folder: Path) -> Endpoint:
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "hook.pem")
    return Endpoint(folder / "hook.pem", folder / "hook.pem")


@pytest.fixture
async def endpoint(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with at_disk(authority.issue_cert("localhost"), tmp_path) as serving:
        yield serving


async def tried(url: str, limits: Limits | None = None) -> dict[str, Finding]:
    return {finding.check: finding async for finding in try_url(url, limits=limits or PATIENT)}


# --- the handshake ---------------------------------------------------------------------------------------------------


async def test_an_endpoint_that_does_as_graph_wants_passes_every_step(endpoint: Endpoint) -> None:
    found = await tried(endpoint.url + endpoint.path)
    assert {step: one.verdict for step, one in found.items()} == dict.fromkeys(
        ["address", "connection", "handshake"], Verdict.OK
    )
    assert found["address"].found.startswith("localhost resolves to 127.0.0.1")
    assert "certificate of Public Trust for localhost, which ends in " in found["connection"].found
    assert found["connection"].found.endswith("ca.pem vouches for it: for Microsoft a public authority must")
    assert found["handshake"].found.startswith(f"{endpoint.url}{endpoint.path} answers as Graph wants it, in ")


async def test_the_url_keeps_its_own_query_and_the_query_is_never_shown(endpoint: Endpoint) -> None:
    found = await tried(f"{endpoint.url}{endpoint.path}?code=hush-hush&gms=here.p1.inbox")
    assert endpoint.handshakes[0].partition("?")[2].startswith("code=hush-hush&gms=here.p1.inbox&validationToken=")
    assert not any("hush" in one.found + one.remedy for one in found.values())


@pytest.mark.parametrize(
    "location", ["https://www.product.example/hook?key=hush-hush&validationToken=x", "/hook?key=hush"]
)
async def test_a_redirect_is_named_with_where_it_leads_and_not_followed(endpoint: Endpoint, location: str) -> None:
    endpoint.answers = lambda _: web.Response(status=308, headers={"Location": location})
    found = (await tried(endpoint.url + endpoint.path))["handshake"]
    leads = "https://www.product.example/hook" if location.startswith("https") else f"{endpoint.url}/hook"
    assert found.verdict is Verdict.FAILED
    assert f"answers the handshake with a redirect (308) to {leads}; Graph follows none" in found.found
    assert found.remedy.startswith(f"name {leads} as the notification URL")
    assert len(endpoint.handshakes) == 1
    assert "hush" not in found.found + found.remedy


WRONG = {
    "the token as it came, still encoded": (
        lambda token: web.Response(text=quote_plus(token)), "it is still URL-encoded", "decode validationToken",
    ),
    "the token as JSON": (lambda token: web.Response(text=f'"{token}"'), "something around it", "without quotes"),
    "nothing": (lambda _: web.Response(text=""), "with none", "send validationToken"),
    "another text": (lambda _: web.Response(text="It works!"), "another text than the decoded token", "send validationToken"),
    "a page": (
        lambda token: web.Response(text=token, content_type="text/html"), "with text/html instead of text/plain", "text/plain",
    ),
    "202": (lambda token: web.Response(text=token, status=202), "with 202 instead of 200", "answer with 200"),
    "401": (lambda _: web.Response(status=401), "with 401 instead of 200", "without a sign-in"),
    "404": (lambda _: web.Response(status=404), "with 404 instead of 200", "correct the path"),
    "405": (lambda _: web.Response(status=405), "with 405 instead of 200", "take POST"),
    "429": (lambda _: web.Response(status=429), "with 429 instead of 200", "rate limit"),
    "502": (lambda _: web.Response(status=502), "with 502 instead of 200", "see the log of the product"),
    "a redirect to nowhere": (lambda _: web.Response(status=302), "there is no Location", "answer by itself"),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "told", "remedy"), WRONG.values(), ids=WRONG.keys())
async def test_an_answer_that_graph_would_not_take_fails_and_says_how_to_mend_it(
    endpoint: Endpoint, answers: Callable[[str], web.Response], told: str, remedy: str
) -> None:
    endpoint.answers = answers
    found = (await tried(endpoint.url + endpoint.path))["handshake"]
    assert found.verdict is Verdict.FAILED
    assert told in found.found
    assert remedy in found.remedy


async def test_an_endpoint_without_an_end_of_its_answer_is_not_read_for_ever(endpoint: Endpoint) -> None:
    endpoint.answers = lambda _: web.Response(text="x" * 1_000_000)
    assert (await tried(endpoint.url + endpoint.path))["handshake"].verdict is Verdict.FAILED


async def test_an_answer_that_is_too_late_fails_though_the_connection_stands(endpoint: Endpoint) -> None:
    endpoint.validating.clear()
    found = await tried(endpoint.url + endpoint.path, Limits(answer=5.0))
    endpoint.validating.set()
    assert found["connection"].verdict is Verdict.OK
    assert found["handshake"].verdict is Verdict.FAILED
    assert "does not answer the handshake within 5 s" in found["handshake"].found


async def test_an_answer_that_would_be_too_slow_for_a_notification_is_a_warning(endpoint: Endpoint) -> None:
    found = (await tried(endpoint.url + endpoint.path, Limits(answer=60.0, slow=0.0)))["handshake"]
    assert found.verdict is Verdict.WARNING
    assert found.remedy.startswith("answer within 0 s: ")


async def test_the_time_that_it_took_is_told_by_the_clock(endpoint: Endpoint) -> None:
    ticks = iter([10.0, 13.5])
    found = await knock(endpoint.url + endpoint.path, clock=lambda: next(ticks))
    [_, handshake] = judged(found, HOOK, "", Limits())
    assert (handshake.verdict, handshake.found) == (Verdict.WARNING, f"{HOOK} answers as Graph wants it, in 3.5 s")


async def test_a_certificate_for_another_name_fails_and_nothing_is_posted(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with at_disk(authority.issue_cert("other.example"), tmp_path) as serving:
        found = await tried(serving.url + serving.path)
        assert not serving.handshakes
    assert list(found) == ["address", "connection"]
    assert found["connection"].verdict is Verdict.FAILED
    assert "is localhost, whose certificate is for another name" in found["connection"].found
    assert found["connection"].remedy == "serve a certificate for localhost"


async def test_a_public_certificate_is_believed_where_a_bundle_stands_in_for_the_usual_authorities(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graph knows no bundle of ours: what the network has in place of Microsoft's certificates says nothing of the endpoint's."""
    public = trustme.CA(organization_name="Public Trust")
    public.cert_pem.write_to_path(tmp_path / "public.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "public.pem"))
    async with at_disk(public.issue_cert("localhost"), tmp_path) as serving:
        found = await tried(serving.url + serving.path)
    assert {one.verdict for one in found.values()} == {Verdict.OK}
    assert "vouches" not in found["connection"].found
    async with at_disk(public.issue_cert("other.example"), tmp_path) as serving:
        found = await tried(serving.url + serving.path)
    assert "whose certificate is for another name" in found["connection"].found


async def test_an_authority_that_nobody_trusts_fails(authority: trustme.CA, tmp_path: Path) -> None:
    async with at_disk(trustme.CA().issue_cert("localhost"), tmp_path) as serving:
        found = (await tried(serving.url + serving.path))["connection"]
    assert found.verdict is Verdict.FAILED
    assert "certificate leads to no trusted authority" in found.found
    assert "public authority" in found.remedy


async def test_an_expired_certificate_fails(authority: trustme.CA, tmp_path: Path) -> None:
    expired = authority.issue_cert(
        "localhost", not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2021, 1, 1, tzinfo=UTC)
    )
    async with at_disk(expired, tmp_path) as serving:
        found = (await tried(serving.url + serving.path))["connection"]
    assert (found.verdict, found.remedy) == (Verdict.FAILED, "renew the certificate")


async def test_a_certificate_that_ends_soon_is_a_warning(authority: trustme.CA, tmp_path: Path) -> None:
    soon = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=3))
    async with at_disk(soon, tmp_path) as serving:
        found = await tried(serving.url + serving.path)
    assert found["connection"].verdict is Verdict.WARNING
    assert found["handshake"].verdict is Verdict.OK


async def test_a_port_where_nothing_listens_fails() -> None:
    found = (await tried("https://localhost:1/hook"))["connection"]
    assert found.verdict is Verdict.FAILED
    assert "https://localhost:1/hook cannot be reached: the connection is refused" in found.found


async def test_plain_http_on_the_port_fails(authority: trustme.CA) -> None:
    async def plain(_: web.BaseRequest) -> web.Response:
        return web.Response()

    runner = web.ServerRunner(web.Server(plain))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        found = (await tried(f"https://localhost:{runner.addresses[0][1]}/"))["connection"]
    finally:
        await runner.cleanup()
    assert found.verdict is Verdict.FAILED
    assert "does not speak TLS as we know it" in found.found


async def test_a_name_that_does_not_resolve_ends_the_attempt() -> None:
    found = await tried("https://nosuch.invalid/hook")
    assert [(one.check, one.verdict) for one in found.values()] == [("address", Verdict.FAILED)]


async def test_where_a_proxy_resolves_names_ours_need_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = await tried("https://nosuch.invalid/hook")
    assert [(one.check, one.verdict) for one in found.values()] == [
        ("address", Verdict.SKIPPED), ("connection", Verdict.FAILED),
    ]  # fmt: skip


async def test_addresses_are_told_once_each() -> None:
    assert await resolve("127.0.0.1") == ["127.0.0.1"]
    assert await resolve("") == []


def test_a_url_is_shown_without_query_and_user() -> None:
    assert shown("https://ann:hush@product.example:8443/hook?code=hush#x") == "https://product.example:8443/hook"


def test_each_step_of_the_lifecycle_url_says_so() -> None:
    line = Line("TLSv1.3", "product.example", "Public Trust", datetime.now(UTC) + timedelta(days=90))
    found = judged(Knock("token", line), HOOK, "lifecycle ", Limits())
    assert [one.check for one in found] == ["lifecycle connection", "lifecycle handshake"]


# --- what the resource says ------------------------------------------------------------------------------------------


class Nowhere:
    """An API server that nobody asks."""

    namespace = "mail"


def subject(resource: Any) -> Subject:
    return Subject(resource, Settings.load({}), cast(Cluster, Nowhere()), NOW)


def row(**fields: Any) -> dict[str, Any]:
    return {"folder": "inbox", "state": "Active", "subscriptionID": "s1", "expirationTime": at(hours=46)} | fields


def verdicts(findings: Any) -> list[tuple[str, Verdict]]:
    return [(one.check, one.verdict) for one in findings]


def test_a_covered_mailbox_lives(mailbox: Mailbox) -> None:
    found = list(check_status(subject(mailbox(status={"subscriptions": [row()]}))))
    assert verdicts(found) == [("ready", Verdict.OK), ("subscription", Verdict.OK)]
    assert found[1].found == "inbox has s1, which expires in 46h, as the status has it"


def test_an_expired_subscription_fails_whatever_the_status_says(mailbox: Mailbox) -> None:
    expired = at(hours=-2)
    resource = mailbox(status={"expirationTime": expired, "subscriptions": [row(expirationTime=expired)]})
    found = list(check_status(subject(resource)))
    assert verdicts(found) == [("ready", Verdict.FAILED), ("subscription", Verdict.FAILED)]
    assert found[1].found == "inbox has s1, which expired 120m ago, as the status has it"


def test_a_mailbox_that_waits_for_a_person_names_what_the_person_does(mailbox: Mailbox) -> None:
    told = ("False", "NotificationEndpointFailed", "400 the endpoint must respond")
    pending = row(state="Pending", subscriptionID=None, expirationTime=None, reason=told[1], message=told[2])
    found = list(check_status(subject(mailbox(ready=told, status={"subscriptions": [pending]}))))
    assert verdicts(found) == [("ready", Verdict.FAILED), ("subscription", Verdict.FAILED)]
    assert {one.remedy for one in found} == {"let the notification URL answer Graph with 200, over public https"}
    assert found[1].found == "inbox has no subscription: NotificationEndpointFailed", (
        "the step before has told the rest"
    )


DEAD = ("True", "ReauthorizationRequired", "Sign in again as ann@contoso.example.")


async def test_nobody_is_asked_for_a_message_where_the_sign_in_is_dead(mailbox: Mailbox) -> None:
    quiet = ("Unknown", "NoNotificationYet", "none is known")
    dead = subject(mailbox(ready=("False", *DEAD[1:]), Stalled=DEAD, Delivering=quiet))
    told = [finding async for finding in check_delivery(dead)]
    assert verdicts(told) == [("notification", Verdict.WARNING), ("delivering", Verdict.WARNING)]
    assert {one.remedy for one in told} == {"first do what ready asks for: until then a message shows nothing"}


async def test_without_a_subscription_sign_in_and_graph_are_told_to_be_skipped(mailbox: Mailbox) -> None:
    found = [finding async for finding in ask_graph(subject(mailbox()))]
    assert verdicts(found) == [("sign-in", Verdict.SKIPPED), ("graph", Verdict.SKIPPED)]


def test_a_subscription_that_only_the_row_knows_may_still_deliver(mailbox: Mailbox) -> None:
    marked = mailbox(
        status={"subscriptionID": None, "expirationTime": None},
        metadata={"annotations": {ANNOTATION_ADOPT: "s7"}},
        ready=("False", *DEAD[1:]),
        Stalled=DEAD,
    )
    found = list(check_status(subject(marked)))
    assert verdicts(found) == [("ready", Verdict.FAILED), ("subscription", Verdict.WARNING)]
    assert found[1].found.startswith("the row names s7, which could not be looked up so far: it may still deliver; ")
    assert found[1].remedy == "sign in again in the product, as the mailbox's user"
    handled = mailbox(status={"lastHandledAdoption": "s7"}, metadata={"annotations": {ANNOTATION_ADOPT: "s7"}})
    assert verdicts(check_status(subject(handled))) == [("ready", Verdict.OK)]


def test_a_suspended_mailbox_and_a_folder_that_cannot_be_delivered_are_warnings(mailbox: Mailbox) -> None:
    other = row(folder="sent", state="NotDeliverable", subscriptionID=None, expirationTime=None)
    found = list(check_status(subject(mailbox(spec={"suspend": True}, status={"subscriptions": [row(), other]}))))
    assert verdicts(found) == [
        ("ready", Verdict.WARNING), ("subscription", Verdict.OK), ("subscription", Verdict.WARNING),
    ]  # fmt: skip


SAID = {
    "NotificationArrived": ("True", Verdict.OK, ""),
    "NoNotificationYet": ("Unknown", Verdict.WARNING, "send the mailbox a message"),
    "CannotCheck": ("Unknown", Verdict.WARNING, "Mail.Read"),
    "SilentSubscription": ("False", Verdict.FAILED, "wait: the subscription is replaced"),
    "StillSilent": ("False", Verdict.FAILED, "the product takes notifications and drops them"),
    "NothingArrives": ("False", Verdict.FAILED, "many mailboxes hear nothing"),
    "NotificationsMissed": ("False", Verdict.FAILED, "let the product fetch what was missed"),
}


@pytest.mark.parametrize("reason", SAID)
def test_each_word_of_delivering_has_its_verdict_and_its_remedy(mailbox: Mailbox, reason: str) -> None:
    status, verdict, remedy = SAID[reason]
    found = delivering(subject(mailbox(Delivering=(status, reason, "since noon"))))
    assert (found.verdict, found.found) == (verdict, f"{reason}: since noon")
    assert remedy in found.remedy


def test_a_mailbox_that_nobody_has_looked_at_says_so(mailbox: Mailbox) -> None:
    assert delivering(subject(mailbox())).verdict is Verdict.SKIPPED


def test_each_endpoint_is_tried_once_where_graph_delivers_to_it(mailbox: Mailbox) -> None:
    inbox, sent = (add_marker(HOOK, Marker("here", "p1", folder)) for folder in ("inbox", "sent"))
    rows = [row(notificationURL=inbox), row(folder="sent", notificationURL=sent)]
    moved_on = "https://receiver.example/notifications"
    assert subject(mailbox(status={"subscriptions": rows})).notification_urls == [inbox]
    assert subject(mailbox(spec={"notificationURL": moved_on}, status={"subscriptions": rows})).notification_urls == [
        inbox, moved_on,
    ]  # fmt: skip
    assert subject(mailbox()).notification_urls == [HOOK]
    assert subject(mailbox()).lifecycle_urls == []


def test_a_subscription_that_posts_elsewhere_than_wanted_is_told(mailbox: Mailbox) -> None:
    wanted = subject(mailbox(spec={"lifecycleNotificationURL": "https://receiver.example/lifecycle"}))
    held = Subscription("s1", NOW, notification_url="https://old.example/hook?code=hush")
    found = list(moved(held, wanted))
    assert [one.verdict for one in found] == [Verdict.FAILED, Verdict.WARNING]
    assert found[0].found == f"Graph delivers to https://old.example/hook, and not to {HOOK}"
    right = Subscription(
        "s1", NOW, notification_url=add_marker(HOOK, Marker("here", "p1", "inbox")),
        lifecycle_notification_url="https://receiver.example/lifecycle",
    )  # fmt: skip
    assert not list(moved(right, wanted))


# --- what follows ----------------------------------------------------------------------------------------------------


def test_the_first_failure_is_the_conclusion_and_the_others_may_follow_from_it(mailbox: Mailbox) -> None:
    found = [
        ok("address", "fine"), failed("handshake", "HOOK answers with 404", "correct the path"),
        failed("ready", "EndpointFailed"), warning("notification", "none", "send one"),
    ]  # fmt: skip
    assert conclusion(mailbox(), found) == [
        'ann@contoso.example: the first failure is "handshake" (2 of 4 steps failed)',
        "  -> correct the path",
    ]
    told = as_json(mailbox(), found)
    assert (told["well"], told["wrong"], told["remedy"]) == (False, "HOOK answers with 404", "correct the path")


def test_the_conclusion_has_the_reason_and_not_all_that_was_found(mailbox: Mailbox) -> None:
    found = [ok("address", "fine"), failed("ready", "ReauthorizationRequired: AADSTS50173: much more", "sign in again")]
    assert conclusion(mailbox(), found) == [
        'ann@contoso.example: the first failure is "ready": ReauthorizationRequired (1 of 2 steps failed)',
        "  -> sign in again",
    ]


def test_what_was_not_tried_is_part_of_a_good_conclusion(mailbox: Mailbox) -> None:
    found = [ok("address", "fine"), skipped("graph", "no credential"), warning("notification", "none", "send one")]
    assert conclusion(mailbox(), found[:1]) == ["ann@contoso.example: nothing is wrong"]
    assert conclusion(mailbox(), found) == [
        "ann@contoso.example: nothing is wrong, but 1 warning to look at and 1 step could not be tried"
    ]
    assert as_json(mailbox(), found)["well"] is True
