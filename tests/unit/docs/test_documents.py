"""The reader of the documentation sees what a person sees: else its tests would hold nothing."""

from pathlib import Path

import pytest

from support import documents
from support.documents import Mark, anchors, blocks, links, typed

PAGE = """\
<!-- untested: the whole page -->
# A page with `code`, and a [link](other.md#there)

Say `graphmail renew --all`, `graphmail.subscriptions` or `make test`; `[no](link.md)` is none.

## A section
<!-- run: story -->
```sh
export A=b && graphmail status -o json | jq .   # and so on
kubectl -n graphmail exec deployment/x -- \\
  graphmail check --sign-in
```

```
$ kubectl get gms
NAME   graphmail
```

## A section

<!-- untested: needs Microsoft -->

Some words.

```console
helm install x
```

### Below it

```yaml
graphmail: run
```

## The end
```sh
helm list
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_a_mark_before_a_block_is_for_it_and_one_before_words_for_the_section(page: Path) -> None:
    whole, story, section = (
        Mark("untested", "the whole page"),
        Mark("run", "story"),
        Mark("untested", "needs Microsoft"),
    )
    assert [block.mark for block in blocks(page)] == [story, whole, section, section, whole]


def test_only_what_is_typed_of_a_block_is_a_command(page: Path) -> None:
    assert [block.commands() for block in blocks(page)][1:] == [
        ["kubectl get gms"],
        ["helm install x"],
        [],
        ["helm list"],
    ]


def test_a_command_is_found_behind_variables_pipes_and_other_programs(page: Path) -> None:
    assert [words for _, words in typed(page, "graphmail")] == [
        ["status", "-o", "json"],
        ["check", "--sign-in"],
        ["renew", "--all"],
    ]
    assert [words for _, words in typed(page, "make")] == [["test"]]


def test_links_and_anchors_are_those_of_the_host(page: Path) -> None:
    assert links(page) == ["other.md#there"]
    assert anchors(page) == {"a-page-with-code-and-a-link", "a-section", "a-section-1", "below-it", "the-end"}
