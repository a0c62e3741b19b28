"""What the control API does to what reaches endpoints: traffic, deliveries, lifecycle notifications, silent death."""

from graphsim import control_mail_models as c
from graphsim import control_mail_views as views
from graphsim import control_models as m
from graphsim.control_views import folder_name, moment
from graphsim.control_world import chosen_mailboxes, live_subscription
from graphsim.lifecycle import LifecycleItem
from graphsim.rhythms import drawn
from graphsim.runtime import Runtime
from graphsim.subscriptions import Subscription


def remove_subscription(runtime: Runtime, body: m.ById) -> m.Removed:
    """End a subscription as Graph does when it removes one: its lifecycle URL is told."""
    runtime.world.remove_subscription(live_subscription(runtime, body.id))
    return m.Removed(count=1)


async def send_lifecycle(runtime: Runtime, body: c.NewLifecycle) -> list[c.LifecycleDeliveryView]:
    """Send lifecycle notifications, whatever the truth, and answer what came of the first attempts."""
    items = [item for order in body.items for item in _items(runtime, order)]
    for item in items:
        if item.event == "reauthorizationRequired":
            runtime.world.reauthorizations.asked(
                live_subscription(runtime, item.subscription_id), runtime.world.settle()
            )
    return [views.lifecycle_delivery(one, runtime.world) for one in await runtime.notifier.send_lifecycle(items)]


def list_lifecycle(runtime: Runtime, body: m.MailboxFilter) -> list[c.LifecycleDeliveryView]:
    """Show the last lifecycle notifications, the oldest first, and every attempt at them."""
    users = {mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)}
    return [
        views.lifecycle_delivery(one, runtime.world)
        for one in runtime.notifier.lifecycle
        if any(item.user_id in users for item in one.items)
    ]


def show_reauthorizations(runtime: Runtime, body: m.MailboxFilter) -> c.ReauthorizationsView:
    """Show which reauthorizations were asked for and what satisfied them, and who did both within ten minutes."""
    runtime.world.settle()
    users = {mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)}
    account = runtime.world.reauthorizations
    return c.ReauthorizationsView(
        requests=[views.reauthorization(one, runtime.world) for one in account.requests if one.user_id in users],
        doubled=[views.doubled(one, runtime.world) for one in account.doubled if one.user_id in users],
    )


def silence(runtime: Runtime, body: c.NewSilence) -> list[c.PlannedSilenceView]:
    """Let subscriptions die silently: alive in every answer of Graph, they deliver nothing."""
    world = runtime.world
    now = world.settle()
    chance = world.randomness.chance(body.seed, "silence")
    candidates = [one for one in _chosen(runtime, body) if one.delivers]
    victims = chance.sample(candidates, round(body.share * len(candidates)))
    planned = [(now + chance.uniform(0, body.within_hours * 3_600), victim) for victim in victims]
    for at, victim in planned:
        world.plan_silence(victim, at)
    return [
        c.PlannedSilenceView(
            subscription_id=victim.id, mailbox=world.directory.mailbox(victim.user_id).upn, at=moment(at)
        )
        for at, victim in planned
    ]


def mend(runtime: Runtime, body: c.SubscriptionChoice) -> m.Removed:
    """Let silent subscriptions deliver again; answers how many."""
    runtime.world.settle()
    silent = [one for one in _chosen(runtime, body) if not one.delivers]
    for subscription in silent:
        runtime.world.mend(subscription)
    return m.Removed(count=len(silent))


def show_silence(runtime: Runtime, body: m.MailboxFilter) -> c.SilenceView:
    """Show when each silent death began and ended, and whether those that clients replaced had been healthy."""
    runtime.world.settle()
    users = {mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)}
    account = runtime.world.silence
    return c.SilenceView(
        deaths=[views.silent_death(one, runtime.world) for one in account.deaths if one.user_id in users],
        replacements=[views.replacement(one, runtime.world) for one in account.replacements if one.user_id in users],
    )


def start_traffic(runtime: Runtime, body: m.NewTraffic) -> list[c.StreamView]:
    """Let mail arrive by itself, by a rhythm of the week; an earlier rhythm of the same folder ends."""
    world = runtime.world
    now = world.settle()
    made = []
    for mailbox in chosen_mailboxes(runtime, body):
        folder = world.directory.folder(mailbox, body.folder)
        chance = world.randomness.chance(body.seed, f"{mailbox.upn.lower()}/{folder.name}")
        rhythm = drawn(chance, profile=body.profile, per_week=body.per_week, utc_offset_hours=body.utc_offset_hours)
        made.append(world.traffic.start(mailbox.user_id, folder.id, rhythm, chance, now))
    return [views.stream(one, world) for one in made]


def list_traffic(runtime: Runtime, body: m.MailboxFilter) -> list[c.StreamView]:
    """Show the mail that arrives by itself: its rhythms, and how much has arrived."""
    runtime.world.settle()
    users = {mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)}
    return [views.stream(one, runtime.world) for one in runtime.world.traffic.all() if one.user_id in users]


def stop_traffic(runtime: Runtime, body: m.MailboxFilter) -> m.Removed:
    """Let no more mail arrive by itself; answers in how many folders."""
    runtime.world.settle()
    users = [mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)]
    return m.Removed(count=runtime.world.traffic.stop(users))


def list_delivered(runtime: Runtime, body: c.DeliveredFilter) -> list[c.DeliveredView]:
    """Show when the last notification was taken, for each app that watches a folder; `since` leaves out the older ones."""
    world = runtime.world
    world.settle()
    owners = {mailbox.user_id: mailbox for mailbox in chosen_mailboxes(runtime, body)}
    return [
        c.DeliveredView(
            mailbox=owners[line.user_id].upn,
            user_id=line.user_id,
            tenant_id=owners[line.user_id].tenant_id,
            client_id=line.client_id,
            folder=folder_name(owners[line.user_id], line.folder),
            subscription_id=line.subscription_id,
            delivered_at=moment(line.delivered_at),
            received_at=moment(line.received_at),
            count=line.count,
        )
        for line in world.delivered.after(body.since.timestamp() if body.since else 0.0)
        if line.user_id in owners
    ]


def list_endpoints(runtime: Runtime, _body: m.Nothing) -> list[c.EndpointView]:
    """Show how fast the endpoints answer, and to which of them notifications are dropped."""
    now = runtime.world.settle()
    return [views.endpoint(one, now) for one in runtime.notifier.slow.all()]


def _chosen(runtime: Runtime, body: c.SubscriptionChoice) -> list[Subscription]:
    if body.subscription is not None:
        return [live_subscription(runtime, body.subscription)]
    return [
        subscription
        for mailbox in chosen_mailboxes(runtime, body)
        for subscription in runtime.world.subscriptions.of_mailbox(mailbox.user_id)
        if body.client_id in {None, subscription.client_id}
    ]


def _items(runtime: Runtime, order: c.LifecycleOrder) -> list[LifecycleItem]:
    """Build what an order asks for; a subscription that cannot be told is refused when it was named, and left out otherwise."""
    if (order.subscription is None) == (order.mailbox is None):
        raise ValueError("name a subscription or a mailbox, and not both")
    if order.subscription is not None:
        item = LifecycleItem.of(live_subscription(runtime, order.subscription), order.event)
        if item is None:
            raise ValueError(f"subscription {order.subscription!r} named no lifecycle URL, or is silently dead")
        return [item]
    choice = c.SubscriptionChoice(mailbox=order.mailbox)
    made = (LifecycleItem.of(one, order.event) for one in _chosen(runtime, choice))
    return [item for item in made if item is not None]
