"""Microsoft's own SDK and its own sign-in library take the simulator for Graph: nothing is bent for them but the addresses."""

import asyncio
import datetime
import ssl
from contextlib import AsyncExitStack

import httpx
import pytest
from azure.identity.aio import ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.subscription import Subscription
from msgraph_core import GraphClientFactory, PageIterator

from graphsim.client import SimulatorControl
from graphsim.server import Simulator

# The SDK warns, on import, of classes that it generates itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


@pytest.fixture
async def simulator(tmp_path):
    """The clock goes with the real one, since azure-identity judges the life of tokens by it."""
    async with Simulator(tmp_path / "state") as running:
        yield running


@pytest.fixture
async def sdk(simulator, house):
    """The SDK as Microsoft's page of getting started makes it, for the app by itself."""
    async with AsyncExitStack() as opened:
        credential = await opened.enter_async_context(
            ClientSecretCredential(
                house.tenant.id,
                house.app.client_id,
                house.app.secrets[0].value,
                authority=simulator.login_url,
                disable_instance_discovery=True,
                connection_verify=str(simulator.ca_path),
            )
        )
        trust = ssl.create_default_context(cafile=str(simulator.ca_path))
        transport = await opened.enter_async_context(httpx.AsyncHTTPTransport(verify=trust))
        http = httpx.AsyncClient(transport=transport, timeout=60)
        client = GraphClientFactory.create_with_default_middleware(client=http)
        scopes = ["https://graph.microsoft.com/.default"]
        signing = AzureIdentityAuthenticationProvider(credential, scopes=scopes, allowed_hosts=["localhost"])
        adapter = GraphRequestAdapter(signing, client=client)
        adapter.base_url = simulator.graph_url
        yield GraphServiceClient(request_adapter=adapter)


def wanted(house, webhook, *, days=1):
    return Subscription(
        change_type="created,updated",
        notification_url=webhook.url,
        resource=house.inbox,
        expiration_date_time=in_days(days),
        client_state="s3cret",
    )


def in_days(days):
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def close(moment, other):
    return abs(moment - other) < datetime.timedelta(milliseconds=1)


async def test_a_subscription_lives_and_dies(sdk, house, webhook):
    asked = wanted(house, webhook)
    made = await sdk.subscriptions.post(asked)
    assert (made.application_id, made.resource, made.client_state) == (house.app.client_id, house.inbox, "s3cret")
    assert close(made.expiration_date_time, asked.expiration_date_time)
    one = sdk.subscriptions.by_subscription_id(made.id)

    until = in_days(5)
    renewed = await one.patch(Subscription(expiration_date_time=until))
    assert (renewed.id, renewed.change_type) == (made.id, "created,updated")
    assert close(renewed.expiration_date_time, until)

    read = await one.get()
    assert (read.expiration_date_time, read.client_state) == (renewed.expiration_date_time, None)
    await one.reauthorize.post()
    await one.delete()
    with pytest.raises(ODataError) as caught:
        await one.get()
    error = caught.value
    assert (error.response_status_code, error.error.code) == (404, "ResourceNotFound")
    assert error.error.inner_error.request_id
    assert error.error.inner_error.date


async def test_the_list_is_read_page_by_page_empty_ones_too(sdk, house, webhook, simulator):
    simulator.world.settings.page_size = 2
    simulator.world.settings.empty_pages = 1
    made = {(await sdk.subscriptions.post(wanted(house, webhook))).id for _ in range(5)}

    listed = []
    page = await sdk.subscriptions.get()
    assert (page.value, bool(page.odata_next_link)) == ([], True)
    while page is not None:
        listed += page.value
        link = page.odata_next_link
        page = await sdk.subscriptions.with_url(link).get() if link else None

    assert sorted(one.id for one in listed) == sorted(made)


async def test_its_own_iterator_reads_all_pages(sdk, house, webhook, simulator):
    simulator.world.settings.page_size = 2
    made = {(await sdk.subscriptions.post(wanted(house, webhook))).id for _ in range(5)}

    listed = []
    iterator = PageIterator(await sdk.subscriptions.get(), sdk.request_adapter)
    await iterator.iterate(lambda one: listed.append(one.id) or True)

    assert sorted(listed) == sorted(made)


async def test_a_refusal_is_an_error_of_graph_to_it(sdk, house, webhook):
    with pytest.raises(ODataError) as caught:
        await sdk.subscriptions.post(wanted(house, webhook, days=30))

    error = caught.value.error
    assert (error.code, error.message) == (
        "ExtensionError",
        "Subscription expiration can only be 10070 minutes in the future.",
    )


async def test_it_waits_as_a_throttle_tells_it_and_tries_again(sdk, house, webhook, simulator):
    def spoil():
        with SimulatorControl(simulator.control_url) as control:
            control.add_fault("create", answer="throttled", retry_after="1", count=1)

    await asyncio.to_thread(spoil)
    made = await sdk.subscriptions.post(wanted(house, webhook))

    assert simulator.world.live(made.id) is not None
    first, second = (call for call in reversed(list(simulator.log.newest_first())) if call.route == "create")
    assert (first.status, second.status) == (429, 201)
    assert second.at - first.at >= 1
