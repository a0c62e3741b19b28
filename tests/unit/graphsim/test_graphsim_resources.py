import pytest

from graphsim.resources import MailResource, parse_mail_resource


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/me/messages", MailResource(None, None)),
        ("me/mailFolders('Inbox')/messages", MailResource(None, "Inbox")),
        ("/users/7f/mailFolders('inbox')/messages", MailResource("7f", "inbox")),
        ("users/ann@contoso.example.com/mailfolders/AAMk=/messages", MailResource("ann@contoso.example.com", "AAMk=")),
        ("Users('7f')/messages", MailResource("7f", None, quoted=True)),
        ("/users('o''brien@x.example')/messages", MailResource("o'brien@x.example", None, quoted=True)),
        (
            "/users('o''brien@x.example')/mailFolders('Ann''s')/messages",
            MailResource("o'brien@x.example", "Ann's", quoted=True),
        ),
        ("/me/messages?$filter=isRead eq false", MailResource(None, None)),
    ],
)
def test_every_mail_resource_is_understood(path, resource):
    assert parse_mail_resource(path) == resource


@pytest.mark.parametrize(
    "path",
    [
        "/me/events",
        "/users/messages",
        "",
        "/me/mailFolders('inbox')",
        "/groups/7/messages",
        "/users('o'brien@x.example')/messages",
        "/users('')/messages",
    ],
)
def test_what_is_not_mail_is_not_understood(path):
    assert parse_mail_resource(path) is None
