"""The dashboard: its variables, its links and its panels, in the order in which they are looked at."""

import json

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboard import queries as ask
from dashboard.panels import DANGER_ABOVE_ZERO, SOURCE, bars, graph, rows, tile

UID = "graphmail"
DOCUMENTS = "https://github.com/graphmail/graphmail-operator/blob/main/docs"


def text() -> str:
    """The file that Grafana imports."""
    built = json.loads(JSONEncoder(sort_keys=True).encode(_board().build()))
    return json.dumps(built, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _board() -> Dashboard:
    board = (
        Dashboard("GraphMail")
        .uid(UID)
        .description("Microsoft Graph mail subscriptions, and the operator that keeps them alive")
        .tags(["graphmail"])
        .timezone("browser")
        .refresh("1m")
        .time("now-24h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for title, page in (("Runbook", "runbook.md"), ("What the panels say", "dashboard.md")):
        link = DashboardLink(title).type(DashboardLinkType.LINK).icon("doc").url(f"{DOCUMENTS}/{page}")
        board.link(link.target_blank(True))
    board.with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for name, label, query in (
        ("namespace", "Namespace", "label_values(graphmail_build_info, namespace)"),
        ("tenant", "Tenant", 'label_values(graphmail_tenant_subscriptions{namespace=~"$namespace"}, tenant)'),
    ):
        board.with_variable(
            QueryVariable(name)
            .label(label)
            .query(query)
            .datasource(SOURCE)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    _now(board)
    _mailboxes(board)
    _graph(board)
    _stores(board)
    _process(board)
    _receiver(board)
    _delivery(board)
    return board


def _now(board: Dashboard) -> None:
    """What one sees first: is it bad, and how long is there left?"""
    board.with_panel(
        tile(
            11,
            "Covered",
            "Share of the mailboxes that should be covered, and are.",
            ask.COVERED_SHARE,
            unit="percentunit",
            steps=((None, "red"), (0.95, "orange"), (0.999, "green")),
        )
    )
    board.with_panel(
        tile(
            12,
            "Uncovered",
            "Mailboxes that should be covered, and are not.",
            ask.UNCOVERED,
            unit="short",
            steps=DANGER_ABOVE_ZERO,
        )
    )
    board.with_panel(
        tile(
            13,
            "Next expiry",
            "Time until the first subscription expires.",
            ask.NEXT_EXPIRY,
            unit="s",
            steps=((None, "red"), (4 * ask.HOUR, "orange"), (12 * ask.HOUR, "green")),
        )
    )
    board.with_panel(
        tile(
            14,
            "Wait for their owners",
            "Mailboxes whose owner must sign in again, or which are not in Exchange Online: nothing for whoever is on call.",
            ask.WAITING_FOR_OWNERS,
            unit="short",
            steps=((None, "green"), (1, "orange")),
        )
    )
    board.with_panel(
        rows(
            15,
            "Alerts",
            "Alerts of GraphMail that fire.",
            [(ask.ALERTS, "Firing")],
            units={},
            empty="no alert fires",
            width=8,
            height=5,
        )
    )


def _mailboxes(board: Dashboard) -> None:
    """Which mailboxes are concerned."""
    board.with_panel(
        graph(
            1,
            "Coverage",
            "Mailboxes by state, and the share of those to be covered that is ready.",
            [(ask.BY_STATE, "{{state}}"), (ask.UNCOVERED, "uncovered"), (ask.COVERED_SHARE, "share covered")],
            stacked=True,
            right={"uncovered": "short", "share covered": "percentunit"},
        )
    )
    board.with_panel(
        bars(
            2,
            "What expires in the next hours",
            "Subscriptions by when they expire, unless renewed. Renewals usually keep all of them a day away. Where there are no series of"
            " mailboxes, a tenant is counted once, by its earliest expiry.",
            [(ask.expiring(lower, upper), label) for label, lower, upper in ask.EXPIRY_STEPS],
            steps=((None, "blue"),),
        )
    )
    board.with_panel(
        rows(
            4,
            "Worst tenants",
            "Tenants with mailboxes that should be covered, and are not.",
            [
                (ask.WORST, "Uncovered"),
                (ask.WORST_SINCE, "Longest for"),
                (ask.WORST_EXPIRY, "Next expiry in"),
                (ask.WORST_FAILURES, "Failures in a row"),
            ],
            units={"Longest for": "s", "Next expiry in": "s"},
            empty="every tenant is covered",
        )
    )
    board.with_panel(
        rows(
            7,
            "Sign-in required",
            "Mailboxes whose owner must sign in again, those whose app Microsoft refuses, and when certificates end.",
            [(ask.SIGN_IN, "Since"), (ask.CERTIFICATES, "Certificate ends")],
            units={"Since": "dateTimeAsIso", "Certificate ends": "dateTimeAsIso"},
            empty="nobody has to sign in",
        )
    )


def _graph(board: Dashboard) -> None:
    """What is done at Graph, and how it answers."""
    board.with_panel(
        graph(
            3,
            "Renewals by outcome",
            "Finished work at Graph in a minute, by action and outcome.",
            [(ask.RENEWALS, "{{action}}: {{outcome}}")],
            unit="opm",
        )
    )
    board.with_panel(
        graph(16, "Failures by reason", "Failed attempts in a minute.", [(ask.FAILURES, "{{reason}}")], unit="opm")
    )
    board.with_panel(
        graph(
            5,
            "Graph's latency",
            "From sending a request to its answer, by route, without waiting for quota; and how far our clock is off Graph's.",
            [
                (ask.latency(0.5), "{{route}}: median"),
                (ask.latency(0.99), "{{route}}: 99%"),
                (ask.CLOCK_SKEW, "clock: Graph's less ours"),
            ],
            unit="s",
            right={"clock.*": "s"},
        )
    )
    board.with_panel(
        graph(
            6,
            "Use of Graph's quota",
            "Requests in a second, of all apps; those that Graph throttled (429); those that wait for their turn; and the share of an"
            " app's budget that writes take.",
            [
                (ask.WRITES, "writes"),
                (ask.READS, "reads"),
                (ask.THROTTLED, "throttled"),
                (ask.BUDGET, "writes allowed to an app"),
                (ask.WAITING, "waiting"),
                (ask.BUDGET_USED, "budget used"),
            ],
            right={"budget used": "percentunit"},
        )
    )


def _stores(board: Dashboard) -> None:
    """What the operator keeps in Postgres, and what belongs to nobody."""
    board.with_panel(
        graph(
            8,
            "Mirror and Postgres",
            "Age of the mirror's last reading, rows that it saw, deletions held back, outcomes not written yet, stores in reach (1) or away"
            " (0), and changes in the last hour that were not ours.",
            [
                (ask.MIRROR_AGE, "last read ago"),
                (ask.MIRROR_ROWS, "rows"),
                (ask.BLOCKED, "deletions held back"),
                (ask.UNSYNCED, "not written yet"),
                (ask.STORES, "{{store}} in reach"),
                (ask.PEER, "not ours"),
            ],
            right={"last read ago": "s"},
        )
    )
    board.with_panel(
        graph(
            10,
            "Orphans and abandoned",
            "In the last six hours: subscriptions found that belong to nobody, deleted, left for want of a credential; and gaps.",
            [
                (ask.counted("graphmail_orphans_found_total"), "orphans found"),
                (ask.counted("graphmail_orphans_deleted_total"), "orphans deleted"),
                (ask.counted("graphmail_abandoned_total"), "abandoned"),
                (ask.counted("graphmail_gaps_total"), "gaps"),
                (ask.counted("graphmail_gap_seconds_total"), "time without cover"),
            ],
            right={"time without cover": "s"},
        )
    )


def _process(board: Dashboard) -> None:
    """The operator itself."""
    board.with_panel(
        graph(
            9,
            "Leader and event loop",
            "Processes by version, how many of them lead (one), since when the event loop has not moved, and no mailbox was looked at.",
            [
                (ask.PROCESSES, "version {{version}}"),
                (ask.LEADERS, "leaders"),
                (ask.HEARTBEAT, "loop moved ago"),
                (ask.LAST_TICK, "mailbox looked at ago"),
            ],
            right={".* ago": "s"},
        )
    )
    board.with_panel(
        graph(
            17,
            "Process",
            "Processor (cores), memory and tasks of the event loop; more and more of these are a leak.",
            [
                (ask.CPU, "processor {{instance}}"),
                (ask.MEMORY, "memory {{instance}}"),
                (ask.TASKS, "tasks"),
            ],
            right={"memory.*": "bytes"},
        )
    )


def _receiver(board: Dashboard) -> None:
    """What Graph posts, and what it is answered. Last, since many have no receiver: these panels are empty then."""
    board.with_row(Row("Receiver").id(24))
    board.with_panel(
        graph(
            18,
            "Notifications by outcome",
            "What Graph posted in a minute, by kind and outcome: taken, not taken by the product or the API server, or proving nothing.",
            [(ask.NOTIFICATIONS, "{{kind}}: {{outcome}}")],
            unit="opm",
        )
    )
    board.with_panel(
        graph(
            19,
            "Answers",
            "Answers in a minute: what Graph got, by route and status, and what the product answered to what was passed on.",
            [(ask.ANSWERS, "{{route}}: {{code}}"), (ask.FORWARDS, "product: {{code}}")],
            unit="opm",
        )
    )
    board.with_panel(
        graph(
            20,
            "Time to answer",
            "Until Graph has its answer, by route, and what the product takes of that. Graph waits for 3 seconds.",
            [
                (ask.answering(0.5), "{{route}}: median"),
                (ask.answering(0.99), "{{route}}: 99%"),
                (ask.passing_on(0.99), "product: 99%"),
            ],
            unit="s",
        )
    )
    board.with_panel(
        graph(
            21,
            "Receivers",
            "Receivers that are ready, and that hear of changes of subscriptions; what is in flight, by lane; times of last notifications"
            " that wait to be written; and the subscriptions that are known.",
            [
                (ask.RECEIVERS_READY, "ready"),
                (ask.RECEIVERS_WATCHING, "watching"),
                (ask.IN_FLIGHT, "in flight: {{lane}}"),
                (ask.TIMES_KEPT, "times that wait"),
                (ask.SUBSCRIPTIONS_KNOWN, "subscriptions known"),
            ],
            right={"subscriptions known": "short"},
        )
    )


def _delivery(board: Dashboard) -> None:
    """Whether mail really arrives, in the same row."""
    board.with_panel(
        graph(
            22,
            "Lifecycle notifications",
            "What Graph told of subscriptions in the last six hours, and the operator took up, by event.",
            [(ask.LIFECYCLE, "{{event}}")],
        )
    )
    board.with_panel(
        graph(
            23,
            "Silent mailboxes",
            "Mailboxes to which messages came without a notification, by reason; and checks of quiet ones in the last six hours, by"
            " outcome.",
            [(ask.SILENT, "silent: {{reason}}"), (ask.CHECKS, "check: {{outcome}}")],
            right={"check.*": "short"},
        )
    )
