"""`values.schema.json`: types from the defaults, limits from the operator's settings, and what only the chart knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphmail.settings import Settings
from graphmail.settings.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chart.values import Value

Schema = dict[str, Any]

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_HTTPS = r"https://[^\s?#]+"
"""A password in it is for the templates to refuse: a schema would print the value."""
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PORTS: Schema = {"type": "array", "items": _PORT}
_SPAN: Schema = {"pattern": "^([0-9]+(ms|s|m|h))+$"}
_NAME: Schema = {"pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMED: Schema = {"type": "array", "items": {"type": "object", "required": ["name"]}}
_TEXT_LIST: Schema = {"type": "array", "items": {"type": "string"}}


_PLACED = ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints", "priorityClassName")
_NETWORK = ("hostAliases", "dnsPolicy", "dnsConfig", "enableServiceLinks")
_RUN = ("containers", "initContainers", "volumes", "imagePullSecrets", "restartPolicy", "terminationGracePeriodSeconds")
_TRUSTED = ("serviceAccountName", "automountServiceAccountToken", "securityContext")
_OF_PODS = (*_PLACED, *_NETWORK, *_RUN, *_TRUSTED)
"""Fields of a pod's spec that the templates write."""


def _without(*names: str) -> Schema:
    """Fields beside those that the chart writes: of one that stands there twice, nobody knows which counts."""
    return {"type": "object", "properties": dict.fromkeys(names, False)}


