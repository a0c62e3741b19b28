"""Who is an orphan, case by case (design, rule 3)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from graphmail.resource.names import ANNOTATION_ADOPT
from graphmail.sweep import Judgement, Standing

P1 = "0c9f3c44-1111-4222-8333-444444444444"
P2 = "0c9f3c44-5555-4666-8777-888888888888"
THEN = "2026-03-02T09:00:00Z"

Make = Callable[..., Any]
Judge = Callable[..., Judgement]


def test_a_twin_of_what_covers_the_folder_is_an_orphan(
    listed: Make, resource: Make, known: Make, judged: Judge
) -> None:
    judgement = judged(listed(), resource(), holdings=known())
    assert judgement.standing is Standing.ORPHAN
    assert judgement.why == f"folder inbox of provider {P1} has subscription current now"
    assert judgement.instead == ("current",)


def test_what_names_a_provider_that_nobody_knows_is_an_orphan(
    listed: Make, resource: Make, known: Make, judged: Judge
) -> None:
    judgement = judged(listed(provider=P2), resource(), holdings=known())
    assert judgement == Judgement(Standing.ORPHAN, f"provider {P2} has neither a resource nor a row")


def test_what_names_a_folder_that_is_not_watched_is_an_orphan(
    listed: Make, resource: Make, known: Make, judged: Judge
) -> None:
    judgement = judged(listed(folder="archive"), resource(), holdings=known())
    assert judgement == Judgement(Standing.ORPHAN, f"provider {P1} does not watch folder archive")


@pytest.mark.parametrize(("several", "standing"), [(False, Standing.ORPHAN), (True, Standing.LEFT)])
def test_a_further_folder_counts_as_watched_where_all_are_subscribed(
    listed: Make, resource: Make, known: Make, judged: Judge, several: bool, standing: Standing
) -> None:
    two = resource(spec={"folders": ["inbox", "archive"]})
    assert judged(listed(folder="archive"), two, holdings=known(), several=several).standing is standing


@pytest.mark.parametrize(
    "fields",
    [
        {"notification_url": "https://app.example.com/hook"},
        {"notification_url": f"https://app.example.com/hook?gms=ours.{P1}"},
        {"installation": "theirs"},
        {"application_id": "another-app"},
        {"application_id": None},
    ],
    ids=["unmarked", "no marker of ours", "another installation", "another app", "an unknown app"],
)
def test_a_neighbour_is_never_an_orphan(listed: Make, known: Make, judged: Judge, fields: dict[str, Any]) -> None:
    assert judged(listed(**fields), holdings=known(providers={})).standing is Standing.NEIGHBOUR


def test_an_app_is_the_same_however_its_id_is_written(listed: Make, resource: Make, known: Make, judged: Judge) -> None:
    shouting = listed().application_id.upper()
    assert judged(listed(application_id=shouting), resource(), holdings=known()).standing is Standing.ORPHAN


OWNERS: dict[str, dict[str, Any]] = {
    "the status": {"status": {"subscriptionID": "STRAY"}},
    "a folder of the status": {"rows": {"inbox": "current", "archive": "stray"}},
    "an adoption that was asked for": {"metadata": {"annotations": {ANNOTATION_ADOPT: "Stray"}}},
    "another provider's resource": {"provider": P2, "rows": {"inbox": "stray"}},
}


@pytest.mark.parametrize("fields", OWNERS.values(), ids=OWNERS)
def test_what_a_resource_knows_is_owned(
    listed: Make, resource: Make, known: Make, judged: Judge, fields: dict[str, Any]
) -> None:
    assert judged(listed(), resource(), resource(**fields), holdings=known()).standing is Standing.OWNED


def test_what_a_row_knows_is_owned(listed: Make, resource: Make, known: Make, judged: Judge) -> None:
    told = known(subscriptions=frozenset({"stray"}))
    assert judged(listed("Stray"), resource(), holdings=told).standing is Standing.OWNED


def test_what_was_retained_is_left(listed: Make, known: Make, judged: Judge) -> None:
    told = known(providers={}, retained=frozenset({"stray"}))
    assert judged(listed(), holdings=told).standing is Standing.LEFT


UNDER_WAY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "claimed": ({}, {"claimed": frozenset({P1})}),
    "unsettled": ({}, {"unsettled": frozenset({P1})}),
    "a create without an answer": ({"status": {"pendingCreateTime": THEN}}, {}),
    "the same for one of its folders": ({"row": {"pendingCreateTime": THEN}}, {}),
    "being deleted": ({"metadata": {"deletionTimestamp": THEN}}, {}),
    "suspended": ({"spec": {"suspend": True}}, {}),
}


@pytest.mark.parametrize(("fields", "told"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_hands_off_a_provider_of_which_something_is_under_way(
    listed: Make, resource: Make, known: Make, judged: Judge, fields: dict[str, Any], told: dict[str, Any]
) -> None:
    assert judged(listed(), resource(**fields), holdings=known(**told)).standing is Standing.BUSY


def test_hands_off_a_provider_whose_resource_is_not_there_yet(listed: Make, known: Make, judged: Judge) -> None:
    assert judged(listed(), holdings=known()).standing is Standing.BUSY


def test_work_that_nobody_is_left_to_end_keeps_no_orphan_alive(listed: Make, known: Make, judged: Judge) -> None:
    told = known(providers={}, unsettled=frozenset({P1}))
    assert judged(listed(), holdings=told).standing is Standing.ORPHAN


def test_without_postgres_nobody_knows_who_let_go_of_it(listed: Make, judged: Judge) -> None:
    assert judged(listed(), holdings=None).standing is Standing.LEFT


def test_a_database_without_any_provider_proves_nothing(listed: Make, known: Make, judged: Judge) -> None:
    assert judged(listed(), holdings=known(providers={}, any_provider=False)).standing is Standing.LEFT


@pytest.mark.parametrize(
    "fields",
    [{"rows": {"inbox": None}}, {"rows": {}}, {"expires": timedelta(minutes=-1)}],
    ids=["no subscription", "no status", "expired"],
)
def test_what_may_be_all_that_covers_a_folder_is_left(
    listed: Make, resource: Make, known: Make, judged: Judge, fields: dict[str, Any]
) -> None:
    assert judged(listed(), resource(**fields), holdings=known()).standing is Standing.LEFT


def test_of_two_resources_with_one_provider_id_both_must_be_covered(
    listed: Make, resource: Make, known: Make, judged: Judge
) -> None:
    bare = resource(rows={"inbox": None}, spec={"tenant": "t2"})
    assert judged(listed(), resource(), bare, holdings=known()).standing is Standing.LEFT
    covered = resource(rows={"inbox": "other"}, spec={"tenant": "t2"})
    assert judged(listed(), resource(), covered, holdings=known()).instead == ("current", "other")
