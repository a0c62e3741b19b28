"""The documentation, taken apart: pages, links, anchors, and the commands that it tells people to type."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELL = frozenset({"sh", "console", "bash", "shell", ""})
"""The languages of fenced blocks that people copy into a terminal; a bare fence is one where it has lines with `$ `."""

_FENCE = re.compile(r"^( *)(```+) *([\w-]*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$")
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: +\"[^\"]*\")?\)")
_MARK = re.compile(r"^ *<!-- (untested|tested by|run): *(.+?) *-->$")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=.*")
_END_OF_COMMAND = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "2>&1", "\\", ")"})


@dataclass(frozen=True)
class Mark:
    """What a comment says about the commands after it: `untested`, `tested by` or `run`, and its argument."""

    kind: str
    what: str


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    mark: Mark | None

    @property
    def where(self) -> str:
        """For the message of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def typed(self) -> str:
        """All of it, as somebody types or pastes it."""
        return textwrap.dedent(self.text)

    def commands(self) -> list[str]:
        """What a person types of it, continued lines joined; empty when it is no shell."""
        if self.language not in SHELL:
            return []
        joined = re.sub(r"\\\n\s*", " ", self.text)
        lines = [line.strip() for line in joined.splitlines()]
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        typed = prompted if prompted or not self.language else lines
        return [line for line in typed if line and not line.startswith("#")]


def pages() -> list[Path]:
    """Every page of the checkout: at its top, in docs/, beside the benches, the soak and the chart."""
    folders = ["*.md", "docs/**/*.md", "bench/*.md", "soak/*.md", "helm/**/*.md"]
    return sorted({page for pattern in folders for page in ROOT.glob(pattern)})


def named(page: Path) -> str:
    """A page's name in a list of tests."""
    return str(page.relative_to(ROOT))


@cache
def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, each with the mark that holds for it.

    A mark stands on a line of its own. Right before a block it holds for that block; else for the rest of its section, which ends at a
    heading of the same level or a higher one. At the top of a page it holds for the page.
    """
    text = page.read_text()
    found = [
        Block(page, text.count("\n", 0, match.start()) + 1, match[3], match[4], None) for match in _FENCE.finditer(text)
    ]
    starts = {block.line: block for block in found}
    inside = {number for block in found for number in range(block.line, block.line + block.text.count("\n") + 2)}
    marked: list[Block] = []
    level, sections, last = 0, list[tuple[int, Mark]](), None
    for number, line in enumerate(text.splitlines(), 1):
        if number in starts:
            block = starts[number]
            holds = last or (sections[-1][1] if sections else None)
            if last:
                sections.pop()
            marked.append(Block(page, block.line, block.language, block.text, holds))
        if number in inside:
            last = None
        elif heading := _HEADING.match(line):
            level = len(heading[1])
            sections = [section for section in sections if section[0] < level]
            last = None
        elif mark := _MARK.match(line):
            last = Mark(mark[1], mark[2])
            sections.append((level, last))
        elif line.strip():
            last = None
    return marked


@cache
def prose(page: Path) -> str:
    """The page without its fenced blocks and comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", page.read_text()), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of a page's links, code left out."""
    return _LINK.findall(_SPAN.sub("", prose(page)))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for line in _FENCE.sub("", page.read_text()).splitlines():
        if heading := _HEADING.match(line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[2]).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            twins = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
            found.add(f"{slug}-{twins}" if slug in found and twins else slug)
    return found


def typed(page: Path, program: str) -> Iterator[tuple[str, list[str]]]:
    """Each use of a program on a page, in blocks and in code spans: where it stands, and its arguments.

    A span that names the program alone, or goes on with a dot or a dash, is none.
    """
    for block in blocks(page):
        for command in block.commands():
            for arguments in _uses(command, program):
                yield f"{block.where}: {command}", arguments
    for span in _SPAN.findall(prose(page)):
        for arguments in _uses(span, program):
            yield f"{named(page)}: `{span}`", arguments


def _uses(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&()<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        words = list(lexer)
    except ValueError:  # an apostrophe of prose: no command
        return
    starts = True
    for position, word in enumerate(words):
        if starts and Path(word).name == program and position + 1 < len(words):
            yield _until_the_end(words[position + 1 :])
        at_the_start = starts and (_ASSIGNMENT.fullmatch(word) or word in {"export", "sudo", "exec", "time"})
        starts = bool(at_the_start) or word in _END_OF_COMMAND or word == "--" or word.endswith("$(")


def _until_the_end(words: list[str]) -> list[str]:
    end = next((position for position, word in enumerate(words) if word in _END_OF_COMMAND), len(words))
    return words[:end]
