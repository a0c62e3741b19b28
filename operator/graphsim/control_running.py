"""What the control API does to the running simulator: faults, settings, clock, log of calls, certificates, reset."""

import json
from itertools import islice
from typing import Any

from graphsim import control_mail, control_world
from graphsim import control_models as m
from graphsim import control_run_models as r
from graphsim import control_views as views
from graphsim.calls import Call
from graphsim.directory import UnknownObjectError
from graphsim.errors import GraphError, SigninError
from graphsim.faults import FaultRule
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.graph_routes import GRAPH_ROUTES
from graphsim.runtime import Runtime
from graphsim.settings import SimulatorSettings
from graphsim.signin_answers import SIGNIN_ANSWERS
from graphsim.signin_routes import SIGNIN_ROUTES

ROUTE_NAMES = frozenset(route[0] for route in GRAPH_ROUTES) | frozenset(route[0] for route in SIGNIN_ROUTES)


def health(runtime: Runtime, _body: m.Nothing) -> m.Health:
    """Say where everything is."""
    world = runtime.world
    now = world.settle()
    return m.Health(
        graph_url=runtime.graph_url,
        login_url=runtime.login_url,
        control_url=runtime.control_url,
        ca_path=str(runtime.authority.path),
        subscriptions=len(world.subscriptions),
        now=views.moment(now),
    )


def seed(runtime: Runtime, body: m.Seed) -> m.Seeded:
    """Add a whole world: tenants, apps, mailboxes, grants, subscriptions, traffic and settings."""
    tenants = [control_world.add_tenant(runtime, one) for one in body.tenants]
    apps = [control_world.add_app(runtime, one) for one in body.apps]
    mailboxes = [control_world.add_mailbox(runtime, one) for one in body.mailboxes]
    grants = [control_world.add_grant(runtime, one) for one in body.grants]
    subscriptions = [control_world.add_subscription(runtime, one) for one in body.subscriptions]
    for one in body.traffic:
        control_mail.start_traffic(runtime, one)
    if body.settings:
        change_settings(runtime, body.settings)
    return m.Seeded(tenants=tenants, apps=apps, mailboxes=mailboxes, grants=grants, subscriptions=subscriptions)


def add_fault(runtime: Runtime, body: r.NewFault) -> r.FaultView:
    """Put a fault rule in force; raises ValueError for one that contradicts itself."""
    rule = _rule(runtime, body)
    runtime.faults.add(rule)
    return _fault(rule)


def list_faults(runtime: Runtime, _body: m.Nothing) -> list[r.FaultView]:
    """Show the rules in force, spent ones included."""
    return [_fault(rule) for rule in runtime.faults.all()]


def clear_faults(runtime: Runtime, _body: m.Nothing) -> m.Removed:
    """Lift every rule."""
    return m.Removed(count=runtime.faults.clear())


def clear_fault(runtime: Runtime, body: m.ById) -> m.Removed:
    """Lift one rule."""
    if not (count := runtime.faults.clear([body.id])):
        raise UnknownObjectError(f"no fault rule {body.id!r}")
    return m.Removed(count=count)


def list_answers(_runtime: Runtime, _body: m.Nothing) -> list[r.AnswerView]:
    """Show the known answers of Graph and of sign-in, by the names that fault rules use."""
    of_graph = [
        r.AnswerView(
            name=name, service="graph", status=one.status, code=one.code, message=one.message, meaning=one.meaning
        )
        for name, one in GRAPH_ANSWERS.items()
    ]
    of_signin = [
        r.AnswerView(
            name=name,
            service="sign-in",
            status=one.status,
            code=f"{one.error_code} AADSTS{one.number}",
            message=one.text,
            meaning=one.meaning,
        )
        for name, one in SIGNIN_ANSWERS.items()
    ]
    return of_graph + of_signin


def show_settings(runtime: Runtime, _body: m.Nothing) -> SimulatorSettings:
    """Show the settings."""
    return runtime.world.settings


def change_settings(runtime: Runtime, body: dict[str, Any]) -> SimulatorSettings:
    """Change the named settings and leave the others; nothing changes when one of them is wrong (ValidationError)."""
    merged = SimulatorSettings.model_validate(runtime.world.settings.model_dump() | body)
    runtime.world.change_settings(merged)
    return merged


def show_clock(runtime: Runtime, _body: m.Nothing) -> r.ClockView:
    """Show the clock."""
    return views.clock(runtime.world.clock)


