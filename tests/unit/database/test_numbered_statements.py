"""Statements as the server takes them, against psycopg's own reading of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from graphmail.database.outcome_statement import record_statement
from graphmail.database.pool import Numbered
from graphmail.database.schema import CONFIG, HEALTH, LEGACY, PROVIDERS, Schema

NAMES = st.sampled_from(["tenant", "provider", "at", "a", "b1"])
PIECES = st.one_of(
    st.sampled_from(["SELECT ", "$1", "%%", " = ", "::text", "'x'"]), NAMES.map(lambda name: f"%({name})s")
)


def test_a_parameter_that_occurs_twice_has_one_number() -> None:
    numbered = Numbered.of("SELECT %(b)s, %(a)s, %(b)s::text")
    assert numbered.text == "SELECT $1, $2, $1::text"
    assert numbered.values({"a": 1, "b": 2, "c": 3}) == [2, 1]


@given(st.lists(PIECES))
def test_psycopg_itself_would_send_the_same(pieces: list[str]) -> None:
    statement = "".join(pieces)
    numbered = Numbered.of(statement)
    query = PostgresQuery(Transformer())
    query.convert(statement, dict.fromkeys(numbered.names, 1))
    assert numbered.text.encode() == query.query


def test_the_long_statement_of_an_outcome_is_read_as_psycopg_reads_it() -> None:
    columns = frozenset({"status", "error_message"})
    schema = Schema(columns=dict.fromkeys((PROVIDERS, CONFIG, HEALTH, LEGACY), columns), citus=False, version=1)
    statement = record_statement(schema).as_string(None)
    numbered = Numbered.of(statement)
    query = PostgresQuery(Transformer())
    query.convert(statement, dict.fromkeys(numbered.names, 1))
    assert numbered.text.encode() == query.query


def test_a_parameter_that_was_not_given_is_an_error() -> None:
    with pytest.raises(KeyError):
        Numbered.of("SELECT %(a)s").values({})
