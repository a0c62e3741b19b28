"""What others have put into the status. Pure.

Server-side apply takes away only what nobody else owns (Kubernetes, "Server-Side Apply"): a field that a person has edited stays when we
name it no more. A subscription that is deleted would stay in the status, a backoff would never end, a stall would outlast its mending.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from graphmail.resource.conditions import ConditionType

_KEYS = {"conditions": "type", "subscriptions": "folder"}
"""The lists of the status, and what tells their items apart."""
_OURS = frozenset(kind.value for kind in ConditionType)


def correction(applied: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch that makes the status what was applied; None where it is so already.

    Conditions of a type that is not ours belong to whoever wrote them, and stay.

    Args:
        applied: the status that was sent.
        answer: the resource as the API server returned it. The patch holds for this version of it alone.
    """
    found, metadata = answer.get("status", {}), answer["metadata"]
    theirs = [one for one in found.get("conditions", ()) if one["type"] not in _OURS]
    wanted = {**applied, "conditions": _joined(applied.get("conditions", ()), theirs)}
    wrong: dict[str, Any] = {name: None for name in found if name not in wanted}
    for name, key in _KEYS.items():
        if _by(found.get(name, ()), key) != _by(wanted.get(name, ()), key):
            wrong[name] = wanted[name]
    if not wrong:
        return None
    only = {"name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return {"metadata": only, "status": wrong}


def _joined(ours: Iterable[Mapping[str, Any]], theirs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({one["type"]: one for one in (*ours, *theirs)}.values())


def _by(items: Iterable[Mapping[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """The items by their key; the API server keeps the order of sets as it was."""
    return {item[key]: {name: _unordered(value) for name, value in item.items()} for item in items}


def _unordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
