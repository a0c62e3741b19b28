"""The resource that a provider's row should have. Pure.

The mirror owns identity, folders, URL and credentials, and the suspension while the row asks for one. Everything else of the spec is
for people: server-side apply leaves it alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphmail.provider import Provider
from graphmail.resource import GraphMailSubscription, SuspendPolicy
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import (
    ANNOTATION_ADOPT,
    ANNOTATION_CLIENT_STATE,
    ANNOTATION_CREDENTIAL,
    ANNOTATION_PAUSED,
    API_VERSION,
    FINALIZER,
    KIND,
    LABEL_MANAGED_BY,
    LABEL_PROVIDER,
    LABEL_TENANT,
    LIFECYCLE_PATH,
    MIRROR,
    resource_name,
)

AUTH_FAILURE = "auth_failure"
"""The pause reason that never suspends: the operator must see the new consent (design, rule 11)."""
_LIFECYCLE = "lifecycleNotificationURL"
Body = dict[str, Any]
"""A resource as it is applied."""
OWN_ANNOTATIONS = (ANNOTATION_ADOPT, ANNOTATION_CLIENT_STATE, ANNOTATION_CREDENTIAL, ANNOTATION_PAUSED)


def _of_row(provider: Provider) -> str:
    return provider.credential


@dataclass(frozen=True, slots=True)
class Template:
    """What all mirrored resources have in common."""

    namespace: str
    notification_url: str
    """The product's webhook route, or the receiver that passes on to it, without our marker."""
    respect_polling: bool = False
    """Mirror polling rows suspended."""
    fingerprint: Callable[[Provider], str] = _of_row
    """Of a row's credential, with the file that it names. Asked only for a resource that waits for a credential."""
    tenants: frozenset[str] | None = None
    """The product's tenants that are served; None: all."""
    observe: bool = False
    """Nothing is written to the product's tables, and no subscription's resource is deleted."""
    lifecycle_url: str | None = None
    """Where Graph posts lifecycle notifications: our receiver; None while it is off."""

    def serves(self, tenant: str) -> bool:
        """Whether the rows of that tenant are served."""
        return self.tenants is None or tenant in self.tenants


def desired(
    provider: Provider,
    existing: GraphMailSubscription | None,
    template: Template,
    *,
    busy: bool = False,
    taken: bool = False,
) -> Body:
    """The body of the server-side apply for that row.

    Args:
        busy: the mailbox is or was just worked on, so that the row may be older or newer than the status: no adoption is asked for now.
        taken: the subscription that the row names is held by another resource, such as that of the mailbox which the provider had before.
    """
    paused = pause(provider, template)
    spec: dict[str, Any] = {
        "tenant": provider.key.tenant,
        "providerID": provider.key.provider_id,
        "mailbox": _spelled(provider, existing),
        "folders": list(provider.folders) or ["inbox"],
        "notificationURL": template.notification_url,
        "credentials": {"source": "ProviderRow"},
    }
    if template.lifecycle_url is not None:
        spec[_LIFECYCLE] = template.lifecycle_url
    if paused is not None:
        spec["suspend"] = True
    if not provider.active:
        spec["suspendPolicy"] = SuspendPolicy.DELETE.value
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": resource_name(provider.key.tenant, provider.key.provider_id, provider.mailbox),
            "namespace": template.namespace,
            "labels": {
                LABEL_MANAGED_BY: MIRROR,
                LABEL_TENANT: provider.key.tenant,
                LABEL_PROVIDER: provider.key.provider_id,
            },
            "annotations": _annotations(provider, existing, template, paused, busy=busy, taken=taken),
            "finalizers": [FINALIZER],
        },
        "spec": spec,
    }


def _spelled(provider: Provider, existing: GraphMailSubscription | None) -> str:
    """A mailbox that is only spelled otherwise is the same one, and the resource's cannot be changed."""
    same = existing is not None and existing.spec.mailbox.casefold() == provider.mailbox.casefold()
    return existing.spec.mailbox if existing is not None and same else provider.mailbox


def pause(provider: Provider, template: Template) -> str | None:
    """Why the row asks for a suspension; None: it does not."""
    if not provider.active:
        return "inactive"
    if provider.pause_reason is not None and provider.pause_reason != AUTH_FAILURE:
        return provider.pause_reason
    return "polling" if provider.polling and template.respect_polling else None


def differs(existing: GraphMailSubscription, body: Mapping[str, Any]) -> bool:
    """Whether applying the body would change anything that the mirror owns."""
    metadata, spec = body["metadata"], existing.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return (
        any(existing.metadata.labels.get(name) != value for name, value in metadata["labels"].items())
        or any(existing.metadata.annotations.get(name) != metadata["annotations"].get(name) for name in OWN_ANNOTATIONS)
        or any(spec.get(field) != value for field, value in body["spec"].items())
        or _has_left_the_receiver(spec, body["spec"])
    )


def _has_left_the_receiver(spec: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """The receiver was turned off: an apply without its URL takes it away. One of another form is not the mirror's, and none to take."""
    return _LIFECYCLE not in wanted and str(spec.get(_LIFECYCLE, "")).endswith(LIFECYCLE_PATH)


def _annotations(
    provider: Provider,
    existing: GraphMailSubscription | None,
    template: Template,
    paused: str | None,
    *,
    busy: bool,
    taken: bool,
) -> dict[str, str]:
    annotations = {}
    adopt = existing.metadata.annotations.get(ANNOTATION_ADOPT) if existing and busy else _to_adopt(provider, existing)
    if adopt is not None and not taken:
        annotations[ANNOTATION_ADOPT] = adopt
    news = _credential_news(provider, existing, template) if existing is not None else None
    if news is not None:
        annotations[ANNOTATION_CREDENTIAL] = news
    if existing is not None and _client_state_news(provider, existing, template):
        annotations[ANNOTATION_CLIENT_STATE] = provider.client_state
    if paused is not None:
        annotations[ANNOTATION_PAUSED] = paused
    return annotations


def _to_adopt(provider: Provider, existing: GraphMailSubscription | None) -> str | None:
    """The id that the row knows and the status does not: the back-fill, and what a rival has written."""
    known = {row.subscription_id for row in existing.status.subscriptions} if existing else set()
    if existing is not None:
        known.add(existing.status.subscription_id)
    return provider.subscription_id if provider.subscription_id not in known else None


def _client_state_news(provider: Provider, existing: GraphMailSubscription, template: Template) -> bool:
    """A clientState is only told where a subscription was made with another one; to a receiver also where it is not known with which."""
    held = [row for row in existing.status.subscriptions if row.subscription_id is not None]
    unknown = template.lifecycle_url is not None and any(row.client_state is None for row in held)
    made_with = {row.client_state for row in existing.status.subscriptions} - {None}
    return bool(provider.client_state) and (unknown or bool(made_with - {provider.client_state}))


def _credential_news(provider: Provider, existing: GraphMailSubscription, template: Template) -> str | None:
    """The fingerprint of a changed credential, which is only told to a resource that waits for one; tokens rotate at every renewal."""
    status = existing.status
    authorized = status.condition(ConditionType.AUTHORIZED)
    if not status.says(ConditionType.STALLED, "True") and (authorized is None or authorized.status == "True"):
        return None
    fingerprint = template.fingerprint(provider)
    return fingerprint if fingerprint != (status.observed_credential or "") else None