OWN: dict[str, Schema] = {
    "namespaceOverride": _NAME,
    "image.registry": {"pattern": r"^([^\s/:@]+(:[0-9]+)?(/[^\s:@]+)?)?$"},
    "image.repository": {"pattern": r"^[^\s:@]+$"},
    "image.tag": {"type": "string", "pattern": r"^([\w][\w.-]{0,127})?$"},
    "image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "imagePullSecrets": _NAMED,
    "replicas": {"minimum": 0, "maximum": 10},
    "mode": {"enum": ["act", "observe"]},
    "database.key": {"minLength": 1},
    "migrations.key": {"minLength": 1},
    "migrations.notifyTrigger": {"type": ["boolean", "null"]},
    "migrations.extraInitContainers": _NAMED,
    "migrations.backoffLimit": {"minimum": 0, "maximum": 20},
    "migrations.activeDeadlineSeconds": {"minimum": 10, "maximum": 86400},
    "product.applicationURL": {"pattern": f"^({_HTTPS})?$"},
    "product.webhookPath": {"pattern": r"^/[^\s?#]*$"},
    "product.tenants": {"type": "array", "items": {"type": "string", "pattern": _UUID}},
    "receiver.replicas": {"minimum": 0, "maximum": 20},
    "receiver.url": {"pattern": f"^({_HTTPS})?$"},
    "receiver.forwardURL": {"pattern": r"^(https?://[^\s?#]+)?$"},
    "receiver.port": _PORT,
    "receiver.database.key": {"minLength": 1},
    "receiver.extraEnv": _NAMED,
    # Above the 20 seconds that an orderly stop may take.
    "receiver.terminationGracePeriodSeconds": {"minimum": 25, "maximum": 600},
    "receiver.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "receiver.service.port": _PORT,
    "microsoft.graphBaseURL": {"pattern": f"^{_HTTPS}/v1\\.0/?$"},
    "microsoft.loginBaseURL": {"pattern": f"^({_HTTPS})?$"},
    "credentials.mountPath": {"pattern": "^/"},
    "workloadIdentity.authorityHost": {"pattern": f"^({_HTTPS})?$"},
    "renewal.tenantLookAheadMinutes": {
        "type": "object",
        "propertyNames": {"pattern": _UUID},
        "additionalProperties": {"type": "number", "minimum": 1, "maximum": 10079},
    },
    "installation": {"pattern": "^[a-z0-9]{0,16}$"},
    "log.format": {"enum": ["auto", "json", "console"]},
    "log.level": {"enum": ["debug", "info", "warning", "error"]},
    "metrics.port": _PORT,
    "metrics.host": {"pattern": r"^[0-9A-Fa-f.:]+$"},
    "metrics.service.ipFamilyPolicy": {"enum": ["", "SingleStack", "PreferDualStack", "RequireDualStack"]},
    "metrics.service.ipFamilies": {"type": "array", "items": {"enum": ["IPv4", "IPv6"]}},
    "metrics.serviceMonitor.namespace": _NAME,
    "metrics.serviceMonitor.interval": _SPAN,
    "metrics.serviceMonitor.scrapeTimeout": _SPAN,
    "metrics.serviceMonitor.endpointAdditionalProperties": _without(
        *("honorLabels", "interval", "metricRelabelings", "path", "port", "relabelings", "scrapeTimeout")
    ),
    "metrics.prometheusRule.namespace": _NAME,
    "metrics.prometheusRule.runbookURL": {"pattern": r"^(https?://[^\s#]+)?$"},
    "metrics.prometheusRule.grafanaURL": {"pattern": r"^(https?://[^\s?#]+)?$"},
    "metrics.prometheusRule.disabledAlerts": _TEXT_LIST,
    "metrics.prometheusRule.alertLabels": _TEXTS,
    "metrics.dashboard.namespace": _NAME,
    "rbac.credentialSecrets": _TEXT_LIST,
    "nodeSelector": _TEXTS,
    "revisionHistoryLimit": {"minimum": 0, "maximum": 100},
    # Above the 25 seconds that an orderly stop may take.
    "terminationGracePeriodSeconds": {"minimum": 30, "maximum": 600},
    "podDisruptionBudget.maxUnavailable": {
        "type": ["integer", "string"],
        "minimum": 1,
        "pattern": "^([1-9][0-9]?|100)%$",
    },
    "dnsPolicy": {"enum": ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
    "extraEnv": _NAMED,
    "extraPodSpec": _without(*_OF_PODS),
    "extraVolumes": _NAMED,
    "extraInitContainers": _NAMED,
    "extraContainers": _NAMED,
    "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
    "networkPolicy.postgresPorts": _PORTS,
    "networkPolicy.dnsPorts": _PORTS,
    "networkPolicy.httpsPorts": _PORTS,
}
"""What the default does not tell."""

OF_PARENTS: dict[str, Schema] = {
    "global": {
        "description": "Helm's own, which a chart that depends on this one shares among its charts.",
        "type": "object",
        "properties": {
            "imageRegistry": {"description": "Where image.registry is empty.", "type": "string"},
            "imagePullSecrets": {"description": "Besides imagePullSecrets.", **_NAMED},
        },
    },
    "enabled": {"description": "For the condition of a dependency; the chart itself does not ask.", "type": "boolean"},
}
"""What charts that depend on this one say: no values, as they have no default."""

LEFT_TO_TEMPLATES = {"database": ("url", "password")}
"""Mistakes that the templates refuse, with a remedy and without showing the value."""


def values_schema(values: Iterable[Value]) -> Schema:
    """The schema that Helm holds values against. Nothing that it does not name is allowed."""
    root: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of graphmail-operator",
        **_closed(""),
    }
    root["properties"] |= OF_PARENTS
    unknown = OWN.keys() - {value.path for value in values}
    if unknown:
        raise ValueError(f"there are no values {', '.join(sorted(unknown))}")
    groups = {"": root}
    for value in values:
        above, _, name = value.path.rpartition(".")
        parent = groups[above]
        parent["properties"][name] = node = _node(value)
        if value.group:
            groups[value.path] = node
        if value.group or not isinstance(value.default, (dict, list, type(None))):
            parent["required"].append(name)
    return root


def _closed(description: str) -> Schema:
    about = {"description": description} if description else {}
    return {**about, "type": "object", "additionalProperties": False, "required": [], "properties": {}}


def _node(value: Value) -> Schema:
    if value.group:
        node = _closed(value.description)
        node["properties"] = {name: {} for name in LEFT_TO_TEMPLATES.get(value.path, ())}
        return node
    node = {"description": value.description, **_type(value.default)}
    if isinstance(value.default, dict) and value.path.endswith(("abels", "nnotations")):
        node |= _TEXTS
    if value.variable in _LIMITS:
        node |= _limited(_LIMITS[value.variable])
    return node | OWN.get(value.path, {})


def _type(default: Any) -> Schema:
    match default:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case list():
            return {"type": "array", "items": {"type": "object"}}
        case dict():
            return {"type": "object"}
        case _:
            return {"type": "string"}


_LIMITS = {
    str(field.validation_alias): item
    for field in Settings.model_fields.values()
    for item in field.metadata
    if isinstance(item, Number)
}


def _limited(number: Number) -> Schema:
    limits = {"minimum": number.least, "maximum": number.most}
    kind = "number" if number.unit else "integer"
    return {"type": kind, "anyOf": [{"const": 0}, limits]} if number.off else {"type": kind, **limits}
