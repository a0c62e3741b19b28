"""Our rules and our examples for Alertmanager, made quick enough for a test."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "graphmail-operator" / "alerts" / "graphmail.yaml"
EXAMPLES = ROOT / "docs" / "alertmanager"


def shipped_rules() -> dict[str, Any]:
    """The rules as they are shipped."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    return rules


def quick(rules: dict[str, Any], *, hour: int = 3600) -> dict[str, Any]:
    """The same rules, but those of mailboxes, tenants and the fleet fire at once: their `for` is gone.

    Those of the operator itself keep it, since some hold for a moment while it starts. `hour`: the seconds that stand for the
    hour of GraphMailMailboxInError.
    """
    rules = copy.deepcopy(rules)
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        if rule["labels"]["scope"] != "operator":
            rule.pop("for")
        if rule["alert"] == "GraphMailMailboxInError":
            rule["expr"], times = re.subn(r"> 3600\b", f"> {hour}", rule["expr"])
            assert times, "GraphMailMailboxInError no longer asks for an hour"
    return rules


def sooner(rules: dict[str, Any], alert: str) -> dict[str, Any]:
    """The same rules, but that alert need hold for two seconds only before it fires."""
    rules = copy.deepcopy(rules)
    changed = [rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == alert]
    assert changed, f"there is no alert {alert}"
    for rule in changed:
        rule["for"] = "2s"
    return rules


def example(name: str) -> dict[str, Any]:
    """An example of docs/alertmanager/."""
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    return config


def to_webhook(config: dict[str, Any], url: str) -> dict[str, Any]:
    """The same routes and inhibitions, but every receiver is a webhook, and nothing waits for more than a second."""
    config = {"route": copy.deepcopy(config["route"]), "inhibit_rules": config["inhibit_rules"]} | {
        "receivers": [
            {"name": receiver["name"], "webhook_configs": [{"url": url, "send_resolved": True}]}
            for receiver in config["receivers"]
        ]
    }
    _hurry(config["route"])
    return config


def _hurry(route: dict[str, Any]) -> None:
    for name in route.keys() & {"group_wait", "group_interval"}:
        route[name] = "1s"
    for child in route.get("routes", []):
        _hurry(child)
