import pytest

from graphsim.directory import UnknownObjectError

NOON = 1_795_521_600.0
URL = "https://hook.example.com/graph"


@pytest.fixture
def house(world):
    world.add_tenant("Contoso", tenant_id="00000000-0000-4000-8000-000000000001")
    app = world.add_app("product", client_id="app-1")
    mailbox = world.add_mailbox("contoso.example.com", "Ann@contoso.example.com", folders=["Invoices"])
    return world, app, mailbox


def test_an_expired_subscription_is_gone(house):
    world, app, mailbox = house
    made = world.add_subscription(mailbox, app, notification_url=URL, minutes=10)
    world.clock.advance(599)
    assert world.live(made.id) is made
    world.clock.advance(1)
    assert world.live(made.id) is None
    assert [(one.id, one.reason, one.ended_at) for one in world.subscriptions.ended] == [
        (made.id, "expired", NOON + 600)
    ]


def test_a_renewed_subscription_lives_to_its_new_expiry(house):
    world, app, mailbox = house
    made = world.add_subscription(mailbox, app, notification_url=URL, minutes=10)
    world.subscriptions.move_expiry(made, NOON + 7_200)
    world.clock.advance(7_199)
    assert world.live(made.id) is made
    world.clock.advance(1)
    assert world.live(made.id) is None


def test_a_shortened_subscription_ends_at_its_earlier_expiry(house):
    world, app, mailbox = house
    made = world.add_subscription(mailbox, app, notification_url=URL, minutes=100)
    world.subscriptions.move_expiry(made, NOON + 60)
    world.clock.advance(61)
    assert world.live(made.id) is None
    assert world.subscriptions.ended[0].ended_at == NOON + 60


def test_subscriptions_end_in_the_order_of_time_however_late_one_looks(house):
    world, app, mailbox = house
    ids = [world.add_subscription(mailbox, app, notification_url=URL, minutes=m).id for m in (30, 10, 20)]
    world.clock.advance(86_400)
    world.settle()
    assert [one.id for one in world.subscriptions.ended] == [ids[1], ids[2], ids[0]]


def test_renewing_does_not_make_the_expiry_queue_grow(house):
    world, app, mailbox = house
    made = world.add_subscription(mailbox, app, notification_url=URL, minutes=10)
    for step in range(1_000):
        world.subscriptions.move_expiry(made, NOON + 600 + step)
    assert len(world.subscriptions._heap) == 1


def test_mailboxes_are_found_by_either_name_in_any_case(house):
    world, _app, mailbox = house
    assert world.directory.mailbox("ANN@CONTOSO.example.com") is mailbox
    assert world.directory.mailbox(mailbox.user_id.upper()) is mailbox
    assert world.directory.tenant("Contoso.Example.com").name == "Contoso"


@pytest.mark.parametrize("reference", ["nobody@contoso.example.com", ""])
def test_what_was_never_seeded_is_named_in_the_refusal(house, reference):
    world, _app, _mailbox = house
    with pytest.raises(UnknownObjectError, match="seed it first"):
        world.directory.mailbox(reference)


def test_a_folder_is_found_by_name_and_by_id(house):
    _world, _app, mailbox = house
    inbox, own = mailbox.folder("Inbox"), mailbox.folder("Invoices")
    assert inbox is not None
    assert own is not None
    assert mailbox.folder(inbox.id) == inbox
    assert mailbox.folder(own.id) == own
    assert mailbox.folder("Nowhere") is None


def test_secrets_and_client_states_stay_out_of_a_repr(house):
    world, app, mailbox = house
    made = world.add_subscription(mailbox, app, notification_url=URL, minutes=10, client_state="hush")
    assert "hush" not in repr(made)
    assert app.secrets[0].value not in repr(app)
    assert "k" * 32 not in repr(world.tokens) + repr(world.grants)


def test_clearing_the_world_leaves_the_clock(house):
    world, app, mailbox = house
    world.add_subscription(mailbox, app, notification_url=URL, minutes=10)
    world.clock.advance(5)
    world.clear()
    assert len(world.subscriptions) == 0
    assert world.coverage.accounts() == {}
    assert world.directory.mailboxes == {}
    assert world.clock.now() == NOON + 5
