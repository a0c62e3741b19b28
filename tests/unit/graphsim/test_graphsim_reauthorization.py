import pytest

NOON = 1_795_521_600.0
URL = "https://hook.example.com/graph"
LIFECYCLE = "https://hook.example.com/lifecycle"
HOUR = 3_600.0


@pytest.fixture
def asked(world):
    """Puts subscriptions with a lifecycle URL into the world, and reads when Graph asked."""
    world.add_tenant("Contoso")

    class Asked:
        app = world.add_app("product")
        ann = world.add_mailbox("contoso.example.com", "ann@contoso.example.com")

        def subscribe(self, hours=10.0, token_hours=None, lifecycle_url=LIFECYCLE):
            made = world.add_subscription(
                self.ann, self.app, notification_url=URL, minutes=hours * 60, lifecycle_url=lifecycle_url
            )
            if token_hours is not None:
                world.reauthorize(made, NOON + token_hours * HOUR)
            return made

        def after(self, hours):
            """Hours after noon at which Graph asked within the next `hours`."""
            world.clock.advance(hours * HOUR)
            world.settle()
            items = world.outbox.take_items()
            assert {item.event for item in items} <= {"reauthorizationRequired"}
            return len(items)

        @property
        def account(self):
            return [((one.asked_at - NOON) / HOUR, one.by) for one in world.reauthorizations.requests]

    return Asked()


def test_by_default_graph_asks_never(asked):
    asked.subscribe()
    assert asked.after(9.9) == 0


def test_it_asks_so_many_minutes_before_the_expiry_and_once(world, asked):
    world.settings.reauthorize_before_minutes = 90
    asked.subscribe(hours=10)
    assert [asked.after(8.4), asked.after(0.1), asked.after(1.4)] == [0, 1, 0]
    assert asked.account == [(8.5, None)]


def test_it_asks_at_a_share_of_the_life_counted_from_the_last_renewal(world, asked):
    world.settings.reauthorize_at_share = 0.75
    made = asked.subscribe(hours=10)
    asked.after(2)
    world.renew(made, NOON + 22 * HOUR, NOON + 3 * HOUR)
    assert asked.after(14.9) == 0
    assert asked.after(0.1) == 1
    assert asked.account == [(17, None)]


def test_it_asks_before_the_token_ends_that_the_subscription_stands_on(world, asked):
    world.settings.reauthorize_token_minutes = 15
    made = asked.subscribe(hours=10, token_hours=1)
    assert asked.after(1) == 1
    world.reauthorize(made, NOON + 2 * HOUR)
    assert asked.after(1) == 1
    assert asked.account == [(0.75, "reauthorize"), (1.75, None)]


@pytest.mark.parametrize("by", ["patch", "reauthorize"])
def test_a_renewal_or_a_reauthorization_satisfies_it(world, asked, by):
    world.settings.reauthorize_before_minutes = 60
    made = asked.subscribe(hours=2)
    asked.after(1)
    if by == "patch":
        world.renew(made, NOON + 20 * HOUR, NOON + HOUR)
    else:
        world.reauthorize(made, NOON + HOUR)
    assert asked.account == [(1, by)]
    assert not world.reauthorizations.doubled
    assert asked.after(0.9) == 0


def test_a_subscription_that_goes_first_closes_the_request(world, asked):
    world.settings.reauthorize_before_minutes = 60
    asked.subscribe(hours=2)
    asked.after(3)
    assert asked.account == [(1, "ended")]


def test_a_rule_that_is_longer_than_the_life_asks_ten_minutes_after_each_renewal_and_not_at_once(world, asked):
    world.settings.reauthorize_before_minutes = 600
    made = asked.subscribe(hours=1)
    assert asked.after(0.5) == 1
    world.renew(made, NOON + 1.5 * HOUR, NOON + HOUR)
    assert asked.after(0.1) == 0
    assert asked.after(0.4) == 1
    assert [at for at, _by in asked.account] == [pytest.approx(1 / 6), pytest.approx(0.5 + 1 / 6)]


@pytest.mark.parametrize(("minutes", "noted"), [(9.9, 1), (10, 0)])
@pytest.mark.parametrize("first", ["patch", "reauthorize"])
def test_both_within_ten_minutes_are_noted(world, asked, first, minutes, noted):
    made = asked.subscribe()
    steps = [
        lambda: world.renew(made, NOON + 12 * HOUR, NOON + HOUR),
        lambda: world.reauthorize(made, NOON + HOUR),
    ]
    for step in steps if first == "patch" else reversed(steps):
        step()
        world.clock.advance(minutes * 60)
    assert len(world.reauthorizations.doubled) == noted


def test_two_renewals_are_no_double(world, asked):
    made = asked.subscribe()
    for hours in (11, 12):
        world.renew(made, NOON + hours * HOUR, NOON + HOUR)
    assert not world.reauthorizations.doubled


def test_without_a_lifecycle_url_and_in_silence_nothing_is_sent(world, asked):
    world.settings.reauthorize_before_minutes = 60
    asked.subscribe(lifecycle_url=None)
    world.plan_silence(asked.subscribe(), world.settle())
    assert asked.after(9.5) == 0
    assert asked.account == []


def test_a_rule_that_changes_is_kept_for_those_that_live_already(world, asked):
    asked.subscribe(hours=10)
    world.change_settings(world.settings.model_copy(update={"reauthorize_before_minutes": 480}))
    assert [asked.after(1.9), asked.after(0.1)] == [0, 1]


def test_renewing_does_not_make_the_agenda_grow(world, asked):
    world.settings.reauthorize_before_minutes = 60
    made = asked.subscribe(hours=10)
    for step in range(1_000):
        world.renew(made, NOON + 10 * HOUR + step, NOON + HOUR)
    assert len(world.agenda) == 1