def change_clock(runtime: Runtime, body: r.ClockChange) -> r.ClockView:
    """Set the speed, pause or resume, and jump forward."""
    clock = runtime.world.clock
    if body.speed is not None:
        clock.set_speed(body.speed)
    if body.paused is not None:
        clock.pause() if body.paused else clock.resume()
    if body.advance_seconds:
        clock.advance(body.advance_seconds)
    runtime.world.settle()
    return views.clock(clock)


def show_calls(runtime: Runtime, body: r.CallFilter) -> r.CallsView:
    """Show the calls of Graph and sign-in that match, the newest first, and the counts of all."""
    matching = [call for call in runtime.log.newest_first() if _matches(call, body)]
    return r.CallsView(
        calls=[views.call(call) for call in islice(matching, body.limit)],
        matching=len(matching),
        total=runtime.log.total,
        counts=[
            r.CallCount(route=route, method=method, status=status, count=count)
            for (route, method, status), count in sorted(runtime.log.counts.items())
        ],
    )


def clear_calls(runtime: Runtime, _body: m.Nothing) -> m.Removed:
    """Forget the calls and their counts."""
    count = runtime.log.total
    runtime.log.clear()
    return m.Removed(count=count)


def issue_certificate(runtime: Runtime, body: r.CertificateRequest) -> r.CertificateView:
    """Issue a certificate, so that a webhook can serve https that the simulator trusts."""
    issued = runtime.authority.issue(*body.names)
    return r.CertificateView(
        certificate=issued.certificate, private_key=issued.private_key, authority=runtime.authority.certificate()
    )


async def reset(runtime: Runtime, body: r.ResetRequest) -> m.Health:
    """Forget everything but the clock and the certificate authority."""
    await runtime.notifier.forget()
    runtime.world.clear()
    runtime.faults.clear()
    runtime.quotas.clear()
    runtime.log.clear()
    if not body.keep_settings:
        runtime.world.settings = runtime.initial_settings.model_copy()
    return health(runtime, m.Nothing())


def _rule(runtime: Runtime, body: r.NewFault) -> FaultRule:
    unknown = sorted(set(body.routes) - ROUTE_NAMES)
    if unknown:
        raise ValueError(f"routes={unknown!r}: known are {', '.join(sorted(ROUTE_NAMES))}")
    if sum((body.answer is not None, body.status is not None, body.drop)) > 1:
        raise ValueError("answer, status and drop exclude each other")
    directory = runtime.world.directory
    return FaultRule(
        id=runtime.world.randomness.guid()[:8],
        routes=frozenset(body.routes),
        tenant=directory.tenant(body.tenant).id if body.tenant else None,
        mailbox=directory.mailbox(body.mailbox).upn.lower() if body.mailbox else None,
        client=body.client,
        subscription=body.subscription,
        count=body.count,
        share=body.share,
        skip=body.skip,
        error=_named_error(body),
        raw_body=_raw_body(body.body),
        status=body.status,
        headers=_extra_headers(body),
        drop_connection=body.drop,
        after_commit=body.after_commit,
        delay_seconds=body.delay_ms / 1_000,
    )


def _named_error(body: r.NewFault) -> GraphError | SigninError | None:
    if body.answer is None:
        return None
    found = GRAPH_ANSWERS.get(body.answer) or SIGNIN_ANSWERS.get(body.answer)
    if found is None:
        known = ", ".join([*GRAPH_ANSWERS, *SIGNIN_ANSWERS])
        raise ValueError(f"answer={body.answer!r}: known are {known}")
    error = found.error(**body.values)
    if body.retry_after is not None:
        error.headers.pop("Retry-After", None)
    return error


def _extra_headers(body: r.NewFault) -> dict[str, str]:
    return body.headers | ({"Retry-After": body.retry_after} if body.retry_after else {})


def _raw_body(body: str | dict[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _fault(rule: FaultRule) -> r.FaultView:
    return r.FaultView(
        id=rule.id,
        hits=rule.hits,
        left=rule.count,
        routes=sorted(rule.routes),
        tenant=rule.tenant,
        mailbox=rule.mailbox,
        client=rule.client,
        subscription=rule.subscription,
        share=rule.share,
        effect=_effect(rule),
    )


def _effect(rule: FaultRule) -> str:
    if rule.drop_connection:
        effect = "connection cut"
    elif rule.error is not None:
        effect = str(rule.error)
    elif rule.status is not None:
        effect = str(rule.status)
    else:
        effect = f"delay {rule.delay_seconds:g} s"
    return f"{effect}, after the commit" if rule.after_commit else effect


def _matches(call: Call, body: r.CallFilter) -> bool:
    wanted = body.model_dump(exclude={"since", "limit"}, exclude_none=True)
    return call.number > body.since and all(
        str(getattr(call, name)).lower() == str(value).lower() for name, value in wanted.items()
    )
