import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from graphsim.rhythms import Rhythm, drawn

NOON = 1_795_521_600.0  # a Tuesday
WEEK = 7 * 86_400
DAY = 86_400


def arrivals(rhythm, days=70, seed=1):
    chance, moment, found = random.Random(seed), NOON, []
    while (moment := rhythm.next_after(moment, chance)) < NOON + days * DAY:
        found.append(datetime.fromtimestamp(moment, UTC) + timedelta(hours=rhythm.utc_offset_hours))
    return found


@pytest.mark.parametrize("profile", ["office", "service", "evening", "machine"])
@pytest.mark.parametrize("per_week", [3, 140])
def test_as_much_arrives_as_was_asked_for(profile, per_week):
    weeks = 4_000 / per_week
    found = arrivals(Rhythm(profile, per_week), days=weeks * 7)
    assert len(found) == pytest.approx(4_000, rel=0.06)


@pytest.mark.parametrize("offset", [-8.0, 0.0, 5.5])
def test_an_office_is_quiet_at_night_and_at_weekends_by_the_clock_of_its_place(offset):
    found = arrivals(Rhythm("office", 140, offset), days=210)
    working = [one for one in found if one.weekday() < 5 and 7 <= one.hour < 22]
    weekend = [one for one in found if one.weekday() >= 5]
    assert len(working) > 0.95 * len(found)
    assert 0 < len(weekend) < 0.03 * len(found)


def test_other_rhythms_are_others():
    evening = Counter(17 <= one.hour < 23 for one in arrivals(Rhythm("evening", 140)))
    assert evening[True] > 2 * evening[False]
    machine = Counter(one.hour < 12 for one in arrivals(Rhythm("machine", 140)))
    assert machine[True] == pytest.approx(machine[False], rel=0.15)
    weekend = sum(one.weekday() >= 5 for one in arrivals(Rhythm("service", 140)))
    assert 0.12 < weekend / len(arrivals(Rhythm("service", 140))) < 0.27


def test_nothing_arrives_where_there_is_no_mail():
    assert Rhythm("office", 0).next_after(NOON, random.Random(1)) is None


def test_drawn_rhythms_differ_in_kind_volume_and_place():
    made = [drawn(random.Random(seed)) for seed in range(300)]
    assert {one.profile for one in made} == {"office", "service", "evening", "machine"}
    assert sum(one.per_week < 7 for one in made) > 60
    assert sum(one.per_week > 70 for one in made) > 20
    assert all(2 <= one.per_week <= 120 for one in made)
    assert len({one.utc_offset_hours for one in made}) > 4


def test_what_is_given_is_not_drawn_and_changes_nothing_else():
    free, bound = drawn(random.Random(4)), drawn(random.Random(4), per_week=3)
    assert bound == Rhythm(free.profile, 3, free.utc_offset_hours)


@pytest.fixture
def house(world):
    world.add_tenant("Contoso")
    app = world.add_app("product")
    world.settings.deliveries = "account"
    mailboxes = [world.add_mailbox("contoso.example.com", f"user{n}@contoso.example.com") for n in range(3)]
    for mailbox in mailboxes:
        world.add_subscription(mailbox, app, notification_url="https://hook.example.com/x", minutes=90_000)
    return mailboxes


def start(world, mailbox, seed=5, **rhythm):
    chance = world.randomness.chance(seed, mailbox.upn)
    inbox = mailbox.folder("inbox").id
    return world.traffic.start(mailbox.user_id, inbox, drawn(chance, **rhythm), chance, world.settle())


def test_mail_arrives_at_its_own_moments_however_late_one_looks(world, house):
    stream = start(world, house[0], profile="office", per_week=100)
    world.clock.advance(WEEK)
    now = world.settle()
    received = [one.received_at for one in house[0].messages]
    assert received == sorted(received)
    assert len(received) == 50 < stream.arrived < 140
    assert NOON < received[0] < received[-1] <= now < stream.next_at


def test_what_one_mailbox_gets_does_not_hang_on_the_others(world, house):
    alone = start(world, house[0])
    world.clock.advance(WEEK)
    world.settle()
    first = [one.received_at - NOON for one in house[0].messages]
    house[0].messages.clear()
    began = world.settle()
    again = start(world, house[0], utc_offset_hours=alone.rhythm.utc_offset_hours)
    start(world, house[1])
    world.clock.advance(WEEK)
    world.settle()
    assert again.rhythm == alone.rhythm
    assert [one.received_at - began for one in house[0].messages] == pytest.approx(first)


def test_stopped_mail_no_longer_arrives(world, house):
    streams = [start(world, mailbox, per_week=500) for mailbox in house]
    assert world.traffic.stop([house[0].user_id, house[1].user_id]) == 2
    world.clock.advance(WEEK)
    world.settle()
    assert [one.arrived > 0 for one in streams] == [False, False, True]


def test_a_new_rhythm_takes_the_place_of_the_old_one(world, house):
    old, new = start(world, house[0], per_week=500), start(world, house[0], per_week=5)
    world.clock.advance(WEEK)
    world.settle()
    assert (old.arrived, world.traffic.all()) == (0, [new])


def test_deliveries_are_accounted_for_without_a_call_and_when_they_would_have_been_sent(world, house):
    world.settings.delivery_delay_seconds = (60, 180)
    start(world, house[0], profile="machine", per_week=700)
    world.clock.advance(DAY)
    now = world.settle()
    (line,) = world.delivered.after(0)
    assert (line.user_id, line.folder) == (house[0].user_id, house[0].folder("inbox").id)
    assert line.delivered_at <= now
    assert 60 <= line.delivered_at - line.received_at <= 180
    assert world.delivered.after(line.delivered_at) == []
    assert world.outbox.take_notices() == []


@pytest.mark.parametrize(
    ("away", "taken"), [(60, 100), (7_200, 13_900), (13_901, None)], ids=["short", "long", "given up"]
)
def test_what_is_not_taken_is_tried_again_for_about_four_hours(world, house, away, taken):
    def takes(notifications):
        world.change_settings(world.settings.model_copy(update={"takes_notifications": notifications}))

    takes(False)
    message = world.receive_message(house[0])
    world.account(house[0], message, world.to_be_told(house[0], message))
    world.clock.advance(away)
    takes(True)
    world.clock.advance(DAY)
    world.settle()
    told = [line.delivered_at - message.received_at for line in world.delivered.after(0)]
    assert told == ([] if taken is None else [pytest.approx(taken)])


def test_a_silent_subscription_is_not_accounted_for(world, house):
    (subscription,) = world.subscriptions.of_mailbox(house[0].user_id)
    start(world, house[0], profile="machine", per_week=700)
    world.plan_silence(subscription, NOON + DAY / 2)
    world.clock.advance(DAY)
    world.settle()
    (line,), (death,) = world.delivered.after(0), world.silence.deaths
    assert NOON < line.delivered_at < NOON + DAY / 2
    assert death.undelivered == world.traffic.all()[0].arrived - line.count
