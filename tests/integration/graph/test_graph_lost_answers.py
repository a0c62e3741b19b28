"""Silence: what is known of a call whose answer never came."""

import asyncio

import certifi
import pytest

from graphmail.graph import (
    Budget,
    GraphClient,
    GraphRefused,
    GraphUnreachable,
    Meaning,
    Spender,
    SubscriptionRequest,
    Timeouts,
)

from .conftest import Place, later

WHO = Spender("app", "tenant", "ann@contoso.example.com")
WANTED = SubscriptionRequest("/me/messages", "https://mail.example.com/hook", later(60))


async def test_a_create_whose_answer_is_lost_has_an_unknown_outcome(place: Place) -> None:
    await place.control("add_fault", "create", drop=True, after_commit=True, count=1)

    with pytest.raises(GraphUnreachable) as caught:
        await place.create()

    assert caught.value.meaning is Meaning.OUTCOME_UNKNOWN
    assert len(await place.control("subscriptions")) == 1
    assert place.observed == [("subscriptions", "POST", "error")]


async def test_a_renewal_whose_answer_is_lost_is_simply_repeated(place: Place) -> None:
    made = await place.create()
    await place.control("add_fault", "patch", drop=True, count=1)

    with pytest.raises(GraphUnreachable) as caught:
        await place.call(place.client.renew, made.id, later(60))

    assert caught.value.meaning is Meaning.TRANSIENT
    assert "broke off" in str(caught.value)


class TestWithLittlePatience:
    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(call=0.2, work=5)

    async def test_a_create_that_takes_too_long_has_an_unknown_outcome(self, place: Place) -> None:
        await place.control("add_fault", "create", delay_ms=2000)

        with pytest.raises(GraphUnreachable, match="did not answer within") as caught:
            await place.create()

        assert caught.value.meaning is Meaning.OUTCOME_UNKNOWN
        assert place.observed == [("subscriptions", "POST", "timeout")]


async def test_a_cancelled_call_frees_its_connection_and_its_turn(place: Place) -> None:
    made = await place.create()
    await place.control("add_fault", "patch", delay_ms=60_000, count=40)
    calls = [asyncio.ensure_future(place.call(place.client.renew, made.id, later(60))) for _ in range(40)]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await place.control("clear_faults")

    assert (await place.call(place.client.get, made.id)).id == made.id


async def test_a_create_that_reached_nobody_is_transient() -> None:
    async with GraphClient("https://localhost:1/v1.0", Budget()) as client:
        with pytest.raises(GraphUnreachable, match="could not be made") as caught:
            await client.create(WANTED, token="t", spender=WHO)

    assert caught.value.meaning is Meaning.TRANSIENT


async def test_a_create_to_somebody_untrusted_was_not_sent(place: Place) -> None:
    async with GraphClient(place.simulator.graph_url, Budget(), verify=certifi.where()) as client:
        with pytest.raises(GraphUnreachable, match="could not be made") as caught:
            await client.create(WANTED, token="t", spender=WHO)

    assert caught.value.meaning is Meaning.TRANSIENT


async def test_a_success_that_cannot_be_read_keeps_the_id(place: Place) -> None:
    await place.control("add_fault", "create", status=201, body={"id": "abc-1", "expirationDateTime": "soon"})

    with pytest.raises(GraphRefused) as caught:
        await place.create()

    assert caught.value.meaning is Meaning.OUTCOME_UNKNOWN
    assert caught.value.subscription_id == "abc-1"


@pytest.mark.parametrize("expiry", ["0001-01-01T00:00:00Z", "2020-02-02T02:02:02Z"])
async def test_a_life_that_is_over_was_not_granted(place: Place, expiry: str) -> None:
    made = await place.create()
    await place.control("add_fault", "patch", status=200, body={"id": made.id, "expirationDateTime": expiry})
    await place.control("add_fault", "create", status=201, body={"id": made.id, "expirationDateTime": expiry})

    with pytest.raises(GraphRefused, match="over already") as renewed:
        await place.call(place.client.renew, made.id, later(60))
    with pytest.raises(GraphRefused, match="over already") as created:
        await place.create()

    assert renewed.value.meaning is Meaning.UNKNOWN
    assert (created.value.meaning, created.value.subscription_id) == (Meaning.OUTCOME_UNKNOWN, made.id)


@pytest.mark.parametrize(("route", "method"), [("get", "get"), ("patch", "renew")])
async def test_an_answer_about_another_subscription_is_not_taken(place: Place, route: str, method: str) -> None:
    made, other = await place.create(), await place.create()
    body = {"id": other.id, "expirationDateTime": "2100-01-01T00:00:00Z"}
    await place.control("add_fault", route, status=200, body=body, subscription=made.id)

    with pytest.raises(GraphRefused, match="another subscription") as caught:
        await place.call(getattr(place.client, method), made.id, *([later(60)] if method == "renew" else []))

    assert caught.value.meaning is Meaning.UNKNOWN
