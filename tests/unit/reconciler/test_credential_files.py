"""What a provider's row only names: found in a directory of files, read afresh, and never outside of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from graphmail.provider import Credential, CredentialKind, WorkloadIdentity
from graphmail.reconciler.credential_files import MAX_FILE, CredentialFiles, UnusableReference
from support.certificates import identity

ROW = Credential("contoso/p1", "d-1", "app-1", "row-mark")
DELEGATED = replace(ROW, directory="common", refresh_token="refresh-1")
WORKLOAD = WorkloadIdentity("/var/run/secrets/azure/tokens/azure-identity-token", "pod-app", "pod-directory")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "credentials"
    made.mkdir()
    return made


@pytest.fixture
def files(directory: Path) -> CredentialFiles:
    return CredentialFiles(str(directory), WORKLOAD)


def refusal(files: CredentialFiles, reference: str, credential: Credential = ROW) -> str:
    with pytest.raises(UnusableReference) as caught:
        files.complete(credential, reference)
    return str(caught.value)


def test_a_row_that_names_nothing_is_left_alone(files: CredentialFiles) -> None:
    own = replace(ROW, client_secret="of-the-row")
    assert files.complete(own, None) is own
    assert files.fingerprint("row-mark", None) == "row-mark"


def test_a_file_with_text_is_the_app_s_secret_without_the_line_end_of_an_editor(
    files: CredentialFiles, directory: Path
) -> None:
    (directory / "contoso").write_text("s3cret value\n")

    found = files.complete(replace(ROW, client_secret="of-the-row"), "contoso")

    assert (found.client_secret, found.kind) == ("s3cret value", CredentialKind.APP_ONLY)
    assert found.place == "file contoso of GRAPHMAIL_CREDENTIALS_DIR"


@pytest.mark.parametrize("password", [None, "pw"])
@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_a_file_with_a_certificate_is_one_and_its_password_stands_beside_it(
    files: CredentialFiles, directory: Path, form: str, password: str | None
) -> None:
    mine = identity()
    content = mine.pem(password) if form == "pem" else mine.pfx(password)
    (directory / "contoso").write_bytes(content)
    if password:
        (directory / "contoso.password").write_text(password + "\n")

    found = files.complete(ROW, "contoso")

    assert found.client_certificate is not None
    assert (found.client_certificate.content, found.client_certificate.password) == (content, password)
    assert (found.client_secret, found.kind) == (None, CredentialKind.APP_ONLY)


def test_a_user_s_tokens_stay_in_the_row_and_the_app_proves_itself_by_the_file(
    files: CredentialFiles, directory: Path
) -> None:
    (directory / "app").write_text("s-1")

    found = files.complete(DELEGATED, "app")

    assert (found.refresh_token, found.client_secret, found.kind) == ("refresh-1", "s-1", CredentialKind.DELEGATED)


def test_a_file_in_a_folder_of_the_directory_can_be_named(files: CredentialFiles, directory: Path) -> None:
    (directory / "contoso").mkdir()
    (directory / "contoso" / "mail").write_text("s-1")

    assert files.complete(ROW, "contoso/mail").client_secret == "s-1"


def test_a_mounted_secret_is_read_through_its_links_and_its_replacement_too(
    files: CredentialFiles, directory: Path
) -> None:
    for generation in ("..2026_1", "..2026_2"):
        (directory / generation).mkdir()
        (directory / generation / "contoso").write_text(f"secret of {generation}")
    (directory / "..data").symlink_to("..2026_1")
    (directory / "contoso").symlink_to("..data/contoso")
    assert files.complete(ROW, "contoso").client_secret == "secret of ..2026_1"

    (directory / "..data").unlink()
    (directory / "..data").symlink_to("..2026_2")

    assert files.complete(ROW, "contoso").client_secret == "secret of ..2026_2"


@pytest.mark.parametrize(
    "reference",
    [
        "../outside",
        "..",
        ".",
        "",
        "a/../../outside",
        "/etc/passwd",
        "{outside}",
        "link",
        "folder-link/outside",
        "a\x00b",
    ],
)
def test_a_name_that_leads_out_of_the_directory_is_refused_and_nothing_is_read(
    files: CredentialFiles, directory: Path, reference: str
) -> None:
    outside = directory.parent / "outside"
    outside.write_text("not for rows")
    (directory / "link").symlink_to(outside)
    (directory / "folder-link").symlink_to(directory.parent)

    told = refusal(files, reference.format(outside=outside), replace(ROW, client_secret="of-the-row"))

    assert "leads out of GRAPHMAIL_CREDENTIALS_DIR: name a file inside it" in told
    assert "not for rows" not in told


def test_a_neighbour_whose_name_begins_alike_is_outside(files: CredentialFiles, directory: Path) -> None:
    neighbour = directory.with_name("credentials-of-others")
    neighbour.mkdir()
    (neighbour / "app").write_text("not for rows")

    assert "leads out" in refusal(files, "../credentials-of-others/app")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b" \n", "is empty"), (b"x" * (MAX_FILE + 1), "is no credential: it is larger than 65,536 bytes")],
)
def test_a_file_that_is_no_credential_says_so(
    files: CredentialFiles, directory: Path, content: bytes, why: str
) -> None:
    (directory / "contoso").write_bytes(content)
    assert why in refusal(files, "contoso")


def test_a_folder_is_no_credential(files: CredentialFiles, directory: Path) -> None:
    (directory / "contoso").mkdir()
    assert refusal(files, "contoso") == "file contoso of GRAPHMAIL_CREDENTIALS_DIR cannot be read: Is a directory"


def test_without_the_file_what_the_row_has_serves(files: CredentialFiles) -> None:
    own = replace(ROW, client_secret="of-the-row")
    assert files.complete(own, "contoso") == own
    assert files.complete(DELEGATED, "contoso").refresh_token == "refresh-1"
    assert "file contoso" in files.complete(DELEGATED, "contoso").place
    assert "file contoso of GRAPHMAIL_CREDENTIALS_DIR" in refusal(files, "contoso")


def test_without_a_directory_a_row_with_nothing_of_its_own_says_what_to_set() -> None:
    files = CredentialFiles()
    assert files.complete(replace(ROW, client_secret="of-the-row"), "contoso").client_secret == "of-the-row"
    assert "GRAPHMAIL_CREDENTIALS_DIR is not set" in refusal(files, "contoso")


def test_the_pod_s_own_identity_can_be_asked_for(files: CredentialFiles) -> None:
    found = files.complete(ROW, "workload-identity")
    assert (found.client_id, found.directory, found.kind) == ("app-1", "d-1", CredentialKind.APP_ONLY)
    assert found.federated_token_file == WORKLOAD.token_file

    empty = replace(ROW, client_id="", directory="common")
    found = files.complete(empty, "workload-identity")
    assert (found.client_id, found.directory) == ("pod-app", "pod-directory")

    found = files.complete(DELEGATED, "workload-identity")
    assert (found.directory, found.kind) == ("common", CredentialKind.DELEGATED)
    assert "AZURE_FEDERATED_TOKEN_FILE is not set" in refusal(CredentialFiles(), "workload-identity")


class TestFingerprint:
    def test_it_changes_with_everything_that_the_file_stands_for(self, files: CredentialFiles, directory: Path) -> None:
        seen = [files.fingerprint("row-mark", "contoso")]
        for name, content in (("contoso", "one"), ("contoso", "two"), ("contoso.password", "pw")):
            (directory / name).write_text(content)
            seen.append(files.fingerprint("row-mark", "contoso"))
        seen.append(files.fingerprint("row-mark-2", "contoso"))
        (directory / "contoso").unlink()
        seen.append(files.fingerprint("row-mark-2", "contoso"))

        assert len(set(seen)) == len(seen)
        assert all(len(mark) == 12 for mark in seen)

    def test_it_stays_while_nothing_changes(self, files: CredentialFiles, directory: Path) -> None:
        (directory / "contoso").write_text("one")
        assert files.fingerprint("row-mark", "contoso") == files.fingerprint("row-mark", "contoso")

    def test_a_row_that_cannot_sign_in_has_none(self, files: CredentialFiles, directory: Path) -> None:
        (directory / "contoso").write_text("one")
        assert files.fingerprint("", "contoso") == ""

    def test_it_changes_when_the_operator_is_given_a_directory_or_an_identity(
        self, files: CredentialFiles, directory: Path
    ) -> None:
        for reference in ("contoso", "workload-identity"):
            assert CredentialFiles().fingerprint("m", reference) != files.fingerprint("m", reference)
