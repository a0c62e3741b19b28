"""What the panels ask Prometheus.

Several pods may tell of the same mailbox, so that whatever mirrors state is a maximum over them before it is counted. What a panel can
tell without a series for each mailbox, it asks of the totals of tenants (``GRAPHMAIL_METRICS_PER_MAILBOX``).
"""

FLEET = 'namespace=~"$namespace"'
TENANTS = f'{FLEET},tenant=~"$tenant"'
RATE = "[$__rate_interval]"

OTHERS_MUST_ACT = "ReauthorizationRequired|MailboxNotEnabled"
"""Reasons why nobody on call can bring a mailbox back: it does not count as uncovered, as in the alerts."""


def standing(selector: str) -> str:
    """The number of mailboxes of each tenant, state and reason."""
    return f"max by (namespace, tenant, state, reason) (graphmail_tenant_subscriptions{{{TENANTS},{selector}}})"


_READY = standing('state="ready"')
_EXPECTED = standing(f'state=~"ready|not_ready|stalled",reason!~"{OTHERS_MUST_ACT}"')
_UNCOVERED = standing(f'state=~"not_ready|stalled",reason!~"{OTHERS_MUST_ACT}"')
_OWNERS = standing(f'state="stalled",reason=~"{OTHERS_MUST_ACT}"')
_ALL = standing('state!=""')
COVERED_SHARE = f"sum({_READY}) / sum({_EXPECTED})"
UNCOVERED = f"sum({_UNCOVERED}) or vector(0)"
BY_STATE = f"sum by (state) ({_ALL})"
WAITING_FOR_OWNERS = f"sum({_OWNERS}) or vector(0)"
NEXT_EXPIRY = f"min(graphmail_tenant_expiration_timestamp_seconds{{{TENANTS}}}) - time()"
ALERTS = f'max by (alertname, severity, namespace, tenant, mailbox) (ALERTS{{alertname=~"GraphMail.+",alertstate="firing",{FLEET}}})'

_LEFT_ALONE = 'state=~"suspended|deleting"'
_EXPIRY_EACH = (
    f"(max by (namespace, name) (graphmail_subscription_expiration_timestamp_seconds{{{TENANTS}}})"
    f" unless on (namespace, name) graphmail_subscription_unready_timestamp_seconds{{{_LEFT_ALONE}}})"
    f" or (max by (namespace, tenant) (graphmail_tenant_expiration_timestamp_seconds{{{TENANTS}}})"
    " unless on (namespace) count by (namespace) (graphmail_subscription_ready))"
)
"""When each mailbox expires; where no series tells it, when the first of each tenant does."""

HOUR, DAY = 3600, 86400
EXPIRY_STEPS = (
    ("expired", None, 0),
    ("in 6 hours", 0, 6 * HOUR),
    ("in 12 hours", 6 * HOUR, 12 * HOUR),
    ("in 24 hours", 12 * HOUR, DAY),
    ("in 2 days", DAY, 2 * DAY),
    ("in 3 days", 2 * DAY, 3 * DAY),
    ("in 5 days", 3 * DAY, 5 * DAY),
    ("later", 5 * DAY, None),
)
"""The bars of the histogram: label, and from and to how many seconds from now."""


def expiring(lower: int | None, upper: int | None) -> str:
    """How many mailboxes expire between so many seconds from now."""
    bounds = [f">= {lower}" if lower is not None else "", f"< {upper}" if upper is not None else ""]
    return f"count((({_EXPIRY_EACH}) - time()) {' '.join(filter(None, bounds))}) or vector(0)"


RENEWALS = f"60 * sum by (action, outcome) (rate(graphmail_renewals_total{{{FLEET}}}{RATE}))"
FAILURES = f"60 * sum by (reason) (rate(graphmail_reconcile_errors_total{{{FLEET}}}{RATE}))"

WORST = f"topk(20, sum by (namespace, tenant) ({_UNCOVERED}) > 0)"
"""Tenants with the most mailboxes that should be covered, and are not."""


def of_the_worst(expression: str) -> str:
    """The same of the worst tenants alone."""
    return f"({expression}) and on (namespace, tenant) {WORST}"


WORST_SINCE = of_the_worst(
    "time() - min by (namespace, tenant) (graphmail_tenant_unready_timestamp_seconds"
    f'{{{TENANTS},state=~"not_ready|stalled",reason!~"{OTHERS_MUST_ACT}"}})'
)
WORST_EXPIRY = of_the_worst(
    f"min by (namespace, tenant) (graphmail_tenant_expiration_timestamp_seconds{{{TENANTS}}}) - time()"
)
WORST_FAILURES = of_the_worst(f"max by (namespace, tenant) (graphmail_tenant_consecutive_failures{{{TENANTS}}})")

_SIGN_IN = 'state="stalled",reason=~"ReauthorizationRequired|CredentialInvalid|AppDisabled"'
SIGN_IN = (
    "1000 * max by (namespace, tenant, mailbox, provider_id, reason)"
    f" (graphmail_subscription_unready_timestamp_seconds{{{TENANTS},{_SIGN_IN}}})"
    " or 1000 * (max by (namespace, tenant, reason)"
    f" (graphmail_tenant_unready_timestamp_seconds{{{TENANTS},{_SIGN_IN}}})"
    " unless on (namespace) count by (namespace) (graphmail_subscription_ready))"
)
"""Since when, in milliseconds, as Grafana wants it."""
CERTIFICATES = (
    f"1000 * min by (namespace, client_id, place) (graphmail_certificate_expiration_timestamp_seconds{{{FLEET}}})"
)


