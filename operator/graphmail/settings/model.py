"""The settings themselves: each field names its variable, its default, its limits and what it means."""

import hashlib
import os
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from graphmail.decision import Mode, Policy
from graphmail.observability.logs import LogFormat, LogLevel
from graphmail.provider import WorkloadIdentity
from graphmail.resource.names import LIFECYCLE_PATH, NOTIFICATIONS_PATH
from graphmail.settings.contradictions import contradictions
from graphmail.settings.values import (
    AbsolutePath,
    GraphUrl,
    HttpsUrl,
    ListeningAddress,
    LookAheads,
    MetricsUrl,
    Namespace,
    Number,
    PostgresUrl,
    Tenants,
    WebUrl,
    lower,
)
from graphmail.settings.variables import read_variables, setting

POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where Kubernetes tells a pod the namespace of its service account."""


class SettingsError(ValueError):
    """The environment holds wrong values. The text has one line for each: name, value without secrets, what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Settings(BaseModel):
    """What can be set about the operator. Each field names its variable; spans of time are in the unit that the variable names."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: PostgresUrl | None = setting(
        "GRAPHMAIL_DATABASE_URL",
        None,
        "The product's Postgres, with user and password. Without it the operator serves only resources written by hand. A secret: it is "
        "shown without its password.",
        allowed="a URL postgresql://user:password@host:port/database",
        secret=True,
    )
    namespace: Namespace = setting(
        "GRAPHMAIL_NAMESPACE",
        "graphmail",
        "The namespace of the mirrored resources, which is the operator's own.",
        allowed="the name of a namespace",
        shown_default="the pod's own, else that of the kubeconfig's context, else graphmail",
    )
    mode: Annotated[Mode, BeforeValidator(lower)] = setting(
        "GRAPHMAIL_MODE",
        Mode.ACT,
        "`observe`: decide and report what would be done, and do nothing at Microsoft and in the product's tables (docs/rollout.md).",
        allowed="act or observe",
    )
    tenants: Tenants | None = setting(
        "GRAPHMAIL_TENANTS",
        None,
        "The product's tenants that are served; the others have no resources, and their subscriptions are left alone. Unset: all.",
        allowed="the product's ids of tenants (UUIDs), parted by commas",
    )
    application_url: HttpsUrl | None = setting(
        "APPLICATION_URL",
        None,
        "Public base URL of the product, which Graph delivers to. Needed with a database.",
        allowed="an https URL without query",
    )
    webhook_path: Annotated[str, StringConstraints(pattern=r"^/[^\s?#]*$")] = setting(
        "GRAPHMAIL_WEBHOOK_PATH",
        "/api/email/webhooks/microsoft",
        "Path below APPLICATION_URL that takes the notifications.",
        allowed="a path that begins with / and has no query",
    )
    receiver_url: HttpsUrl | None = setting(
        "GRAPHMAIL_RECEIVER_URL",
        None,
        "Public base URL of `graphmail receiver`. With it mirrored subscriptions have its lifecycle URL (docs/receiver.md).",
        allowed="an https URL without query",
    )
    receiver_forward_url: WebUrl | None = setting(
        "GRAPHMAIL_RECEIVER_FORWARD_URL",
        None,
        "The product's webhook route, as the receiver reaches it. With it Graph delivers to the receiver, which passes everything on.",
        allowed="an http or https URL without query",
    )
    receiver_address: ListeningAddress = setting(
        "GRAPHMAIL_RECEIVER_ADDRESS",
        "0.0.0.0:8080",
        "Where `graphmail receiver` listens (port 0: a free one).",
        allowed="host:port",
    )
    receiver_forwards: Annotated[int, Number(1, 10_000)] = setting(
        "GRAPHMAIL_RECEIVER_FORWARDS",
        256,
        "The most requests to the product that the receiver has in flight; what comes beyond is answered with 503 at once.",
    )
    receiver_batch: Annotated[timedelta, Number(0.1, 300, "seconds")] = setting(
        "GRAPHMAIL_RECEIVER_BATCH_SECONDS",
        timedelta(seconds=5),
        "How often the receiver writes when notifications last arrived.",
    )
    graph_base_url: GraphUrl = setting(
        "MICROSOFT_GRAPH_BASE_URL",
        "https://graph.microsoft.com/v1.0",
        "Microsoft Graph; national clouds have their own.",
        allowed="an https URL up to and with /v1.0",
    )
    login_base_url: HttpsUrl = setting(
        "MICROSOFT_LOGIN_BASE_URL",
        "https://login.microsoftonline.com",
        "Microsoft sign-in; national clouds have their own, which must be that of Graph.",
        allowed="an https URL without query",
        shown_default="AZURE_AUTHORITY_HOST, else https://login.microsoftonline.com",
    )
    credentials_dir: AbsolutePath | None = setting(
        "GRAPHMAIL_CREDENTIALS_DIR",
        None,
        "Directory of files with client secrets and certificates, which rows name by `client_secret_ref`. See docs/credentials.md.",
        allowed="an absolute path",
    )
    federated_token_file: AbsolutePath | None = setting(
        "AZURE_FEDERATED_TOKEN_FILE",
        None,
        "The pod's token for workload identity. This and the next three are set by azure-workload-identity.",
        allowed="an absolute path",
    )
    azure_client_id: str = setting(
        "AZURE_CLIENT_ID", "", "App of the workload identity, where a credential names none.", allowed="a client id"
    )
    azure_directory: str = setting(
        "AZURE_TENANT_ID",
        "",
        "Entra directory of the workload identity, where a credential names none.",
        allowed="a directory (tenant) id",
    )
    azure_authority_host: HttpsUrl | None = setting(
        "AZURE_AUTHORITY_HOST",
        None,
        "Microsoft sign-in, where MICROSOFT_LOGIN_BASE_URL is not set.",
        allowed="an https URL without query",
    )
    look_ahead: Annotated[timedelta, Number(1, 10_079, "minutes")] = setting(
        "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES",
        timedelta(minutes=1440),
        "A mirrored subscription is renewed at least this long before it expires. Shorter than the lifetime.",
    )
    tenant_look_aheads: LookAheads | None = setting(
        "GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES",
        None,
        "The lookahead of single tenants of the product, in place of the one above. A resource's own `spec.lookAhead` goes before both.",
        allowed="tenant=minutes, parted by commas: the product's id of a tenant (a UUID), each once, and minutes from 1 to 10,079",
    )
    failure_threshold: Annotated[int, Number(0, 1_000)] = setting(
        "MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD",
        3,
        "After more consecutive failures than this the provider's status becomes `error`.",
    )
    batch_size: Annotated[int, Number(1, 1_000)] = setting(
        "MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE", 50, "The most claims in flight for one tenant of the product."
    )
    lifetime: Annotated[timedelta, Number(45, 10_080, "minutes")] = setting(
        "GRAPHMAIL_LIFETIME_MINUTES",
        timedelta(minutes=10_000),
        "Lifetime asked for at Graph, which raises less than 45 minutes to 45, and has refused more than 10,070.",
    )
    renewal_interval: Annotated[timedelta | None, Number(1, 10_080, "minutes", off=True)] = setting(
        "GRAPHMAIL_RENEWAL_INTERVAL_MINUTES",
        None,
        "Renew what was last renewed longer ago than this, whatever its expiry.",
    )
    tick: Annotated[timedelta, Number(1, 3_600, "seconds")] = setting(
        "GRAPHMAIL_TICK_SECONDS",
        timedelta(seconds=900),
        "How often each resource is looked at. A tick that finds nothing to do costs nothing.",
    )
    verification_interval: Annotated[timedelta | None, Number(0.01, 10_080, "minutes", off=True)] = setting(
        "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES",
        timedelta(minutes=60),
        "How often Graph is asked whether a subscription still lives.",
    )
    silence_check: bool = setting(
        "GRAPHMAIL_SILENCE_CHECK",
        default=True,
        description="Look into mailboxes that have been quiet for longer than is normal for them, which needs Mail.Read (docs/silence.md).",
        allowed="true or false",
    )
    delivery_allowance: Annotated[timedelta, Number(1, 1_440, "minutes")] = setting(
        "GRAPHMAIL_DELIVERY_ALLOWANCE_MINUTES",
        timedelta(minutes=15),
        "How long after a message Graph may notify of it. After that, a subscription that has not is replaced.",
    )
    mirror_poll: Annotated[timedelta, Number(2, 300, "seconds")] = setting(
        "GRAPHMAIL_MIRROR_POLL_SECONDS",
        timedelta(seconds=2.5),
        "How often Postgres is asked for changed providers. Together with the comparison at most 30 queries a minute.",
    )
    mirror_compare: Annotated[timedelta, Number(5, 3_600, "seconds")] = setting(
        "GRAPHMAIL_MIRROR_COMPARE_SECONDS",
        timedelta(seconds=60),
        "How often all providers are compared with all resources, which finds deletions.",
    )
    mirror_notify: bool = setting(
        "GRAPHMAIL_MIRROR_NOTIFY",
        default=False,
        description="Listen for the triggers of `graphmail migrate --notify-trigger`, and follow a change at once.",
        allowed="true or false",
    )
    database_direct_url: PostgresUrl | None = setting(
        "GRAPHMAIL_DATABASE_DIRECT_URL",
        None,
        "Postgres itself, to listen at, where GRAPHMAIL_DATABASE_URL leads to a pooler of transactions. A secret.",
        allowed="a URL postgresql://user:password@host:port/database",
        shown_default="GRAPHMAIL_DATABASE_URL",
        secret=True,
    )
    multi_folder: bool = setting(
        "GRAPHMAIL_MULTI_FOLDER",
        default=False,
        description="Subscribe every folder of a provider, not only the first. Only for a consumer that knows the ids of all of them.",
        allowed="true or false",
    )
    respect_polling: bool = setting(
        "GRAPHMAIL_RESPECT_POLLING",
        default=False,
        description="Mirror providers with delivery mode `polling` as suspended.",
        allowed="true or false",
    )
    pause_inbound: bool = setting(
        "GRAPHMAIL_PAUSE_INBOUND",
        default=False,
        description="While somebody must sign in again, the product takes no mail of the provider (docs/automation.md).",
        allowed="true or false",
    )
    events_kept: Annotated[timedelta | None, Number(1, 3_650, "days", off=True)] = setting(
        "GRAPHMAIL_EVENTS_KEPT_DAYS",
        timedelta(days=90),
        "How long the rows of `graphmail.provider_events` are kept. 0: none is deleted.",
    )
    installation: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,16}$")] | None = setting(
        "GRAPHMAIL_INSTALLATION",
        None,
        "The mark in notification URLs by which this installation knows its own subscriptions. Changing it disowns them.",
        allowed="1 to 16 of a-z and 0-9",
        shown_default="made from the namespace's uid",
    )
    abandon_after: Annotated[timedelta, Number(0, 10_080, "minutes")] = setting(
        "GRAPHMAIL_ABANDON_AFTER_MINUTES",
        timedelta(minutes=60),
        "A deleted resource whose subscription cannot be deleted, for want of a credential, is let go after this time.",
    )
    sweep_interval: Annotated[timedelta | None, Number(0.001, 168, "hours", off=True)] = setting(
        "GRAPHMAIL_SWEEP_INTERVAL_HOURS",
        timedelta(hours=24),
        "How often the operator looks at Graph for subscriptions that carry its mark and belong to nobody, and deletes them.",
    )
    sweep_grace: Annotated[timedelta, Number(1, 10_080, "minutes")] = setting(
        "GRAPHMAIL_SWEEP_GRACE_MINUTES",
        timedelta(minutes=60),
        "How long such a subscription must have been known to belong to nobody before it is deleted.",
    )
    leader_election: bool = setting(
        "GRAPHMAIL_LEADER_ELECTION",
        default=True,
        description="Of several processes in a namespace one acts, by a Lease, and the others stand by. `false`: it acts in any case.",
        allowed="true or false",
    )
    lease: Annotated[timedelta, Number(5, 60, "seconds")] = setting(
        "GRAPHMAIL_LEASE_SECONDS",
        timedelta(seconds=15),
        "How long the lease holds: a standby takes over so long after the last sign of life.",
    )
    simulated_clock_file: AbsolutePath | None = setting(
        "GRAPHMAIL_SIMULATED_CLOCK_FILE",
        None,
        "For simulations only: the file of a clock that runs faster (docs/soak.md). All that is about Graph follows it; leases, claims, "
        "time-outs and ticks keep real time.",
        allowed="an absolute path",
    )
    graph_connections: Annotated[int, Number(1, 256)] = setting(
        "GRAPHMAIL_GRAPH_CONNECTIONS", 32, "The most connections to Graph, and the most requests in flight."
    )
    quota_writes_per_app: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_WRITES_PER_APP",
        2_000,
        "POST, PATCH and DELETE in 20 seconds, for one app over all Entra tenants.",
    )
    quota_writes_per_tenant: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_WRITES_PER_TENANT",
        500,
        "POST, PATCH and DELETE in 20 seconds, for one app in one Entra tenant.",
    )
    quota_reauthorize_per_app: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_REAUTHORIZE_PER_APP",
        4_000,
        "Reauthorizations in 20 seconds, for one app over all Entra tenants.",
    )
    quota_reauthorize_per_tenant: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_REAUTHORIZE_PER_TENANT",
        1_000,
        "Reauthorizations in 20 seconds, for one app in one Entra tenant.",
    )
    quota_reads_per_app: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_READS_PER_APP", 2_000, "GET by id in 20 seconds, for one app over all Entra tenants."
    )
    quota_reads_per_tenant: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_READS_PER_TENANT", 500, "GET by id in 20 seconds, for one app in one Entra tenant."
    )
    quota_lists_per_app: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_LISTS_PER_APP", 40, "Pages listed in 20 seconds, for one app over all Entra tenants."
    )
    quota_lists_per_tenant: Annotated[int, Number(1, 1_000_000)] = setting(
        "GRAPHMAIL_QUOTA_LISTS_PER_TENANT", 25, "Pages listed in 20 seconds, for one app in one Entra tenant."
    )
    metrics_url: MetricsUrl = setting(
        "GRAPHMAIL_METRICS_URL",
        "http://0.0.0.0:9464/metrics",
        "The operator serves /metrics, /healthz and /readyz on this host and port (0: a free one).",
        allowed="http://host:port/metrics",
    )
    metrics_per_mailbox: bool = setting(
        "GRAPHMAIL_METRICS_PER_MAILBOX",
        default=True,
        description="Metrics of each mailbox, six series each. `false`: only the totals of each tenant, which the alerts then go by.",
        allowed="true or false",
    )
    log_format: Annotated[LogFormat, BeforeValidator(lower)] = setting(
        "GRAPHMAIL_LOG_FORMAT",
        "auto",
        "Form of the log: `console` for people, `json` for machines, `auto` as the output is a terminal or not.",
        allowed="auto, json or console",
    )
    log_level: Annotated[LogLevel, BeforeValidator(lower)] = setting(
        "GRAPHMAIL_LOG_LEVEL", "info", "The least level that is logged.", allowed=", ".join(get_args(LogLevel))
    )

    @classmethod
    def load(
        cls,
        env: Mapping[str, str] | None = None,
        *,
        only: Collection[str] | None = None,
        namespace_file: Path = POD_NAMESPACE_FILE,
    ) -> Self:
        """Read the settings. An empty variable counts as unset, and space around a value (a Secret's newline) is dropped.

        Args:
            env: the environment; None: the process's own.
            only: the variables to read; all others have their defaults, and nothing is compared with them. None: all.
            namespace_file: where a pod finds its namespace, the default of GRAPHMAIL_NAMESPACE.

        Raises:
            SettingsError: values are wrong; it names them all.
        """
        env = os.environ if env is None else env
        known = {v.name: v for v in read_variables(cls) if only is None or v.name in only}
        given = {
            "GRAPHMAIL_NAMESPACE": _read(namespace_file),
            **{name: env[name].strip() for name in known if name in env},
        }
        given = {name: value for name, value in given.items() if value and name in known}
        if "AZURE_AUTHORITY_HOST" in given:
            given.setdefault("MICROSOFT_LOGIN_BASE_URL", given["AZURE_AUTHORITY_HOST"])
        wrong: dict[str, None] = {}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            wrong = dict.fromkeys(str(item["loc"][0]) for item in error.errors(include_input=False))
        # Raised outside of the handler: pydantic's error holds the values, secrets too.
        problems = [known[name].refuse(given[name]) for name in wrong] or [
            told for between, told in contradictions(settings) if between <= known.keys()
        ]
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def policy(self) -> Policy:
        """The part of the settings that decides what is due."""
        return Policy(
            tick=self.tick,
            look_ahead=self.look_ahead,
            lifetime=self.lifetime,
            verification_interval=self.verification_interval,
            renewal_interval=self.renewal_interval,
            delivery_allowance=self.delivery_allowance if self.silence_check else None,
            several_folders=self.multi_folder,
            mode=self.mode,
            tenants=self.tenants,
            tenant_look_aheads=self.tenant_look_aheads or {},
        )

    @property
    def product_url(self) -> str | None:
        """The product's own webhook route, as Graph reaches it; None without APPLICATION_URL."""
        return None if self.application_url is None else self.application_url + self.webhook_path

    @property
    def notification_url(self) -> str | None:
        """Where Graph delivers for mirrored resources, without our marker: the receiver where it passes on, else the product."""
        if self.receiver_url is not None and self.receiver_passes_on:
            return self.receiver_url + NOTIFICATIONS_PATH
        return self.product_url

    @property
    def receiver_passes_on(self) -> bool:
        """Whether change notifications go through the receiver as well."""
        return self.receiver_url is not None and self.receiver_forward_url is not None

    @property
    def lifecycle_url(self) -> str | None:
        """Where Graph posts lifecycle notifications of mirrored resources; None without a receiver."""
        return None if self.receiver_url is None else self.receiver_url + LIFECYCLE_PATH

    @property
    def listens_at(self) -> str | None:
        """Where to listen for changed rows, with its password; None: nowhere."""
        url = self.database_direct_url or self.database_url
        return url.get_secret_value() if url is not None and self.mirror_notify else None

    @property
    def workload_identity(self) -> WorkloadIdentity | None:
        """What azure-workload-identity gave to the pod; None: nothing."""
        if self.federated_token_file is None:
            return None
        return WorkloadIdentity(self.federated_token_file, self.azure_client_id, self.azure_directory)

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Host and port to serve metrics and probes on; port 0: a free one."""
        return _host_and_port(self.metrics_url)

    @property
    def receiver_listens_at(self) -> tuple[str, int]:
        """Host and port that the receiver listens at; port 0: a free one."""
        return _host_and_port(f"http://{self.receiver_address}")

    def installation_for(self, namespace_uid: str) -> str:
        """The installation's mark: as set, else made from the uid of the operator's namespace, which no two clusters share."""
        return self.installation or hashlib.blake2b(namespace_uid.encode(), digest_size=4).hexdigest()


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
