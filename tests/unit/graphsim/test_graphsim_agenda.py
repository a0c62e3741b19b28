import asyncio

import pytest

from graphsim.agenda import Agenda, stirred_or_due

NOON = 1_795_521_600.0
URL = "https://hook.example.com/graph"


@pytest.fixture
def stirred():
    return asyncio.Event()


def test_actions_happen_in_the_order_of_time_and_then_of_planning(stirred):
    agenda, done = Agenda(stirred), []
    for name, at in (("late", 30), ("first", 10), ("second", 10)):
        agenda.add(at, lambda at, name=name: done.append((name, at)))
    while len(agenda):
        agenda.run_first()
    assert done == [("first", 10), ("second", 10), ("late", 30)]


def test_only_a_new_first_action_stirs(stirred):
    agenda = Agenda(stirred)
    agenda.add(10, print)
    assert stirred.is_set()
    stirred.clear()
    agenda.add(20, print)
    assert not stirred.is_set()
    agenda.add(5, print)
    assert stirred.is_set()


async def test_a_waiter_wakes_when_the_first_action_is_due_and_not_before(clock, stirred):
    agenda = Agenda(stirred)
    agenda.add(NOON + 60, print)
    stirred.clear()
    clock.pause()
    waiting = asyncio.create_task(stirred_or_due(stirred, agenda, clock))
    for step in (59, 1):
        assert not waiting.done()
        clock.advance(step)
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.wait_for(waiting, 60)


async def test_a_waiter_with_nothing_planned_wakes_when_something_is(clock, stirred):
    agenda = Agenda(stirred)
    waiting = asyncio.create_task(stirred_or_due(stirred, agenda, clock))
    await asyncio.sleep(0)
    agenda.add(NOON + 60, print)
    await asyncio.wait_for(waiting, 60)
    assert not stirred.is_set()


def test_the_world_lets_everything_happen_at_its_own_moment_however_late_one_looks(world):
    world.add_tenant("Contoso")
    app = world.add_app("product")
    ann = world.add_mailbox("contoso.example.com", "ann@contoso.example.com")
    world.add_subscription(ann, app, notification_url=URL, minutes=10)
    seen = []
    for minute in (9, 11):
        world.agenda.add(NOON + minute * 60, lambda at: seen.append((at - NOON, len(world.subscriptions))))
    world.clock.advance(86_400)
    world.settle()
    assert seen == [(540, 1), (660, 0)]
