"""The stage of the whole operator's tests, and the product's own pages."""

from collections.abc import Iterator

import pytest

from integration.cli.conftest import crd, endpoint, graphmail, simulator, stage
from support.pages import Pages, open_pages
from support.stage import Stage

__all__ = ["crd", "endpoint", "graphmail", "pages", "simulator", "stage"]


@pytest.fixture
def pages(stage: Stage) -> Iterator[Pages]:
    """The product's pages, on the stage's database."""
    with open_pages(stage.product.url) as opened:
        yield opened
