"""Events about providers: each is told once, whenever the operator dies, and whatever answer of Postgres is lost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.database import Database, DatabaseUnavailable, MailboxState, ProviderEvent, StateKey
from graphmail.fleet import Fleet
from graphmail.observability.metrics import Store
from graphmail.pages import Happenings, Pausing
from graphmail.pages import telling as telling_module
from graphmail.pages.happenings import MOST_KEPT
from graphmail.pages.telling import Telling
from graphmail.provider import ProviderKey
from graphmail.resource.moments import write_time
from graphmail.stores import Stores

TENANT, PROVIDER = "2f1f9d5a-0f5b-4c58-9d7e-0a6f6c2a4b11", "7b1d0a52-6d36-4b0a-8f0c-5a8f4c1f2e22"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

WELL = {"Ready": ("True", "Subscribed"), "Authorized": ("True", "SignedIn")}
REVOKED = dict.fromkeys(("Ready", "Authorized"), ("False", "ReauthorizationRequired")) | {
    "Stalled": ("True", "ReauthorizationRequired")
}
BEGUN, ENDED = ["sign_in_required", "error_entered"], ["sign_in_restored", "error_left"]


class Killed(Exception):
    """The process is gone: what it had in memory is lost."""


class Postgres:
    """As the statements have it: states and events are written together, and an id is told once."""

    def __init__(self) -> None:
        self.states: dict[StateKey, MailboxState] = {}
        self.events: list[ProviderEvent] = []
        self.paused: set[ProviderKey] = set()
        self.calls: list[str] = []
        self.fails_at = ""
        """The call at which something goes wrong, once."""
        self.arrives = False
        """It was carried out all the same."""
        self.failure: Exception = Killed()

    def _goes_wrong(self, call: str) -> bool:
        self.calls.append(call)
        return call == self.fails_at

    def _end(self, *, wrong: bool) -> None:
        if wrong:
            self.fails_at = ""
            raise self.failure

    async def mailbox_states(self, _: str) -> list[MailboxState]:
        self._end(wrong=self._goes_wrong("read"))
        return list(self.states.values())

    async def tell_mailbox_states(self, states: Sequence[MailboxState], events: Sequence[ProviderEvent]) -> None:
        wrong = self._goes_wrong("tell")
        if not wrong or self.arrives:
            self.states |= {state.key: state for state in states}
            known = {event.id for event in self.events}
            self.events += [event for event in events if event.id not in known]
        self._end(wrong=wrong)

    async def forget_provider_events(self, _: timedelta) -> int:
        return 0

    async def inbound_pauses(self) -> list[ProviderKey]:
        return list(self.paused)

    async def pause_inbound(self, key: ProviderKey) -> bool:
        wrong = self._goes_wrong("pause")
        if not wrong or self.arrives:
            self.paused.add(key)
        self._end(wrong=wrong)
        return True

    async def resume_inbound(self, key: ProviderKey) -> bool:
        wrong = self._goes_wrong("resume")
        if not wrong or self.arrives:
            self.paused.discard(key)
        self._end(wrong=wrong)
        return True

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


class World:
    """Postgres, a resource, and a process that may be a new one at any time."""

    def __init__(self) -> None:
        self.postgres = Postgres()
        self._version = 0
        self._conditions: dict[str, tuple[str, str]] = {}
        self.process()

    def process(self) -> None:
        """A process that has just begun, and knows every resource."""
        self.fleet = Fleet()
        self.stores = Stores({Store.POSTGRES: self._answers})
        database = cast("Database", self.postgres)
        self.telling = Telling(
            database,
            self.fleet,
            self.stores,
            "mail",
            happenings=Happenings(3),
            pausing=Pausing(database, pauses=True),
            events_kept=timedelta(days=90),
        )
        if self._conditions:
            self._show()

    async def _answers(self) -> bool:
        return True

    def becomes(self, conditions: dict[str, tuple[str, str]]) -> None:
        """What the API server has from now on."""
        self._conditions = conditions
        self._version += 1
        self._show()

    def _show(self) -> None:
        moment = write_time(NOW + timedelta(minutes=self._version))
        said: list[dict[str, Any]] = [
            {"type": kind, "status": value, "reason": reason, "message": "", "lastTransitionTime": moment}
            for kind, (value, reason) in self._conditions.items()
        ]
        body = {
            "metadata": {
                "name": "ann-1",
                "namespace": "mail",
                "uid": "u",
                "resourceVersion": str(self._version),
                "labels": {"app.kubernetes.io/managed-by": "graphmail-mirror"},
            },
            "spec": {
                "tenant": TENANT,
                "providerID": PROVIDER,
                "mailbox": "ann@example.com",
                "notificationURL": "https://app.example.com/hook",
            },
            "status": {"lastAttemptTime": moment, "conditions": said},
        }
        self.fleet.observe(body, now=NOW)

    async def tell(self) -> None:
        """Until nothing is left to tell: a process that dies is followed by another, one that got no answer asks again."""
        for _ in range(5):
            try:
                if await self.telling.tell() == 0:
                    return
            except Killed:
                self.process()
            except DatabaseUnavailable:
                pass
        raise AssertionError("there is always more to tell")


@pytest.mark.parametrize("failure", [Killed(), DatabaseUnavailable("no answer")], ids=["killed", "no answer"])
@pytest.mark.parametrize("arrives", [False, True], ids=["before it arrives", "after it was carried out"])
@pytest.mark.parametrize("fails_at", ["read", "pause", "tell", "resume"])
async def test_whatever_call_goes_wrong_each_event_is_told_once(
    fails_at: str, failure: Exception, *, arrives: bool
) -> None:
    world = World()
    postgres = world.postgres
    postgres.fails_at, postgres.arrives, postgres.failure = fails_at, arrives, failure
    world.becomes(REVOKED)
    await world.tell()
    assert postgres.kinds == BEGUN
    assert postgres.paused == {ProviderKey(TENANT, PROVIDER)}
    postgres.fails_at = fails_at
    world.becomes(WELL)
    await world.tell()
    assert postgres.kinds == BEGUN + ENDED
    assert postgres.paused == set()


async def test_a_process_that_begins_tells_nothing_that_was_told() -> None:
    world = World()
    world.becomes(REVOKED)
    await world.tell()
    world.process()
    await world.tell()
    assert world.postgres.kinds == BEGUN
    world.becomes(WELL)
    world.process()
    await world.tell()
    assert world.postgres.kinds == BEGUN + ENDED


async def test_two_processes_that_both_act_tell_it_once() -> None:
    world = World()
    world.becomes(WELL)
    await world.tell()
    first = world.telling
    world.process()
    await world.tell()
    world.becomes(REVOKED)
    await world.tell()
    second = world.telling
    assert first is not second
    world.telling = first
    first._fleet = world.fleet
    await world.tell()
    assert world.postgres.kinds == BEGUN


async def test_what_comes_and_goes_while_postgres_is_away_is_told_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.becomes(WELL)
    await world.tell()
    for conditions in (REVOKED, WELL):
        world.becomes(conditions)
        await world.telling._look()
    assert world.postgres.kinds == []
    monkeypatch.setattr(telling_module, "READ_AGAIN_SECONDS", 0.0)  # it was away for long: all is read anew
    await world.telling.tell()
    assert world.postgres.kinds == BEGUN + ENDED
    await world.telling.tell()
    assert world.postgres.kinds == BEGUN + ENDED


@pytest.mark.parametrize("last", [WELL, REVOKED], ids=["well", "revoked"])
@pytest.mark.parametrize("arrived", [False, True], ids=["nothing", "an answer that was lost"])
async def test_what_goes_to_and_fro_all_the_while_is_told_by_its_end(
    last: dict[str, tuple[str, str]], *, arrived: bool
) -> None:
    world = World()
    world.becomes(WELL)
    await world.tell()
    world.becomes(REVOKED)
    world.postgres.fails_at, world.postgres.arrives = "tell", arrived
    world.postgres.failure = DatabaseUnavailable("no answer")
    with pytest.raises(DatabaseUnavailable):
        await world.telling.tell()
    for number in range(3 * MOST_KEPT):
        world.becomes(REVOKED if number % 2 == 0 else WELL)
        await world.telling._look()
    world.becomes(last)
    await world.tell()
    assert len(world.postgres.kinds) <= MOST_KEPT + len(BEGUN)
    assert world.postgres.kinds[-2:] == (ENDED if last is WELL else BEGUN)
    numbers = [state.events for state in world.postgres.states.values()]
    assert numbers == [len(world.postgres.kinds)]


async def test_a_mailbox_that_is_gone_and_comes_back_goes_on_from_what_was_told() -> None:
    world = World()
    world.becomes(REVOKED)
    await world.tell()
    world.fleet.forget("ann-1", "u")
    await world.tell()
    assert [state.state for state in world.postgres.states.values()] == ["removed"]
    world.process()
    world.becomes(WELL)
    await world.tell()
    assert world.postgres.kinds == BEGUN + ENDED


async def test_a_pause_whose_event_is_lost_is_taken_back_when_all_is_read_anew() -> None:
    world = World()
    world.becomes(WELL)
    world.postgres.paused.add(ProviderKey(TENANT, PROVIDER))
    await world.tell()
    assert world.postgres.paused == set()
    assert world.postgres.kinds == []


async def test_while_nothing_happens_nothing_is_written() -> None:
    world = World()
    world.becomes(WELL)
    await world.tell()
    written = list(world.postgres.calls)
    for _ in range(3):
        await world.telling.tell()
    assert world.postgres.calls == written
