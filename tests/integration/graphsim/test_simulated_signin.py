import asyncio

import msal
import pytest

from graphsim.client import SimulatorControl
from graphsim.control_models import FederationModel
from graphsim.faults import FaultRule
from support.certificates import ISSUER, SUBJECT, federated_token, identity, public_pem, rsa_key

SCOPE = ["https://graph.microsoft.com/.default"]


def application(simulator, house, authority=None, secret=None, credential=None):
    return msal.ConfidentialClientApplication(
        house.app.client_id,
        client_credential=secret or credential or house.app.secrets[0].value,
        authority=f"{simulator.login_url}/{authority or house.tenant.id}",
        instance_discovery=False,
        verify=str(simulator.ca_path),
    )


async def test_msal_signs_an_app_in_with_its_secret(simulator, house, graph):
    def sign_in():
        return application(simulator, house).acquire_token_for_client(SCOPE)

    result = await asyncio.to_thread(sign_in)
    assert result["token_type"] == "Bearer"
    assert (await graph.as_caller(result["access_token"]).call("GET", "/subscriptions")).status == 200


async def test_msal_signs_an_app_in_with_a_certificate_that_was_registered_from_outside(simulator, house, tmp_path):
    mine = identity()
    pfx = tmp_path / "app.pfx"
    pfx.write_bytes(mine.pfx("pw"))

    def sign_in():
        client_id = house.app.client_id
        with SimulatorControl(simulator.control_url) as control:
            registered = control.change_app(client_id, certificates=[mine.certificate_pem]).certificates
        forms = (
            {"private_key": mine.key_pem(), "public_certificate": mine.certificate_pem},
            {"private_key": mine.key_pem(), "thumbprint": registered[0]},
            {"private_key_pfx_path": str(pfx), "passphrase": "pw"},
        )
        return [application(simulator, house, credential=form).acquire_token_for_client(SCOPE) for form in forms]

    assert [result.get("token_type") for result in await asyncio.to_thread(sign_in)] == ["Bearer"] * 3


async def test_msal_signs_an_app_in_with_a_workload_identity_that_was_registered_from_outside(simulator, house):
    issuer = rsa_key()
    trusted = FederationModel(issuer=ISSUER, subject=SUBJECT, public_key=public_pem(issuer))

    def sign_in():
        with SimulatorControl(simulator.control_url) as control:
            control.change_app(house.app.client_id, federations=[trusted])
        form = {"client_assertion": lambda: federated_token(issuer)}
        return application(simulator, house, credential=form).acquire_token_for_client(SCOPE)

    assert (await asyncio.to_thread(sign_in))["token_type"] == "Bearer"


@pytest.mark.parametrize("authority", ["common", "organizations", None])
async def test_msal_refreshes_a_user_and_gets_a_rotated_token(simulator, house, graph, authority):
    world = simulator.world
    grant = world.consent(house.ann, house.app)
    token = world.grants.refresh_token(grant, world.clock.now())

    def sign_in():
        client = application(simulator, house, authority)
        first = client.acquire_token_by_refresh_token(token, ["https://graph.microsoft.com/Mail.Read"])
        again = client.acquire_token_by_refresh_token(token, ["https://graph.microsoft.com/Mail.Read"])
        return first, again

    first, again = await asyncio.to_thread(sign_in)
    assert len({token, first["refresh_token"], again["refresh_token"]}) == 3
    assert first["id_token_claims"]["preferred_username"] == house.ann.upn
    assert (await graph.as_caller(first["access_token"]).call("GET", "/me")).body["userPrincipalName"] == house.ann.upn


async def test_msal_reports_a_wrong_secret_as_microsoft_words_it(simulator, house):
    def sign_in():
        return application(simulator, house, secret="wrong").acquire_token_for_client(SCOPE)

    result = await asyncio.to_thread(sign_in)
    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])
    assert result["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")
    assert result["timestamp"] == "2026-11-24 12:00:00Z"
    assert result["correlation_id"] in result["error_description"]
    assert result["trace_id"] in result["error_description"]


async def test_msal_reports_a_revoked_grant(simulator, house):
    world = simulator.world
    grant = world.consent(house.ann, house.app)
    token = world.grants.refresh_token(grant, world.clock.now())
    world.revoke(grant, "consent-removed")

    def sign_in():
        return application(simulator, house, "common").acquire_token_by_refresh_token(token, ["Mail.Read"])

    result = await asyncio.to_thread(sign_in)
    assert (result["error"], result["suberror"], result["error_codes"]) == (
        "invalid_grant",
        "consent_required",
        [65001],
    )


async def test_msal_refuses_to_start_for_a_tenant_that_does_not_exist(simulator, house):
    with pytest.raises(ValueError, match="double check your tenant name"):
        await asyncio.to_thread(application, simulator, house, "00000000-0000-4000-8000-00000000dead")
    (call,) = simulator.log.newest_first()
    assert (call.status, call.code) == (400, "invalid_tenant 90002")


async def test_a_fault_makes_sign_in_fail_for_one_client_and_msal_raise(simulator, house):
    simulator.faults.add(FaultRule("down", routes=frozenset({"token"}), client=house.app.client_id, status=503))

    def sign_in():
        return application(simulator, house).acquire_token_for_client(SCOPE)

    with pytest.raises(msal.exceptions.MsalServiceError):
        await asyncio.to_thread(sign_in)


async def test_discovery_names_the_endpoints_of_the_simulator(simulator, house, session):
    url = f"{simulator.login_url}/{house.tenant.domain}/v2.0/.well-known/openid-configuration"
    async with session.get(url) as answer:
        body = await answer.json()
    assert body["token_endpoint"] == f"{simulator.login_url}/{house.tenant.id}/oauth2/v2.0/token"
    assert body["issuer"] == f"{simulator.login_url}/{house.tenant.id}/v2.0"
    async with session.get(body["jwks_uri"]) as answer:
        assert await answer.json() == {"keys": []}


async def test_tokens_and_secrets_stay_out_of_the_log_of_calls(simulator, house, session):
    secret = house.app.secrets[0].value
    form = {"client_id": house.app.client_id, "client_secret": secret, "grant_type": "client_credentials"}
    async with session.post(
        f"{simulator.login_url}/{house.tenant.id}/oauth2/v2.0/token", data=form | {"scope": SCOPE[0]}
    ) as answer:
        token = (await answer.json())["access_token"]
    (call,) = simulator.log.newest_first()
    assert (call.route, call.status, call.client, call.tenant) == ("token", 200, house.app.client_id, house.tenant.id)
    assert secret not in repr(call)
    assert token not in repr(call)
