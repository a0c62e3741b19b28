"""What the pods may reach: their name servers, Postgres, the API server, Microsoft and the proxy, and nothing by an oversight."""

from pathlib import Path

import pytest

from support.helm import VALUE_FILES, Helm, Resource, named

CI = VALUE_FILES[0].parent
POSTGRES = {5432, 6432}
NAMES = {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)}


def egress(rendered: list[Resource], component: str = "operator") -> list[Resource]:
    rules: list[Resource] = named(rendered, "NetworkPolicy", component)["spec"]["egress"]
    return rules


def ports(rules: list[Resource]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_the_port_of_the_proxy_is_open(helm: Helm) -> None:
    assert ports(egress(helm.template("-f", CI / "proxy-values.yaml"))) == {53, 5353, 443, 6443, 3128}


@pytest.mark.parametrize("component", ["operator", "migrations"])
def test_the_name_servers_of_openshift_are_reached_behind_their_service(component: str, helm: Helm) -> None:
    """They listen on 5353, and OVN judges where traffic goes after the Service's address and port are replaced."""
    rendered = helm.template("-f", CI / "openshift-values.yaml", "-f", CI / "postgres-values.yaml")
    names = egress(rendered, component)[0]
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == NAMES


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_no_rule_of_the_chart_is_open_to_every_port(values: Path, helm: Helm) -> None:
    """An empty list of ports, as a list that renders to nothing makes one, means all of them."""
    rendered = helm.template("-f", values, "--set", "networkPolicy.extraEgress=null,networkPolicy.httpsPorts=null")
    for policy in (each for each in rendered if each["kind"] == "NetworkPolicy"):
        assert all(rule["ports"] for rule in policy["spec"]["egress"])


@pytest.mark.parametrize("name", ["httpsPorts", "dnsPorts", "postgresPorts"])
def test_an_empty_list_of_ports_opens_none(name: str, helm: Helm) -> None:
    rendered = helm.template("-f", CI / "postgres-values.yaml", "--set-json", f"networkPolicy.{name}=[]")
    left = {
        "httpsPorts": {53, 5353} | POSTGRES,
        "dnsPorts": {443, 6443} | POSTGRES,
        "postgresPorts": {53, 5353, 443, 6443},
    }
    assert ports(egress(rendered)) == left[name]
    assert all(rule["ports"] for rule in egress(rendered))


def test_the_proxy_is_reached_also_where_no_other_port_is(helm: Helm) -> None:
    rendered = helm.template("-f", CI / "proxy-values.yaml", "--set-json", "networkPolicy.httpsPorts=[]")
    assert egress(rendered)[-1]["ports"] == [{"protocol": "TCP", "port": 3128}]


DATABASES = {
    "by a Secret": "database.existingSecret=db,product.applicationURL=https://desk",
    "by a variable": "extraEnv[0].name=GRAPHMAIL_DATABASE_URL,product.applicationURL=https://desk",
    "perhaps, by variables from a Secret": "extraEnvFrom[0].secretRef.name=desk",
    "for the job alone": "migrations.existingSecret=owner",
}


@pytest.mark.parametrize("values", DATABASES.values(), ids=DATABASES)
def test_postgres_is_reached_however_its_url_is_given(values: str, helm: Helm) -> None:
    assert ports(egress(helm.template("--set", values))) >= POSTGRES


def test_the_receiver_reaches_postgres_where_it_has_the_url_of_one(helm: Helm) -> None:
    receiver = "receiver.enabled=true,receiver.url=https://mail.example.com"
    by_variable = f"{receiver},receiver.extraEnv[0].name=GRAPHMAIL_DATABASE_URL"
    assert ports(egress(helm.template("--set", by_variable), "receiver")) >= POSTGRES
    assert not POSTGRES & ports(egress(helm.template("--set", receiver), "receiver"))


def test_postgres_is_not_reached_where_there_is_none(helm: Helm) -> None:
    assert not POSTGRES & ports(egress(helm.template()))
