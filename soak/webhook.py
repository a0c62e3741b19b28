"""The product's webhook, as far as the operator sees it: of the notifications that are taken, the rows tell.

Graph's notifications are not posted here; the simulator accounts for when each would have been taken, and a thread of its own writes that
into the rows, as the product does with each notification (hack/demo/webhook.py): also while the run waits for something else.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg

from graphsim.client import SimulatorControl
from graphsim.control_mail_models import DeliveredView
from localstack.messages import LocalStackError
from rig.population import Mailbox

LOOK_SECONDS = 0.2
AWAY_SECONDS = 0.02
"""Between two tries to reach a Postgres that is away: what arrived meanwhile stands in the rows before anybody believes them."""
LATE_SECONDS = 1.0
"""When so long passes between two looks, time must stand still: what the machine cannot write in time is not Graph's delay."""
STOP_SECONDS = 60.0
_OVERLAP = timedelta(seconds=1)
"""What is asked for once more, since moments are told in microseconds."""

_DELIVERED = """
UPDATE microsoft_email_provider_config SET last_webhook_delivery_at = %(at)s, updated_at = now()
WHERE tenant = %(tenant)s AND email_provider_id = %(provider)s"""
_NOTIFIED = """
UPDATE email_provider_health SET last_notification_received_at = %(at)s
WHERE tenant = %(tenant)s AND provider_id = %(provider)s::text"""


class Webhook:
    """Writes down which notifications were taken."""

    def __init__(self, database_url: str, control: SimulatorControl, mailboxes: Sequence[Mailbox]) -> None:
        """`control` is used by the thread alone."""
        self._database_url = database_url
        self._control = control
        self._mailboxes = {mailbox.address: mailbox for mailbox in mailboxes}
        self._written: dict[str, datetime] = {}
        self._since: datetime | None = None
        self._connection: psycopg.Connection | None = None
        self._looked_at: float | None = None
        self._stopped = threading.Event()
        self._failure: Exception | None = None
        self.longest_seconds = 0.0
        """Real: what a notification waited at most until its row told of it, while Postgres was there."""

    @contextmanager
    def at_work(self) -> Iterator["Webhook"]:
        """It writes, from now on."""
        thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            thread.join(STOP_SECONDS)

    def check(self) -> None:
        """Raises LocalStackError when it writes no more."""
        if self._failure is not None:
            raise LocalStackError(f"the product's webhook has failed: {self._failure!r}") from self._failure

    @property
    def late(self) -> bool:
        """Rows do not tell yet what has arrived for a second and longer, though Postgres is there."""
        looked_at = self._looked_at
        return looked_at is not None and time.monotonic() - looked_at > LATE_SECONDS

    def _work(self) -> None:
        pause = 0.0
        try:
            while not self._stopped.wait(pause):
                pause = LOOK_SECONDS if self._wrote() else AWAY_SECONDS
        except Exception as error:  # told by the run, which looks at it all the time
            self._failure = error
        finally:
            self._disconnect()

    def _wrote(self) -> bool:
        """Write what is new; False: Postgres is away, and it is tried again."""
        try:
            connection = self._connected()
            looked_at = time.monotonic()
            for line in self._news():
                self._write(connection, line)
        except psycopg.OperationalError:
            self._disconnect()
            return False
        if self._looked_at is not None:
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - self._looked_at)
        self._looked_at = looked_at
        return True

    def _news(self) -> list[DeliveredView]:
        lines = self._control.delivered(since=self._since)
        return sorted(
            (line for line in lines if self._written.get(line.mailbox) != line.delivered_at),
            key=lambda line: line.delivered_at,
        )

    def _write(self, connection: psycopg.Connection, line: DeliveredView) -> None:
        mailbox = self._mailboxes[line.mailbox]
        values = {"tenant": mailbox.customer.tenant, "provider": mailbox.provider_id, "at": line.delivered_at}
        with connection.transaction():
            connection.execute(_DELIVERED, values)
            connection.execute(_NOTIFIED, values)
        self._written[line.mailbox] = line.delivered_at
        self._since = line.delivered_at - _OVERLAP

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._database_url, autocommit=True, connect_timeout=5)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._looked_at = None, None
