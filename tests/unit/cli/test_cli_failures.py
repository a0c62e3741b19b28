"""What goes wrong is one clear line, without a traceback and without a secret."""

import ssl

import pytest
import typer

from graphmail.cli.clusters import explain_cluster
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import CommandFailed, explain
from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.database import DatabaseUnavailable
from graphmail.graph import Meaning, SignInError
from graphmail.settings import SettingsError


def test_an_error_of_ours_is_told_as_it_stands() -> None:
    assert explain(DatabaseUnavailable("Postgres is unavailable: starting up")) == [
        "Postgres is unavailable: starting up"
    ]


def test_each_wrong_setting_has_a_line() -> None:
    assert explain(SettingsError(["A is 1: allowed is 2", "B is 3: allowed is 4"])) == [
        "A is 1: allowed is 2",
        "B is 3: allowed is 4",
    ]


def test_what_a_person_must_do_is_told_too() -> None:
    error = SignInError(Meaning.INTERACTION_REQUIRED, "consent was withdrawn", remedy="Sign in again.")
    assert explain(error) == ["consent was withdrawn. Sign in again."]


def test_a_file_that_cannot_be_read_is_named() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "/etc/ca.pem")) == [
        "/etc/ca.pem: No such file or directory"
    ]


def test_certificates_that_cannot_be_used_are_told_apart() -> None:
    assert explain(ssl.SSLError(1, "bad certificate")) == ["certificates cannot be used: SSLError"]


def test_the_only_error_of_a_group_is_the_error() -> None:
    group = ExceptionGroup("unhandled errors in a TaskGroup", [ExceptionGroup("again", [CommandFailed("no")])])
    assert explain(group) == ["no"]


def test_a_defect_is_named_by_kind_and_place_and_its_text_stays_private() -> None:
    with pytest.raises(KeyError) as raised:
        dict[str, str]()["refresh_token=hush-hush"]
    [line] = explain(raised.value)
    assert line.startswith("unexpected KeyError in test_cli_failures.py, line ")
    assert "hush" not in line


def test_a_password_that_slipped_into_a_text_is_masked() -> None:
    assert "hush" not in explain(CommandFailed("cannot open postgresql://u:hush@db/x"))[0]


FORBIDDEN = (
    'graphmailsubscriptions.graphmail.dev is forbidden: User "ann" cannot list resource "graphmailsubscriptions" in API group '
    '"graphmail.dev" in the namespace "mail"'
)
CLUSTER = {
    "a missing right is named": (
        ClusterError(403, "Forbidden", FORBIDDEN),
        "ann lacks the right to list graphmailsubscriptions.graphmail.dev in namespace mail",
    ),
    "a refusal of another form is told as it stands": (
        ClusterError(403, "Forbidden", "admission webhook says no"), "the API server forbids it: 403 Forbidden: admission webhook",
    ),
    "expired credentials say what to do": (ClusterError(401, "Unauthorized", "Unauthorized"), "sign in again"),
    "a missing CRD says how to install it": (
        ClusterError(404, "NotFound", "the server could not find the requested resource"),
        "kubectl apply --server-side -f crds/graphmailsubscriptions.yaml",
    ),
    "an API server that is away says where to look": (ClusterUnavailable(0, "X", "cannot be reached"), "See KUBECONFIG"),
    "anything else is told as it stands": (ClusterError(422, "Invalid", "spec.lifetime"), "refuses: 422 Invalid: spec.lifetime"),
}  # fmt: skip


@pytest.mark.parametrize(("error", "text"), CLUSTER.values(), ids=CLUSTER.keys())
def test_the_api_servers_errors_say_what_to_do(error: ClusterError, text: str) -> None:
    assert text in explain_cluster(error, "mail")


def test_a_command_that_fails_ends_with_1_and_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        raise CommandFailed("there is nothing to do it with")

    with pytest.raises(typer.Exit) as ended:
        conduct(work())
    assert ended.value.exit_code == 1
    assert capsys.readouterr() == ("", "graphmail: there is nothing to do it with\n")


def test_a_command_that_works_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        """Nothing."""

    with pytest.raises(typer.Exit) as ended:
        conduct(work())
    assert ended.value.exit_code == 0
    assert capsys.readouterr() == ("", "")
