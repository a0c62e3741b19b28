"""The one table: an answer of Graph → what it means. The first row that fits wins; what no row fits is UNKNOWN.

Sources: Microsoft Graph's documentation of subscriptions, of errors and of throttling, and what has been reported of live Graph.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from graphmail.graph.meaning import Meaning


class Operation(StrEnum):
    """What was asked of Graph."""

    CREATE = "create"
    GET = "get"
    RENEW = "renew"
    DELETE = "delete"
    LIST = "list"
    REAUTHORIZE = "reauthorize"
    NEWEST_MESSAGE = "newest-message"


OF_ONE = frozenset({Operation.GET, Operation.RENEW, Operation.DELETE, Operation.REAUTHORIZE})
"""Operations that name a subscription."""

REFUSALS = range(400, 500)
FAILURES = range(500, 600)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table looks at."""

    operation: Operation
    status: int
    code: str = ""
    message: str = ""
    inner_status: str = ""
    """The status that Graph quotes from the service behind it: "[Status Code: Forbidden; Reason: …]"."""
    foreign: bool = False
    """The body is not Graph's: a proxy or a gateway answered in its place."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. Whatever a row names must hold; whatever it leaves out may be anything."""

    case: str
    meaning: Meaning
    statuses: Collection[int] | None = None
    operations: Collection[Operation] | None = None
    codes: Collection[str] | None = None
    says: re.Pattern[str] | None = None
    inner: Collection[str] | None = None
    foreign: bool | None = None
    remedy: str | None = None

    def fits(self, facts: Facts) -> bool:
        """Whether the answer is a case of this row. Codes and texts are compared without regard to case."""
        return (
            (self.statuses is None or facts.status in self.statuses)
            and (self.operations is None or facts.operation in self.operations)
            and (self.codes is None or facts.code.casefold() in self.codes)
            and (self.says is None or self.says.search(facts.message) is not None)
            and (self.inner is None or facts.inner_status.casefold() in self.inner)
            and (self.foreign is None or facts.foreign is self.foreign)
        )


