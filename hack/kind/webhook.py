"""``python -m kind.webhook``: the demo's webhook at a fixed port of a pod, with a certificate that the simulator issues."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from demo.webhook import Webhook
from graphsim.client import ControlError, SimulatorControl
from localstack.messages import LocalStackError
from localstack.processes import wait_until

START_SECONDS = 60.0


def main() -> None:
    """Serve what APPLICATION_URL names until SIGTERM. Raises LocalStackError when the simulator does not answer in time."""
    where = urlsplit(os.environ["APPLICATION_URL"])
    webhook = Webhook(os.environ["GRAPHMAIL_DATABASE_URL"])
    context = _server_context(where.hostname or "")
    web.run_app(webhook.application(), port=where.port, ssl_context=context, access_log=None, print=None)


def _server_context(host: str) -> ssl.SSLContext:
    with SimulatorControl.from_environment() as control, tempfile.TemporaryDirectory() as folder:
        # Both containers start at once, and the simulator needs a moment.
        if not wait_until(lambda: _answers(control), START_SECONDS):
            raise LocalStackError(f"the simulator did not answer within {START_SECONDS:.0f} s")
        issued = control.issue_certificate(host)
        certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        certificate.write_text(issued.certificate)
        key.write_text(issued.private_key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    return context


def _answers(control: SimulatorControl) -> bool:
    try:
        control.health()
    except ControlError:
        return False
    return True


if __name__ == "__main__":
    main()
