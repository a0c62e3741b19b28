"""A person who writes resources and Secrets."""

import json
from dataclasses import dataclass, field
from typing import Any

from graphmail.resource.names import API_VERSION, KIND
from graphsim.directory import Mailbox
from graphsim.subscriptions import Subscription
from support.stage import Stage


@dataclass
class Hand:
    """A person with kubectl."""

    stage: Stage
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def apply(self, body: dict[str, Any]) -> None:
        self.stage.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    def mailbox(self, name: str) -> str:
        address = f"{name}@{self.stage.entra.domain}"
        self.mailboxes[name] = self.stage.simulator.world.add_mailbox(self.stage.entra.id, address)
        return address

    def secret(self, name: str, **data: str) -> None:
        metadata = {"name": name, "namespace": self.stage.namespace}
        values = {key.replace("_", "-"): value for key, value in data.items()}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def app_only_secret(self, name: str, **more: str) -> None:
        app = self.stage.app
        self.secret(
            name,
            directory_id=self.stage.entra.id,
            client_id=app.client_id,
            client_secret=app.secrets[0].value,
            **more,
        )

    def write(self, name: str, **spec: Any) -> None:
        """A resource with that name, for a mailbox of that name, with a Secret of that name."""
        defaults = {
            "tenant": "by-hand",
            "providerID": name,
            "mailbox": self.mailbox(name),
            "notificationURL": self.stage.endpoint.url + self.stage.endpoint.path,
            "credentials": {"source": "Secret", "secretName": name},
        }
        metadata = {"name": name, "namespace": self.stage.namespace}
        self.apply({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": defaults | spec})

    def live(self, name: str) -> list[Subscription]:
        self.stage.simulator.world.settle()
        return self.stage.simulator.world.subscriptions.of_mailbox(self.mailboxes[name].user_id)
