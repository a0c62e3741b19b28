"""What is remembered of a provider elsewhere goes with its last resource."""

from datetime import UTC, datetime
from typing import Any

import pytest

from graphmail.fleet import Fleet

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def body(name: str, provider: str, uid: str) -> dict[str, Any]:
    spec = {
        "tenant": "t",
        "providerID": provider,
        "mailbox": f"{name}@b.example",
        "notificationURL": "https://h.example",
    }
    return {"metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": uid}, "spec": spec}


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    for name, provider, uid in (("moved-from", "p1", "1"), ("moved-to", "p1", "2"), ("other", "p2", "3")):
        fleet.observe(body(name, provider, uid), now=NOW)
    return fleet


@pytest.fixture
def forgotten(fleet: Fleet) -> list[str]:
    names: list[str] = []
    fleet.when_forgotten(lambda gone: names.append(gone.resource.metadata.name))
    return names


def test_a_mailbox_that_goes_is_told_of(fleet: Fleet, forgotten: list[str]) -> None:
    fleet.forget("other", "3")
    assert forgotten == ["other"]


def test_where_the_provider_has_another_resource_nothing_is_forgotten(fleet: Fleet, forgotten: list[str]) -> None:
    fleet.forget("moved-from", "1")
    assert forgotten == []
    fleet.forget("moved-to", "2")
    assert forgotten == ["moved-to"]


def test_a_namesake_of_the_same_provider_keeps_what_is_known_and_one_of_another_does_not(
    fleet: Fleet, forgotten: list[str]
) -> None:
    fleet.observe(body("other", "p2", "4"), now=NOW)
    assert forgotten == []
    fleet.observe(body("other", "p3", "5"), now=NOW)
    assert forgotten == ["other"]