def latency(quantile: float) -> str:
    """Of requests to Graph, by route, without the time that they waited for quota."""
    buckets = f"graphmail_graph_request_duration_seconds_bucket{{{FLEET}}}{RATE}"
    return f"histogram_quantile({quantile}, sum by (le, route) (rate({buckets})))"


CLOCK_SKEW = f"max by (namespace) (graphmail_clock_skew_seconds{{{FLEET}}})"


def requests(selector: str) -> str:
    """Such requests to Graph in a second."""
    return f"sum(rate(graphmail_graph_requests_total{{{FLEET},{selector}}}{RATE}))"


WRITES = requests('method=~"POST|PATCH|DELETE"')
READS = requests('method="GET"')
THROTTLED = requests('code="429"') + " or vector(0)"
BUDGET = f'max(graphmail_graph_requests_allowed_per_second{{{FLEET},scope="app",kind="write"}})'
BUDGET_USED = f"{WRITES} / {BUDGET}"
WAITING = f"sum(graphmail_graph_requests_waiting{{{FLEET}}})"

MIRROR_AGE = f"time() - max by (namespace) (graphmail_mirror_last_success_timestamp_seconds{{{FLEET}}})"
MIRROR_ROWS = f"max by (namespace) (graphmail_mirror_rows{{{FLEET}}})"
BLOCKED = f"max by (namespace) (graphmail_mirror_blocked_deletions{{{FLEET}}})"
UNSYNCED = f"max by (namespace) (graphmail_postgres_unsynced{{{FLEET}}})"
STORES = f"max by (namespace, store) (graphmail_store_up{{{FLEET}}})"
PEER = f"sum by (namespace) (increase(graphmail_peer_changes_total{{{FLEET}}}[1h]))"

PROCESSES = f"count by (namespace, version) (graphmail_build_info{{{FLEET}}})"
LEADERS = f"sum by (namespace) (graphmail_leader{{{FLEET}}})"
HEARTBEAT = f"max by (namespace) (time() - graphmail_heartbeat_timestamp_seconds{{{FLEET}}} and graphmail_leader == 1)"
LAST_TICK = f"time() - max by (namespace) (graphmail_last_tick_timestamp_seconds{{{FLEET}}})"
TASKS = f"max by (namespace) (graphmail_asyncio_tasks{{{FLEET}}})"
_OURS = f"and on (instance) graphmail_build_info{{{FLEET}}}"
CPU = f"rate(process_cpu_seconds_total{{{FLEET}}}{RATE}) {_OURS}"
MEMORY = f"process_resident_memory_bytes{{{FLEET}}} {_OURS}"


def counted(metric: str) -> str:
    """How much a counter has gone up in six hours."""
    return f"sum by (namespace) (increase({metric}{{{FLEET}}}[6h]))"


def counted_by(label: str, metric: str) -> str:
    """The same for each value of a label."""
    return f"sum by ({label}) (increase({metric}{{{FLEET}}}[6h]))"


LIFECYCLE = counted_by("event", "graphmail_lifecycle_notifications_total")
CHECKS = counted_by("outcome", "graphmail_delivery_checks_total")
SILENT = (
    f"sum by (reason) (max by (namespace, tenant, reason) (graphmail_silent_subscriptions{{{TENANTS}}})) or vector(0)"
)

NOTIFICATIONS = f"60 * sum by (kind, outcome) (rate(graphmail_receiver_notifications_total{{{FLEET}}}{RATE})) > 0"
"""Without those that never come, which are most."""
ANSWERS = f"60 * sum by (route, code) (rate(graphmail_receiver_requests_total{{{FLEET}}}{RATE}))"
FORWARDS = f"60 * sum by (code) (rate(graphmail_receiver_forwards_total{{{FLEET}}}{RATE}))"


def answering(quantile: float) -> str:
    """Of the answers to Graph, by route."""
    buckets = f'graphmail_receiver_answer_seconds_bucket{{{FLEET},route=~"lifecycle|notifications|handshake"}}{RATE}'
    return f"histogram_quantile({quantile}, sum by (le, route) (rate({buckets})))"


def passing_on(quantile: float) -> str:
    """Of the product's answers."""
    buckets = f"graphmail_receiver_forward_seconds_bucket{{{FLEET}}}{RATE}"
    return f"histogram_quantile({quantile}, sum by (le) (rate({buckets})))"


RECEIVERS_READY = f"sum by (namespace) (graphmail_receiver_ready{{{FLEET}}})"
RECEIVERS_WATCHING = f"sum by (namespace) (graphmail_receiver_watching{{{FLEET}}})"
IN_FLIGHT = f"sum by (lane) (graphmail_receiver_in_flight{{{FLEET}}})"
TIMES_KEPT = f"sum by (namespace) (graphmail_receiver_times_kept{{{FLEET}}})"
SUBSCRIPTIONS_KNOWN = f"max by (namespace) (graphmail_receiver_subscriptions{{{FLEET}}})"
