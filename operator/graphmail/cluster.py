"""The API server, as the operator uses it: a thin client over one aiohttp session.

The kubernetes client loads the configuration (pod, kubeconfig, exec plugins, rotating tokens) and nothing else: its asynchronous
half spends several milliseconds on each object, and a status is written at every renewal. Statuses and mirrored resources are
written by server-side apply, which keeps what other managers own.
"""

import json
import math
import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import stamina
import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.config.kube_config import KubeConfigMerger

from graphmail.resource.names import GROUP, PLURAL, VERSION

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_USERS_OWN = "~/.kube/config"
_APPLY = "application/apply-patch+yaml"
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")
_MERGE = "application/merge-patch+json"
_PAGE = 500
_TRIES = 4
_TIMEOUT_SECONDS = 15
_LONGEST_WAIT_SECONDS = 5
"""A longer pause that the API server asks for is not waited for within a call: until it is over the same call fails without being made."""
_LONGEST_HOLD_SECONDS = 3600
_FORBIDDEN = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[\w/.-]+)"')
"""What RBAC says (Kubernetes, `responsewriters.forbiddenMessage`); a webhook that forbids something says something else."""
INSTALL_CRD = (
    "install the CRD, with Helm by `helm upgrade ... --set crds.enabled=true`, by hand in a checkout by `kubectl apply --server-side -f "
    "crds/graphmailsubscriptions.yaml` (a later Helm release then needs `--take-ownership --force-conflicts`)"
)
"""What to do about an API server that does not know our resource."""
_TOKEN_SECONDS = 10.0
"""How long a token is used before the configuration is asked again. Asking took 0.14 ms a call, since the client loads its whole
configuration anew; the kubelet replaces a pod's token long before it expires."""


class ClusterError(Exception):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' word for it, such as `NotFound` or `Invalid`.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason

    @property
    def missing_right(self) -> str | None:
        """The right that we lack, such as `get secrets`; None where something else is wrong."""
        found = _FORBIDDEN.search(str(self)) if self.status == 403 else None
        return f"{found['verb']} {found['resource']}" if found else None

    @property
    def grant(self) -> str | None:
        """What to do about a missing right; None where none is missing."""
        right = self.missing_right
        return right and f"grant the operator's ServiceAccount the right to {right} (docs/security.md)"


