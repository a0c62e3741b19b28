from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphsim.clock import SimulatedClock
from graphsim.randomness import Randomness
from graphsim.world import World

NOON = 1_795_521_600.0
URL = "https://hook.example.com/graph"


class House:
    """One mailbox and one app, with subscriptions on the inbox unless something else is said."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.add_tenant("Contoso")
        self.app = world.add_app("product")
        self.ann = world.add_mailbox("contoso.example.com", "ann@contoso.example.com")

    def subscribe(self, folder="inbox", minutes=10_000, app=None):
        return self.world.add_subscription(
            self.ann, app or self.app, notification_url=URL, minutes=minutes, folder=folder
        )

    def after(self, seconds):
        self.world.clock.advance(seconds)
        return self.world.settle()

    def silence(self, subscription, at=None):
        self.world.plan_silence(subscription, self.world.settle() if at is None else at)

    @property
    def deaths(self):
        return [
            (one.subscription_id, one.began_at - NOON, one.how, one.ended_at and one.ended_at - NOON)
            for one in self.world.silence.deaths
        ]

    @property
    def replacements(self):
        return [(one.old_id, one.new_id, one.at - NOON, one.healthy) for one in self.world.silence.replacements]


@pytest.fixture
def house(world):
    return House(world)


def test_a_death_lasts_until_another_subscription_delivers_in_its_place(house):
    dead = house.subscribe()
    house.after(100)
    house.silence(dead)
    house.after(60)
    fresh = house.subscribe()
    house.after(5)
    house.world.end_subscription(dead, "deleted")
    assert house.deaths == [(dead.id, 100, "replaced", 160)]
    (death,) = house.world.silence.deaths
    assert (death.replaced_by, death.gone_at - NOON) == (fresh.id, 165)
    assert house.replacements == [(dead.id, fresh.id, 165, False)]


def test_deleting_first_ends_it_only_when_the_new_one_lives(house):
    dead = house.subscribe()
    house.silence(dead)
    house.after(10)
    house.world.end_subscription(dead, "deleted")
    assert house.deaths == [(dead.id, 0, "deleted", 10)]
    house.after(20)
    fresh = house.subscribe()
    assert house.deaths == [(dead.id, 0, "replaced", 30)]
    assert house.replacements == [(dead.id, fresh.id, 30, False)]


def test_a_healthy_subscription_that_was_replaced_is_told_apart(house):
    old = house.subscribe()
    house.after(10)
    new = house.subscribe()
    house.world.end_subscription(old, "deleted")
    assert house.replacements == [(old.id, new.id, 10, True)]


def test_what_was_lost_or_expired_was_not_replaced_by_the_one_that_follows(house):
    lost = house.subscribe()
    house.world.end_subscription(lost, "dropped")
    house.subscribe(minutes=1)
    house.after(61)
    house.subscribe()
    assert house.replacements == []


@pytest.mark.parametrize("other", ["folder", "app"])
def test_another_folder_or_app_cures_nothing(house, other):
    dead = house.subscribe()
    house.silence(dead)
    house.after(10)
    house.subscribe(**({"folder": "archive"} if other == "folder" else {"app": house.world.add_app("another")}))
    assert house.deaths == [(dead.id, 0, None, None)]


def test_a_successor_that_is_born_dead_cures_nothing_and_dies_a_death_of_its_own(house):
    dead = house.subscribe()
    house.silence(dead)
    house.after(10)
    house.world.settings.silent_share = 1.0
    successor = replace(dead, id="another", serial=house.world.next_serial(), delivers=True, created_at=NOON + 10)
    house.world.add_live(successor)
    assert house.deaths == [(dead.id, 0, None, None), ("another", 10, None, None)]
    house.after(10)
    house.world.settings.silent_share = 0.0
    house.subscribe()
    assert [one[2:] for one in house.deaths] == [("replaced", 20)] * 2


def test_a_mended_one_delivers_again(house):
    dead = house.subscribe()
    house.silence(dead)
    house.after(30)
    house.world.mend(dead)
    house.world.mend(dead)
    assert (house.deaths, dead.delivers) == ([(dead.id, 0, "mended", 30)], True)
    house.silence(dead)
    assert [one[1:3] for one in house.deaths] == [(0, "mended"), (30, None)]


def test_a_planned_death_meets_whichever_subscription_is_in_the_place_by_then(house):
    first = house.subscribe()
    house.silence(first, NOON + 100)
    house.after(50)
    second = house.subscribe()
    house.world.end_subscription(first, "deleted")
    house.after(500)
    assert house.deaths == [(second.id, 100, None, None)]


def test_a_planned_death_without_a_victim_does_not_happen(house):
    house.silence(house.subscribe(minutes=1), NOON + 100)
    house.after(500)
    assert house.deaths == []


def test_what_another_one_told_of_is_not_undelivered(house):
    dead, healthy = house.subscribe(), house.subscribe(folder=None)
    house.silence(dead)
    message = house.world.receive_message(house.ann)
    assert house.world.to_be_told(house.ann, message) == [healthy]
    assert house.world.silence.deaths[0].undelivered == 0


def test_what_a_dead_subscription_should_have_told_is_counted(house):
    dead = house.subscribe()
    house.silence(dead)
    for _ in range(2):
        house.after(60)
        message = house.world.receive_message(house.ann)
        assert house.world.to_be_told(house.ann, message) == []
    (death,) = house.world.silence.deaths
    assert (death.undelivered, death.first_undelivered_at - NOON, death.last_undelivered_at - NOON) == (2, 60, 120)


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "delete", "lose", "silence", "mend"]), st.integers(0, 4)), max_size=30
)


@given(STEPS)
def test_a_death_lasts_as_long_as_nobody_delivers_in_its_place(steps):
    """Told from the steps alone: an open death and a subscription that was born healthy after it exclude each other."""
    house = House(World(SimulatedClock(lambda: 0.0, start=NOON), Randomness(1), token_key=b"k" * 32))
    living = []
    for action, number in steps:
        house.after(10)
        if action == "create":
            living.append(house.subscribe())
        elif living:
            chosen = living[number % len(living)]
            if action == "silence":
                house.silence(chosen)
            elif action == "mend":
                house.world.mend(chosen)
            else:
                house.world.end_subscription(chosen, "deleted" if action == "delete" else "dropped")
                living.remove(chosen)
    silent = {one.id for one in living if not one.delivers}
    account = house.world.silence
    assert silent <= {
        one.subscription_id for one in account.deaths if one.how in {None, "replaced"} and not one.gone_at
    }
    for death in account.deaths:
        born_after = [one for one in living if one.created_at > death.began_at]
        assert not (born_after and death.how not in {"replaced", "mended"})
        assert (death.ended_at is None) == (death.how is None)
        assert death.ended_at is None or death.ended_at >= death.began_at
    assert all(one.old_id != one.new_id for one in account.replacements)
