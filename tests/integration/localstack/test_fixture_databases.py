"""The databases that the shared fixtures hand out."""

from __future__ import annotations

import psycopg


def columns(url: str, table: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        return {name for (name,) in rows}


def test_an_empty_database_holds_no_tables(database_url: str) -> None:
    assert columns(database_url, "email_providers") == set()


def test_a_database_belongs_to_one_test_alone(database_url: str, postgres_server) -> None:
    other = postgres_server.create_database("another")
    with psycopg.connect(other) as connection:
        connection.execute("CREATE TABLE email_providers (id int)")
    assert columns(database_url, "email_providers") == set()


def test_the_product_database_has_the_newer_columns(product_database_url: str) -> None:
    assert {"status", "inbound_paused_at", "inbound_pause_reason"} <= columns(product_database_url, "email_providers")
    assert "delivery_mode" in columns(product_database_url, "microsoft_email_provider_config")
    assert "connection_status" in columns(product_database_url, "email_provider_configs")


def test_the_older_product_database_lacks_what_came_later(older_product_database_url: str) -> None:
    providers = columns(older_product_database_url, "email_providers")
    assert "connection_status" in providers
    assert "status" not in providers
    assert not any(name.startswith("inbound_pause") for name in providers)
    config = columns(older_product_database_url, "microsoft_email_provider_config")
    assert config.isdisjoint({"delivery_mode", "client_secret_ref", "microsoft_profile_id"})
    assert columns(older_product_database_url, "email_provider_configs") == set()
    health = columns(older_product_database_url, "email_provider_health")
    assert health.isdisjoint(
        {"subscription_status", "subscription_expires_at", "last_renewal_result", "failure_reason"}
    )
    assert {"consecutive_failures", "is_healthy"} <= health
