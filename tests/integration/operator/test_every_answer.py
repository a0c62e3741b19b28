"""Each answer that Microsoft is known to give, met by the whole operator: condition, calls, pace, and what becomes of the subscription.

The answers are those of the contract with Graph (docs/answers.md lists them), as the simulator gives them; one mailbox each, all at once.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from graphmail.graph.answers import inner_status
from graphmail.graph.signin_table import TABLE as SIGN_IN_TABLE
from graphmail.graph.table import TABLE, Facts, Operation, row_for
from graphsim.client import SimulatorControl
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.signin_answers import SIGNIN_ANSWERS
from support.answering import (
    Case,
    Fate,
    Fault,
    Mailbox,
    Pace,
    Start,
    answers,
    cuts,
    denies,
    expected,
    outcome,
    refuses,
    sends,
    set_up,
    tells_to_wait,
)
from support.stage import Row, Stage
from support.waiting import eventually

OPERATIONS = {"get": Operation.GET, "patch": Operation.RENEW, "create": Operation.CREATE}
HOOK = "/api/email/webhooks/microsoft"
ENDPOINT_ANSWERS = (
    "endpoint-validation-failed",
    "endpoint-wrong-token",
    "endpoint-timed-out",
    "endpoint-unresolved",
)
MISSING = ("user-not-found", "folder-not-found")


def inside(status: str) -> str:
    """What Graph says when it quotes the service behind it."""
    return f"Operation: Update; Exception: [Status Code: {status}; Reason: none is given]"


RENEWALS = [
    Case("not found: made anew", [answers("patch", "subscription-not-found")],
         "token get patch create", "Subscribed", Fate.ANEW, Pace.DONE, authorized="True"),
    Case("gone: made anew", [answers("patch", "gone")],
         "token get patch create", "Subscribed", Fate.ANEW, Pace.DONE, authorized="True"),
    Case("not renewable: replaced, and the old one deleted", [answers("patch", "patch-refused")],
         "token get patch create delete", "Subscribed", Fate.ANEW, Pace.DONE, authorized="True"),
    *(Case(f"{answer}: a person must act", [answers("patch", answer)],
           "token get patch", "MailboxNotEnabled", Fate.KEPT, Pace.NEVER, authorized="True",
           tells=["404", "move the mailbox to Exchange Online"])
      for answer in ("mailbox-not-enabled", "rest-not-supported")),
    *(Case(f"{answer}: the life is extended without the new URL", [answers("patch", answer, count=1)],
           "token get patch patch", "NotificationEndpointFailed", Fate.KEPT, Pace.SLOW, authorized="True",
           tells=["400", "Make the notification URL answer"])
      for answer in ENDPOINT_ANSWERS),
    Case("a ceiling: asked once more with it", [answers("patch", "ceiling", count=1)],
         "token get patch patch", "Subscribed", Fate.KEPT, Pace.DONE, authorized="True"),
    *(Case(f"{answer}: another token, and once more", [answers("patch", answer, count=1)],
           "token get patch token patch", "Subscribed", Fate.KEPT, Pace.DONE, authorized="True")
      for answer in ("token-expired", "token-missing")),
    Case("a token that is never good enough", [answers("patch", "token-expired")],
         "token get patch token patch", "TokenRefused", Fate.KEPT, Pace.QUICK, authorized="False", tells=["401"]),
    *(Case(f"{answer}: a person is told, and it is tried slowly", [answers("patch", answer)],
           "token get patch", "PermissionMissing", Fate.KEPT, Pace.SLOW, authorized="False", tells=["403", "Mail.Read"])
      for answer in ("access-denied", "forbidden")),
    Case("a refusal that hides a fault", [answers("patch", "forbidden-service-unavailable")],
         "token get patch", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True", tells=["403"]),
    Case("replicas that disagree", [answers("patch", "subscription-not-found"), answers("create", "limit-of-one")],
         "token get patch create", "GraphUnavailable", Fate.NAMED, Pace.QUICK, authorized="True", tells=["limit of '1'"]),
    *(Case(f"{answer}: later", [answers("patch", answer)],
           "token get patch", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True", tells=["50", "request-id"])
      for answer in ("internal-error", "bad-gateway", "gateway-timeout")),
    Case("a fault that says how long it lasts", [tells_to_wait("patch", "service-unavailable")],
         "token get patch", "GraphUnavailable", Fate.KEPT, Pace.TOLD, authorized="True", tells=["503", "request-id"]),
    Case("a refusal that says in words that the service is away", [refuses("patch", 403, "ErrorX", "ServiceUnavailable")],
         "token get patch", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True", tells=["403"]),
    Case("a conflict that passes", [refuses("patch", 409, "Conflict", "Another change is under way.")],
         "token get patch", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True", tells=["409"]),
    Case("a permission that is missing behind Graph", [refuses("patch", 400, "ExtensionError", inside("Forbidden"))],
         "token get patch", "PermissionMissing", Fate.KEPT, Pace.SLOW, authorized="False", tells=["400", "Mail.Read"]),
    Case("a connection that breaks off: later", [cuts("patch")],
         "token get patch", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True"),
    Case("too many calls: as Graph says", [tells_to_wait("patch", "throttled")],
         "token get patch", "Throttled", Fate.KEPT, Pace.TOLD, elsewhere=True, authorized="True", tells=["429"]),
    Case("too many calls of one mailbox", [answers("patch", "mailbox-throttled")],
         "token get patch", "Throttled", Fate.KEPT, Pace.QUICK, authorized="True", tells=["MailboxConcurrency"]),
    Case("too many calls behind Graph", [refuses("patch", 403, "ExtensionError", inside("TooManyRequests"))],
         "token get patch", "Throttled", Fate.KEPT, Pace.QUICK, elsewhere=True, authorized="True", tells=["403"]),
]  # fmt: skip
CREATIONS = [
    *(Case(f"{answer}: tried slowly", [answers("create", answer)],
           "token create", "FolderNotFound", Fate.NONE, Pace.SLOW, Start.NOTHING, authorized="True",
           tells=["404", "Check the mailbox and the folder"]) for answer in MISSING),
    Case("a mailbox outside of Exchange Online", [answers("create", "mailbox-not-enabled")],
         "token create", "MailboxNotEnabled", Fate.NONE, Pace.NEVER, Start.NOTHING, authorized="True"),
    *(Case(f"{answer} at the first handshake", [answers("create", answer)],
           "token create", "NotificationEndpointFailed", Fate.NONE, Pace.SLOW, Start.NOTHING, authorized="True",
           tells=["400"]) for answer in ENDPOINT_ANSWERS),
    Case("a ceiling at the first try", [answers("create", "ceiling", count=1)],
         "token create create", "Subscribed", Fate.ANEW, Pace.DONE, Start.NOTHING, authorized="True"),
    Case("a twin of ours is kept", [answers("create", "duplicate")],
         "token create get", "Subscribed", Fate.TWIN, Pace.DONE, Start.NOTHING, twin=HOOK, authorized="True"),
    Case("a twin that is not ours is left alone", [answers("create", "duplicate")],
         "token create get", "DuplicateRefused", Fate.NONE, Pace.QUICK, Start.NOTHING, authorized="True", twin="/other",
         tells=["409", "watches this folder and delivers elsewhere"]),
    Case("a mailbox that is full", [answers("create", "subscription-count-reached")],
         "token create", "SubscriptionQuotaFull", Fate.NONE, Pace.NEVER, Start.NOTHING, authorized="True",
         tells=["remove one that nobody needs"]),
    Case("too many calls", [tells_to_wait("create", "throttled")],
         "token create", "Throttled", Fate.NONE, Pace.TOLD, Start.NOTHING, authorized="True", elsewhere=True),
    Case("a folder that is missing behind Graph", [refuses("create", 400, "ExtensionError", inside("NotFound"))],
         "token create", "FolderNotFound", Fate.NONE, Pace.SLOW, Start.NOTHING, authorized="True", tells=["400"]),
    Case("a twin that Graph does not name", [refuses("create", 400, "X", "It already exists for the requested combination")],
         "token create", "DuplicateRefused", Fate.NONE, Pace.QUICK, Start.NOTHING, authorized="True", tells=["400"]),
    Case("a mailbox that is full, by the code", [refuses("create", 403, "SubscriptionCountReached", "Too many.")],
         "token create", "SubscriptionQuotaFull", Fate.NONE, Pace.NEVER, Start.NOTHING, authorized="True",
         tells=["remove one that nobody needs"]),
    Case("a fault at a create: later", [answers("create", "internal-error")],
         "token create", "GraphUnavailable", Fate.NONE, Pace.QUICK, Start.NOTHING, authorized="True"),
    Case("a fault at a create that says how long it lasts", [tells_to_wait("create", "service-unavailable")],
         "token create", "GraphUnavailable", Fate.NONE, Pace.TOLD, Start.NOTHING, authorized="True"),
    *(Case(f"{answer}: it may have been made", [answers("create", answer)],
           "token create", "OutcomeUnknown", Fate.NONE, Pace.QUICK, Start.NOTHING, authorized="True", tells=["50"])
      for answer in ("bad-gateway", "gateway-timeout")),
]  # fmt: skip
SURPRISES = [
    Case("an error that nobody knows", [sends("patch", 418, {"error": {"code": "Teapot", "message": "I am a teapot"}})],
         "token get patch", "UnexpectedAnswer", Fate.KEPT, Pace.QUICK, authorized="True",
         tells=["418", "Teapot", "I am a teapot", "request-id"]),
    Case("a proxy's page", [sends("patch", 404, "<html>not found</html>")],
         "token get patch", "UnexpectedAnswer", Fate.KEPT, Pace.QUICK, authorized="True", tells=["404", "proxy"]),
    Case("a success that says nothing", [sends("patch", 200, "")],
         "token get patch", "UnexpectedAnswer", Fate.KEPT, Pace.QUICK, authorized="True", tells=["200"]),
    Case("a success without an expiry", [sends("patch", 200, {"id": "another"})],
         "token get patch", "UnexpectedAnswer", Fate.KEPT, Pace.QUICK, authorized="True", tells=["200"]),
    Case("a row's id that cannot be looked up", [answers("get", "service-unavailable")],
         "token get", "GraphUnavailable", Fate.KEPT, Pace.QUICK, authorized="True", tells=["503"]),
    Case("a row's id that does not exist", [answers("get", "subscription-not-found")],
         "token get create", "Subscribed", Fate.ANEW, Pace.DONE, authorized="True"),
]  # fmt: skip


def sign_ins(
    answered: Sequence[str | Fault], reason: str, pace: Pace, authorized: str | None, *tells: str
) -> list[Case]:
    return [
        Case(f"{answer} at sign-in", [answers("token", answer) if isinstance(answer, str) else answer],
             "token", reason, Fate.KEPT, pace, authorized=authorized, tells=tells)
        for answer in answered
    ]  # fmt: skip


SIGN_INS = [
    *sign_ins(
        ("refresh-expired", "grant-expired", "grant-revoked", "consent-missing", "interaction-required",
         "bad-refresh-token", "wrong-client", "wrong-tenant"),
        "ReauthorizationRequired", Pace.NEVER, "False", "app ", "AADSTS", "correlation-id",
    ),
    *sign_ins(
        ("invalid-client", "secret-expired", "secret-missing", "client-public", "certificate-refused", "certificate-expired",
         "assertion-signature-refused", "assertion-malformed", "assertion-client-refused", "assertion-audience-refused",
         "federation-refused", "federation-issuer-refused", "federation-audience-refused", "tenant-not-found",
         denies(400, "invalid_request", 90002), denies(401, "invalid_client", 7000229)),
        "CredentialInvalid", Pace.NEVER, "False", "AADSTS",
    ),
    *sign_ins(("app-not-found", "app-disabled", denies(401, "invalid_client", 7000112)),
              "AppDisabled", Pace.NEVER, "False", "enable it"),
    *sign_ins(("bad-scope", "unknown-resource"), "AppDisabled", Pace.NEVER, "False", "grant it Mail.Read"),
    *sign_ins(("signin-throttled",), "Throttled", Pace.QUICK, None, "429"),
    *sign_ins((tells_to_wait("token", "signin-throttled"),), "Throttled", Pace.TOLD, None, "429"),
    *sign_ins((denies(400, "slow_down", 90033), denies(400, "invalid_request", 50196)), "Throttled", Pace.QUICK, None),
    *sign_ins(("signin-transient", "signin-busy", "assertion-out-of-time",
               denies(400, "temporarily_unavailable", 90055), denies(400, "invalid_request", 90055)),
              "GraphUnavailable", Pace.QUICK, None),
]  # fmt: skip


EVERY = [*RENEWALS, *CREATIONS, *SURPRISES, *SIGN_INS]
OF_WRONG_REQUESTS = {"no-tenant", "bad-grant-type", "missing-parameter"}
"""Answers of sign-in that only a defect of ours could bring about."""


async def set_the_stage(stage: Stage, cases: Sequence[Case]) -> list[Mailbox]:
    def prepare() -> list[Mailbox]:
        with SimulatorControl(stage.simulator.control_url) as control:
            return [set_up(stage, control, case) for case in cases]

    return await asyncio.to_thread(prepare)


async def come_of(stage: Stage, mailboxes: Sequence[Mailbox]) -> None:
    """Wait until what must come of each has come; if it never does, the comparison at the end tells what came instead."""

    async def all_have() -> bool:
        status = {one["metadata"]["name"]: one.get("status", {}) for one in await asyncio.to_thread(stage.resources)}
        return all(outcome(one, status.get(one.row.name, {})) == expected(one.case) for one in mailboxes)

    with contextlib.suppress(AssertionError):
        await eventually(all_have, "each has come")


async def live_on(stage: Stage, row: Row) -> None:
    """Let the operator do other work meanwhile: a tight loop would show."""
    for number in range(5):
        stage.request_renewal(row, f"number {number}")
        await stage.status_of(row, lambda status, wanted=f"number {number}": status["lastHandledRenewal"] == wanted, "")


async def test_every_answer_has_its_consequence_and_is_not_asked_for_in_a_loop(
    stage: Stage, subtests: pytest.Subtests
) -> None:
    healthy = stage.add_delegated()
    mailboxes = await set_the_stage(stage, EVERY)
    async with stage.operator(GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0"):
        await come_of(stage, mailboxes)
        await live_on(stage, healthy)
        for mailbox in mailboxes:
            with subtests.test(mailbox.case.says):
                status = (stage.resource(mailbox.row) or {}).get("status", {})
                assert outcome(mailbox, status) == expected(mailbox.case)


def test_no_known_answer_is_left_out() -> None:
    played = {fault.how.get("answer") for case in EVERY for fault in case.faults} - {None}

    assert played == {*GRAPH_ANSWERS, *SIGNIN_ANSWERS} - OF_WRONG_REQUESTS


def row_of_graph(fault: Fault) -> str | None:
    """The row of Graph's table that this answer meets."""
    named, body = fault.how.get("answer"), fault.how.get("body")
    if named is not None:
        error = GRAPH_ANSWERS[named].error()
        status, code, message = error.status, error.code, error.message
    else:
        told = body["error"] if isinstance(body, dict) and "error" in body else {"code": "", "message": ""}
        status, code, message = fault.how.get("status", 0), told["code"], told["message"]
    foreign = isinstance(body, str) and bool(body)
    row = row_for(Facts(OPERATIONS[fault.route], status, code, message, inner_status(message), foreign))
    return row.case if row else None


def row_of_sign_in(fault: Fault) -> str | None:
    """The row of sign-in's table that this answer meets."""
    if "answer" in fault.how:
        known = SIGNIN_ANSWERS[fault.how["answer"]]
        status, error, number = known.status, known.error_code, known.number
    else:
        content = fault.how["body"]
        status, error, [number] = fault.how["status"], content["error"], content["error_codes"]
    return next((row.case for row in SIGN_IN_TABLE if row.fits(error, [number], status)), None)


def test_no_row_of_the_tables_is_left_out() -> None:
    """An answer may mean one thing to a create and another to a renewal, so what is played says less than which rows it meets."""
    faults = [fault for case in EVERY for fault in case.faults]
    at_sign_in = {row_of_sign_in(fault) for fault in faults if fault.route == "token"}
    at_graph = {row_of_graph(fault) for fault in faults if fault.route != "token"}

    assert {row.case for row in TABLE} - at_graph == set()
    assert {row.case for row in SIGN_IN_TABLE} - at_sign_in == set()
