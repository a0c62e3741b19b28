"""The custom resource as typed models. The CRD is generated from them, so each description here is what `kubectl explain` prints."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass
from pydantic_core import to_jsonable_python

from graphmail.resource import duration
from graphmail.resource.moments import Time, TransitionTime
from graphmail.resource.names import LABEL_MANAGED_BY, MIRROR

IDENTIFIER = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
"""What is valid as a label's value, since tenant and provider are labels too."""
HTTPS_URL = r'^https://[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*([/?][!"$-~]*)?$'
"""Printable ASCII with a host, without user information and without a fragment."""
MAILBOX = r"^[^\x00-\x20\x7f-\xa0/?#]+$"
"""What can stand in Graph's path. Go and Rust differ in what counts as a space beyond ASCII, so no class relies on it."""
SECRET_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
MAX_LIFETIME = "168h"
"""The longest life of a subscription to mail that Graph documents: 10,080 minutes."""
MIN_LIFETIME = "45m"
"""The shortest: Graph raises what is less."""


def _camel(name: str) -> str:
    """`notification_url` → `notificationURL`: Kubernetes writes initialisms in capitals."""
    camel = to_camel(name)
    for suffix in ("Id", "Url"):
        if camel.endswith(suffix):
            return camel[: -len(suffix)] + suffix.upper()
    return camel


def _kept_once(text: str) -> str:
    """The one copy of the text. `str` first: a member of a `StrEnum` cannot be interned."""
    return sys.intern(str(text))


Shared = Annotated[str, AfterValidator(_kept_once)]
"""A text that many resources have in common: it stands in memory once, for as long as one of them has it."""

_CONFIG = ConfigDict(alias_generator=_camel, populate_by_name=True, extra="ignore")


class _Part:
    """What the models have in common.

    They are dataclasses with slots: a whole fleet is held in memory, where a `BaseModel` takes a dict for its fields and a set for
    their names, five times what slots take. What is used of a `BaseModel`'s methods is here under its names.
    """

    __slots__: tuple[str, ...] = ()

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """A copy with other values in some fields; they are not validated.

        Raises:
            AttributeError: there is no such field.
        """
        copy = object.__new__(type(self))
        for name, value in ({name: getattr(self, name) for name in self.__slots__} | update).items():
            object.__setattr__(copy, name, value)
        return copy

    def model_dump(
        self,
        *,
        mode: Literal["json"],
        by_alias: bool,
        exclude_none: bool = False,
        exclude: set[str] | None = None,
    ) -> dict[str, Any]:
        """The fields as JSON has them, the only mode there is; under the names of the CRD, if `by_alias`."""
        dumped: dict[str, Any] = to_jsonable_python(self, by_alias=by_alias, exclude_none=exclude_none, exclude=exclude)
        return dumped


