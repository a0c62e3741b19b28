"""What the command grants to the pages' role is what the document says."""

import uuid
from typing import Any

from graphmail.database import migrate
from support.command import Graphmail
from support.pages import SQL, Pages
from support.stage import Stage


def privileges(stage: Stage, role: str) -> list[dict[str, Any]]:
    statement = (
        "SELECT table_name AS what, column_name AS part, privilege_type AS privilege FROM information_schema.column_privileges "
        "WHERE grantee = %s UNION SELECT 'graphmail', '', 'USAGE' WHERE has_schema_privilege(%s, 'graphmail', 'USAGE') ORDER BY 1, 2, 3"
    )
    return stage.product.run(statement, role, role)


async def test_the_command_grants_what_the_document_lists(stage: Stage, pages: Pages, graphmail: Graphmail) -> None:
    role = f"command_{uuid.uuid4().hex[:12]}"
    stage.product.run(f"CREATE ROLE {role}")
    ran = (await graphmail("migrate", "--grant-pages-to", role)).check()
    assert ran.out == f"granted {role} what the product's own pages need\n"
    assert privileges(stage, role) == privileges(stage, pages.role) != []


async def test_granted_twice_is_granted_once(stage: Stage, pages: Pages) -> None:
    before = privileges(stage, pages.role)
    await migrate(stage.product.url, grant_pages_to=pages.role)
    assert privileges(stage, pages.role) == before
    assert len(SQL["grants"].splitlines()) == 5
