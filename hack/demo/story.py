"""What the demo shows, for somebody who sees it for the first time: what happens, and why."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from demo import observed, verdict
from demo.provider import Provider
from demo.scenario import FORCED, PROVIDERS, TENANTS, WRITTEN_TO
from demo.show import WIDE, command, heading, moment, paragraph, shortened, span, table
from demo.stack import complaint
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_RENEW
from localstack.messages import LocalStackError, home_relative, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from demo.filling import Before
    from demo.stack import Stack
    from graphmail.resource import GraphMailSubscription

SETTLE_SECONDS = 240.0
FORCE_SECONDS = 120.0
DELIVER_SECONDS = 120.0
GET = "get graphmailsubscriptions"
METRICS = (
    "graphmail_subscription_ready",
    "graphmail_subscription_expiration_timestamp_seconds",
    "graphmail_subscription_renewal_timestamp_seconds",
    "graphmail_subscriptions",
    "graphmail_renewals_total",
    "graphmail_graph_requests_total",
    "graphmail_mirror_rows",
)
"""Of the first three only one mailbox is shown."""
_PER_MAILBOX = METRICS[:3]


@dataclass(slots=True)
class Storyteller:
    """Tells the story of one demo."""

    stack: Stack
    before: Mapping[str, Before]
    _table: str = field(default="", init=False)
    """What kubectl showed first of the resources."""

    def tell(self) -> None:
        """All of it, from the first start of the operator."""
        self.introduce()
        self.first_table()
        self.outcome()
        self.forced_renewal()
        self.message()
        self.health()
        self.metrics()
        self.events()

    def introduce(self) -> None:
        """What Postgres holds before the operator has ever run."""
        heading("The mail providers, as Postgres has them")
        paragraph(
            f"{len(TENANTS)} tenants of a product read {len(PROVIDERS)} mailboxes through Microsoft Graph. Each provider is a row; mail "
            "reaches the product only while Graph holds a subscription for it, and subscriptions expire within a week."
        )
        now, rows = datetime.now(UTC), observed.rows(self.stack.database_url)
        table(
            ["TENANT", "MAILBOX", "SUBSCRIPTION EXPIRES", "HOW IT STANDS"],
            [
                (_short(provider), provider.mailbox, span(rows[provider.id]["webhook_expires_at"], now), provider.story)
                for provider in PROVIDERS
            ],
        )
        self._kubectl(GET)

    def first_table(self) -> None:
        """The operator starts, and mirrors the rows."""
        heading("The operator starts")
        paragraph("It makes one GraphMailSubscription for each row and looks at each of them at once.")
        command("graphmail run")
        self.stack.start_operator()
        self._await("the resources of all providers", self._mirrored, SETTLE_SECONDS)
        self._table = self._kubectl(GET)

    def outcome(self) -> None:
        """What became of each provider."""
        late = self._await_settled()
        if not same_but_for_age(self._table, self.stack.kubectl(*GET.split())):
            heading("A moment later")
            self._kubectl(GET)
        by_name = observed.resources(self.stack)
        heading("What became of them")
        table(
            ["MAILBOX", "WAS", "READY", "REASON", "WHAT HAPPENED"],
            [
                (
                    provider.mailbox,
                    provider.title,
                    *_ready(by_name.get(provider.resource)),
                    "Not as expected, see the log." if provider in late else provider.becomes,
                )
                for provider in PROVIDERS
            ],
        )
        for resource in by_name.values():
            stalled = resource.status.condition(ConditionType.STALLED)
            if stalled:
                say("")
                paragraph(
                    f"{resource.spec.mailbox} needs a person, and its condition Stalled says what to do: {stalled.message}"
                )

    def forced_renewal(self) -> None:
        """A person asks for a renewal."""
        heading("A person asks for a renewal")
        paragraph(
            f"{FORCED.mailbox} was adopted as it was and would be renewed in time. An annotation with any new value renews it at once; "
            "the status repeats the value, so that asking twice with one value does it once."
        )
        name, value = FORCED.resource, moment(datetime.now(UTC))
        shown = "custom-columns=MAILBOX:.spec.mailbox,EXPIRES:.status.expirationTime,HANDLED:.status.lastHandledRenewal"
        self._kubectl(f"{GET} {name} -o {shown}")
        self._kubectl(f"annotate graphmailsubscription {name} {ANNOTATION_RENEW}={value}")
        self._await(
            f"{FORCED.mailbox} to be renewed",
            lambda: observed.resources(self.stack)[name].status.last_handled_renewal == value,
            FORCE_SECONDS,
        )
        self._kubectl(f"{GET} {name} -o {shown}")

    def message(self) -> None:
        """A message arrives, and the webhook hears of it."""
        heading("A message arrives")
        paragraph(
            f"For {WRITTEN_TO.mailbox}, which the product was polling. Graph posts a notification to the product's webhook, which "
            "finds the provider by the subscription's id and compares the client state; the operator then sets the row to webhook delivery."
        )
        with self.stack.control() as control:
            sent = control.send_message(WRITTEN_TO.mailbox, subject="The printer is on fire")
        command(f"graphsim mail send {WRITTEN_TO.mailbox}")
        for delivery in sent.deliveries:
            say(f"POST {delivery.url}\n  {delivery.state}, answered {delivery.attempts[0].status}")
        self._await(
            "the row to become one of webhook delivery",
            lambda: self._row(WRITTEN_TO)["delivery_mode"] == "webhook",
            DELIVER_SECONDS,
        )
        row = self._row(WRITTEN_TO)
        table(
            ["MAILBOX", "DELIVERY_MODE", "LAST_WEBHOOK_DELIVERY_AT"],
            [(WRITTEN_TO.mailbox, row["delivery_mode"], moment(row["last_webhook_delivery_at"]))],
        )

    def health(self) -> None:
        """What the product sees."""
        heading("The product's own view: email_provider_health in Postgres")
        columns = (
            "subscription_status",
            "last_renewal_result",
            "consecutive_failures",
            "success_count",
            "failure_count",
        )
        table(
            ["MAILBOX", *(column.upper() for column in columns), "SUBSCRIPTION_EXPIRES_AT"],
            [
                (
                    row["mailbox"],
                    *("-" if row[column] is None else row[column] for column in columns),
                    moment(row["subscription_expires_at"]),
                )
                for row in observed.health(self.stack.database_url)
            ],
        )

    def metrics(self) -> None:
        """What Prometheus sees."""
        heading("Metrics")
        text = httpx.get(self.stack.metrics_url, trust_env=False).text
        wanted = re.compile(rf"^({'|'.join(METRICS)})[{{ ]")
        lines = [line for line in text.splitlines() if wanted.match(line)]
        lines = [line for line in lines if not line.startswith(_PER_MAILBOX) or FORCED.resource in line]
        lines = [re.sub(r",tenant=.*}", ",...}", line) for line in lines if not line.endswith(" 0.0")]
        command(f"curl -s {self.stack.metrics_url}      # {len(lines)} lines of it", "\n".join(lines))

    def events(self) -> None:
        """What happened, as Kubernetes tells it."""
        heading("Events")
        shown = "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message"
        # When an object was created is stored in whole seconds, and a mailbox is adopted and renewed within one.
        arguments = f"get events --sort-by=.eventTime -o {shown}"
        lines = self.stack.kubectl(*arguments.split()).splitlines()
        command(f"kubectl {arguments}", "\n".join(shortened(line, WIDE) for line in lines))

    # How it is done

    def _kubectl(self, arguments: str) -> str:
        output = self.stack.kubectl(*arguments.split())
        command(
            f"kubectl {arguments}",
            output or f"No resources found in {self.stack.environment['GRAPHMAIL_NAMESPACE']} namespace.",
        )
        return output

    def _mirrored(self) -> bool:
        return len(observed.resources(self.stack)) == len(PROVIDERS)

    def _row(self, provider: Provider) -> dict[str, Any]:
        return observed.rows(self.stack.database_url)[provider.id]

    def _await_settled(self) -> list[Provider]:
        """Wait until every resource is as the scenario says. What is not in time is told and returned, and the story goes on."""
        late: list[Provider] = []

        def settled() -> bool:
            late[:] = verdict.settled(self.before, observed.observe(self.stack))
            return not late

        if not self._eventually(settled, SETTLE_SECONDS):
            names, log = ", ".join(provider.mailbox for provider in late), home_relative(self.stack.operator.log)
            paragraph(f"Not as expected after {SETTLE_SECONDS:.0f} s: {names}. The operator's log is {log}.")
        return late

    def _await(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        if not self._eventually(condition, seconds):
            paragraph(f"Waited {seconds:.0f} s in vain for {what}. See {home_relative(self.stack.operator.log)}.")

    def _eventually(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition holds in time. Raises LocalStackError when the operator ends meanwhile."""

        def over() -> bool:
            if self.stack.operator.pid is None:
                raise LocalStackError(complaint(self.stack.operator))
            return condition()

        return eventually(over, seconds)


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask twice a second until the condition holds; false when it did not within `seconds`. Each question starts a kubectl or two."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def same_but_for_age(one: str, other: str) -> bool:
    """Whether two tables of kubectl, whose last column is the age, tell the same."""
    first, second = ([line.split()[:-1] for line in table.splitlines()] for table in (one, other))
    return first == second


def _short(provider: Provider) -> str:
    return provider.tenant.name.split()[0]


def _ready(resource: GraphMailSubscription | None) -> tuple[str, str]:
    ready = resource.status.condition(ConditionType.READY) if resource else None
    return (ready.status, ready.reason) if ready else ("-", "-")
