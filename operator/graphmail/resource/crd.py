"""The CustomResourceDefinition, generated from the typed models, so that the API server and the operator cannot disagree.

`python -m graphmail.resource.crd crds/graphmailsubscriptions.yaml` writes it; with `--check` it only compares.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from graphmail.resource import duration, names
from graphmail.resource.model import HTTPS_URL, IDENTIFIER, MAILBOX, MAX_LIFETIME, MIN_LIFETIME, Spec, Status

Schema = dict[str, Any]

HEADER = """\
# Generated from the models in operator/graphmail/resource/model.py; edit those, and run
#   python -m graphmail.resource.crd crds/graphmailsubscriptions.yaml     (make crds)
"""

LABELS = {"app.kubernetes.io/name": names.OPERATOR, "app.kubernetes.io/part-of": names.OPERATOR}


def _rule(rule: str, message: str, **more: str) -> dict[str, str]:
    return {"rule": rule, "message": message, **more}


def _matches(pattern: str, message: str) -> dict[str, str]:
    """The field's own pattern once more: what the API server says of a pattern shows the pattern and nothing else."""
    return _rule(f"self.matches(r'{pattern}')", message)


def _immutable(field: str) -> dict[str, str]:
    message = f"{field} cannot be changed: it is the resource's identity. Delete the resource and create another one."
    return _rule("self == oldSelf", message)


def _identifier(field: str) -> list[dict[str, str]]:
    message = f"{field} must be fit for a label: letters, digits, dots, dashes and underscores, at most 63, a letter or digit at both ends"
    return [_matches(IDENTIFIER, message), _immutable(field)]


def _url(field: str) -> list[dict[str, str]]:
    """Graph posts to https URLs only. `isURL` comes first, since `url()` of anything else is an error instead of an answer."""
    return [
        _rule(
            f"self.matches(r'{HTTPS_URL}') && isURL(self) && url(self).getHostname() != ''",
            f"{field} must be an https URL with a host, without user name or fragment, "
            "such as https://app.example.com/api/email/webhooks/microsoft",
        ),
        _rule(
            "!isURL(self) || !('gms' in url(self).getQuery())",
            f"{field} must not carry the parameter gms: the operator adds it itself, to know its own subscriptions again",
        ),
    ]


def _duration(field: str) -> list[dict[str, str]]:
    message = f"{field} must be a duration in hours, minutes and seconds, such as 24h, 90m or 166h40m"
    return [_matches(duration.PATTERN, message)]


def _compared(comparison: str, message: str, *fields: str) -> dict[str, str]:
    """A rule over durations, silent where one is absent or no duration: CEL's own error would hide the message of the field's rule."""
    unless = " || ".join(f"!has(self.{field}) || !self.{field}.matches(r'{duration.PATTERN}')" for field in fields)
    return _rule(f"{unless} || {comparison}", message, fieldPath=f".{fields[0]}")


RULES: Mapping[str, Sequence[Mapping[str, str]]] = {
    "spec": [
        _compared(
            "duration(self.lookAhead) < duration(self.lifetime)",
            "lookAhead must be shorter than lifetime: a subscription cannot be renewed before it exists",
            "lookAhead",
            "lifetime",
        ),
        _compared(
            f"duration(self.lookAhead) < duration('{MAX_LIFETIME}')",
            f"lookAhead must be shorter than {MAX_LIFETIME}, the longest life that Graph grants",
            "lookAhead",
        ),
        _compared("duration(self.lookAhead) > duration('0s')", "lookAhead must be longer than 0s", "lookAhead"),
        _compared(
            f"duration(self.lifetime) <= duration('{MAX_LIFETIME}')",
            f"lifetime must be at most {MAX_LIFETIME}: Graph grants no longer life to a subscription to mail",
            "lifetime",
        ),
        _compared(
            f"duration(self.lifetime) >= duration('{MIN_LIFETIME}')",
            f"lifetime must be at least {MIN_LIFETIME}: Graph grants no shorter life",
            "lifetime",
        ),
    ],
    "spec.tenant": _identifier("tenant"),
    "spec.providerID": _identifier("providerID"),
    "spec.mailbox": [
        _matches(MAILBOX, "mailbox must be an address or an object id: no spaces, and none of / ? #"),
        _immutable("mailbox"),
    ],
    "spec.lookAhead": _duration("lookAhead"),
    "spec.lifetime": _duration("lifetime"),
    "spec.notificationURL": _url("notificationURL"),
    "spec.lifecycleNotificationURL": _url("lifecycleNotificationURL"),
    "spec.credentials": [
        _rule(
            "self.source != 'Secret' || has(self.secretName)",
            "credentials.secretName must name the Secret when credentials.source is Secret",
            fieldPath=".secretName",
        ),
        _rule(
            "self.source == 'Secret' || !has(self.secretName)",
            "credentials.secretName is for credentials.source Secret only: leave it out, or set source to Secret",
            fieldPath=".secretName",
        ),
        # A resource that was written by hand must not turn into one that signs in with a row's credential.
        _rule(
            "self.source == oldSelf.source",
            "credentials.source cannot be changed: it decides whose credential the resource may use. "
            "Delete the resource and create another one.",
            fieldPath=".source",
        ),
    ],
}
"""CEL rules (Kubernetes, validation rules of custom resources) by the path of the field that they stand at."""


