"""From the state of traffic, deliveries, lifecycle and silence to the bodies of the control API."""

from graphsim import control_mail_models as c
from graphsim.control_views import attempts, folder_name, moment
from graphsim.deliveries import LifecycleDelivery
from graphsim.lifecycle import LifecycleItem
from graphsim.reauthorization import Doubled, ReauthorizationRequest
from graphsim.silence import Replacement, SilentDeath
from graphsim.slowness import EndpointState
from graphsim.traffic import Stream
from graphsim.world import World


def lifecycle_delivery(source: LifecycleDelivery, world: World) -> c.LifecycleDeliveryView:
    """Show a lifecycle notification and its attempts."""
    return c.LifecycleDeliveryView(
        url=source.url,
        state=source.state,
        items=[_item(one, world) for one in source.items],
        attempts=attempts(source.attempts),
    )


def reauthorization(source: ReauthorizationRequest, world: World) -> c.ReauthorizationView:
    """Show a reauthorization that was asked for."""
    return c.ReauthorizationView(
        subscription_id=source.subscription_id,
        mailbox=_upn(world, source.user_id),
        asked_at=moment(source.asked_at),
        times=source.times,
        satisfied_at=None if source.satisfied_at is None else moment(source.satisfied_at),
        by=source.by,
    )


def doubled(source: Doubled, world: World) -> c.DoubledView:
    """Show a subscription that was both renewed and reauthorized."""
    return c.DoubledView(
        subscription_id=source.subscription_id, mailbox=_upn(world, source.user_id), at=moment(source.at)
    )


def silent_death(source: SilentDeath, world: World) -> c.SilentDeathView:
    """Show a silent death."""
    first, last = source.first_undelivered_at, source.last_undelivered_at
    return c.SilentDeathView(
        subscription_id=source.subscription_id,
        mailbox=_upn(world, source.user_id),
        user_id=source.user_id,
        client_id=source.client_id,
        folder=_folder(world, source.user_id, source.folder),
        began_at=moment(source.began_at),
        ended_at=None if source.ended_at is None else moment(source.ended_at),
        how=source.how,
        replaced_by=source.replaced_by,
        gone_at=None if source.gone_at is None else moment(source.gone_at),
        undelivered=source.undelivered,
        first_undelivered_at=None if first is None else moment(first),
        last_undelivered_at=None if last is None else moment(last),
    )


def replacement(source: Replacement, world: World) -> c.ReplacementView:
    """Show a subscription that a client deleted for another one."""
    return c.ReplacementView(
        old_id=source.old_id,
        new_id=source.new_id,
        mailbox=_upn(world, source.user_id),
        client_id=source.client_id,
        folder=_folder(world, source.user_id, source.folder),
        at=moment(source.at),
        healthy=source.healthy,
    )


def stream(source: Stream, world: World) -> c.StreamView:
    """Show the mail that arrives in a folder by itself."""
    return c.StreamView(
        mailbox=_upn(world, source.user_id),
        user_id=source.user_id,
        folder=_folder(world, source.user_id, source.folder),
        profile=source.rhythm.profile,
        per_week=source.rhythm.per_week,
        utc_offset_hours=source.rhythm.utc_offset_hours,
        next_at=None if source.next_at is None else moment(source.next_at),
        arrived=source.arrived,
    )


def endpoint(source: EndpointState, now: float) -> c.EndpointView:
    """Show an endpoint as Graph judges it."""
    dropping = now < source.dropping_until
    return c.EndpointView(
        endpoint=source.endpoint,
        state="dropping" if dropping else "well",
        answers=len(source.answers),
        slow=source.slow,
        dropping_until=moment(source.dropping_until) if dropping else None,
        dropped=source.dropped,
    )


def _item(source: LifecycleItem, world: World) -> c.LifecycleItemView:
    return c.LifecycleItemView(
        event=source.event,
        subscription_id=source.subscription_id,
        mailbox=_upn(world, source.user_id),
        expires_at=moment(source.expires_at),
    )


def _upn(world: World, user_id: str) -> str:
    return world.directory.mailbox(user_id).upn


def _folder(world: World, user_id: str, key: str) -> str:
    return folder_name(world.directory.mailbox(user_id), key)
