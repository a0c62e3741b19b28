"""How an app proves itself to the simulated sign-in, and how it is refused."""

import time

import jwt
import pytest

from graphsim import signin
from graphsim.app_keys import AppCertificate, Federation
from graphsim.calls import Call
from graphsim.errors import SigninError
from graphsim.signin_proofs import JWT_BEARER, TokenRequest
from support.certificates import EXCHANGE, ISSUER, SUBJECT, federated_token, identity, public_pem, rsa_key

TENANT = "00000000-0000-4000-8000-000000000001"
LOGIN = "https://localhost:1"
AUDIENCE = f"{LOGIN}/{TENANT}/oauth2/v2.0/token"


@pytest.fixture(scope="module")
def keys():
    return identity(), identity(), rsa_key()


@pytest.fixture
def app(world, keys):
    mine, _other, issuer = keys
    world.add_tenant("Contoso", tenant_id=TENANT, domain="contoso.example.com")
    app = world.add_app("product", client_id="app-1", tenants=[TENANT])
    app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
    app.federations.append(Federation.from_pem(public_pem(issuer), issuer=ISSUER, subject=SUBJECT))
    return app


def ask(world, authority=TENANT, **form):
    given = {"client_id": "app-1", "grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    sent = given | {"client_assertion_type": JWT_BEARER} | form
    request = TokenRequest(authority, sent, LOGIN, "localhost:1", received_at=time.time())
    return signin.token(world, request, Call("token", "POST"))


def refusal(world, **form):
    with pytest.raises(SigninError) as caught:
        ask(world, **form)
    return caught.value


def refused(world, **form):
    error = refusal(world, **form)
    return error.error, error.number


def assertion(identity, *, by="x5t#S256", algorithm="PS256", **claims):
    now = time.time()
    known = {"iss": "app-1", "sub": "app-1", "aud": AUDIENCE, "iat": now, "exp": now + 600, "jti": "j"}
    public = AppCertificate.from_pem(identity.certificate_pem)
    by_length = sorted(public.identifiers, key=len)
    headers = {by: by_length[0 if by == "x5t" else 1]} if by else {}
    return jwt.encode(known | claims, identity.key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(("by", "algorithm"), [("x5t#S256", "PS256"), ("x5t", "RS256")])
@pytest.mark.parametrize("authority", [TENANT, "contoso.example.com"])
def test_a_registered_certificate_earns_a_token(world, app, keys, by, algorithm, authority):
    audience = f"{LOGIN}/{authority}/oauth2/v2.0/token"
    signed = assertion(keys[0], by=by, algorithm=algorithm, aud=audience)
    assert ask(world, authority, client_assertion=signed)["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"aud": "https://elsewhere.example.com"}, 700023),
        ({"iss": "app-2"}, 700021),
        ({"sub": "app-2"}, 700021),
        ({"exp": 1000}, 700024),
        ({"iat": 4e9, "exp": 4e9 + 600}, 700024),
        ({"exp": 1e300}, 50027),
        ({"by": None}, 700027),
    ],
)
def test_an_assertion_that_says_something_else_is_refused(world, app, keys, claims, number):
    assert refused(world, client_assertion=assertion(keys[0], **claims)) == ("invalid_client", number)


def test_a_certificate_that_was_not_registered_is_refused_by_its_thumbprint(world, app, keys):
    error = refusal(world, client_assertion=assertion(keys[1], by="x5t"))
    assert "is not registered on application" in error.text
    assert f"{keys[1].name}'" in error.text


def test_a_certificate_that_has_expired_by_the_simulated_clock_says_when(world, app, keys):
    world.clock.advance(400 * 86_400)
    error = refusal(world, client_assertion=assertion(keys[0]))
    assert "The key used is expired" in error.text
    assert f"End={keys[0].certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%S}Z" in error.text


def test_a_signature_with_another_key_is_refused(world, app, keys):
    mine, other, _issuer = keys
    app.certificates.append(AppCertificate.from_pem(identity(key=other.key).certificate_pem))
    forged = assertion(mine).rpartition(".")[0] + "." + assertion(other).rpartition(".")[2]
    assert "signature value did not match" in refusal(world, client_assertion=forged).text


@pytest.mark.parametrize("nonsense", ["x", "a.b.c", "e30.e30."])
def test_what_is_no_assertion_is_refused(world, app, nonsense):
    assert refused(world, client_assertion=nonsense) == ("invalid_client", 50027)


def test_an_assertion_must_say_what_it_is(world, app, keys):
    sent = {"client_assertion": assertion(keys[0]), "client_assertion_type": ""}
    assert refused(world, **sent) == ("invalid_request", 900144)


def test_a_trusted_workload_identity_earns_a_token(world, app, keys):
    assert ask(world, client_assertion=federated_token(keys[2]))["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "https://other.example.com/"}, 700211),
        ({"iss": ISSUER.rstrip("/")}, 700211),
        ({"aud": "https://kubernetes.default.svc"}, 700212),
        ({"sub": SUBJECT.upper()}, 700213),
        ({"exp": 1000, "iat": 1}, 700024),
    ],
)
def test_a_workload_identity_must_fit_letter_by_letter(world, app, keys, claims, number):
    assert refused(world, client_assertion=federated_token(keys[2], **claims)) == ("invalid_client", number)


def test_a_workload_identity_signed_by_somebody_else_is_refused(world, app, keys):
    forged = federated_token(keys[1].key, aud=EXCHANGE)
    assert refused(world, client_assertion=forged) == ("invalid_client", 700027)


def test_a_public_app_must_not_prove_itself_and_need_not(world, app):
    mailbox = world.add_mailbox(TENANT, "ann@contoso.example.com")
    phone = world.add_app("phone", client_id="app-2", tenants=[TENANT], public=True)
    token = world.grants.refresh_token(world.consent(mailbox, phone), world.clock.now())
    form = {"client_id": "app-2", "grant_type": "refresh_token", "refresh_token": token, "scope": "offline_access"}
    assert ask(world, **form)["token_type"] == "Bearer"
    assert refused(world, **form, client_secret="s") == ("invalid_client", 700025)
    assert phone.secrets == []


@pytest.mark.parametrize(
    ("pem", "why"), [("nonsense", "PEM"), (identity(elliptic=True).certificate_pem, "must have an RSA key")]
)
def test_only_certificates_with_rsa_keys_are_registered(pem, why):
    with pytest.raises(ValueError, match=why):
        AppCertificate.from_pem(pem)