def _column(name: str, path: str, description: str, *, kind: str = "string", wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


# Moments are strings: kubectl shows a column of type `date` as an age, and a moment to come as <invalid>.
COLUMNS: Sequence[Schema] = (
    _column("Ready", _condition("Ready", "status"), "Whether the mailbox is covered by a subscription."),
    _column("Mailbox", ".spec.mailbox", "The watched mailbox."),
    _column("Subscription", ".status.subscriptionID", "Id of the subscription at Graph."),
    _column("Expires", ".status.expirationTime", "When the subscription expires."),
    _column("Next Renewal", ".status.nextRenewalTime", "When it will be renewed."),
    _column("Age", ".metadata.creationTimestamp", "How long the resource has existed.", kind="date"),
    _column("Tenant", ".spec.tenant", "Tenant of the product that the mailbox belongs to.", wide=True),
    _column(
        "Failures", ".status.consecutiveFailures", "Failed attempts since the last success.", kind="integer", wide=True
    ),
    _column("Last Notification", ".status.lastNotificationTime", "When a notification last arrived.", wide=True),
    _column("Reason", _condition("Ready", "reason"), "Why it is ready, or is not.", wide=True),
    _column("Stalled", _condition("Stalled", "reason"), "What a person must mend, if anything.", wide=True),
)


def crd() -> Schema:
    """The CustomResourceDefinition as the API server takes it (apiextensions.k8s.io/v1)."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}", "labels": dict(LABELS)},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def crd_yaml() -> str:
    """The text of the file in `crds/`."""
    return HEADER + yaml.safe_dump(crd(), sort_keys=False, width=120, allow_unicode=True)


def _version() -> Schema:
    schema = {
        "description": "Keeps one mailbox covered by a subscription of Microsoft Graph to its mail: created, renewed, "
        "and made anew when Graph has lost it.",
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": _spec_schema(), "status": _status_schema()},
    }
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [dict(column) for column in COLUMNS],
        "selectableFields": [{"jsonPath": ".spec.tenant"}, {"jsonPath": ".spec.providerID"}],
    }


def _spec_schema() -> Schema:
    schema = structural_schema(Spec)
    fields = dict(_fields("spec", schema))
    for path, rules in RULES.items():
        fields[path]["x-kubernetes-validations"] = [dict(rule) for rule in rules]
    return schema


def _status_schema() -> Schema:
    """Without defaults: a status says what was written, and nothing more."""
    schema = structural_schema(Status)
    for _, field in _fields("status", schema):
        field.pop("default", None)
    return schema


def _fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", field)
    if "items" in schema:
        yield from _fields(f"{path}[]", schema["items"])


def structural_schema(model: type) -> Schema:
    """The model as a structural schema (Kubernetes): nothing is referred to, and an optional field is one not required."""
    schema = TypeAdapter[Any](model).json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


_DROPPED = frozenset({"$defs", "$ref", "anyOf", "title"})
_ORDER = ("description", "type", "format", "default", "enum", "pattern", "required")
_CLOSED = re.compile(r"\^\(([A-Za-z|]+)\)\$")


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    merged = _inlined(schema, definitions)
    result = {key: value for key, value in merged.items() if key not in _DROPPED}
    if "default" in result:
        result["default"] = _without_none(result["default"])
        if result["default"] is None:
            del result["default"]
    if result.get("type") == "integer":
        result["format"] = "int64"
    if closed := _CLOSED.fullmatch(result.get("pattern", "")):
        del result["pattern"]
        result["enum"] = closed[1].split("|")
    if "properties" in result:
        result["properties"] = {
            name: _structural(field, definitions) for name, field in result.pop("properties").items()
        }
    if "items" in result:
        result["items"] = _structural(result.pop("items"), definitions)
    return {key: result[key] for key in (*_ORDER, *result) if key in result}


def _inlined(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The schema with what it refers to, and without the null that a model's optional field may be."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) > 1:
        raise ValueError(f"a structural schema has no place for alternatives: {options}")
    referred = {**schema, **(options[0] if options else {})}.get("$ref")
    base = _inlined(definitions[referred.rsplit("/", 1)[1]], definitions) if referred else {}
    return {**base, **(options[0] if options else {}), **schema}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with `--check` say whether it is what the models make. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m graphmail.resource.crd", description=__doc__)
    parser.add_argument("path", type=Path, help="the file, crds/graphmailsubscriptions.yaml")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args(arguments)
    path: Path = options.path
    if not options.check:
        path.write_text(crd_yaml(), encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == crd_yaml():
        return 0
    sys.stderr.write(f"{path} does not say what the models say: run `make crds` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
