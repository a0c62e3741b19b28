"""Whoever follows a link of the documentation arrives."""

from pathlib import Path

import pytest

from support.documents import ROOT, anchors, links, named, pages


def broken(page: Path) -> list[str]:
    found = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            found.append(f"{link}: there is no such file")
        elif anchor and (target.suffix != ".md" or anchor not in anchors(target)):
            found.append(f"{link}: there is no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    assert broken(page) == []


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = ((page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link)
        waiting += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert {named(page) for page in pages() if page.parent.name == "docs"} - {named(page) for page in reached} == set()
