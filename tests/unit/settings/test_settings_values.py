"""What the settings read from the environment, and what they refuse."""

from datetime import timedelta
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.decision import Policy
from graphmail.provider import WorkloadIdentity
from graphmail.settings import Settings, SettingsError, variables

NOWHERE = Path("/nonexistent/namespace")
DATABASE = {
    "GRAPHMAIL_DATABASE_URL": "postgresql://alga:s3cret@db.internal:5432/server",
    "APPLICATION_URL": "https://app.example.com",
}


def load(**env: str) -> Settings:
    return Settings.load(env, namespace_file=NOWHERE)


def problems(**env: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(**env)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_an_empty_environment_is_valid_and_has_the_documented_defaults() -> None:
    settings = load()
    assert settings.database_url is None
    assert settings.namespace == "graphmail"
    assert settings.look_ahead == timedelta(days=1)
    assert settings.failure_threshold == 3
    assert settings.batch_size == 50
    assert settings.lifetime == timedelta(minutes=10_000)
    assert settings.graph_base_url == "https://graph.microsoft.com/v1.0"
    assert settings.login_base_url == "https://login.microsoftonline.com"
    assert settings.metrics_address == ("0.0.0.0", 9464)
    assert not settings.multi_folder
    assert not settings.respect_polling
    assert settings.notification_url is None


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES", "90", "look_ahead", timedelta(minutes=90)),
        ("MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD", "0", "failure_threshold", 0),
        ("MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE", "7", "batch_size", 7),
        ("GRAPHMAIL_LIFETIME_MINUTES", "4230", "lifetime", timedelta(minutes=4230)),
        ("GRAPHMAIL_RENEWAL_INTERVAL_MINUTES", "0", "renewal_interval", None),
        ("GRAPHMAIL_RENEWAL_INTERVAL_MINUTES", "720", "renewal_interval", timedelta(hours=12)),
        ("GRAPHMAIL_TICK_SECONDS", "1.5", "tick", timedelta(seconds=1.5)),
        ("GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES", "0", "verification_interval", None),
        ("GRAPHMAIL_MIRROR_POLL_SECONDS", "3", "mirror_poll", timedelta(seconds=3)),
        ("GRAPHMAIL_MIRROR_COMPARE_SECONDS", "120", "mirror_compare", timedelta(minutes=2)),
        ("GRAPHMAIL_ABANDON_AFTER_MINUTES", "0", "abandon_after", timedelta()),
        ("GRAPHMAIL_MULTI_FOLDER", "true", "multi_folder", True),
        ("GRAPHMAIL_RESPECT_POLLING", "True", "respect_polling", True),
        ("GRAPHMAIL_INSTALLATION", "blue2", "installation", "blue2"),
        ("GRAPHMAIL_NAMESPACE", "mail-ops", "namespace", "mail-ops"),
        ("GRAPHMAIL_GRAPH_CONNECTIONS", "8", "graph_connections", 8),
        ("GRAPHMAIL_QUOTA_LISTS_PER_TENANT", "5", "quota_lists_per_tenant", 5),
        ("GRAPHMAIL_QUOTA_REAUTHORIZE_PER_APP", "4001", "quota_reauthorize_per_app", 4001),
        ("GRAPHMAIL_LOG_FORMAT", "JSON", "log_format", "json"),
        ("GRAPHMAIL_LOG_LEVEL", "Warning", "log_level", "warning"),
        ("MICROSOFT_GRAPH_BASE_URL", "https://localhost:8443/v1.0/", "graph_base_url", "https://localhost:8443/v1.0"),
        (
            "MICROSOFT_LOGIN_BASE_URL",
            "https://login.windows.net/",
            "login_base_url",
            "https://login.windows.net",
        ),
        ("GRAPHMAIL_CREDENTIALS_DIR", "/etc/graphmail/credentials", "credentials_dir", "/etc/graphmail/credentials"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/t", "workload_identity", WorkloadIdentity("/var/run/t")),
        ("AZURE_AUTHORITY_HOST", "https://login.example.com/", "login_base_url", "https://login.example.com"),
        ("GRAPHMAIL_METRICS_URL", "http://127.0.0.1:0/metrics", "metrics_address", ("127.0.0.1", 0)),
        ("GRAPHMAIL_METRICS_URL", "http://[::]:9000/metrics", "metrics_address", ("::", 9000)),
    ],
)
def test_a_variable_is_read_in_the_unit_that_its_name_says(
    variable: str, text: str, attribute: str, value: object
) -> None:
    assert getattr(load(**{variable: text}), attribute) == value


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("GRAPHMAIL_NAMESPACE", "Mail", "the name of a namespace"),
        ("APPLICATION_URL", "http://app.example.com", "an https URL without query"),
        ("APPLICATION_URL", "https://app.example.com/?a=b", "an https URL without query"),
        ("APPLICATION_URL", "https://app.example.com:0", "an https URL without query"),
        ("APPLICATION_URL", "https://", "an https URL without query"),
        ("MICROSOFT_GRAPH_BASE_URL", "https://graph.microsoft.com", "an https URL up to and with /v1.0"),
        ("MICROSOFT_GRAPH_BASE_URL", "https://graph.microsoft.com/beta", "an https URL up to and with /v1.0"),
        ("MICROSOFT_GRAPH_BASE_URL", "http://localhost/v1.0", "an https URL up to and with /v1.0"),
        ("MICROSOFT_LOGIN_BASE_URL", "login.microsoftonline.com", "an https URL without query"),
        ("MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES", "0", "a number of minutes from 1 to 10,079"),
        ("MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD", "-1", "a whole number from 0 to 1,000"),
        ("MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE", "2.5", "a whole number from 1 to 1,000"),
        ("GRAPHMAIL_LIFETIME_MINUTES", "10081", "a number of minutes from 45 to 10,080"),
        ("GRAPHMAIL_LIFETIME_MINUTES", "44", "a number of minutes from 45 to 10,080"),
        ("GRAPHMAIL_RENEWAL_INTERVAL_MINUTES", "0.5", "a number of minutes from 1 to 10,080, or 0 for off"),
        ("GRAPHMAIL_TICK_SECONDS", "soon", "a number of seconds from 1 to 3,600"),
        ("GRAPHMAIL_TICK_SECONDS", "nan", "a number of seconds from 1 to 3,600"),
        ("GRAPHMAIL_MULTI_FOLDER", "perhaps", "true or false"),
        ("GRAPHMAIL_INSTALLATION", "Blue", "1 to 16 of a-z and 0-9"),
        ("GRAPHMAIL_INSTALLATION", "a" * 17, "1 to 16 of a-z and 0-9"),
        ("GRAPHMAIL_WEBHOOK_PATH", "api/email", "a path that begins with / and has no query"),
        ("GRAPHMAIL_METRICS_URL", "http://0.0.0.0/metrics", "http://host:port/metrics"),
        ("GRAPHMAIL_METRICS_URL", "http://0.0.0.0:65536/metrics", "http://host:port/metrics"),
        ("GRAPHMAIL_METRICS_URL", "http://0.0.0.0:9464/", "http://host:port/metrics"),
        ("GRAPHMAIL_LOG_FORMAT", "xml", "auto, json or console"),
        ("GRAPHMAIL_LOG_LEVEL", "loud", "debug, info, warning, error"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_its_value_and_what_is_allowed(
    variable: str, text: str, allowed: str
) -> None:
    assert problems(**{variable: text}) == (f"{variable} is {text!r}: allowed is {allowed}",)


def test_all_wrong_values_are_named_at_once() -> None:
    lines = problems(GRAPHMAIL_TICK_SECONDS="x", GRAPHMAIL_LOG_LEVEL="y", APPLICATION_URL="z")
    assert sorted(line.split()[0] for line in lines) == [
        "APPLICATION_URL",
        "GRAPHMAIL_LOG_LEVEL",
        "GRAPHMAIL_TICK_SECONDS",
    ]


@hypothesis.settings(deadline=None)
@given(
    name=st.sampled_from([variable.name for variable in variables()]),
    text=st.text(st.characters(exclude_categories=["Cs"])) | st.integers().map(str) | st.floats().map(str),
)
def test_any_text_is_read_or_refused_and_never_a_crash(name: str, text: str) -> None:
    lines: tuple[str, ...] = ()
    try:
        load(**{name: text})
    except SettingsError as error:
        lines = error.problems
    assert all(" is " in line for line in lines)


def test_a_long_value_is_cut_in_the_message() -> None:
    (line,) = problems(GRAPHMAIL_LIFETIME_MINUTES="9" * 5_000)
    assert len(line) < 400


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(GRAPHMAIL_TICK_SECONDS="", GRAPHMAIL_DATABASE_URL=" ") == load()


def test_space_around_a_value_is_dropped() -> None:
    settings = load(**{name: f" {value}\n" for name, value in DATABASE.items()})
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == DATABASE["GRAPHMAIL_DATABASE_URL"]


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE", "11")
    assert Settings.load().batch_size == 11


def test_the_namespace_is_the_pods_own_unless_one_is_set(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("mail-prod\n")
    assert Settings.load({}, namespace_file=file).namespace == "mail-prod"
    assert Settings.load({"GRAPHMAIL_NAMESPACE": "other"}, namespace_file=file).namespace == "other"


def test_a_database_needs_an_application_url() -> None:
    (line,) = problems(GRAPHMAIL_DATABASE_URL=DATABASE["GRAPHMAIL_DATABASE_URL"])
    assert line.startswith("APPLICATION_URL is not set")
    assert load(**DATABASE).notification_url == "https://app.example.com/api/email/webhooks/microsoft"


def test_a_variable_that_is_not_asked_for_is_not_read_and_contradicts_nothing() -> None:
    env = {**DATABASE, "GRAPHMAIL_TICK_SECONDS": "soon", "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES": "300"}
    env |= {"GRAPHMAIL_LIFETIME_MINUTES": "200", "APPLICATION_URL": ""}
    only = ("GRAPHMAIL_DATABASE_URL", "GRAPHMAIL_LIFETIME_MINUTES")
    settings = Settings.load(env, only=only, namespace_file=NOWHERE)
    assert settings.database_url is not None
    assert settings.lifetime == timedelta(minutes=200)
    assert (settings.tick, settings.look_ahead, settings.application_url) == (
        timedelta(minutes=15),
        timedelta(days=1),
        None,
    )
    with pytest.raises(SettingsError, match="MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES is 300"):
        Settings.load(env, only=(*only, "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES"), namespace_file=NOWHERE)


def test_a_path_of_the_application_url_is_kept_in_the_notification_url() -> None:
    settings = load(APPLICATION_URL="https://example.com/mail/", GRAPHMAIL_WEBHOOK_PATH="/hook")
    assert settings.notification_url == "https://example.com/mail/hook"


def test_the_lookahead_must_be_shorter_than_the_lifetime() -> None:
    (line,) = problems(MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES="300", GRAPHMAIL_LIFETIME_MINUTES="300")
    assert (
        line
        == "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES is 300: allowed is less than GRAPHMAIL_LIFETIME_MINUTES, which is 300"
    )
    assert load(
        MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES="299", GRAPHMAIL_LIFETIME_MINUTES="300"
    ).look_ahead == timedelta(minutes=299)


def test_the_mirror_asks_at_most_thirty_times_a_minute_in_all() -> None:
    (line,) = problems(GRAPHMAIL_MIRROR_POLL_SECONDS="2")
    assert line.endswith("allowed is at most 30 queries a minute from both")
    assert load(GRAPHMAIL_MIRROR_POLL_SECONDS="2.5", GRAPHMAIL_MIRROR_COMPARE_SECONDS="10").mirror_poll == timedelta(
        seconds=2.5
    )


def test_a_tenants_quota_is_at_most_the_apps() -> None:
    (line,) = problems(GRAPHMAIL_QUOTA_READS_PER_APP="499")
    assert line == "GRAPHMAIL_QUOTA_READS_PER_TENANT is 500: allowed is at most the app's, which is 499"


def test_the_policy_is_made_from_the_settings() -> None:
    settings = load(
        GRAPHMAIL_TICK_SECONDS="60",
        GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0",
        GRAPHMAIL_RENEWAL_INTERVAL_MINUTES="30",
    )
    assert settings.policy == Policy(
        tick=timedelta(minutes=1), verification_interval=None, renewal_interval=timedelta(minutes=30)
    )
    assert load().policy == Policy()


def test_the_installations_mark_is_the_same_for_one_namespace_and_differs_between_two() -> None:
    settings = load()
    first, second = (settings.installation_for(uid) for uid in ("5b1c7e0a-1", "5b1c7e0a-2"))
    assert first == load().installation_for("5b1c7e0a-1") != second
    assert load(GRAPHMAIL_INSTALLATION=first).installation == first
    assert load(GRAPHMAIL_INSTALLATION="mine").installation_for("5b1c7e0a-1") == "mine"


ACME, OTHER = "2f1f9d5a-0f5b-4c58-9d7e-0a6f6c2a4b11", "7b1d0a52-6d36-4b0a-8f0c-5a8f4c1f2e22"


def test_tenants_are_read_as_postgres_prints_them() -> None:
    settings = Settings.load({"GRAPHMAIL_TENANTS": f" {ACME.upper()} ,{OTHER}"})
    assert settings.policy.tenants == {ACME, OTHER}
    assert not settings.policy.serves("3c9a8f0e-0000-4000-8000-000000000000")


def test_without_a_list_every_tenant_is_served() -> None:
    assert Settings.load({}).policy.serves(ACME)


def test_a_lookahead_counts_for_its_tenant_alone() -> None:
    settings = Settings.load({"GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES": f"{ACME}=720, {OTHER}=1440"})
    minutes = [settings.policy.look_ahead_of(tenant) / timedelta(minutes=1) for tenant in (ACME, OTHER, "another")]
    assert minutes == [720, 1440, 1440]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRAPHMAIL_TENANTS", "acme"),
        ("GRAPHMAIL_TENANTS", f"{ACME},"),
        ("GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES", ACME),
        ("GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES", f"{ACME}=0"),
        ("GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES", f"{ACME}=720,{ACME}=1440"),
        ("GRAPHMAIL_MODE", "watch"),
    ],
)
def test_a_wrong_roll_out_is_refused_with_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is '{value}': allowed is "):
        Settings.load({name: value})


def test_a_tenants_lookahead_is_less_than_the_lifetime() -> None:
    with pytest.raises(SettingsError, match=f"is 800 for tenant {ACME}: allowed is less than GRAPHMAIL_LIFETIME"):
        Settings.load(
            {
                "GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES": f"{ACME}=800",
                "GRAPHMAIL_LIFETIME_MINUTES": "700",
                "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES": "60",
            }
        )
