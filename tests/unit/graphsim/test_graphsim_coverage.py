import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphsim.clock import SimulatedClock
from graphsim.randomness import Randomness
from graphsim.subscriptions import WHOLE_MAILBOX
from graphsim.world import World

NOON = 1_795_521_600.0
URL = "https://hook.example.com/graph"


def build(clock: SimulatedClock):
    world = World(clock, Randomness(1), token_key=b"k" * 32)
    world.add_tenant("Contoso")
    return world, world.add_app("product"), world.add_mailbox("contoso.example.com", "ann@contoso.example.com")


@pytest.fixture
def house(clock):
    return build(clock)


def account(world, mailbox):
    return world.coverage.accounts()[mailbox.user_id]


def gaps(ledger, now):
    return [(gap.start - NOON, None if gap.until is None else gap.until - NOON) for gap in ledger.gaps(now)]


def test_a_watched_mailbox_is_uncovered_until_its_first_subscription(house, clock):
    world, app, mailbox = house
    clock.advance(40)
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    clock.advance(10)
    assert gaps(account(world, mailbox).mailbox, world.settle()) == [(0, 40)]


def test_a_gap_begins_at_the_expiry_and_not_when_somebody_looked(house, clock):
    world, app, mailbox = house
    world.add_subscription(mailbox, app, notification_url=URL, minutes=1)
    clock.advance(3_600)
    ledger, now = account(world, mailbox).mailbox, world.settle()
    assert gaps(ledger, now) == [(60, None)]
    assert ledger.uncovered_seconds(now) == 3_540


def test_create_before_delete_leaves_no_gap_and_a_short_duplicate(house, clock):
    world, app, mailbox = house
    first = world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    clock.advance(100)
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    clock.advance(2)
    world.end_subscription(first, "deleted")
    clock.advance(100)
    ledger, now = account(world, mailbox).mailbox, world.settle()
    assert gaps(ledger, now) == []
    assert [(one.start - NOON, one.until - NOON, one.most) for one in ledger.duplicates(now)] == [(100, 102, 1)]


def test_delete_before_create_leaves_the_gap_it_is(house, clock):
    world, app, mailbox = house
    first = world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    clock.advance(100)
    world.end_subscription(first, "deleted")
    clock.advance(3)
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    assert gaps(account(world, mailbox).mailbox, world.settle()) == [(100, 103)]


def test_folders_have_accounts_of_their_own(house, clock):
    world, app, mailbox = house
    archive, inbox = mailbox.folder("archive").id, mailbox.folder("inbox").id
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60, folder="inbox")
    world.watch(mailbox, ["archive"])
    clock.advance(30)
    found, now = account(world, mailbox), world.settle()
    assert gaps(found.mailbox, now) == []
    assert gaps(found.folders[archive], now) == [(0, None)]
    assert gaps(found.folders[inbox], now) == []


def test_two_folders_are_not_duplicates_of_each_other(house, clock):
    world, app, mailbox = house
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60, folder="inbox")
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60, folder="archive")
    clock.advance(1)
    assert account(world, mailbox).mailbox.duplicates(world.settle()) == []


def test_what_two_apps_read_in_one_folder_is_covered_by_both_and_doubled_by_none(house, clock):
    world, app, mailbox = house
    for reader in (app, world.add_app("another product")):
        world.add_subscription(mailbox, reader, notification_url=URL, minutes=60, folder="inbox")
    clock.advance(1)
    found, now = account(world, mailbox), world.settle()
    inbox = found.folders[mailbox.folder("inbox").id]
    assert (found.mailbox.live, inbox.live) == (2, 2)
    assert (found.mailbox.duplicates(now), inbox.duplicates(now)) == ([], [])


def test_a_subscription_on_the_whole_mailbox_covers_its_folders(house, clock):
    world, app, mailbox = house
    world.watch(mailbox, ["archive"])
    clock.advance(5)
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60, folder=None)
    clock.advance(5)
    found, now = account(world, mailbox), world.settle()
    assert gaps(found.folders[mailbox.folder("archive").id], now) == [(0, 5)]
    assert found.folders[WHOLE_MAILBOX].live == 1


def test_watching_anew_forgets_the_past_and_keeps_what_lives(house, clock):
    world, app, mailbox = house
    clock.advance(50)
    world.add_subscription(mailbox, app, notification_url=URL, minutes=60)
    world.watch(mailbox)
    clock.advance(50)
    assert gaps(account(world, mailbox).mailbox, world.settle()) == []


def test_an_unwatched_mailbox_has_no_account(house):
    world, _app, mailbox = house
    world.coverage.unwatch(mailbox.user_id)
    assert world.coverage.accounts() == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 50)),
        st.tuples(st.just("create"), st.integers(1, 60)),
        st.tuples(st.just("end"), st.integers(0, 5)),
        st.tuples(st.just("renew"), st.integers(1, 60)),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_account_agrees_with_looking_at_every_second(steps):
    """The account of whole seconds equals a scan: second s is uncovered when no subscription has born <= s < died."""
    real = [0.0]
    clock = SimulatedClock(lambda: real[0], start=NOON)
    world, app, mailbox = build(clock)
    lives: dict[str, list[float]] = {}
    for action, number in steps:
        now = world.settle()
        alive = world.subscriptions.of_mailbox(mailbox.user_id)
        if action == "wait":
            clock.advance(number)
        elif action == "create":
            made = world.add_subscription(mailbox, app, notification_url=URL, minutes=number / 60)
            lives[made.id] = [now, now + number]
        elif alive and action == "renew":
            world.subscriptions.move_expiry(alive[0], now + number)
            lives[alive[0].id][1] = now + number
        elif alive:
            victim = alive[number % len(alive)]
            world.end_subscription(victim, "deleted")
            lives[victim.id][1] = now
    end = world.settle()
    seconds = [NOON + step for step in range(int(end - NOON))]
    counts = [sum(1 for born, died in lives.values() if born <= second < died) for second in seconds]
    ledger = account(world, mailbox).mailbox
    assert ledger.uncovered_seconds(end) == sum(1 for count in counts if count == 0)
    assert sum(one.seconds(end) for one in ledger.duplicates(end)) == sum(1 for count in counts if count > 1)
