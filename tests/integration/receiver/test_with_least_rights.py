"""The receiver does all of its work with the chart's own account, and that account may do nothing else."""

import tempfile
from pathlib import Path

import pytest

from integration.receiver.conftest import Ground
from support.helm import Helm
from support.receiving import change, lifecycle
from support.rights import Account
from support.waiting import eventually

SHORT = "receiver.enabled=true,receiver.url=https://mail.example.com"
MAY_NOT = {
    "read Secrets": ("GET", "/api/v1/namespaces/{namespace}/secrets"),
    "read a Secret": ("GET", "/api/v1/namespaces/{namespace}/secrets/any"),
    "delete a resource": ("DELETE", "{resources}/{name}"),
    "create one": ("POST", "{resources}"),
    "write a status": ("PUT", "{resources}/{name}/status"),
    "read leases": ("GET", "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
    "write events": ("POST", "/api/v1/namespaces/{namespace}/events"),
    "know other namespaces": ("GET", "/apis/graphmail.dev/v1alpha1/graphmailsubscriptions"),
}


@pytest.fixture
def account(ground: Ground) -> Account:
    """The chart's, for the receiver."""
    helm = Helm(Path(tempfile.gettempdir()) / "graphmail-helm")
    rendered = helm.template("--set", SHORT, namespace=ground.namespace)
    ours = [each for each in rendered if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}]
    component = "app.kubernetes.io/component"
    return Account(
        ground.control_plane,
        ground.namespace,
        [each for each in ours if each["metadata"]["labels"].get(component) == "receiver"],
    )


async def test_it_knows_hands_over_and_annotates(
    ground: Ground, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"}, mirrored=False)
    monkeypatch.setenv("KUBECONFIG", account.kubeconfig)
    async with ground.receiver() as receiver:
        assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 202
        assert await receiver.notify(change("sub-1", "state")) == 202
        await eventually(
            lambda: "graphmail.dev/last-notification" in ground.annotations(name), "the time stands at the resource"
        )
    assert ground.told(name) == {"sub-1": {"missed"}}


@pytest.mark.parametrize(("method", "path"), MAY_NOT.values(), ids=MAY_NOT)
async def test_it_may_not(method: str, path: str, ground: Ground, account: Account) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    where = path.format(namespace=ground.namespace, resources=ground.path(), name=name)
    assert account.send(method, where, {} if method != "GET" else None).status_code == 403
