"""The fixed names of the API, and the name that a provider's resource gets."""

import hashlib
import re

GROUP = "graphmail.dev"
VERSION = "v1alpha1"
KIND = "GraphMailSubscription"
PLURAL = "graphmailsubscriptions"
SINGULAR = "graphmailsubscription"
SHORT_NAME = "gms"
CATEGORY = "graphmail"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/subscription"

LABEL_TENANT = f"{GROUP}/tenant"
LABEL_PROVIDER = f"{GROUP}/provider-id"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MIRROR = "graphmail-mirror"
"""Value of the managed-by label, and field manager of what the mirror applies."""
OPERATOR = "graphmail-operator"
"""Field manager of the status, and reporting component of events."""

ANNOTATION_RENEW = f"{GROUP}/renew-requested-at"
BULK_PREFIX = "bulk/"
"""So begins a value of it that is asked for among many: such a renewal goes last, while any other value goes first."""
ANNOTATION_ADOPT = f"{GROUP}/adopt-subscription-id"
ANNOTATION_CLIENT_STATE = f"{GROUP}/client-state"
"""The mirror's word for the clientState that the product expects: a fingerprint. A changed one needs a replacement."""
ANNOTATION_CREDENTIAL = f"{GROUP}/credential"
"""A short fingerprint of the row's credential; empty while the row has none. It says that the credential changed, never what it is."""
ANNOTATION_PAUSED = f"{GROUP}/paused"
"""Why the provider's row asks for the suspension, set and taken away by the mirror."""
ANNOTATION_NOTIFIED = f"{GROUP}/last-notification"
"""When a notification last arrived for a resource without a row (RFC 3339), as whoever takes the notifications tells; at most hourly."""
ANNOTATION_DELETION = f"{GROUP}/deletion-seen-at"
"""When a deletion was found that the watch had not told of; written so that the watch shows the resource once more."""

_NAME_LENGTH = 63
_HASH_LENGTH = 8


def resource_name(tenant: str, provider_id: str, mailbox: str) -> str:
    """The name of a provider's resource: the mailbox as a slug, and a short hash of tenant and provider.

    At most 63 characters, so that it may also be a label's value. Two tenants may watch the same mailbox; the hash keeps them apart.
    """
    digest = hashlib.sha256(f"{tenant}/{provider_id}".encode()).hexdigest()[:_HASH_LENGTH]
    slug = re.sub(r"[^a-z0-9]+", "-", mailbox.lower()).strip("-")
    slug = slug[: _NAME_LENGTH - _HASH_LENGTH - 1].rstrip("-")
    return f"{slug or 'mailbox'}-{digest}"