class ClusterUnavailable(ClusterError):
    """The API server cannot be reached, or answers 429 or 5xx, also after some tries.

    Attributes:
        retry_after: seconds that it asked to wait; 0 when it did not say.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: int = 0) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after

    @property
    def answered(self) -> bool:
        """There was an answer, which is an error."""
        return self.status != 0


class ClusterConfigError(Exception):
    """There is no usable configuration for an API server."""


def load_configuration(kubeconfig: str | None = None, context: str | None = None) -> kubernetes_client.Configuration:
    """The configuration of `KUBECONFIG` when it is set, else the pod's own, else the user's kubeconfig.

    Args:
        kubeconfig: this file instead of all of those.
        context: this context of the kubeconfig instead of its current one.

    Raises:
        ClusterConfigError: none of them is there, or it cannot be used.
    """
    configuration = kubernetes_client.Configuration()
    file = _kubeconfig(kubeconfig)
    try:
        if _in_pod(file, context):
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        else:
            kubernetes_config.load_kube_config(file or _USERS_OWN, context, configuration)
    except (kubernetes_config.ConfigException, yaml.YAMLError, OSError) as error:
        raise ClusterConfigError(_unusable(error, file, context)) from error
    return configuration


def context_namespace(kubeconfig: str | None = None, context: str | None = None) -> str | None:
    """The namespace that the context of the kubeconfig names, chosen as `load_configuration` does.

    None: it names none, a pod's own account is used, or no such context can be read, which `load_configuration` tells of.
    """
    file = _kubeconfig(kubeconfig)
    if _in_pod(file, context):
        return None
    try:
        merged = KubeConfigMerger(file or _USERS_OWN).config
        chosen = merged["contexts"].get_with_name(context or merged["current-context"])["context"]
        return chosen.safe_get("namespace") or None
    except (kubernetes_config.ConfigException, yaml.YAMLError, OSError, TypeError):
        return None


def _kubeconfig(given: str | None) -> str | None:
    return given or os.environ.get("KUBECONFIG") or None


def _in_pod(kubeconfig: str | None, context: str | None) -> bool:
    return kubeconfig is None and context is None and _SERVICE_ACCOUNT_TOKEN.exists()


def _unusable(error: Exception, file: str | None, context: str | None) -> str:
    """Why there is no configuration, and what to do: the kubernetes client names neither a missing file nor the choice of a context."""
    chosen, remedy = file or _USERS_OWN, "Set KUBECONFIG to a kubeconfig, or run in a pod"
    if not any(Path(path).expanduser().exists() for path in chosen.split(os.pathsep)):
        missing = f"{chosen} does not exist" if file else f"KUBECONFIG is not set, and there is no {chosen}"
        return f"no API server: {missing}. {remedy}"
    reason = " ".join(str(error).split()).rstrip(".")
    if context is not None and f"object with name {context} in" in reason:
        return f"there is no context {context} in {chosen}: `kubectl config get-contexts` lists those that are"
    return f"no API server: {reason}. {remedy}"


def ssl_context(configuration: kubernetes_client.Configuration) -> ssl.SSLContext:
    """Whom to trust at the API server, and the client's certificate where it signs in with one."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def authorization(configuration: kubernetes_client.Configuration) -> str:
    """The Authorization header that signs in now; empty where a certificate does. The token may be renewed for it."""
    keys = (configuration.get_api_key_with_prefix(name) for name in ("authorization", "BearerToken"))
    return next(filter(None, keys), "")


