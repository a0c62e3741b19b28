"""etcd and kube-apiserver as they are, without a kubelet: everything of the API works, and no pod runs."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from localstack.cache import Cache, locked
from localstack.credentials import Credentials
from localstack.messages import LocalStackError
from localstack.processes import POLL_SECONDS, BackgroundProcess, ProcessDiedError, free_port
from localstack.toolchain import ETCD, KUBERNETES, Toolchain

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

START_SECONDS = 300.0
"""How long each program may take to become ready; three seconds are usual."""
_GOGC = "400"
"""How much garbage the API server lets gather before it collects: with Go's default of 100, a write of a status took it 5.7 ms and not
4.4, on cores that carry all the rest as well."""
ATTEMPTS = 5
"""How often a start is tried again because another program took the port in between."""


@dataclass(frozen=True)
class Ports:
    """The loopback ports of a control plane; they stay over a restart where they can."""

    etcd: int
    etcd_peer: int
    api: int

    @classmethod
    def pick(cls) -> Ports:
        """Three free ones."""
        return cls(etcd=free_port(), etcd_peer=free_port(), api=free_port())


class ApiRefusedError(LocalStackError):
    """The API server answered with an error; ``status`` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ControlPlane:
    """An API server and its etcd, with all state in one folder.

    >>> with ControlPlane(folder) as cluster:                              # doctest: +SKIP
    ...     cluster.run_kubectl("get", "namespaces")

    The folder may hold the state of an earlier run, crashed or not: its data are used again unless ``start(fresh=True)``
    is said. The user's own kubeconfig is neither read nor written.
    """

    def __init__(self, state_dir: Path, *, toolchain: Toolchain | None = None) -> None:
        self.state_dir = state_dir.absolute()
        self.kubeconfig = self.state_dir / "kubeconfig"
        self._toolchain = toolchain or Toolchain(Cache.default(), os.environ)
        self._etcd = BackgroundProcess("etcd", self.state_dir)
        self._api_server = BackgroundProcess("kube-apiserver", self.state_dir)
        self._settings = self.state_dir / "control-plane.json"
        self._credentials = Credentials(self.state_dir / "pki")

    # What is there

    @property
    def kubectl(self) -> Path:
        """The kubectl of the API server's own version."""
        return self._toolchain.program(KUBERNETES, "kubectl")

    @property
    def url(self) -> str:
        """The API server's address. Raises LocalStackError before the first start."""
        return f"https://127.0.0.1:{self._ports().api}"

    @property
    def ca_file(self) -> Path:
        """The certificate that the API server's own is signed with."""
        return self._credentials.authority

    @property
    def token(self) -> str:
        """A bearer token of the group system:masters, good for this control plane alone."""
        return self._credentials.admin_token()

    def running(self) -> bool:
        """Whether both programs run and the API server says that it is ready."""
        return bool(self._etcd.pid and self._api_server.pid) and self._api_ready()

    # Life

    def start(self, *, fresh: bool = False) -> Self:
        """Start both programs and wait until they are ready; nothing happens when they are, unless ``fresh`` is asked for.

        ``fresh`` throws away what an earlier run left in the folder. Raises LocalStackError with the end of a log when one
        of them does not come up.
        """
        programs = self._toolchain.program(ETCD, "etcd"), self._toolchain.program(KUBERNETES, "kube-apiserver")
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with locked(self.state_dir / "control-plane.lock", waiting_for=f"the control plane in {self.state_dir}"):
            if fresh or not self.running():
                self._start(*programs, fresh=fresh)
        return self

    def stop(self) -> None:
        """Stop both programs; the data stay."""
        self.stop_api_server()
        self._etcd.stop()

    def delete(self) -> None:
        """Stop both programs and remove their data."""
        self.stop()
        for path in (self._credentials.folder, self.state_dir / "etcd"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self._settings, self.kubeconfig):
            path.unlink(missing_ok=True)

    def stop_api_server(self) -> None:
        """Stop the API server alone: connections are refused from then on."""
        self._api_server.stop(grace=2.0)

    def start_api_server(self) -> None:
        """Start the API server again, on the same port and data. Raises LocalStackError when it does not come up."""
        self._start_api_server(self._toolchain.program(KUBERNETES, "kube-apiserver"), self._ports())

    def pause_api_server(self) -> None:
        """Freeze the API server: connections are taken, and nothing answers."""
        self._api_server.pause()

    def resume_api_server(self) -> None:
        """Let a frozen API server go on."""
        self._api_server.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Use

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints for these arguments. Raises LocalStackError with what it complains about."""
        # Without a cache of its own, kubectl writes into ~/.kube.
        own = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.state_dir / 'kubectl-cache'}"]
        command = [str(self.kubectl), *own, *arguments]
        answer = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalStackError(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
        return answer.stdout

    def request(self, method: str, path: str, body: Any = None, *, timeout: float = 60.0) -> Any:
        """A call of the API as an administrator, JSON in and out.

        Raises ApiRefusedError for an answer of 400 and above, and OSError (TimeoutError after ``timeout`` seconds, for one) when
        there is no answer.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection("127.0.0.1", self._ports().api, timeout=timeout, context=context)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read().decode()
        if answer.status >= 400:
            raise ApiRefusedError(answer.status, f"{method} {path}: {answer.status} {content}")
        return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    def await_definitions(self, *names: str) -> None:
        """Return once what these CustomResourceDefinitions define is served. Raises LocalStackError when that takes too long.

        `kubectl wait` fails at a definition that has no status yet, as on a busy machine just after it was applied; and for a moment after
        it is established, lists are answered with 429, since its storage is initialising.
        """
        deadline = time.monotonic() + START_SECONDS
        for name in names:
            while not self._serves(name):
                if time.monotonic() > deadline:
                    raise LocalStackError(f"{name} was not served within {START_SECONDS:.0f} s")
                time.sleep(POLL_SECONDS)

    def _serves(self, name: str) -> bool:
        try:
            definition = self.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
            spec = definition["spec"]
            for version in spec["versions"]:
                self.request("GET", f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}?limit=1")
        except ApiRefusedError:
            return False
        return True

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with which one acts as a service account for an hour, made anew at each call.

        So the roles of a chart are put to the proof without a kubelet. Raises ApiRefusedError when there is no such account.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        token = self.request("POST", path, request)["status"]["token"]
        kubeconfig = self.state_dir / f"kubeconfig-{namespace}-{name}"
        self._credentials.write_kubeconfig(kubeconfig, server=self.url, token=token, namespace=namespace)
        return kubeconfig

    # How it is done

    def _start(self, etcd: Path, api_server: Path, *, fresh: bool) -> None:
        self.stop()
        if fresh:
            self.delete()
        self._credentials.ensure()
        ports = self._stored_ports() or Ports.pick()
        for _ in range(ATTEMPTS):
            try:
                self._start_etcd(etcd, ports)
                self._settings.write_text(json.dumps(asdict(ports)))
                self._start_api_server(api_server, ports)
            except ProcessDiedError as error:
                self.stop()
                if "address already in use" not in str(error):
                    raise
                ports = Ports.pick()
            else:
                self._credentials.write_kubeconfig(self.kubeconfig, server=self.url, token=self.token)
                return
        raise LocalStackError(f"no free ports were found for the control plane in {ATTEMPTS} attempts")

    def _start_etcd(self, program: Path, ports: Ports) -> None:
        client = f"http://127.0.0.1:{ports.etcd}"
        self._etcd.start(
            [
                program,
                f"--data-dir={self.state_dir / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls=http://127.0.0.1:{ports.etcd_peer}",
                "--unsafe-no-fsync",  # a crash of the machine may lose data, and nobody minds here
                "--log-level=warn",
            ],
            ready=lambda: _etcd_ready(ports.etcd),
            timeout=START_SECONDS,
        )

    def _start_api_server(self, program: Path, ports: Ports) -> None:
        self._api_server.start(
            [
                program,
                f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",  # else it looks for a default route, and ends where there is none
                f"--secure-port={ports.api}",
                f"--cert-dir={self._credentials.folder}",
                f"--tls-cert-file={self._credentials.certificate}",
                f"--tls-private-key-file={self._credentials.certificate_key}",
                f"--token-auth-file={self._credentials.tokens}",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._credentials.service_accounts_key}",
                f"--service-account-signing-key-file={self._credentials.service_accounts_key}",
                "--service-cluster-ip-range=10.0.0.0/24",
                # It waits for service accounts that a controller manager would make, and there is none.
                "--disable-admission-plugins=ServiceAccount",
                # It would publish the address of the service "kubernetes", and refuses the loopback interface.
                "--endpoint-reconciler-type=none",
            ],
            ready=self._api_ready,
            timeout=START_SECONDS,
            environ={**os.environ, "GOGC": _GOGC},
        )

    def _api_ready(self) -> bool:
        try:
            return bool(self.request("GET", "/readyz", timeout=10.0) == "ok")
        except (OSError, http.client.HTTPException, LocalStackError):
            return False

    def _ports(self) -> Ports:
        if ports := self._stored_ports():
            return ports
        raise LocalStackError(f"there is no control plane in {self.state_dir}; start one first")

    def _stored_ports(self) -> Ports | None:
        try:
            return Ports(**json.loads(self._settings.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def _etcd_ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