class DeletionPolicy(StrEnum):
    """What happens to the subscription at Graph when the resource is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class SuspendPolicy(StrEnum):
    """What happens to the subscription at Graph while the resource is suspended."""

    RETAIN = "Retain"
    DELETE = "Delete"


class CredentialSource(StrEnum):
    """Where the credential that signs in for the mailbox is kept."""

    PROVIDER_ROW = "ProviderRow"
    SECRET = "Secret"


class FolderState(StrEnum):
    """How one folder of a mailbox stands."""

    ACTIVE = "Active"
    PENDING = "Pending"
    NOT_DELIVERABLE = "NotDeliverable"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Credentials(_Part):
    """Where the credential is kept."""

    source: CredentialSource = Field(
        default=CredentialSource.PROVIDER_ROW,
        description="ProviderRow: the provider's row in Postgres, which serves only the resource that the mirror made for that row. "
        "Secret: a Secret in the resource's own namespace.",
    )
    secret_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=SECRET_NAME,
        description="Name of the Secret, with the keys client-id and directory-id, and what the app proves itself with: client-secret, "
        "client-certificate (PEM with its key) or client-certificate.pfx (client-certificate-password where it has one), or "
        "workload-identity (true: the pod's own). With refresh-token it is delegated. client-state is optional: Graph repeats it in each "
        "notification.",
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Spec(_Part):
    """What is wanted of the subscription."""

    tenant: Shared = Field(
        min_length=1,
        max_length=63,
        pattern=IDENTIFIER,
        description="Tenant of the product that the mailbox belongs to. Cannot be changed.",
    )
    provider_id: str = Field(
        min_length=1,
        max_length=63,
        pattern=IDENTIFIER,
        description="Id of the mail provider within the tenant. Cannot be changed.",
    )
    mailbox: str = Field(
        min_length=1,
        max_length=320,
        pattern=MAILBOX,
        description="The watched mailbox: its address (user principal name), or the object id of its user. Cannot be changed.",
    )
    folders: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(
        default=["inbox"],
        min_length=1,
        max_length=20,
        description="Watched folders, by well-known name or id: one subscription each. Default: inbox.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    change_types: list[Annotated[str, Field(pattern="^(created|updated|deleted)$")]] = Field(
        default=["created"],
        min_length=1,
        max_length=3,
        description="Changes that Graph reports: created, updated, deleted. Default: created.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    notification_url: Shared = Field(
        max_length=2048,
        pattern=HTTPS_URL,
        description="The https URL that Graph posts change notifications to. The operator adds its marker to the query (?gms=...), "
        "which Graph preserves.",
    )
    lifecycle_notification_url: str | None = Field(
        default=None,
        max_length=2048,
        pattern=HTTPS_URL,
        description="The https URL that Graph posts lifecycle notifications to. Graph takes it only when a subscription is created.",
    )
    look_ahead: str | None = Field(
        default=None,
        max_length=20,
        pattern=duration.PATTERN,
        description="Renew at least this long before the subscription expires, such as 24h or 90m. When Graph grants less than twice "
        "this, half of what it granted counts instead. Default: the operator's own lookahead, 24h unless it is set otherwise.",
    )
    lifetime: str | None = Field(
        default=None,
        max_length=20,
        pattern=duration.PATTERN,
        description="Lifetime asked for at Graph, at most 168h. Graph may grant less; what it granted is what counts. "
        "Default: the operator's own setting, 166h40m unless it is set otherwise.",
    )
    suspend: bool = Field(
        default=False,
        description="True: no calls to Graph for this mailbox until it is false again; resuming acts at once.",
    )
    suspend_policy: SuspendPolicy = Field(
        default=SuspendPolicy.RETAIN,
        description="While suspended: Retain leaves the subscription to expire, Delete deletes it at Graph.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="When the resource is deleted: Delete also deletes the subscription at Graph, Retain leaves it to expire.",
    )
    credentials: Credentials = Field(
        default=Credentials(),
        description="Where the credential that signs in for the mailbox is kept.",
    )

    @property
    def look_ahead_time(self) -> timedelta | None:
        """`lookAhead` as a time span; None: the operator's own counts."""
        return None if self.look_ahead is None else duration.parse_duration(self.look_ahead)

    @property
    def lifetime_time(self) -> timedelta | None:
        """`lifetime` as a time span; None: the operator's own counts."""
        return None if self.lifetime is None else duration.parse_duration(self.lifetime)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Condition(_Part):
    """One condition, as the Kubernetes API conventions have it."""

    type: Shared = Field(min_length=1, max_length=316, description="Ready, Authorized, Synced, Delivering or Stalled.")
    status: Shared = Field(pattern="^(True|False|Unknown)$", description="True, False or Unknown.")
    reason: Shared = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why, in one word.",
    )
    message: Shared = Field(max_length=32768, description="Why, for people; what to do, when a person must act.")
    last_transition_time: TransitionTime = Field(description="When the status of this condition last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation of the resource that this condition was set for."
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LifecycleTimes(_Part):
    """When Graph last told of a subscription itself, by what it told."""

    reauthorization_required: Time | None = Field(
        default=None, description="Graph asked for a renewal of the subscription."
    )
    subscription_removed: Time | None = Field(
        default=None, description="Graph said that it has removed the subscription."
    )
    missed: Time | None = Field(
        default=None,
        description="Graph said that notifications were missed. It stays when the subscription is replaced.",
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class FolderSubscription(_Part):
    """The subscription of one folder."""

    folder: str = Field(description="The folder, as spec.folders names it.")
    state: FolderState = Field(
        description="Active: Graph holds a subscription. Pending: there is none yet. NotDeliverable: none is made, since the product's "
        "webhook route would drop its notifications."
    )
    subscription_id: str | None = Field(default=None, description="Id of the subscription at Graph.")
    expiration_time: Time | None = Field(
        default=None, description="When the subscription expires, as Graph granted it."
    )
    granted_time: Time | None = Field(
        default=None,
        description="When the running lifetime was granted; absent for an adopted subscription that was not renewed yet.",
    )
    since_time: Time | None = Field(
        default=None, description="Since when this subscription is the folder's: it was made or adopted then."
    )
    notification_url: str | None = Field(default=None, description="Where Graph delivers to, as Graph last said.")
    change_types: list[str] | None = Field(
        default=None,
        description="Changes that Graph reports, as Graph last said.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    lifecycle_notification_url: str | None = Field(
        default=None, description="Where Graph posts lifecycle notifications to, as Graph last said."
    )
    client_state: str | None = Field(
        default=None,
        description="Fingerprint of the clientState that the subscription was made with; absent for an adopted one.",
    )
    reason: str | None = Field(default=None, description="What stands in this folder's way, in one word.")
    message: str | None = Field(default=None, description="What stands in this folder's way, for people.")
    consecutive_failures: int | None = Field(
        default=None,
        ge=0,
        description="Failed attempts since the last success. The first folder's stand in the status.",
    )
    next_attempt_time: Time | None = Field(
        default=None,
        description="After a failure: not before this is it tried again. The first folder's stands in the status.",
    )
    pending_create_time: Time | None = Field(
        default=None,
        description="A create was begun then, and its answer is not known. The first folder's stands in the status.",
    )
    last_handled_renewal: str | None = Field(
        default=None,
        description="The value of the annotation graphmail.dev/renew-requested-at that was last acted on. "
        "The first folder's stands in the status.",
    )
    lifecycle: LifecycleTimes | None = Field(
        default=None,
        description="Lifecycle notifications of Graph about the subscription that were taken up: what was told, and when it came.",
    )

    @classmethod
    def pending(cls, folder: str) -> Self:
        """The row of a folder of which nothing is known yet."""
        return cls(folder=folder, state=FolderState.PENDING)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Status(_Part):
    """What is known of the subscription. A cache: the provider's row and Graph together can rebuild it."""

    observed_generation: int | None = Field(default=None, description="The generation that this status describes.")
    subscription_id: str | None = Field(
        default=None, description="Id of the subscription at Graph (of the first folder, when there are several)."
    )
    expiration_time: Time | None = Field(
        default=None, description="When the subscription expires, as Graph granted it."
    )
    last_renewal_time: Time | None = Field(
        default=None, description="When it was last created or renewed by this operator."
    )
    next_renewal_time: Time | None = Field(default=None, description="When it will be renewed.")
    last_attempt_time: Time | None = Field(
        default=None, description="When a call to Graph or sign-in was last attempted for it."
    )
    next_attempt_time: Time | None = Field(
        default=None, description="After a failure: not before this is it tried again."
    )
    consecutive_failures: int = Field(default=0, ge=0, description="Failed attempts since the last success.")
    last_notification_time: Time | None = Field(
        default=None,
        description="When a notification last arrived, as far as known; brought up to date at most hourly.",
    )
    last_delivery_check_time: Time | None = Field(
        default=None,
        description="When Graph was last asked for the newest message, since the mailbox had been quiet for long.",
    )
    newest_message_time: Time | None = Field(
        default=None, description="When the newest message that this check found was received."
    )
    silent_replacements: int | None = Field(
        default=None,
        ge=0,
        description="How often the subscription was replaced since a notification last arrived, because it delivered nothing.",
    )
    unchecked_credential: str | None = Field(
        default=None,
        description="Fingerprint of a credential that may not read mail: delivery is not checked until it changes.",
    )
    last_handled_renewal: str | None = Field(
        default=None, description="The value of the annotation graphmail.dev/renew-requested-at that was last acted on."
    )
    last_handled_adoption: str | None = Field(
        default=None,
        description="The value of the annotation graphmail.dev/adopt-subscription-id that was last acted on.",
    )
    observed_credential: str | None = Field(
        default=None, description="Fingerprint of the credential of the last attempt: a changed one ends a stall."
    )
    last_handled_credential: str | None = Field(
        default=None,
        description="The value of the annotation graphmail.dev/credential that was last acted on, where another credential was found.",
    )
    pending_create_time: Time | None = Field(
        default=None,
        description="A create was begun then, and its answer is not known: it is looked up before another one.",
    )
    subscriptions: list[FolderSubscription] = Field(
        default=[],
        description="One row a folder.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["folder"]},
    )
    conditions: list[Condition] = Field(
        default=[],
        description="Ready, Authorized, Synced, Delivering; and Stalled, present only while a person must act.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def says(self, kind: str, status: str) -> bool:
        """Whether the condition of that type is present with that status."""
        condition = self.condition(kind)
        return condition is not None and condition.status == status

    @property
    def missed_time(self) -> datetime | None:
        """When Graph last said that notifications were missed, of any of its folders."""
        told = (row.lifecycle.missed for row in self.subscriptions if row.lifecycle is not None)
        return max((moment for moment in told if moment is not None), default=None)

    def folder(self, name: str) -> FolderSubscription | None:
        """The row of that folder, if there is one."""
        return next((row for row in self.subscriptions if row.folder == name), None)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Metadata(_Part):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    deletion_timestamp: datetime | None = None
    creation_timestamp: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class GraphMailSubscription(_Part):
    """One mailbox's subscription, as the API server holds it."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object from the API server.

        A status that does not parse (written by another version) counts as none: row and Graph can rebuild it.

        Raises:
            pydantic.ValidationError: metadata or spec are not what the CRD promises.
        """
        metadata = Metadata(**body["metadata"])
        spec = Spec(**_fields(body, "spec"))
        try:
            status = Status(**_fields(body, "status"))
        except ValidationError:
            status = Status()
        return cls(metadata=metadata, spec=spec, status=status)

    @property
    def mirrored(self) -> bool:
        """The mirror has made it, from a provider's row."""
        made = self.metadata.labels.get(LABEL_MANAGED_BY) == MIRROR
        return made and self.spec.credentials.source is CredentialSource.PROVIDER_ROW

    @property
    def key(self) -> str:
        """`namespace/name`, for logs and caches."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


def _fields(body: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """A part of the object; what is missing, or is no object itself, has none."""
    found = body.get(part)
    return found if isinstance(found, Mapping) else {}
