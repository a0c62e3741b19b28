"""Mail resources: how they are written, and which spellings mean the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.graph import mail_resource, same_resource, well_known
from graphmail.provider import CredentialKind

DELEGATED, APP_ONLY = CredentialKind.DELEGATED, CredentialKind.APP_ONLY
FOLDER_ID = "AAMkAGVmMDEzMTM4LTZmYWUtNDdkNC1hMDZiLTU1OGY5OTZhYmY4OAAuAAAAAAAiQ8W967B7TKBjgx9rVEURAQ=="


@pytest.mark.parametrize(
    ("folder", "mailbox", "kind", "resource"),
    [
        ("inbox", "ann@contoso.com", DELEGATED, "/me/mailFolders('inbox')/messages"),
        ("inbox", "ann@contoso.com", APP_ONLY, "/users/ann@contoso.com/mailFolders('inbox')/messages"),
        ("Inbox", "ann@contoso.com", DELEGATED, "/me/mailFolders('inbox')/messages"),
        ("Sent Items", "ann@contoso.com", DELEGATED, "/me/mailFolders('sentitems')/messages"),
        (FOLDER_ID, "ann@contoso.com", DELEGATED, f"/me/mailFolders/{FOLDER_ID}/messages"),
        ("Ann's post", "ann@contoso.com", DELEGATED, "/me/mailFolders('Ann''s post')/messages"),
        ("inbox", "o'brien@contoso.com", APP_ONLY, "/users('o''brien@contoso.com')/mailFolders('inbox')/messages"),
        ("inbox", "$ann@contoso.com", APP_ONLY, "/users('$ann@contoso.com')/mailFolders('inbox')/messages"),
    ],
)
def test_a_folder_of_a_mailbox_has_a_resource(folder: str, mailbox: str, kind: CredentialKind, resource: str) -> None:
    assert mail_resource(folder, mailbox, kind) == resource


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/me/mailFolders('inbox')/messages", "me/mailFolders('inbox')/messages"),
        ("/me/mailFolders('inbox')/messages", "Me/mailfolders('Inbox')/Messages"),
        ("/me/mailFolders('inbox')/messages", "/me/mailFolders/inbox/messages"),
        ("/me/mailFolders('inbox')/messages", "/me/mailFolders(%27inbox%27)/messages"),
        ("/me/mailFolders('inbox')/messages", "https://graph.microsoft.com/v1.0/me/mailFolders('inbox')/messages"),
        ("/me/mailFolders('sentitems')/messages", "/me/mailFolders('Sent Items')/messages"),
        ("/users/Ann@contoso.com/messages", "users('ann@contoso.com')/messages/"),
        (f"/me/mailFolders/{FOLDER_ID}/messages", f"me/mailFolders('{FOLDER_ID}')/messages"),
        ("/users('o''brien@contoso.com')/messages", "/users/o'brien@contoso.com/messages"),
    ],
)
def test_spellings_of_one_resource_are_the_same(one: str, other: str) -> None:
    assert same_resource(one, other)
    assert same_resource(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/me/mailFolders('inbox')/messages", "/me/mailFolders('archive')/messages"),
        ("/me/mailFolders('inbox')/messages", "/me/messages"),
        ("/me/messages", "/users/ann@contoso.com/messages"),
        ("/users/ann@contoso.com/messages", "/users/bob@contoso.com/messages"),
        ("/me/messages", "/me/messages?$filter=isRead eq false"),
        ("/me/mailFolders/AAMkAAAAAAAAAAEMAAA=/messages", "/me/mailFolders/AAMkAAAAAAAAAAEmAAA=/messages"),
        ("/me/messages", ""),
    ],
)
def test_other_mail_is_another_resource(one: str, other: str) -> None:
    assert not same_resource(one, other)


def test_a_folder_s_id_is_no_well_known_name() -> None:
    assert well_known(FOLDER_ID) is None
    assert well_known("Junk Email") == "junkemail"


names = st.text(st.characters(codec="utf-8", exclude_characters="%\x00"), min_size=1, max_size=40)


@given(folder=names, kind=st.sampled_from([DELEGATED, APP_ONLY]))
def test_a_resource_is_the_same_as_its_folder_written_as_a_key(folder: str, kind: CredentialKind) -> None:
    owner = "/me" if kind is DELEGATED else "/users/ann@contoso.com"
    doubled = folder.replace("'", "''")

    assert same_resource(mail_resource(folder, "ann@contoso.com", kind), f"{owner}/mailFolders('{doubled}')/messages")


@given(one=st.text(max_size=80), other=st.text(max_size=80))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    assert same_resource(one, one)
    assert same_resource(one, other) == same_resource(other, one)
