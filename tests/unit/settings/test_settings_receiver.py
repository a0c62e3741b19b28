"""The receiver's settings, and the URLs that come of them."""

import pytest

from graphmail.settings import Settings, SettingsError

PRODUCT = {"APPLICATION_URL": "https://desk.example.com"}
URL = {"GRAPHMAIL_RECEIVER_URL": "https://mail.example.com/graphmail/"}
FORWARD = {"GRAPHMAIL_RECEIVER_FORWARD_URL": "http://desk:3000/hook"}
PRODUCT_ROUTE = "https://desk.example.com/api/email/webhooks/microsoft"


@pytest.mark.parametrize(
    ("env", "notifications", "lifecycle", "passes_on"),
    [
        pytest.param({}, PRODUCT_ROUTE, None, False, id="off"),
        pytest.param(URL, PRODUCT_ROUTE, "https://mail.example.com/graphmail/lifecycle", False, id="lifecycle alone"),
        pytest.param(
            URL | FORWARD,
            "https://mail.example.com/graphmail/notifications",
            "https://mail.example.com/graphmail/lifecycle",
            True,
            id="everything through the receiver",
        ),
    ],
)
def test_where_graph_delivers(env: dict[str, str], notifications: str, lifecycle: str | None, passes_on: bool) -> None:
    settings = Settings.load(PRODUCT | env)
    assert settings.receiver_passes_on is passes_on
    assert (settings.notification_url, settings.lifecycle_url) == (notifications, lifecycle)
    assert settings.product_url == PRODUCT_ROUTE


def test_passing_on_needs_a_public_url() -> None:
    with pytest.raises(SettingsError, match="GRAPHMAIL_RECEIVER_URL is not set"):
        Settings.load(FORWARD)


@pytest.mark.parametrize(
    ("address", "host", "port"), [("127.0.0.1:0", "127.0.0.1", 0), ("[::]:8080", "::", 8080), ("mail:80", "mail", 80)]
)
def test_where_it_listens(address: str, host: str, port: int) -> None:
    assert Settings.load({"GRAPHMAIL_RECEIVER_ADDRESS": address}).receiver_listens_at == (host, port)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GRAPHMAIL_RECEIVER_ADDRESS", "8080"),
        ("GRAPHMAIL_RECEIVER_ADDRESS", "host"),
        ("GRAPHMAIL_RECEIVER_ADDRESS", "host:80/path"),
        ("GRAPHMAIL_RECEIVER_ADDRESS", "host:99999"),
        ("GRAPHMAIL_RECEIVER_URL", "http://mail.example.com"),
        ("GRAPHMAIL_RECEIVER_URL", "https://mail.example.com/?a=b"),
        ("GRAPHMAIL_RECEIVER_FORWARD_URL", "ftp://desk"),
        ("GRAPHMAIL_RECEIVER_FORWARD_URL", "http://desk:0/hook"),
        ("GRAPHMAIL_RECEIVER_FORWARD_URL", "http://me:secret@desk/hook"),
        ("GRAPHMAIL_RECEIVER_FORWARDS", "0"),
        ("GRAPHMAIL_RECEIVER_BATCH_SECONDS", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} is ") as refused:
        Settings.load({variable: value})
    assert "secret" not in str(refused.value)
