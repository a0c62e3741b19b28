"""What the log tells of calls to Graph. Who it is about (tenant, provider) the caller binds to structlog's context."""

from datetime import timedelta
from typing import Any

import structlog

from graphmail.graph.answers import read_json
from graphmail.graph.call import Call
from graphmail.graph.errors import GraphError
from graphmail.graph.meaning import Meaning
from graphmail.graph.table import Operation
from graphmail.graph.text import short_id
from graphmail.graph.transport import Reply


class CallLog:
    """One line for each register, renew and delete, with both request ids; calls that only read are told where they fail."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("graphmail.graph")

    def done(self, call: Call, reply: Reply, client_request_id: str) -> None:
        """Graph did it."""
        tell = self._log.debug if call.shape.method == "GET" else self._log.info
        facts = _facts(call)
        if call.operation is Operation.CREATE:
            created = read_json(reply.body)
            facts["subscription"] = short_id(created.get("id")) if isinstance(created, dict) else None
        tell(
            call.shape.done,
            **facts,
            status=reply.status,
            request_id=short_id(reply.headers.get("request-id")),
            client_request_id=client_request_id,
        )

    def failed(self, call: Call, error: GraphError) -> None:
        """Graph did not do it, or did not say."""
        harmless = call.operation is Operation.DELETE and error.meaning is Meaning.GONE
        tell = self._log.info if harmless else self._log.warning
        tell(
            "subscription was gone already" if harmless else "call to Graph failed",
            **_facts(call),
            meaning=error.meaning.value,
            status=error.status,
            code=error.code,
            error=error.message,
            request_id=error.request_id,
            client_request_id=error.client_request_id,
        )

    def skewed(self, offset: timedelta) -> None:
        """Our clock and Graph's are far apart."""
        self._log.warning(
            "the clock differs from Graph's by more than a minute",
            graph_minus_ours_seconds=round(offset.total_seconds()),
        )


def _facts(call: Call) -> dict[str, Any]:
    facts: dict[str, Any] = {"operation": call.operation.value, "mailbox": call.spender.mailbox}
    if call.subscription_id:
        facts["subscription"] = call.subscription_id
    return facts