class Cluster:
    """The API server, for one namespace.

    Every method raises `ClusterError` for an answer that is one, and `ClusterUnavailable` when there is none.
    """

    def __init__(
        self,
        configuration: kubernetes_client.Configuration,
        namespace: str,
        *,
        connections: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration = configuration
        self._ssl = ssl_context(configuration)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._clock = clock
        self._token = ""
        self._token_until = 0.0
        self._holds: dict[tuple[str, str], tuple[float, ClusterUnavailable]] = {}
        """Calls, by method and path, that the API server wants not to be repeated until then."""
        self.server = configuration.host.rstrip("/")
        self.namespace = namespace

    async def __aenter__(self) -> Self:
        self._session = self.new_session(connections=self._connections, timeout_seconds=_TIMEOUT_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def new_session(self, *, connections: int = 0, timeout_seconds: float | None = None) -> aiohttp.ClientSession:
        """A session that signs in at the API server, with a fresh token; Kopf gets one of its own."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=self._ssl),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=10),
            middlewares=(self._sign_in,),
            json_serialize=lambda value: json.dumps(value, separators=(",", ":")),
        )

    async def _sign_in(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        now = self._clock()
        if now >= self._token_until:
            self._token, self._token_until = authorization(self._configuration), now + _TOKEN_SECONDS
        if self._token:
            request.headers["Authorization"] = self._token
        response = await handler(request)
        if response.status == 401:
            self._token_until = 0.0
        return response

    # --- subscriptions -------------------------------------------------------------------------------------------------

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        """Every `GraphMailSubscription` of the namespace, page by page."""
        token = ""
        while True:
            page = await self._call("GET", self._path(), params={"limit": str(_PAGE), "continue": token})
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def subscription(self, name: str) -> dict[str, Any] | None:
        """One `GraphMailSubscription`; None when there is none of that name."""
        return await self._found(self._call("GET", self._path(name)))

    async def apply(self, body: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        """Server-side apply of a resource."""
        return await self._apply(self._path(body["metadata"]["name"]), body, manager)

    async def apply_status(
        self, body: Mapping[str, Any], *, manager: str, unchanged: bool = False
    ) -> dict[str, Any] | None:
        """Server-side apply of a status, which never reaches a namesake that was created later.

        In a write of a status the API server ignores the uid, and compares the resource version alone (tried with 1.36). So the body
        carries the version that is known, and where that has changed, the uid is compared before the write is tried with the new one.

        Args:
            body: with the resource's uid and the version of it that is known.
            manager: of the fields.
            unchanged: only if it still has that version; else the conflict (409) is raised.

        Returns:
            The resource as it is now; None when it is gone.
        """
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        for _ in range(_TRIES):
            try:
                return await self._apply(self._path(name, "status"), body, manager)
            except ClusterError as error:
                if error.status == 404:
                    return None
                if error.status != 409 or unchanged:
                    raise
                conflict = error
            current = await self.subscription(name)
            if current is None or current["metadata"]["uid"] != uid:
                return None
            version = current["metadata"]["resourceVersion"]
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        raise conflict

    async def correct_status(self, patch: Mapping[str, Any], *, manager: str) -> dict[str, Any] | None:
        """A merge patch of a status, which holds for the version that it names.

        Returns:
            The resource as it is now; None when it is another version by now, or gone.
        """
        path, params = self._path(patch["metadata"]["name"], "status"), {"fieldManager": manager}
        try:
            return await self._call("PATCH", path, body=patch, content_type=_MERGE, params=params)
        except ClusterError as error:
            if error.status in {404, 409}:
                return None
            raise

    async def merge(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any] | None:
        """A merge patch of metadata or spec, for the command line: what a person does with kubectl."""
        call = self._call("PATCH", self._path(name), body=patch, content_type=_MERGE)
        return await self._found(call)

    async def delete(self, name: str, *, uid: str) -> bool:
        """Delete that very resource; False when it is gone, or another one bears its name now."""
        body = {"preconditions": {"uid": uid}}
        try:
            await self._call("DELETE", self._path(name), body=body)
        except ClusterError as error:
            if error.status in {404, 409}:
                return False
            raise
        return True

    # --- what else is read and written ------------------------------------------------------------------------------

    async def secret(self, name: str) -> dict[str, Any] | None:
        """A Secret of the namespace; None when there is none of that name."""
        return await self._found(self._call("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{quote(name)}"))

    async def namespace_uid(self) -> str:
        """The uid of the namespace: what tells this installation from any other, also from a restored copy of its database."""
        return str((await self._call("GET", f"/api/v1/namespaces/{self.namespace}"))["metadata"]["uid"])

    async def post_event(self, event: Mapping[str, Any]) -> None:
        """Create an event."""
        await self._call("POST", f"/api/v1/namespaces/{self.namespace}/events", body=event)

    async def patch_event(self, name: str, patch: Mapping[str, Any]) -> None:
        """Bring an event up to date, when the same thing happened again."""
        path = f"/api/v1/namespaces/{self.namespace}/events/{quote(name)}"
        await self._call("PATCH", path, body=patch, content_type=_MERGE)

    async def serves_subscriptions(self) -> bool:
        """Whether the API server knows our resource: its CRD is there, in our version."""
        return await self._found(self._call("GET", f"/apis/{GROUP}/{VERSION}", tries=1)) is not None

    async def whoami(self) -> str:
        """The user name that the API server knows us by (Kubernetes 1.28 and newer)."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        review = await self._call("POST", path, body=_review("authentication.k8s.io/v1", "SelfSubjectReview"))
        return str(review["status"]["userInfo"]["username"])

    async def may(self, verb: str, resource: str, *, group: str = "", subresource: str = "", name: str = "") -> bool:
        """Whether we have that right in the namespace."""
        attributes = {"namespace": self.namespace, "verb": verb, "group": group, "resource": resource}
        optional = {"subresource": subresource, "name": name}
        attributes |= {field: value for field, value in optional.items() if value}
        body = _review("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec={"resourceAttributes": attributes})
        answer = await self._call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
        return bool(answer["status"].get("allowed"))

    async def ready(self) -> bool:
        """Whether the API server answers at all, and lets us read our resources."""
        try:
            await self._call("GET", self._path(), params={"limit": "1"}, tries=1)
        except ClusterUnavailable:
            return False
        return True

    # --- the calls themselves -----------------------------------------------------------------------------------------

    def _path(self, name: str = "", subresource: str = "") -> str:
        parts = ["/apis", GROUP, VERSION, "namespaces", self.namespace, PLURAL, quote(name), subresource]
        return "/".join(part for part in parts if part)

    async def _apply(self, path: str, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        params = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", path, body=body, content_type=_APPLY, params=params)

    @staticmethod
    async def _found(call: Any) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await call
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        tries: int = _TRIES,
    ) -> dict[str, Any]:
        self._raise_held(method, path)
        try:
            async for attempt in stamina.retry_context(
                on=_worth_another_try, attempts=tries, timeout=_TIMEOUT_SECONDS, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    return await self._once(method, path, body, content_type, params)
        except ClusterUnavailable as error:
            self._hold(method, path, error)
            raise
        raise AssertionError("the last attempt returns or raises")

    def _hold(self, method: str, path: str, error: ClusterUnavailable) -> None:
        if error.retry_after <= _LONGEST_WAIT_SECONDS:
            return
        now = self._clock()
        self._holds = {call: hold for call, hold in self._holds.items() if hold[0] > now}
        self._holds[method, path] = now + min(error.retry_after, _LONGEST_HOLD_SECONDS), error

    def _raise_held(self, method: str, path: str) -> None:
        until, error = self._holds.get((method, path), (0.0, None))
        left = math.ceil(until - self._clock())
        if error is not None and left > 0:
            raise ClusterUnavailable(
                error.status, error.reason, "the API server has asked to wait with this call", retry_after=left
            )

    async def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        content_type: str,
        params: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("the cluster client is used outside its context")
        data = None if body is None else encoded(body)
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            async with self._session.request(
                method, self.server + path, data=data, headers=headers, params=params
            ) as response:
                answer = await response.read()
                return read_answer(response.status, answer, response.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterUnavailable(
                0, type(error).__name__, f"the API server {self.server} cannot be reached"
            ) from error


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON that the API server can read as YAML, too, as it does with what is applied.

    YAML knows no pairs of surrogates, so that a character beyond U+FFFF stands as it is; control characters are escaped.
    Half a pair, as Microsoft's texts may hold, is no character at all.
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    text = _HALF_PAIR.sub("\ufffd", text)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _review(api_version: str, kind: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, **content}


def _worth_another_try(error: Exception) -> bool | float:
    """For stamina: whether to try again, or in how many seconds."""
    if not isinstance(error, ClusterUnavailable) or error.retry_after > _LONGEST_WAIT_SECONDS:
        return False
    return float(error.retry_after) or True


def read_answer(status: int, answer: bytes, retry_after: str = "") -> dict[str, Any]:
    """The object of an answer.

    Args:
        retry_after: that header, which the API server gives in seconds (API Priority and Fairness).

    Raises:
        ClusterError: it is an error; `ClusterUnavailable` for one that passes.
    """
    try:
        content: Any = json.loads(answer)
    except ValueError:
        content = {}
    if status < 300 and isinstance(content, dict):
        return content
    details = content if isinstance(content, dict) else {}
    reason, message = str(details.get("reason", "Unknown")), str(details.get("message", "no message"))
    if status == 429 or status >= 500 or status < 300:
        raise ClusterUnavailable(
            status, reason, message, retry_after=int(retry_after) if retry_after.isdecimal() else 0
        )
    raise ClusterError(status, reason, message)
