"""The metrics by name, and what they mean. Names follow Prometheus' best practices for naming: base units, counters end in `_total`."""

from typing import Literal, NamedTuple


class Family(NamedTuple):
    """One metric: all its series."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


MAILBOX = ("namespace", "name", "tenant", "provider_id", "mailbox")
"""The labels of what is told of each mailbox."""

EXPIRATION = Family(
    "graphmail_subscription_expiration_timestamp_seconds",
    "gauge",
    "When the subscription expires, as Graph granted it.",
    MAILBOX,
)
RENEWAL_DUE = Family(
    "graphmail_subscription_renewal_timestamp_seconds", "gauge", "When the subscription will be renewed.", MAILBOX
)
UNREADY = Family(
    "graphmail_subscription_unready_timestamp_seconds",
    "gauge",
    "Since when the mailbox is not ready, by its state and the reason; absent while it is ready.",
    (*MAILBOX, "state", "reason"),
)
UNCOVERED = Family(
    "graphmail_subscription_uncovered_timestamp_seconds",
    "gauge",
    "Since when the mailbox is not ready, by the reason, where it is to be covered, has lost its subscription, and an attempt to make a "
    "new one has failed; absent for any other.",
    (*MAILBOX, "reason"),
)
NOTIFICATION = Family(
    "graphmail_subscription_notification_timestamp_seconds",
    "gauge",
    "When a notification last arrived, as far as known; absent until one has.",
    MAILBOX,
)
UNHEARD = Family(
    "graphmail_subscription_unheard_timestamp_seconds",
    "gauge",
    "Since when the mailbox of a provider's row is ready, while no notification of it has ever been known; absent for any other.",
    MAILBOX,
)
READY = Family(
    "graphmail_subscription_ready", "gauge", "1 while the resource's condition Ready is True, else 0.", MAILBOX
)
FAILURES = Family(
    "graphmail_subscription_consecutive_failures", "gauge", "Failed attempts since the last success.", MAILBOX
)
SILENT = Family(
    "graphmail_subscription_silent_timestamp_seconds",
    "gauge",
    "Since when messages have come to the mailbox without a notification, by the reason of the condition Delivering; absent unless so.",
    (*MAILBOX, "reason"),
)
SUBSCRIPTIONS = Family(
    "graphmail_subscriptions",
    "gauge",
    "Resources by state: each is counted once, as deleting, suspended, stalled (a person must act), awaiting_credentials, observed "
    "(the operator only observes), ready or not_ready.",
    ("state",),
)

TENANT = ("namespace", "tenant")
"""The labels of what is told of each tenant of the product."""
TENANT_SUBSCRIPTIONS = Family(
    "graphmail_tenant_subscriptions",
    "gauge",
    "Resources of the tenant by state and reason; a kind that the tenant has none of is absent.",
    (*TENANT, "state", "reason"),
)
TENANT_UNREADY = Family(
    "graphmail_tenant_unready_timestamp_seconds",
    "gauge",
    "Since when a mailbox of the tenant is not ready, the longest of each state and reason.",
    (*TENANT, "state", "reason"),
)
TENANT_EXPIRATION = Family(
    "graphmail_tenant_expiration_timestamp_seconds",
    "gauge",
    "The earliest expiry among the tenant's mailboxes that are to be covered.",
    TENANT,
)
TENANT_RENEWAL = Family(
    "graphmail_tenant_renewal_timestamp_seconds",
    "gauge",
    "The earliest planned renewal among them.",
    TENANT,
)
TENANT_NOTIFICATION = Family(
    "graphmail_tenant_notification_timestamp_seconds",
    "gauge",
    "The latest notification among them; absent until one has arrived.",
    TENANT,
)
TENANT_UNHEARD = Family(
    "graphmail_tenant_unheard_timestamp_seconds",
    "gauge",
    "Since when a mailbox of the tenant is ready without any notification ever, the longest; absent where each has had one.",
    TENANT,
)
TENANT_FAILURES = Family(
    "graphmail_tenant_consecutive_failures", "gauge", "The most failed attempts in a row among them.", TENANT
)
TENANT_SILENT = Family(
    "graphmail_silent_subscriptions",
    "gauge",
    "Mailboxes of the tenant to which messages have come without a notification, by the reason of the condition Delivering.",
    (*TENANT, "reason"),
)
TENANT_UNCOVERED = Family(
    "graphmail_tenant_uncovered_timestamp_seconds",
    "gauge",
    "Since when a mailbox of the tenant is not ready that has lost its subscription, the longest of each reason; absent where none has.",
    (*TENANT, "reason"),
)
OF_MAILBOXES = (EXPIRATION, RENEWAL_DUE, READY, UNREADY, UNCOVERED, NOTIFICATION, UNHEARD, FAILURES, SILENT)
"""What is told of each mailbox, unless GRAPHMAIL_METRICS_PER_MAILBOX is false."""
OF_TENANTS = (
    TENANT_SUBSCRIPTIONS,
    TENANT_UNREADY,
    TENANT_UNCOVERED,
    TENANT_EXPIRATION,
    TENANT_RENEWAL,
    TENANT_NOTIFICATION,
    TENANT_UNHEARD,
    TENANT_FAILURES,
    TENANT_SILENT,
)

RENEWALS = Family(
    "graphmail_renewals_total",
    "counter",
    "Finished work at Graph by action (create, renew, recreate, replace, verify, adopt, delete, check-delivery) and outcome "
    "(success, failure; refused: the row names a subscription that is gone or another one's, which is not adopted). A verification counts "
    "only when it found something, a check of delivery when its sign-in failed.",
    ("action", "outcome"),
)
RECONCILE_ERRORS = Family(
    "graphmail_reconcile_errors_total",
    "counter",
    "Failed attempts by the reason that the condition has too, or `Defect`.",
    ("reason",),
)
GAPS = Family("graphmail_gaps_total", "counter", "Replacements that had to delete before they could create.")
GAP_SECONDS = Family(
    "graphmail_gap_seconds_total", "counter", "Time without a subscription that such replacements made."
)
ABANDONED = Family(
    "graphmail_abandoned_total", "counter", "Subscriptions left at Graph because no credential was left to delete them."
)
ORPHANS_FOUND = Family(
    "graphmail_orphans_found_total",
    "counter",
    "Subscriptions with our mark that belong to nobody, each counted when the sweep first saw it.",
)
ORPHANS_DELETED = Family(
    "graphmail_orphans_deleted_total", "counter", "Those of them that the sweep deleted, after the grace time."
)
PEER_CHANGES = Family(
    "graphmail_peer_changes_total", "counter", "Subscription ids or expiries that appeared in Postgres without us."
)
LIFECYCLE = Family(
    "graphmail_lifecycle_notifications_total",
    "counter",
    "Lifecycle notifications of Graph that were taken up, by what Graph told (reauthorizationRequired, subscriptionRemoved, missed).",
    ("event",),
)

DELIVERY_CHECKS = Family(
    "graphmail_delivery_checks_total",
    "counter",
    "Checks of mailboxes that had been quiet for longer than is normal for them, by outcome: quiet (nothing came), unheard (a message came "
    "of which no notification has arrived yet), refused (the credential may not read mail) or failed (Graph did not say).",
    ("outcome",),
)

OBSERVED = Family(
    "graphmail_observed_actions_total",
    "counter",
    "Actions that would have been done, each counted when the status first told of it; only with GRAPHMAIL_MODE=observe.",
    ("action",),
)
OBSERVING = Family(
    "graphmail_observing", "gauge", "1 while the operator only observes (GRAPHMAIL_MODE=observe), 0 while it acts."
)

RECEIVER_EXPECTED = Family(
    "graphmail_receiver_expected",
    "gauge",
    "1 where the settings lead notifications of this kind (change, lifecycle) to the receiver, so that one must be there, else 0.",
    ("kind",),
)

REQUESTS = Family(
    "graphmail_graph_requests_total",
    "counter",
    "Requests to Graph by route, method and the answer's status (`error` when there was none).",
    ("route", "method", "code"),
)
REQUEST_SECONDS = Family(
    "graphmail_graph_request_duration_seconds",
    "histogram",
    "Time from sending a request to Graph to its answer, without waiting for quota.",
    ("route", "method"),
)
REQUESTS_WAITING = Family(
    "graphmail_graph_requests_waiting", "gauge", "Requests that wait for their turn in Graph's quota."
)
REQUESTS_ALLOWED = Family(
    "graphmail_graph_requests_allowed_per_second",
    "gauge",
    "Requests a second that the quota allows, by kind of request (write, read, list, reauthorize, mail) and by whom Graph counts: an app "
    "over all tenants, or an app in one Entra tenant.",
    ("scope", "kind"),
)
CLOCK_SKEW = Family(
    "graphmail_clock_skew_seconds",
    "gauge",
    "Graph's clock less ours, from its Date header; absent until it has answered.",
)

MIRROR_SUCCESS = Family(
    "graphmail_mirror_last_success_timestamp_seconds",
    "gauge",
    "When the mirror last read Postgres without a failure; absent until it has.",
)
MIRROR_ROWS = Family(
    "graphmail_mirror_rows", "gauge", "Providers that the mirror last saw; absent until it has read them."
)
MIRROR_BLOCKED = Family(
    "graphmail_mirror_blocked_deletions", "gauge", "Deletions held back until a person confirms them."
)
UNSYNCED = Family("graphmail_postgres_unsynced", "gauge", "Outcomes that wait to be written to Postgres.")
STORE_UP = Family(
    "graphmail_store_up",
    "gauge",
    "1 while the store (postgres, kubernetes) can be reached, else 0; absent until it was tried.",
    ("store",),
)
LEADER = Family(
    "graphmail_leader",
    "gauge",
    "1 while this process holds the lease, or acts without one, else 0.",
)
HEARTBEAT = Family(
    "graphmail_heartbeat_timestamp_seconds", "gauge", "When the event loop last moved, to a second or two."
)
TICK = Family(
    "graphmail_last_tick_timestamp_seconds",
    "gauge",
    "When a mailbox's timer last ticked, or this process began to act, or had no mailbox; absent in a standby.",
)
TICK_INTERVAL = Family("graphmail_tick_interval_seconds", "gauge", "How often each mailbox's timer ticks, as set.")
CERTIFICATE = Family(
    "graphmail_certificate_expiration_timestamp_seconds",
    "gauge",
    "When the certificate that an app signs in with expires, by the app and the place of the certificate. Only what was signed in with "
    "in the last 24 hours is told.",
    ("client_id", "place"),
)
TASKS = Family(
    "graphmail_asyncio_tasks",
    "gauge",
    "Tasks of the event loop: some for the process, and a few for each mailbox. More and more of them are a leak.",
)
EVENTS_DROPPED = Family("graphmail_events_dropped_total", "counter", "Events not posted, since too many came at once.")
BUILD_INFO = Family("graphmail_build_info", "gauge", "Always 1; the label says which version runs.", ("version",))

FAMILIES: tuple[Family, ...] = (
    *OF_MAILBOXES,
    SUBSCRIPTIONS,
    *OF_TENANTS,
    RENEWALS,
    RECONCILE_ERRORS,
    GAPS,
    GAP_SECONDS,
    ABANDONED,
    ORPHANS_FOUND,
    ORPHANS_DELETED,
    PEER_CHANGES,
    LIFECYCLE,
    DELIVERY_CHECKS,
    OBSERVED,
    OBSERVING,
    RECEIVER_EXPECTED,
    REQUESTS,
    REQUEST_SECONDS,
    REQUESTS_WAITING,
    REQUESTS_ALLOWED,
    CLOCK_SKEW,
    MIRROR_SUCCESS,
    MIRROR_ROWS,
    MIRROR_BLOCKED,
    UNSYNCED,
    STORE_UP,
    LEADER,
    HEARTBEAT,
    TICK,
    TICK_INTERVAL,
    CERTIFICATE,
    TASKS,
    EVENTS_DROPPED,
    BUILD_INFO,
)


def markdown_table() -> str:
    """The table of docs/observability.md."""
    rows = [
        f"| `{family.name}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} | {family.help} |"
        for family in FAMILIES
    ]
    return "\n".join(["| metric | type | labels | what |", "|---|---|---|---|", *rows]) + "\n"
