"""When a renewal and a verification fall, in numbers: expiry less min(lookAhead, granted / 2), one tick and jitter (design, rule 9)."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from graphmail.decision import Action, Known, Policy, decide, renewal_time, verification_time
from graphmail.resource import GraphMailSubscription

Mailbox = Callable[..., GraphMailSubscription]
FLEET = range(1000)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("granted", "look_ahead", "tick", "latest", "jitter"),
    [
        pytest.param(hours(72), "24h", hours(0.25), hours(24.25), hours(7.2), id="the look-ahead of a long life"),
        pytest.param(hours(166), "6h", hours(0.5), hours(6.5), hours(16.6), id="a short look-ahead, a longer tick"),
        pytest.param(hours(23.5), "24h", hours(0.25), hours(12), hours(2.35), id="half of what was granted"),
        pytest.param(hours(3), "24h", hours(0.25), hours(1.75), hours(0.3), id="half of three hours"),
        pytest.param(
            hours(2), "24h", hours(6), hours(1.2), hours(0.2), id="a tick longer than the life counts a tenth"
        ),
    ],
)
def test_a_renewal_falls_one_tick_and_at_most_a_tenth_of_the_life_before_it_must(
    mailbox: Mailbox,
    now: datetime,
    granted: timedelta,
    look_ahead: str,
    tick: timedelta,
    latest: timedelta,
    jitter: timedelta,
) -> None:
    before_expiry = [
        now + granted - due
        for uid in FLEET
        if (
            due := renewal_time(
                mailbox(
                    spec={"lookAhead": look_ahead},
                    status={"expirationTime": granted},
                    granted=timedelta(),
                    uid=f"uid-{uid}",
                ),
                Policy(tick=tick),
            )
        )
    ]
    assert len(before_expiry) == len(FLEET)
    second = timedelta(seconds=1)
    assert latest <= min(before_expiry) <= latest + jitter * 0.02 + second
    assert latest + jitter * 0.98 <= max(before_expiry) <= latest + jitter + second


def test_an_adopted_subscription_with_an_unknown_grant_counts_its_whole_look_ahead(
    mailbox: Mailbox, now: datetime
) -> None:
    due = renewal_time(mailbox(status={"expirationTime": hours(90)}, granted=None), Policy())
    assert due is not None
    assert hours(24.25) <= now + hours(90) - due <= hours(24.25 + 16.67)


def test_without_an_expiry_no_renewal_is_planned(mailbox: Mailbox) -> None:
    assert renewal_time(mailbox(status={"expirationTime": None}), Policy()) is None


def test_a_renewal_interval_is_spread_too_and_never_later(mailbox: Mailbox, now: datetime) -> None:
    policy = Policy(renewal_interval=hours(50))
    left = [
        due - now
        for uid in FLEET
        if (due := renewal_time(mailbox(status={"lastRenewalTime": hours(-30)}, uid=f"uid-{uid}"), policy))
    ]
    assert len(left) == len(FLEET)
    assert hours(15) - timedelta(seconds=1) <= min(left) < hours(15.2)
    assert hours(19.8) < max(left) <= hours(20)


def test_a_long_renewal_interval_never_makes_it_later(mailbox: Mailbox) -> None:
    resource = mailbox()
    assert renewal_time(resource, Policy(renewal_interval=hours(900))) == renewal_time(resource, Policy())


def test_what_was_created_together_does_not_renew_together(mailbox: Mailbox) -> None:
    due = sorted(moment for uid in FLEET if (moment := renewal_time(mailbox(uid=f"uid-{uid}"), Policy())))
    spread = due[-1] - due[0]
    sizes = Counter(min(int((moment - due[0]) / spread * 10), 9) for moment in due)
    assert all(60 <= size <= 140 for size in sizes.values()), sizes
    assert len(sizes) == 10


def test_one_mailbox_does_not_keep_its_place_for_ever(mailbox: Mailbox, now: datetime) -> None:
    """The jitter depends on the expiry as well, so no mailbox is the first of the fleet each time."""
    first = renewal_time(mailbox(status={"expirationTime": hours(125)}), Policy())
    second = renewal_time(mailbox(status={"expirationTime": hours(126)}), Policy())
    assert first is not None
    assert second is not None
    assert second - first != hours(1)


def test_the_first_verification_after_a_start_falls_within_half_an_interval_and_is_spread(
    mailbox: Mailbox, now: datetime
) -> None:
    known, policy = Known(seen_at=now), Policy(verification_interval=hours(3))
    after = [
        moment - now
        for uid in FLEET
        if (moment := verification_time(mailbox(uid=f"uid-{uid}"), policy, known)) is not None
    ]
    assert len(after) == len(FLEET)
    assert timedelta() < min(after) < hours(0.1)
    assert hours(1.4) < max(after) <= hours(1.5)


@pytest.mark.parametrize("uid", FLEET[:20])
def test_after_a_confirmation_more_than_half_an_interval_passes_and_never_more_than_one(
    mailbox: Mailbox, now: datetime, uid: int
) -> None:
    known = Known(verified_at=now - hours(0.5), seen_at=now - hours(9))
    due = verification_time(mailbox(uid=f"uid-{uid}"), Policy(verification_interval=hours(3)), known)
    assert due is not None
    assert now + hours(1) < due <= now + hours(2.5)


@pytest.mark.parametrize("uid", FLEET[:20])
def test_a_verification_that_was_a_little_late_does_not_move_the_next_one(
    mailbox: Mailbox, now: datetime, uid: int
) -> None:
    resource, policy = mailbox(uid=f"uid-{uid}"), Policy(verification_interval=hours(3))
    first = verification_time(resource, policy, Known(seen_at=now))
    assert first is not None
    late = Known(verified_at=first + timedelta(minutes=7), seen_at=now)
    assert verification_time(resource, policy, late) == first + hours(3)


@pytest.mark.parametrize("lives", [timedelta(minutes=40), hours(2), hours(5)])
@pytest.mark.parametrize("uid", FLEET[:20])
def test_a_loss_is_found_within_one_interval_however_often_the_process_is_started_again(
    mailbox: Mailbox, now: datetime, uid: int, lives: timedelta
) -> None:
    """Each process lives shorter than an interval or hardly longer, and knows nothing of what the one before it has confirmed."""
    resource, policy = mailbox(uid=f"uid-{uid}"), Policy(verification_interval=hours(3))
    last = now
    for start in (now + lives * number for number in range(12)):
        known = Known(seen_at=start)
        while (due := verification_time(resource, policy, known)) is not None and due < start + lives:
            assert due - last <= hours(3)
            last, known = due, Known(verified_at=due, seen_at=start)
        assert start + lives - last <= hours(3)


def test_what_does_not_exist_is_not_verified(mailbox: Mailbox, now: datetime) -> None:
    assert verification_time(mailbox(status={"subscriptionID": None}), Policy(), Known(seen_at=now)) is None


def test_the_next_look_comes_at_the_renewal_when_that_is_before_the_tick(mailbox: Mailbox) -> None:
    resource, policy = mailbox(), Policy()
    due = renewal_time(resource, policy)
    assert due is not None
    shortly_before = due - timedelta(minutes=4, seconds=10)
    decision = decide(resource, now=shortly_before, policy=policy, known=Known(verified_at=shortly_before))
    assert (decision.action, decision.again_at) == (Action.NOTHING, due)


@pytest.mark.parametrize(("early", "action"), [(1, Action.NOTHING), (0, Action.RENEW)])
def test_a_renewal_begins_to_the_second(mailbox: Mailbox, early: int, action: Action) -> None:
    resource, policy = mailbox(), Policy()
    due = renewal_time(resource, policy)
    assert due is not None
    now = due - timedelta(seconds=early)
    assert decide(resource, now=now, policy=policy, known=Known(verified_at=now)).action is action


def test_the_next_look_comes_at_the_verification_when_that_is_before_the_tick(mailbox: Mailbox, now: datetime) -> None:
    due = verification_time(mailbox(), Policy(), Known(verified_at=now))
    assert due is not None
    shortly_before = due - timedelta(minutes=7)
    decision = decide(mailbox(), now=shortly_before, policy=Policy(), known=Known(verified_at=now))
    assert (decision.action, decision.again_at) == (Action.NOTHING, due)


def test_a_failure_is_looked_at_when_its_wait_is_over(mailbox: Mailbox, now: datetime) -> None:
    resource = mailbox(status={"nextAttemptTime": timedelta(minutes=52), "consecutiveFailures": 4})
    decision = decide(resource, now=now, policy=Policy(), known=Known(verified_at=now))
    assert (decision.action, decision.again_at) == (Action.NOTHING, now + timedelta(minutes=52))


@pytest.mark.parametrize(("tick", "seconds"), [(900, 30), (7, 7)])
def test_a_store_that_is_away_is_looked_for_every_half_minute(
    mailbox: Mailbox, now: datetime, tick: int, seconds: int
) -> None:
    resource = mailbox(status={"subscriptionID": None})
    decision = decide(
        resource, now=now, policy=Policy(tick=timedelta(seconds=tick)), known=Known(stores_away=True, verified_at=now)
    )
    assert decision.again_at == now + timedelta(seconds=seconds)
