import base64
import json

import pytest

from graphsim import signin
from graphsim.calls import Call
from graphsim.errors import GraphError, SigninError
from graphsim.signin_answers import SIGNIN_ANSWERS
from graphsim.signin_proofs import TokenRequest

TENANT = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture
def house(world):
    world.add_tenant("Contoso", tenant_id=TENANT)
    world.add_tenant("Fabrikam", tenant_id=OTHER)
    app = world.add_app("product", client_id="app-1", secret="s3cret", tenants=[TENANT])
    return world, app, world.add_mailbox(TENANT, "ann@contoso.example.com")


def ask(world, authority=TENANT, **form):
    given = {"client_id": "app-1", "client_secret": "s3cret", "grant_type": "client_credentials", "scope": SCOPE}
    sent = {name: value for name, value in (given | form).items() if value is not None}
    request = TokenRequest(authority, sent, "https://localhost:1", "localhost:1", received_at=0.0)
    return signin.token(world, request, Call("token", "POST"))


def refused(world, **how):
    with pytest.raises(SigninError) as caught:
        ask(world, **how)
    return (caught.value.status, caught.value.error, caught.value.number)


def refresh(world, token, **how):
    return ask(world, **({"grant_type": "refresh_token", "refresh_token": token, "scope": "offline_access"} | how))


@pytest.fixture
def grant(house):
    world, app, mailbox = house
    return world.consent(mailbox, app)


@pytest.fixture
def token(house, grant):
    world, _app, _mailbox = house
    return world.grants.refresh_token(grant, world.clock.now())


def test_a_secret_earns_a_token_for_the_app_alone(house):
    world, app, _mailbox = house
    answer = ask(world)
    caller = world.tokens.read(answer["access_token"])
    assert (caller.tenant_id, caller.client_id, caller.user_id) == (TENANT, "app-1", None)
    assert caller.object_id == app.service_principals[TENANT]
    assert caller.permissions == {"Mail.Read"}
    assert answer["expires_in"] == 3_600
    assert "refresh_token" not in answer


def test_the_scope_may_name_any_cloud_or_the_simulator_itself(house):
    world, _app, _mailbox = house
    for host in ("graph.microsoft.us", "microsoftgraph.chinacloudapi.cn", "localhost:1"):
        assert ask(world, scope=f"https://{host}/.default")["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": None}, (401, "invalid_client", 7000218)),
        ({"client_id": "nobody"}, (400, "unauthorized_client", 700016)),
        ({"authority": OTHER}, (400, "unauthorized_client", 700016)),
        ({"authority": "nowhere.example.com"}, (400, "invalid_tenant", 90002)),
        ({"authority": "common"}, (400, "invalid_request", 50059)),
        ({"authority": "organizations"}, (400, "invalid_request", 50059)),
        ({"scope": "Mail.Read"}, (400, "invalid_scope", 1002012)),
        ({"scope": "https://example.com/.default"}, (400, "invalid_resource", 500011)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"grant_type": None}, (400, "invalid_request", 900144)),
    ],
)
def test_an_app_is_refused_as_at_microsoft(house, how, answer):
    world, _app, _mailbox = house
    assert refused(world, **how) == answer


def test_an_expired_secret_is_told_from_a_wrong_one(house):
    world, app, _mailbox = house
    app.secrets[0].expires_at = world.clock.now() + 60
    assert ask(world)["token_type"] == "Bearer"
    world.clock.advance(60)
    assert refused(world) == (401, "invalid_client", 7000222)


def test_a_disabled_app_gets_nothing(house, token):
    world, app, _mailbox = house
    app.enabled = False
    assert refused(world) == (400, "unauthorized_client", 7000112)
    with pytest.raises(SigninError, match="7000112"):
        refresh(world, token)


def test_a_refresh_hands_out_a_new_token_and_leaves_the_old_one_valid(house, token):
    world, _app, mailbox = house
    first = refresh(world, token)
    assert first["refresh_token"] != token
    assert world.tokens.read(first["access_token"]).user_id == mailbox.user_id
    for usable in (token, first["refresh_token"]):
        assert refresh(world, usable)["token_type"] == "Bearer"


@pytest.mark.parametrize("authority", ["common", "organizations", TENANT, "contoso.example.com"])
def test_a_user_is_refreshed_through_every_authority_that_holds_him(house, token, authority):
    world, _app, _mailbox = house
    assert refresh(world, token, authority=authority)["token_type"] == "Bearer"


