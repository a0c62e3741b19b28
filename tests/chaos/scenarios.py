"""What the operator is doing when it is struck: each of its deeds, from the state that asks for it to the state that it leads to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from chaos.ending import End
from graphmail.resource.names import resource_name
from support.hand import Hand
from support.stage import Row, Stage

FORCED = "2026-01-01T00:00:00Z"
"""The value of the annotation by which a renewal is forced."""
SEVERAL_FOLDERS = {"GRAPHMAIL_MULTI_FOLDER": "true"}
COMPARING_SELDOM = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "10", "GRAPHMAIL_MIRROR_POLL_SECONDS": "2.5"}
"""The new mailbox's resource is made by the cheap question, before the comparison finds the one of the mailbox before."""


@dataclass(frozen=True)
class Scenario:
    """A deed of the operator.

    Attributes:
        subscribed: the operator has made the subscription before.
        begin: what asks for the deed, while no operator runs.
        complete: the deed is done, given how it stood before.
        mailbox: makes the mailbox: by default as a provider's row whose user has consented.
        settings: of the operator, beside those of every deed.
    """

    name: str
    subscribed: bool
    begin: Callable[[Stage, Row], Awaitable[None]]
    complete: Callable[[End, str | None], bool]
    mailbox: Callable[[Stage], Row] = Stage.add_delegated
    settings: Mapping[str, str] = field(default_factory=dict)


def _by_hand(stage: Stage) -> Row:
    """A resource that a person wrote, with a Secret: no row, and so no claim keeps two from the same work."""
    hand, tenant, provider, secret = Hand(stage), "by-hand", str(uuid4()), "own"
    address = hand.mailbox(secret)
    hand.app_only_secret(secret)
    name = resource_name(tenant, provider, address)
    hand.write(
        name,
        tenant=tenant,
        providerID=provider,
        mailbox=address,
        credentials={"source": "Secret", "secretName": secret},
    )
    return Row(provider, tenant, address, hand.mailboxes[secret])


def _with_two_folders(stage: Stage) -> Row:
    return stage.add_delegated({"folder_filters": '["Inbox", "Archive"]'})


async def _nothing(_stage: Stage, _row: Row) -> None:
    """There is no subscription: that asks for one."""


async def _force(stage: Stage, row: Row) -> None:
    stage.request_renewal(row, FORCED)


async def _lose_and_force(stage: Stage, row: Row) -> None:
    [held] = stage.live(row)
    stage.simulator.world.subscriptions.end(held, stage.simulator.clock.now(), "dropped")
    stage.request_renewal(row, FORCED)


async def _subscribe(stage: Stage, row: Row) -> None:
    stage.subscribe(row)


async def _rotate_client_state(stage: Stage, row: Row) -> None:
    stage.product.set_config(row.id, webhook_verification_token="another")


async def _rotate_where_twins_are_refused(stage: Stage, row: Row) -> None:
    stage.simulator.world.settings.duplicates = "refuse"
    await _rotate_client_state(stage, row)


async def _deactivate(stage: Stage, row: Row) -> None:
    stage.product.set_provider(row.id, is_active=False)


async def _delete_by_hand(stage: Stage, row: Row) -> None:
    stage.kubectl("delete", "gms", row.name, "--wait=false")


async def _take_another_folder(stage: Stage, row: Row) -> None:
    stage.product.set_config(row.id, folder_filters='["Inbox", "SentItems"]')


async def _move(stage: Stage, row: Row) -> None:
    """The provider's row names another mailbox. What was subscribed before goes with the resource of the one that it named."""
    elsewhere = stage.add_app_only()
    stage.product.delete_provider(elsewhere.id)
    stage.product.set_provider(row.id, mailbox=elsewhere.address)
    row.address, row.mailbox = elsewhere.address, elsewhere.mailbox


def _covered(end: End, subscriptions: int = 1) -> bool:
    return end.well and end.known_alike and len(end.live) == subscriptions


def _renewed(end: End, before: str | None) -> bool:
    return _covered(end) and end.handled == FORCED and end.live == [before]


def _recreated(end: End, before: str | None) -> bool:
    return _covered(end) and end.handled == FORCED and end.live != [before]


def _replaced(end: End, before: str | None) -> bool:
    return _covered(end) and end.live != [before]


def _replaced_without_a_gap(end: End, before: str | None) -> bool:
    return _replaced(end, before) and not end.gaps


def _moved(end: End, before: str | None) -> bool:
    return _replaced(end, before) and not end.elsewhere


def _deleted(end: End, _before: str | None) -> bool:
    return end.suspended and end.known_alike and not end.live and not end.claimed and not end.resource["pending"]


def _let_go(end: End, _before: str | None) -> bool:
    return not end.resource and not end.live


def _watches(*folders: str) -> Callable[[End, str | None], bool]:
    def complete(end: End, _before: str | None) -> bool:
        return _covered(end, len(folders)) and [name for name, _ in end.resource["folders"]] == list(folders)

    return complete


SCENARIOS = (
    Scenario("create", False, _nothing, lambda end, _: _covered(end)),
    Scenario("renew", True, _force, _renewed),
    Scenario("recreate", True, _lose_and_force, _recreated),
    Scenario("adopt", False, _subscribe, lambda end, before: _covered(end) and end.live == [before]),
    Scenario("replace", True, _rotate_client_state, _replaced_without_a_gap),
    Scenario("replace where twins are refused", True, _rotate_where_twins_are_refused, _replaced),
    Scenario("move", True, _move, _moved, Stage.add_app_only, COMPARING_SELDOM),
    Scenario("delete", True, _deactivate, _deleted),
    Scenario("create by hand", False, _nothing, lambda end, _: _covered(end), _by_hand),
    Scenario("renew by hand", True, _force, _renewed, _by_hand),
    Scenario("delete by hand", True, _delete_by_hand, _let_go, _by_hand),
    Scenario(
        "take another folder",
        True,
        _take_another_folder,
        _watches("Inbox", "SentItems"),
        _with_two_folders,
        SEVERAL_FOLDERS,
    ),
)


def facts(end: End, before: str | None, *, lost: bool) -> dict[str, Any]:
    """What must be the same after any blow: ids and moments are not, but which id it is compared with the one before.

    Args:
        lost: an answer was lost, and not the process. Then what was begun may stay on record until the next work, which looks first.
    """
    return {
        "live": sorted("the same" if found == before else "another" for found in end.live),
        "known alike": end.known_alike,
        "resource": end.resource,
        "row": end.row,
        "claimed": end.claimed,
        "unsettled": [] if lost else end.unsettled,
        "abandoned": end.abandoned,
        "gaps": end.gaps,
        "doubled": end.doubled,
        "elsewhere": end.elsewhere,
    }
