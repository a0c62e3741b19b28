"""What the documentation tells people to type exists, under that name and with these options."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from graphmail.cli import build
from support.documents import ROOT, Block, blocks, named, pages, typed

GROUP: Any = typer.main.get_command(build())
PLACEHOLDER = re.compile(r"…|\.\.\.|\[.*")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
TRIED_WHOLE = {"docs/runbook.md"}
"""Pages whose commands are all tried by tests/integration/alerts/test_what_alerts_see.py, and need no mark."""
BLOCKS = [block for page in pages() for block in blocks(page)]


def options(command: Any) -> set[str]:
    found = {"--help"}
    for parameter in command.params:
        found |= {option for option in (*parameter.opts, *parameter.secondary_opts) if option.startswith("-")}
    return found


def unknown(words: list[str]) -> list[str]:
    """What of a command line does not exist. `status`, `run | migrate` and `renew --all` are such lines."""
    command, path = GROUP, "graphmail"
    wrong = []
    for word in words:
        if word == "--":
            break
        if PLACEHOLDER.fullmatch(word):
            continue
        if word.startswith("-"):
            name = word.partition("=")[0]
            if name not in options(command) and name != "-":
                wrong.append(f"{path} has no option {name}")
        elif hasattr(command, "get_command"):
            below = command.get_command(None, word)
            if below is None:
                return [*wrong, f"{path} has no command {word}"]
            command, path = below, f"{path} {word}"
    return wrong


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_graphmail_command_of_a_page_exists_with_its_options(page: Path) -> None:
    uses = [*typed(page, "graphmail"), *typed(page, "kubectl-graphmail")]
    uses += [(where, words[1:]) for where, words in typed(page, "kubectl") if words[0] == "graphmail"]
    assert [f"{where}: {complaint}" for where, words in uses for complaint in unknown(words)] == []


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    named_targets = {
        (where, word)
        for where, words in typed(page, "make")
        for word in words
        if "=" not in word and not word.startswith("-") and not PLACEHOLDER.fullmatch(word)
    }
    assert {(where, word) for where, word in named_targets if word not in TARGETS} == set()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_a_block_with_kubectl_or_helm_says_who_tries_it(block: Block) -> None:
    programs = {Path(word).name for command in block.commands() for word in command.split()}
    if programs & {"kubectl", "helm"} and named(block.page) not in TRIED_WHOLE:
        assert block.mark, (
            f"{block.where}: put <!-- untested: why -->, <!-- tested by: file --> or <!-- run: story --> before it"
        )


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark], ids=lambda block: block.where)
def test_the_test_that_a_page_names_is_there(block: Block) -> None:
    assert block.mark
    if block.mark.kind == "tested by":
        file, _, name = block.mark.what.partition("::")
        assert (ROOT / file).is_file()
        assert name in (ROOT / file).read_text()