def _saying(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


CEILING = _saying(r"expiration can only be (\d{1,9}) minutes? in the future")
EXISTING = _saying(r"subscription id\W{1,3}([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
MAILBOX_CONCURRENCY = _saying(r"MailboxConcurrency")

_PASSING = {
    "serviceunavailable",
    "internalservererror",
    "badgateway",
    "gatewaytimeout",
    "requesttimeout",
    "500",
    "502",
    "503",
    "504",
}

_REMOVE_A_SPARE = (
    "The mailbox holds as many subscriptions as Graph allows for it, over all apps: remove one that nobody needs, then "
    "force a renewal."
)
_NOT_IN_EXCHANGE = (
    "The mailbox is not in Exchange Online: give its user a licence with a mailbox, move the mailbox to Exchange Online, or "
    "remove the provider."
)
_ENDPOINT = (
    "Make the notification URL answer Graph's validation request: HTTP 200, text/plain, the validation token alone, within 10 "
    "seconds, without a redirect, and reachable from the internet."
)
_PERMISSION = (
    "Grant the app the permission Mail.Read (with an administrator's consent where it is app-only), and let the mailbox "
    "pass the application access policy; a changed policy takes up to a day to spread."
)
_FOREIGN_TWIN = "Another subscription of the same app watches this folder and delivers elsewhere: delete it, or wait until it expires."
_TARGET = "Check the mailbox and the folder: Graph knows no such mailbox or no such folder in it."

TABLE: tuple[Row, ...] = (
    Row(
        "a gateway gave up on a create, which Graph may have committed",
        Meaning.OUTCOME_UNKNOWN,
        statuses={502, 504},
        operations={Operation.CREATE},
    ),
    Row("the lifetime asked for is too long", Meaning.CEILING, statuses=REFUSALS, says=CEILING),
    Row(
        "the very subscription exists, by its code",
        Meaning.ALREADY_EXISTS,
        statuses={409},
        codes={"objectidentifierinuse"},
        remedy=_FOREIGN_TWIN,
    ),
    Row(
        "the very subscription exists, by its text",
        Meaning.ALREADY_EXISTS,
        statuses=REFUSALS,
        says=_saying(r"already exists for the requested combination"),
        remedy=_FOREIGN_TWIN,
    ),
    Row(
        "the mailbox holds as many subscriptions as it may",
        Meaning.QUOTA_FULL,
        statuses=REFUSALS,
        says=_saying(r"SubscriptionCountReached|retry after '12/31/9999"),
        remedy=_REMOVE_A_SPARE,
    ),
    Row(
        "the mailbox holds as many subscriptions as it may, by its code",
        Meaning.QUOTA_FULL,
        statuses=REFUSALS,
        codes={"subscriptioncountreached"},
        remedy=_REMOVE_A_SPARE,
    ),
    Row(
        "replicas of Graph disagree: a limit is reached that is not",
        Meaning.TRANSIENT,
        statuses={403},
        says=_saying(r"reached its limit of"),
    ),
    Row(
        "the mailbox is not in Exchange Online, by its code",
        Meaning.MAILBOX_TERMINAL,
        statuses=REFUSALS,
        codes={"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi"},
        remedy=_NOT_IN_EXCHANGE,
    ),
    Row(
        "the mailbox is not in Exchange Online, by its text",
        Meaning.MAILBOX_TERMINAL,
        statuses=REFUSALS,
        says=_saying(r"REST API is not yet supported for this mailbox|MailboxNotEnabledForRESTAPI"),
        remedy=_NOT_IN_EXCHANGE,
    ),
    Row("too many calls", Meaning.THROTTLED, statuses={429}),
    Row("too many calls, said from inside", Meaning.THROTTLED, statuses=REFUSALS, inner={"toomanyrequests", "429"}),
    Row("Graph has a fault", Meaning.TRANSIENT, statuses=FAILURES),
    Row("a refusal that hides a fault, by the inner status", Meaning.TRANSIENT, statuses=REFUSALS, inner=_PASSING),
    Row(
        "a refusal that hides a fault, by its text",
        Meaning.TRANSIENT,
        statuses={403},
        says=_saying(r"\bServiceUnavailable\b"),
    ),
    Row(
        "the notification URL did not pass, by its code",
        Meaning.ENDPOINT,
        statuses={400},
        codes={"validationerror"},
        remedy=_ENDPOINT,
    ),
    Row(
        "the notification URL did not pass, by its text",
        Meaning.ENDPOINT,
        statuses={400},
        says=_saying(r"validation request (?:failed|timed out)|failed to resolve domain|notification endpoint"),
        remedy=_ENDPOINT,
    ),
    Row(
        "this subscription cannot be renewed",
        Meaning.INVALID,
        statuses={400},
        operations={Operation.RENEW},
        codes={"errorinvalidparameter"},
    ),
    Row("the access token is refused", Meaning.UNAUTHORIZED, statuses={401}),
    Row("a permission or an access policy is missing", Meaning.PERMISSION, statuses={403}, remedy=_PERMISSION),
    Row(
        "a permission or an access policy is missing, said from inside",
        Meaning.PERMISSION,
        statuses=REFUSALS,
        inner={"forbidden", "unauthorized", "401", "403"},
        remedy=_PERMISSION,
    ),
    Row("not found, said by something that is not Graph", Meaning.UNKNOWN, statuses={404, 410}, foreign=True),
    Row("the subscription expired or was deleted", Meaning.GONE, statuses={404, 410}, operations=OF_ONE),
    Row(
        "Graph knows no such mailbox or folder",
        Meaning.TARGET_MISSING,
        statuses={404, 410},
        operations={Operation.CREATE, Operation.NEWEST_MESSAGE},
        remedy=_TARGET,
    ),
    Row(
        "Graph knows no such mailbox or folder, said from inside",
        Meaning.TARGET_MISSING,
        statuses=REFUSALS,
        operations={Operation.CREATE, Operation.NEWEST_MESSAGE},
        inner={"notfound", "404"},
        remedy=_TARGET,
    ),
    Row("not now", Meaning.TRANSIENT, statuses={408, 409, 423, 425}),
)


def row_for(facts: Facts) -> Row | None:
    """The first row that fits, or None."""
    return next((row for row in TABLE if row.fits(facts)), None)
