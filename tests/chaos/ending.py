"""How things stand: at Graph, in Postgres and at the API server, read without the operator."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from graphsim.coverage import Ledger
from graphsim.disclosure import Shown, search
from support.stage import Row, Stage


@dataclass(frozen=True)
class End:
    """One mailbox, as the three stores have it."""

    live: list[str]
    """Subscriptions that Graph holds for it."""
    known_alike: bool
    """Graph, the rows and the status name the same subscriptions and expiries, or none."""
    resource: dict[str, Any]
    """Of the status what no moment and no id is; empty: there is no resource."""
    row: dict[str, Any]
    """Of the product's rows what no moment and no id is; empty: there is none."""
    claimed: int
    """Claims that are held."""
    unsettled: list[str]
    """What was begun and nobody recorded: whoever has the next claim looks at Graph first."""
    abandoned: int
    gaps: int
    """How often the mailbox was without a live subscription since its account was opened, by the simulator's count."""
    doubled: int
    """How many subscriptions too many it had at most since then, for however short a time."""
    elsewhere: int
    """Subscriptions that Graph holds for any other mailbox."""

    @property
    def well(self) -> bool:
        """Each condition is as it should be, and nothing is under way. A resource without a row has nothing to be synced with."""
        conditions = self.resource.get("conditions", {})
        expected = ("Ready", "Authorized", "Synced") if self.row else ("Ready", "Authorized")
        wrong = [kind for kind in expected if not conditions.get(kind, "").startswith("True")]
        return not wrong and "Stalled" not in conditions and not self.claimed and not self.resource["pending"]

    @property
    def suspended(self) -> bool:
        """There shall be no subscription."""
        return self.resource.get("conditions", {}).get("Ready") == "False Suspended"

    @property
    def handled(self) -> str | None:
        """The request for a renewal that was answered last."""
        return self.resource.get("handled")


def read_end(stage: Stage, row: Row) -> End:
    """How that mailbox stands now."""
    live = {found.id: found for found in stage.live(row)}
    world, ledger = stage.simulator.world, account(stage, row)
    now = world.clock.now()
    resource = stage.resource(row) or {}
    status = resource.get("status", {})
    stated = {
        told["subscriptionID"]: _seconds(told["expirationTime"])
        for told in status.get("subscriptions", [])
        if "subscriptionID" in told
    }
    config = stage.product.run("SELECT * FROM microsoft_email_provider_config WHERE email_provider_id = %s", row.id)
    claims = stage.product.run("SELECT until, unsettled FROM graphmail.claims WHERE provider_id = %s", row.id)
    return End(
        live=sorted(live),
        known_alike=stated == {name: int(found.expires_at) for name, found in live.items()}
        and _kept_in_postgres(stage, row, config, stated),
        resource=_resource(status) if resource else {},
        row=_row(stage, row) if config else {},
        claimed=sum(claim["until"] is not None for claim in claims),
        unsettled=[action for claim in claims for action in claim["unsettled"]],
        abandoned=len(stage.product.run("SELECT FROM graphmail.abandoned WHERE provider_id = %s", row.id)),
        gaps=len(ledger.gaps(now)) if ledger else 0,
        doubled=max((spare.most for spare in ledger.duplicates(now)), default=0) if ledger else 0,
        elsewhere=len(world.subscriptions) - len(live),
    )


def _kept_in_postgres(stage: Stage, row: Row, config: list[dict[str, Any]], stated: dict[str, int]) -> bool:
    """The product's row has the first subscription, and where there are several, our own table has all."""
    first = [_moment(found["webhook_subscription_id"], found["webhook_expires_at"]) for found in config]
    query = "SELECT subscription_id, expires_at FROM graphmail.folder_subscriptions WHERE provider_id = %s"
    several = [_moment(found["subscription_id"], found["expires_at"]) for found in stage.product.run(query, row.id)]
    named = [kept for kept in first if kept is not None]
    return (
        set(named) <= set(stated.items())
        and (bool(named) == bool(stated) or not config)
        and (not several or {kept for kept in several if kept is not None} == set(stated.items()))
    )


def _moment(subscription_id: str | None, expires_at: datetime | None) -> tuple[str, int] | None:
    return (subscription_id, int(expires_at.timestamp()) if expires_at else 0) if subscription_id else None


def account(stage: Stage, row: Row) -> Ledger | None:
    """The simulator's account of that mailbox, where it is watched."""
    found = stage.simulator.world.coverage.accounts().get(row.mailbox.user_id)
    return found.mailbox if found else None


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def _resource(status: dict[str, Any]) -> dict[str, Any]:
    return {
        "conditions": {found["type"]: f"{found['status']} {found['reason']}" for found in status.get("conditions", [])},
        "pending": "pendingCreateTime" in status,
        "failures": status.get("consecutiveFailures", 0),
        "handled": status.get("lastHandledRenewal"),
        "folders": [(row["folder"], row["state"]) for row in status.get("subscriptions", [])],
    }


def _row(stage: Stage, row: Row) -> dict[str, Any]:
    provider = stage.product.provider(row.id)
    health = stage.product.health(row.id)
    return {
        "status": provider["status"],
        "error": provider["error_message"],
        # Its failure_count counts on: a lost answer is a failure, and rightly stands there.
        "health": [(found["subscription_status"], found["last_renewal_result"]) for found in health],
    }


def secrets_shown(stage: Stage, row: Row, log: Path) -> list[Shown]:
    """Secrets that stand in the log, in the resource or in its events, where none may."""
    columns = "client_secret, access_token, refresh_token, webhook_verification_token"
    rows = stage.product.run(f"SELECT {columns} FROM microsoft_email_provider_config")
    held = {value for config in rows for value in config.values() if value}
    texts = {
        "the log": log.read_text(errors="replace"),
        "the resource": json.dumps(stage.resource(row)),
        "its events": json.dumps(stage.events(row)),
    }
    return search(texts, held | {secret.value for secret in stage.app.secrets})
