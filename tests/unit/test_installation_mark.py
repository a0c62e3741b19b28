"""The mark of our subscriptions is settled before the operator starts, or the start says what is missing."""

from typing import Any

import pytest

from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.runtime import StartError, installation_mark
from graphmail.settings import Settings


class Namespace:
    """An API server that is asked for one thing."""

    namespace = "mail"

    def __init__(self, answer: str | ClusterError) -> None:
        self.answer = answer

    async def namespace_uid(self) -> str:
        if isinstance(self.answer, ClusterError):
            raise self.answer
        return self.answer


async def mark(answer: str | ClusterError, **variables: str) -> str:
    cluster: Any = Namespace(answer)
    return await installation_mark(Settings.load(variables), cluster)


async def test_it_is_made_from_the_namespaces_uid_and_so_differs_between_clusters() -> None:
    assert await mark("uid-1") == await mark("uid-1")
    assert await mark("uid-1") != await mark("uid-2")


async def test_one_that_is_set_needs_no_right_to_read_the_namespace() -> None:
    assert await mark(ClusterError(403, "Forbidden", "no"), GRAPHMAIL_INSTALLATION="here") == "here"


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [(404, "NotFound", "kubectl create namespace mail"), (403, "Forbidden", "Grant the rights of docs/security.md")],
)
async def test_a_namespace_that_cannot_be_read_stops_the_start_with_what_to_do(
    status: int, reason: str, remedy: str
) -> None:
    with pytest.raises(StartError, match=remedy):
        await mark(ClusterError(status, reason, "no"))


async def test_an_api_server_that_went_away_is_not_taken_for_a_missing_namespace() -> None:
    with pytest.raises(ClusterUnavailable):
        await mark(ClusterUnavailable(503, "ServiceUnavailable", "no"))
