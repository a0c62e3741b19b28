"""`graphmail migrate`: bring the database to what this operator needs."""

from typing import Annotated

import typer

from graphmail.cli.conduct import conduct
from graphmail.cli.configuration import read_settings
from graphmail.cli.databases import database_url
from graphmail.cli.output import Screen
from graphmail.cli.page import Page
from graphmail.database import MigrationReport
from graphmail.database import migrate as apply

PAGE = Page(
    "Prepare the product's database, and say what was changed.",
    """
    It may be run at any time, again, and twice at once.

    Columns that the operator writes are added to the product's tables where they are missing; everything else goes to a
    schema of its own, graphmail. A lock that somebody holds is waited for two seconds at a time, so that the product never
    waits for us.
    """,
    {
        "graphmail migrate": "prepare the product's database",
        "graphmail migrate --standalone": "without the product: make minimal tables in place of its",
        "graphmail migrate --notify-trigger": "and let Postgres tell of changes, instead of being asked",
        "graphmail migrate --grant-to graphmail_operator": "and let this role run the operator",
        "graphmail migrate --grant-pages-to desk_pages": "and let this role read how mailboxes stand, and ask for renewals",
        "graphmail migrate --grant-receiver-to graphmail_receiver": "and let this role run the receiver",
    },
    settings=("GRAPHMAIL_DATABASE_URL",),
    cluster=False,
)


def migrate(
    *,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Make minimal tables where the product's are missing.")
    ] = False,
    notify_trigger: Annotated[
        bool | None,
        typer.Option(
            "--notify-trigger/--no-notify-trigger",
            help="Add triggers to the product's tables that tell of changes (GRAPHMAIL_MIRROR_NOTIFY), or take them away.",
            show_default="as it is",
        ),
    ] = None,
    grant_to: Annotated[
        str | None, typer.Option("--grant-to", metavar="ROLE", help="Grant this role what a running operator needs.")
    ] = None,
    grant_pages_to: Annotated[
        str | None,
        typer.Option(
            "--grant-pages-to",
            metavar="ROLE",
            help="Let this role of the product's own pages read graphmail.subscriptions and provider_events, and ask for renewals.",
        ),
    ] = None,
    grant_receiver_to: Annotated[
        str | None,
        typer.Option(
            "--grant-receiver-to",
            metavar="ROLE",
            help="Let this role run the receiver: write when notifications last arrived, and nothing else.",
        ),
    ] = None,
) -> None:
    """Prepare the database."""
    conduct(
        _migrate(
            standalone=standalone,
            notify_trigger=notify_trigger,
            grant_to=grant_to,
            grant_pages_to=grant_pages_to,
            grant_receiver_to=grant_receiver_to,
        )
    )


async def _migrate(
    *,
    standalone: bool,
    notify_trigger: bool | None,
    grant_to: str | None,
    grant_pages_to: str | None,
    grant_receiver_to: str | None,
) -> None:
    url = database_url(read_settings(PAGE))
    screen = Screen.of_process()
    report = await apply(
        url,
        standalone=standalone,
        notify_trigger=notify_trigger,
        grant_to=grant_to,
        grant_pages_to=grant_pages_to,
        grant_receiver_to=grant_receiver_to,
        say=screen.note,
    )
    for told in describe(report):
        screen.say(told)


def describe(report: MigrationReport) -> list[str]:
    """What was changed, a line each."""
    lines = [f"created table {table}" for table in report.created_tables]
    lines += [f"added column {column}" for column in report.added_columns]
    lines += [f"applied migration {name}" for name in report.applied]
    lines += [f"added trigger {trigger}" for trigger in report.added_triggers]
    lines += [f"removed trigger {trigger}" for trigger in report.removed_triggers]
    if report.granted_to is not None:
        lines.append(f"granted {report.granted_to} what a running operator needs")
    if report.granted_pages_to is not None:
        lines.append(f"granted {report.granted_pages_to} what the product's own pages need")
    if report.granted_receiver_to is not None:
        lines.append(f"granted {report.granted_receiver_to} what the receiver needs")
    return lines or ["nothing to do: the database is ready"]
