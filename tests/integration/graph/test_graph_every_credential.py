"""Every kind of credential at a simulated Microsoft, through msal, over TLS: it signs in, is refused, and is mended."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graphmail.graph import Meaning, SignInError
from graphmail.provider import ClientCertificate, Credential, CredentialKind
from graphsim.app_keys import AppCertificate, Federation
from support.certificates import ISSUER, SUBJECT, Identity, federated_token, identity, public_pem, rsa_key

from .conftest import Place


@dataclass
class Registered:
    """What the app is registered with, and a way to each kind of credential."""

    place: Place
    mine: Identity
    issuer: Identity
    token_file: Path

    @property
    def bare(self) -> Credential:
        return replace(self.place.app_only, client_secret=None)

    def write_token(self, **claims: object) -> None:
        self.token_file.write_text(federated_token(self.issuer.key, **claims))

    def proofs(self) -> dict[str, Credential]:
        pem, pfx = self.mine.pem, self.mine.pfx
        certificates = {
            "PEM": ClientCertificate(pem()),
            "PEM with a password": ClientCertificate(pem("pw"), "pw"),
            "PFX": ClientCertificate(pfx()),
            "PFX with a password": ClientCertificate(pfx("pw"), "pw"),
        }
        return {
            "secret": self.place.app_only,
            **{kind: replace(self.bare, client_certificate=given) for kind, given in certificates.items()},
            "workload identity": replace(self.bare, federated_token_file=str(self.token_file)),
        }


KINDS = ("secret", "PEM", "PEM with a password", "PFX", "PFX with a password", "workload identity")


@pytest.fixture
def registered(place: Place, tmp_path: Path) -> Registered:
    mine, issuer = identity(), identity()
    place.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
    federation = Federation.from_pem(public_pem(issuer.key), issuer=ISSUER, subject=SUBJECT)
    place.app.federations.append(federation)
    known = Registered(place, mine, issuer, tmp_path / "federated-token")
    known.write_token()
    return known


async def refusal(place: Place, credential: Credential) -> SignInError:
    with pytest.raises(SignInError) as caught:
        await place.sign_in.token(credential)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_an_app_signs_in_with_every_kind_of_proof_and_graph_takes_its_token(
    registered: Registered, kind: str
) -> None:
    place, credential = registered.place, registered.proofs()[kind]
    assert credential.kind is CredentialKind.APP_ONLY

    token = await place.sign_in.token(credential)

    made = await place.client.create(place.wanted(), token=token.value, spender=place.spender())
    assert made.id
    assert (token.directory, token.roles) == (place.tenant.id, ("Mail.Read",))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_user_of_an_app_with_every_kind_of_proof_is_refreshed(registered: Registered, kind: str) -> None:
    user = registered.place.delegated()
    proof = registered.proofs()[kind]
    credential = replace(proof, owner=user.owner, directory="common", refresh_token=user.refresh_token)
    assert credential.kind is CredentialKind.DELEGATED

    token = await registered.place.sign_in.token(credential)

    assert token.rotated is not None
    assert token.rotated.refresh_token != user.refresh_token


async def test_a_user_of_a_public_app_is_refreshed_without_any_proof(place: Place) -> None:
    place.app.public = True

    token = await place.sign_in.token(place.delegated(client_secret=None))

    assert token.rotated is not None


async def test_a_proof_that_a_public_app_must_not_have_says_to_take_it_out(place: Place) -> None:
    place.app.public = True

    error = await refusal(place, place.delegated())

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, 700025)
    assert "take the client secret or the certificate out of the provider's row" in (error.remedy or "")


async def test_a_confidential_app_without_a_proof_says_where_to_store_it(place: Place) -> None:
    error = await refusal(place, place.delegated(client_secret=None))

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, 7000218)
    assert "store its client secret or its certificate in the provider's row" in (error.remedy or "")


@pytest.mark.parametrize("kind", KINDS)
async def test_mailboxes_that_share_a_proof_share_one_request(registered: Registered, kind: str) -> None:
    place, credential = registered.place, registered.proofs()[kind]

    tokens = await asyncio.gather(*(place.sign_in.token(replace(credential, owner=f"o{n}")) for n in range(50)))

    assert len({token.value for token in tokens}) == 1
    assert (await place.control("requests", route="token")).matching == 1


async def test_a_certificate_that_is_not_registered_names_itself_and_a_registered_one_works_at_once(
    registered: Registered,
) -> None:
    place, other = registered.place, identity()
    unknown = replace(registered.bare, client_certificate=ClientCertificate(other.pem()), place="Secret contoso")

    error = await refusal(place, unknown)

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, 700027)
    assert f"the certificate …{other.name} (valid until " in (error.remedy or "")
    assert "store it with its key in Secret contoso" in (error.remedy or "")
    mended = replace(unknown, client_certificate=ClientCertificate(registered.mine.pem()))
    assert (await place.sign_in.token(mended)).value


async def test_an_expired_certificate_is_named_with_the_day_it_expired(registered: Registered) -> None:
    place, ended = registered.place, identity(days=-1)
    place.app.certificates.append(AppCertificate.from_pem(ended.certificate_pem))
    place.app.certificates.append(AppCertificate.from_pem(identity().certificate_pem))

    error = await refusal(place, replace(registered.bare, client_certificate=ClientCertificate(ended.pfx())))

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, 700027)
    assert "The key used is expired" in error.message
    day = ended.certificate.not_valid_after_utc
    assert f"…{ended.name} (which expired on {day:%Y-%m-%d})" in (error.remedy or "")


@pytest.mark.parametrize(
    ("number", "mend", "told"),
    [
        (7000222, lambda place: setattr(place.app.secrets[0], "expires_at", 0.0), "has expired: create a new one"),
        (7000215, lambda place: setattr(place.app.secrets[0], "value", "another"), "(not its id)"),
    ],
)
async def test_an_expired_or_wrong_secret_says_what_to_store_where_and_never_shows_it(
    place: Place, number: int, mend: Callable[[Place], None], told: str
) -> None:
    credential = replace(place.app_only, place="file contoso of GRAPHMAIL_CREDENTIALS_DIR")
    mend(place)

    error = await refusal(place, credential)

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, number)
    assert told in (error.remedy or "")
    assert "in file contoso of GRAPHMAIL_CREDENTIALS_DIR" in (error.remedy or "")
    assert str(credential.client_secret) not in f"{error} {error.remedy}"


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"sub": "system:serviceaccount:default:default"}, 700213),
        ({"iss": "https://other.example.com/"}, 700211),
        ({"aud": "https://kubernetes.default.svc"}, 700212),
    ],
)
async def test_a_workload_identity_that_entra_does_not_know_says_what_to_register(
    registered: Registered, claims: dict[str, str], number: int
) -> None:
    registered.write_token(**claims)

    error = await refusal(registered.place, registered.proofs()["workload identity"])

    assert (error.meaning, error.aadsts) == (Meaning.CREDENTIAL_INVALID, number)
    assert next(iter(claims.values())) in (error.remedy or "")
    assert "add a federated credential that fits" in (error.remedy or "")
    assert error.remedy is not None
    assert registered.token_file.read_text() not in f"{error} {error.remedy}"


async def test_a_workload_identity_s_token_that_was_not_replaced_in_time_heals_by_itself(
    registered: Registered,
) -> None:
    place, workload = registered.place, registered.proofs()["workload identity"]
    old = datetime.now(UTC) - timedelta(hours=3)
    registered.write_token(iat=old, exp=old + timedelta(hours=1))

    error = await refusal(place, workload)

    assert (error.meaning, error.aadsts) == (Meaning.TRANSIENT, 700024)
    registered.write_token()
    fresh_owner = replace(workload, client_id=place.app.client_id, directory=place.tenant.domain)
    assert (await place.sign_in.token(fresh_owner)).value


async def test_a_workload_identity_is_read_afresh_at_each_sign_in(registered: Registered) -> None:
    place, workload = registered.place, registered.proofs()["workload identity"]
    first = await place.sign_in.token(workload)
    renewed = rsa_key()
    place.app.federations[:] = [Federation.from_pem(public_pem(renewed), issuer=ISSUER, subject=SUBJECT)]
    registered.token_file.write_text(federated_token(renewed))

    second = await place.sign_in.token(workload, refused=first.value)

    assert second.value != first.value


async def test_a_proof_is_made_for_the_directory_that_signs_in(registered: Registered) -> None:
    place, other = registered.place, registered.place.simulator.world.add_tenant("Fabrikam")
    place.simulator.world.allow_app(place.app, other.id, ["Mail.Read"])
    certified = registered.proofs()["PEM"]

    tokens = [await place.sign_in.token(replace(certified, directory=name)) for name in (other.id, other.domain)]

    assert {token.directory for token in tokens} == {other.id}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_proof_reaches_a_log_or_an_error(
    registered: Registered, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    place, credential = registered.place, registered.proofs()[kind]
    token = await place.sign_in.token(credential)
    await place.control("add_fault", "token", status=400, body={"error": "x", "error_description": "no"}, count=1)
    error = await refusal(place, replace(credential, directory=place.tenant.domain))

    hidden = {
        "secret": place.app.secrets[0].value,
        "key": registered.mine.key_pem().splitlines()[1],
        "federated": registered.token_file.read_text().rpartition(".")[2],
        "token": token.value.rpartition(".")[2],
        "assertion": "client_assertion=",
    }
    shown = caplog.text + repr(credential) + str(error) + repr(error) + str(error.__cause__)
    assert [name for name, text in hidden.items() if text in shown] == []
