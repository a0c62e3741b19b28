"""The statements of a document, as tests run them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"<!-- sql: (?P<name>\w+) -->\n```sql\n(?P<text>.*?)\n```", re.DOTALL)
_VARIABLE = re.compile(r":'(\w+)'")


def statements(document: str) -> dict[str, str]:
    """The SQL of a document, by the names that it has there."""
    text = (DOCS / document).read_text(encoding="utf-8")
    found = {match["name"]: match["text"] for match in _BLOCK.finditer(text)}
    assert len(found) == text.count("```sql"), "each statement has a name"
    return found


def bound(statement: str) -> str:
    """A statement with psql's variables, as psycopg takes them: `:'tenant'` becomes `%(tenant)s`."""
    return _VARIABLE.sub(r"%(\1)s", statement)
