"""docs/security.md names each privilege in Postgres that `graphmail migrate --grant-to` gives, once, and no other."""

import re
from collections import Counter
from pathlib import Path

from graphmail.database import Database, migrate
from graphmail.database.grants import needs

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"
Privilege = tuple[str, str, str]
"""On what, which, and for which column; empty for the whole."""


def documented() -> list[Privilege]:
    text = DOCUMENT.read_text().partition("<!-- sql -->\n")[2].partition("<!-- /sql -->")[0]
    found = []
    for line in text.splitlines()[2:]:
        name, privileges, columns, why = (cell.strip() for cell in line.strip().strip("|").split("|"))
        assert why
        for privilege in re.findall(r"`(\w+)`", privileges):
            found += [(name.strip("`"), privilege, column) for column in re.findall(r"`(\w+)`", columns) or [""]]
    return found


async def test_each_privilege_is_documented_once_with_its_reason_and_no_other(product_database_url: str) -> None:
    await migrate(product_database_url)
    async with Database.open(product_database_url, holder="test") as database:
        schema = await database.schema()
    given = [
        (need.name, privilege, column)
        for need in needs(schema)
        for privilege in need.privileges
        for column in need.columns or ("",)
    ]
    assert Counter(documented()) == Counter(given)