def test_a_user_of_another_tenant_is_refused(house, token):
    world, _app, _mailbox = house
    with pytest.raises(SigninError, match="50020"):
        refresh(world, token, authority=OTHER)


@pytest.mark.parametrize(
    ("reason", "error", "number"),
    [
        ("revoked", "invalid_grant", 50173),
        ("consent-removed", "invalid_grant", 65001),
        ("expired", "invalid_grant", 700082),
        ("interaction-required", "interaction_required", 50076),
    ],
)
def test_a_revoked_grant_is_refused_for_its_reason(house, grant, token, reason, error, number):
    world, _app, _mailbox = house
    world.revoke(grant, reason)
    with pytest.raises(SigninError) as caught:
        refresh(world, token)
    assert (caught.value.error, caught.value.number) == (error, number)


def test_signing_in_again_mends_a_revoked_grant_for_new_tokens_only(house, grant, token):
    world, app, mailbox = house
    world.revoke(grant)
    again = world.consent(mailbox, app)
    assert refresh(world, world.grants.refresh_token(again, world.clock.now()))["token_type"] == "Bearer"
    with pytest.raises(SigninError, match="50173"):
        refresh(world, token)


def test_a_refresh_token_dies_of_ninety_idle_days(house, token):
    world, _app, _mailbox = house
    world.clock.advance(90 * 86_400)
    assert refresh(world, token)["token_type"] == "Bearer"
    world.clock.advance(1)
    with pytest.raises(SigninError, match="700082"):
        refresh(world, token)


def test_a_refresh_token_works_for_its_own_app_only(house, token):
    world, _app, _mailbox = house
    world.add_app("rival", client_id="app-2", secret="other", tenants=[TENANT])
    with pytest.raises(SigninError, match="70000"):
        refresh(world, token, client_id="app-2", client_secret="other")


@pytest.mark.parametrize("forged", ["nonsense", "1.a.0.1.x.y", "", "1." + "a" * 40])
def test_a_forged_refresh_token_is_refused(house, forged):
    world, _app, _mailbox = house
    with pytest.raises(SigninError):
        refresh(world, forged)


def test_a_refresh_token_cannot_be_moved_to_a_later_generation(house, grant, token):
    world, _app, _mailbox = house
    world.revoke(grant)
    version, grant_id, _generation, *rest = token.split(".")
    assert world.grants.read(".".join([version, grant_id, "1", *rest])) is None


def test_a_scope_that_was_never_consented_to_is_refused(house, token):
    world, _app, _mailbox = house
    with pytest.raises(SigninError, match="65001"):
        refresh(world, token, scope="https://graph.microsoft.com/Mail.Send")


def test_the_wanted_scopes_are_granted(house, token):
    world, _app, _mailbox = house
    answer = refresh(world, token, scope="https://graph.microsoft.com/Mail.Read offline_access openid profile")
    assert "Mail.Read" in answer["scope"].split()
    assert "User.Read" not in answer["scope"].split()


def test_who_the_user_is_stands_in_the_answer_when_asked_for(house, token):
    world, _app, mailbox = house
    answer = refresh(world, token, scope="openid offline_access", client_info="1")
    padded = answer["client_info"] + "=" * (-len(answer["client_info"]) % 4)
    assert json.loads(base64.urlsafe_b64decode(padded)) == {"uid": mailbox.user_id, "utid": TENANT}
    assert answer["id_token"].count(".") == 2


def test_an_altered_access_token_is_refused(house):
    world, _app, _mailbox = house
    token = ask(world)["access_token"]
    head, claims, signature = token.split(".")
    for bad in (f"{head}.{claims}.{signature[::-1]}", "nonsense", ""):
        with pytest.raises(GraphError, match="401 InvalidAuthenticationToken"):
            world.tokens.read(bad)


def test_a_token_for_another_audience_is_refused(house):
    world, app, _mailbox = house
    _text, caller = world.app_token(app, TENANT)
    foreign = world.tokens.issue(caller, at=world.clock.now(), audience="https://example.com")
    with pytest.raises(GraphError) as caught:
        world.tokens.read(foreign)
    assert caught.value.message == "Access token validation failure. Invalid audience."


@pytest.mark.parametrize("name", SIGNIN_ANSWERS)
def test_every_named_answer_of_sign_in_can_be_given_without_values(name):
    error = SIGNIN_ANSWERS[name].error()
    assert "{" not in error.text
    assert error.number > 0
