"""What the fleet makes of a watch that repeats what is known."""

from datetime import UTC, datetime
from typing import Any

import pytest

from graphmail.fleet import Fleet
from graphmail.resource import GraphMailSubscription

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def body(version: str, *, uid: str = "u1", generation: int = 1) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "support",
            "namespace": "graphmail",
            "uid": uid,
            "resourceVersion": version,
            "generation": generation,
        },
        "spec": {
            "tenant": "t",
            "providerID": "p",
            "mailbox": "support@example.com",
            "notificationURL": "https://desk.example.com/hook",
        },
    }


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions of the bodies that were read as resources."""
    versions: list[str] = []
    parse = GraphMailSubscription.parse

    def noted(content: Any) -> GraphMailSubscription:
        versions.append(content["metadata"]["resourceVersion"])
        return parse(content)

    monkeypatch.setattr(GraphMailSubscription, "parse", noted)
    return versions


def test_the_echo_of_a_write_is_no_news_and_is_not_read_again(read: list[str]) -> None:
    fleet = Fleet()
    entry, _ = fleet.observe(body("7"), now=NOW)
    entry.take(body("8"))
    assert fleet.observe(body("8"), now=NOW) == (entry, False)
    assert read == ["7", "8"]


def test_what_somebody_else_has_written_since_is_news(read: list[str]) -> None:
    fleet = Fleet()
    entry, _ = fleet.observe(body("7"), now=NOW)
    assert fleet.observe(body("8", generation=2), now=NOW) == (entry, True)
    assert entry.resource.metadata.generation == 2


def test_a_namesake_that_was_made_anew_is_never_taken_for_an_echo(read: list[str]) -> None:
    fleet = Fleet()
    old, _ = fleet.observe(body("7"), now=NOW)
    new, news = fleet.observe(body("9", uid="u2"), now=NOW)
    assert news
    assert new is not old
    assert old.gone


def test_versions_that_are_no_numbers_are_always_read(read: list[str]) -> None:
    fleet = Fleet()
    entry, _ = fleet.observe(body("opaque"), now=NOW)
    assert fleet.observe(body("opaque", generation=2), now=NOW) == (entry, True)


def test_what_the_receiver_annotates_is_news_at_once() -> None:
    fleet, told = Fleet(), body("8")
    entry, _ = fleet.observe(body("7"), now=NOW)
    told["metadata"]["annotations"] = {"graphmail.dev/lifecycle": '{"sub-1":{"missed":"2026-03-01T00:00:00.000000Z"}}'}
    assert fleet.observe(told, now=NOW) == (entry, True)
