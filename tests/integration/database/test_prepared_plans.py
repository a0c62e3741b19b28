"""The server keeps plans for us where that is safe."""

import psycopg
import pytest

from graphmail.database import DatabaseError, DatabaseUnavailable
from graphmail.database.pool import PREPARE_AFTER, Pool, PoolSettings

ONE = PoolSettings(connections=1)


async def test_plans_are_kept_on_a_connection_to_the_server_itself(product_database_url: str) -> None:
    pool = Pool(product_database_url, ONE)
    await pool.open()
    for number in range(PREPARE_AFTER + 2):
        assert await pool.rows("SELECT %(number)s::int AS told", {"number": number}) == [(number,)]
    kept = await pool.rows(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s", {"like": "%told%"}
    )
    await pool.close()
    assert kept == [(1,)]


async def test_behind_a_pooler_which_makes_up_the_number_of_the_process_no_plan_is_kept(
    product_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    pool = Pool(product_database_url, ONE)
    await pool.open()
    for number in range(PREPARE_AFTER + 2):
        await pool.rows("SELECT %(number)s::int AS told", {"number": number})
    kept = await pool.rows("SELECT count(*) FROM pg_prepared_statements", {})
    await pool.close()
    assert kept == [(0,)]


async def test_a_table_that_was_altered_is_read_again_on_a_new_connection(product_database_url: str) -> None:
    with psycopg.connect(product_database_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE altered (one int)")
        pool = Pool(product_database_url, ONE)
        await pool.open()
        for _ in range(PREPARE_AFTER + 2):
            assert await pool.rows("SELECT * FROM altered", {}) == []
        owner.execute("ALTER TABLE altered ADD COLUMN two int")
        with pytest.raises(DatabaseUnavailable, match="cached plan"):
            await pool.rows("SELECT * FROM altered", {})
        assert await pool.rows("SELECT * FROM altered", {}) == []
        await pool.close()


@pytest.mark.parametrize("uses", range(1, PREPARE_AFTER + 2))
async def test_a_pipeline_that_fails_while_its_statements_are_prepared_spoils_no_later_one(
    product_database_url: str, uses: int
) -> None:
    pool = Pool(product_database_url, ONE)
    await pool.open()
    statements = ("SELECT 1 / %(number)s::int", "SELECT %(number)s::int AS told")
    for _ in range(uses):
        assert await pool.results(statements, {"number": 1}) == [[(1,)], [(1,)]]
    for _ in range(PREPARE_AFTER):
        with pytest.raises(DatabaseError, match="division by zero"):
            await pool.results(statements, {"number": 0})
    for _ in range(PREPARE_AFTER + 1):
        assert await pool.results(statements, {"number": 1}) == [[(1,)], [(1,)]]
    kept = await pool.rows("SELECT count(*) FROM pg_prepared_statements", {})
    await pool.close()
    assert kept == [(len(statements),)]
