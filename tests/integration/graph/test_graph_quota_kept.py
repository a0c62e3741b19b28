"""A crowd at a Graph that enforces its limits: nobody is told 429, since nobody comes too soon."""

import asyncio

from graphmail.graph import Budget, GraphClient, KindLimit, Limits, Spender, Subscription, SubscriptionRequest

from .conftest import Place, later

WINDOW = 1.0
"""Seconds, where Graph has 20."""
SIMULATED = [
    {"routes": ["create", "patch", "delete"], "scope": "app", "count": 12, "seconds": WINDOW},
    {"routes": ["create", "patch", "delete"], "scope": "app+tenant", "count": 8, "seconds": WINDOW},
    {"routes": ["get"], "scope": "app", "count": 12, "seconds": WINDOW},
    {"routes": ["get"], "scope": "app+tenant", "count": 8, "seconds": WINDOW},
]
MAILBOXES = 18
LIMITS = Limits(write=KindLimit(app=12, tenant=8), read=KindLimit(app=12, tenant=8), window=WINDOW)


async def test_a_mass_start_over_two_tenants_is_never_told_to_wait(place: Place) -> None:
    world = place.simulator.world
    other = world.add_tenant("Fabrikam")
    world.allow_app(place.app, other.id, ["Mail.Read"])
    await place.control("change_settings", quotas_enforced=True, quotas=SIMULATED)

    async def cover(client: GraphClient, number: int) -> Subscription:
        tenant = (place.tenant, other)[number % 2]
        mailbox = world.add_mailbox(tenant.id, f"m{number}@{tenant.domain}")
        token, _ = world.app_token(place.app, tenant.id)
        who = Spender(place.app.client_id, tenant.id, mailbox.upn)
        wanted = SubscriptionRequest(f"/users/{mailbox.user_id}/messages", "https://mail.example.com/hook", later(600))
        made = await client.create(wanted, token=token, spender=who)
        await client.renew(made.id, later(900), token=token, spender=who)
        return await client.get(made.id, token=token, spender=who)

    async with GraphClient(place.simulator.graph_url, Budget(LIMITS)) as client:
        made = await asyncio.gather(*(cover(client, number) for number in range(MAILBOXES)))

    assert len({one.id for one in made}) == MAILBOXES
    statuses = {call.status for call in place.simulator.log.newest_first()}
    assert statuses == {200, 201}
