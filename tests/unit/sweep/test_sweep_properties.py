"""Whatever the world looks like, what somebody owns, or may adopt, is never an orphan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graphmail.database import Holdings
from graphmail.sweep import Judgement, Standing

Make = Callable[..., Any]

PROVIDERS = [f"0c9f3c44-0000-4000-8000-00000000000{number}" for number in range(3)]
IDS = [f"sub-{number}" for number in range(5)]
FOLDERS = ["inbox", "archive"]
THEN = "2026-03-02T09:00:00Z"

providers, ids, folders = st.sampled_from(PROVIDERS), st.sampled_from(IDS), st.sampled_from(FOLDERS)


@dataclass(frozen=True)
class World:
    """Resources, as the arguments that make them, and what Postgres knows."""

    resources: list[dict[str, Any]]
    holdings: Holdings | None


resources = st.fixed_dictionaries(
    {
        "provider": providers,
        "rows": st.dictionaries(folders, st.none() | ids),
        "spec": st.fixed_dictionaries(
            {"suspend": st.booleans(), "folders": st.lists(folders, min_size=1, max_size=2, unique=True)}
        ),
        "status": st.just({})
        | st.just({"pendingCreateTime": THEN})
        | st.builds(lambda one: {"subscriptionID": one}, ids),
    }
)
some = st.frozensets(providers)
holdings = st.builds(
    Holdings,
    subscriptions=st.frozensets(ids),
    retained=st.frozensets(ids),
    providers=st.dictionaries(providers, st.just(("t1",))),
    claimed=some,
    unsettled=some,
    any_provider=st.booleans(),
)
worlds = st.builds(World, st.lists(resources, max_size=4), st.none() | holdings)


def owned(world: World, subscription_id: str) -> bool:
    """Said a second time, in the words of the design: a row of a status, or a row of Postgres."""
    in_a_status = any(
        subscription_id in one["rows"].values() or one["status"].get("subscriptionID") == subscription_id
        for one in world.resources
    )
    return in_a_status or (world.holdings is not None and subscription_id in world.holdings.subscriptions)


def in_flight(world: World, provider: str) -> bool:
    """A create that waits for its answer, a claim that is held, or one that was never settled while the provider exists."""
    theirs = [one for one in world.resources if one["provider"] == provider]
    told = world.holdings or Holdings()
    exists = bool(theirs) or provider in told.providers
    begun = any("pendingCreateTime" in one["status"] for one in theirs)
    return begun or provider in told.claimed or (exists and provider in told.unsettled)


@given(world=worlds, found=ids, provider=providers, folder=folders, several=st.booleans())
def test_never_an_owned_one_nor_one_that_may_be_adopted(
    listed: Make,
    resource: Make,
    judged: Callable[..., Judgement],
    world: World,
    found: str,
    provider: str,
    folder: str,
    several: bool,
) -> None:
    subscription = listed(found, provider=provider, folder=folder)
    made = [resource(**one) for one in world.resources]
    judgement = judged(subscription, *made, holdings=world.holdings, several=several)
    if owned(world, found):
        assert judgement.standing is Standing.OWNED
    if in_flight(world, provider):
        assert judgement.standing is not Standing.ORPHAN
    if judgement.standing is Standing.ORPHAN:
        assert found not in judgement.instead
        assert world.holdings is None or found not in world.holdings.retained


@given(
    world=worlds,
    found=ids,
    provider=providers,
    folder=folders,
    installation=st.text(max_size=9),
    app=st.text(max_size=9),
)
def test_never_a_neighbours(
    listed: Make,
    resource: Make,
    judged: Callable[..., Judgement],
    world: World,
    found: str,
    provider: str,
    folder: str,
    installation: str,
    app: str,
) -> None:
    made = [resource(**one) for one in world.resources]
    theirs = listed(found, provider=provider, folder=folder, installation=f"not-{installation}")
    assert judged(theirs, *made, holdings=world.holdings).standing is Standing.NEIGHBOUR
    others = listed(found, provider=provider, folder=folder, application_id=app)
    assert judged(others, *made, holdings=world.holdings).standing is Standing.NEIGHBOUR
