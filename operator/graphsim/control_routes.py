"""The control API over HTTP: plain, on the loopback interface only, JSON in and out.

ROUTES is the whole of it; the documentation is compared with it by a test. The input of a route is one checked body,
read from the JSON that was sent, the query and the path. Errors are `{"error": "…"}` with 400 for input that makes no
sense and 404 for things that were never seeded.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from graphsim import control_mail as mail
from graphsim import control_mail_models as c
from graphsim import control_models as m
from graphsim import control_run_models as r
from graphsim import control_running as running
from graphsim import control_world as world
from graphsim.directory import UnknownObjectError
from graphsim.runtime import Runtime


@dataclass(frozen=True, slots=True)
class ControlRoute:
    """One route: the model that checks its input (None: a free JSON object), and the function that does the work."""

    method: str
    path: str
    model: type[BaseModel] | None
    action: Callable[[Runtime, Any], Any]

    @property
    def summary(self) -> str:
        """The first line of what the action says about itself."""
        return (inspect.getdoc(self.action) or "").partition("\n")[0]


ROUTES: tuple[ControlRoute, ...] = (
    ControlRoute("GET", "/healthz", m.Nothing, running.health),
    ControlRoute("POST", "/seed", m.Seed, running.seed),
    ControlRoute("POST", "/reset", r.ResetRequest, running.reset),
    ControlRoute("GET", "/tenants", m.Nothing, world.list_tenants),
    ControlRoute("POST", "/tenants", m.NewTenant, world.add_tenant),
    ControlRoute("GET", "/apps", m.Nothing, world.list_apps),
    ControlRoute("POST", "/apps", m.NewApp, world.add_app),
    ControlRoute("PATCH", "/apps", m.AppChange, world.change_app),
    ControlRoute("GET", "/mailboxes", m.MailboxFilter, world.list_mailboxes),
    ControlRoute("POST", "/mailboxes", m.NewMailbox, world.add_mailbox),
    ControlRoute("PATCH", "/mailboxes", m.MailboxChange, world.change_mailbox),
    ControlRoute("GET", "/grants", m.Nothing, world.list_grants),
    ControlRoute("POST", "/grants", m.NewGrant, world.add_grant),
    ControlRoute("POST", "/grants/revoke", m.GrantRevocation, world.revoke_grants),
    ControlRoute("GET", "/subscriptions", m.SubscriptionFilter, world.list_subscriptions),
    ControlRoute("POST", "/subscriptions", m.NewSubscription, world.add_subscription),
    ControlRoute("GET", "/subscriptions/ended", m.Nothing, world.list_ended),
    ControlRoute("POST", "/subscriptions/{id}/drop", m.ById, world.drop_subscription),
    ControlRoute("POST", "/subscriptions/{id}/remove", m.ById, mail.remove_subscription),
    ControlRoute("GET", "/silence", m.MailboxFilter, mail.show_silence),
    ControlRoute("POST", "/silence", c.NewSilence, mail.silence),
    ControlRoute("POST", "/silence/mend", c.SubscriptionChoice, mail.mend),
    ControlRoute("POST", "/messages", m.NewMessage, world.receive_message),
    ControlRoute("GET", "/deliveries", m.MailboxFilter, world.list_deliveries),
    ControlRoute("GET", "/delivered", c.DeliveredFilter, mail.list_delivered),
    ControlRoute("GET", "/endpoints", m.Nothing, mail.list_endpoints),
    ControlRoute("GET", "/lifecycle", m.MailboxFilter, mail.list_lifecycle),
    ControlRoute("POST", "/lifecycle", c.NewLifecycle, mail.send_lifecycle),
    ControlRoute("GET", "/lifecycle/reauthorizations", m.MailboxFilter, mail.show_reauthorizations),
    ControlRoute("GET", "/traffic", m.MailboxFilter, mail.list_traffic),
    ControlRoute("POST", "/traffic", m.NewTraffic, mail.start_traffic),
    ControlRoute("DELETE", "/traffic", m.MailboxFilter, mail.stop_traffic),
    ControlRoute("GET", "/coverage", m.MailboxFilter, world.show_coverage),
    ControlRoute("POST", "/coverage/watch", m.WatchChange, world.change_watch),
    ControlRoute("GET", "/faults", m.Nothing, running.list_faults),
    ControlRoute("POST", "/faults", r.NewFault, running.add_fault),
    ControlRoute("DELETE", "/faults", m.Nothing, running.clear_faults),
    ControlRoute("DELETE", "/faults/{id}", m.ById, running.clear_fault),
    ControlRoute("GET", "/answers", m.Nothing, running.list_answers),
    ControlRoute("GET", "/settings", m.Nothing, running.show_settings),
    ControlRoute("PATCH", "/settings", None, running.change_settings),
    ControlRoute("GET", "/clock", m.Nothing, running.show_clock),
    ControlRoute("POST", "/clock", r.ClockChange, running.change_clock),
    ControlRoute("GET", "/requests", r.CallFilter, running.show_calls),
    ControlRoute("DELETE", "/requests", m.Nothing, running.clear_calls),
    ControlRoute("POST", "/certificates", r.CertificateRequest, running.issue_certificate),
)

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class ControlRoutes:
    """Serves ROUTES of an aiohttp application."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, application: web.Application) -> None:
        """Register the routes."""
        for route in ROUTES:
            application.router.add_route(route.method, route.path, self._handler(route))

    def _handler(self, route: ControlRoute) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            try:
                given = await _given(request)
                body = given if route.model is None else route.model.model_validate(given)
                result = route.action(self._runtime, body)
                if inspect.isawaitable(result):
                    result = await result
            except UnknownObjectError as error:
                return _refused(404, str(error))
            except ValidationError as error:
                return _refused(400, _explained(error))
            except ValueError as error:
                return _refused(400, str(error))
            return web.Response(body=_ANY.dump_json(result), content_type="application/json")

        return handle


async def _given(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    body = json.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - it is a refusal of input, like the others
    return {**body, **request.query, **request.match_info}


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in problems)
