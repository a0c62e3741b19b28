"""Wrong values are refused before anything is installed, with a message that says what to do and shows no secret."""

import pytest

from support.helm import Helm, HelmError

WRONG = {
    "a misspelt value": ("renewal.tickSecond=4", "at '/renewal': additional properties 'tickSecond' not allowed"),
    "a misspelt group": ("metric.port=1", "additional properties 'metric' not allowed"),
    "more pods than make sense": ("replicas=11", "at '/replicas': maximum: got 11, want 10"),
    "a text for a number": ("renewal.tickSeconds=often", "at '/renewal/tickSeconds': got string, want number"),
    "a setting below its limit": ("renewal.tickSeconds=0", "at '/renewal/tickSeconds': minimum: got 0, want 1"),
    "a setting above its limit": ("leaderElection.leaseSeconds=61", "maximum: got 61, want 60"),
    "an unknown level": ("log.level=loud", "value must be one of 'debug', 'info', 'warning', 'error'"),
    "an unknown mode": ("mode=watch", "value must be one of 'act', 'observe'"),
    "a URL without TLS": ("product.applicationURL=http://desk", "at '/product/applicationURL': 'http://desk' does not"),
    "Graph without its version": ("microsoft.graphBaseURL=https://graph.microsoft.com", "/v1\\\\.0"),
    "a tenant that is no id": ("product.tenants={contoso}", "at '/product/tenants/0': 'contoso' does not match"),
    "a digest that is none": ("image.digest=latest", "at '/image/digest': 'latest' does not match"),
    "too little time to stop": ("terminationGracePeriodSeconds=20", "minimum: got 20, want 30"),
    "a value taken away": ("log.level=null", "at '/log': missing property 'level'"),
    "rows without a URL to deliver to": ("database.existingSecret=db", "product.applicationURL is empty"),
    "a key without its Secret": ("database.directKey=direct", "database.existingSecret, which is empty"),
    "a lookahead as long as the life": (
        "renewal.lookAheadMinutes=10000",
        "renewal.lookAheadMinutes is 10000: allowed is less than renewal.lifetimeMinutes, which is 10000",
    ),
    "a tenant's lookahead as long as the life": (
        "renewal.lifetimeMinutes=1500,renewal.tenantLookAheadMinutes.1907133e-5beb-5e51-a677-c99de9869156=1500",
        "tenant 1907133e-5beb-5e51-a677-c99de9869156: allowed is less than renewal.lifetimeMinutes, which is 1500",
    ),
    "a receiver that nobody finds": ("receiver.enabled=true", "receiver.url is empty"),
    "a receiver without TLS": ("receiver.url=http://mail.example.com", "at '/receiver/url'"),
    "one port for two": (
        "receiver.enabled=true,receiver.url=https://mail.example.com,receiver.port=9464",
        "receiver.port is 9464: metrics.port is the same",
    ),
    "too many queries": ("mirror.pollSeconds=2,mirror.compareSeconds=5", "at most 30 queries a minute"),
    "a quota above the app's": (
        "microsoft.quota.readsPerTenant=3000",
        "microsoft.quota.readsPerTenant is 3000: allowed is at most readsPerApp, which is 2000",
    ),
    "a variable that a value sets": (
        "extraEnv[0].name=GRAPHMAIL_LOG_LEVEL,extraEnv[0].value=debug",
        "extraEnv holds GRAPHMAIL_LOG_LEVEL, which the chart sets already: use the value log.level",
    ),
    "a variable that two values set": (
        "extraEnv[0].name=GRAPHMAIL_METRICS_URL,extraEnv[0].value=http://0.0.0.0:1/metrics",
        "use the value metrics.port or metrics.host",
    ),
    "two databases": (
        "extraEnv[0].name=GRAPHMAIL_DATABASE_URL,database.existingSecret=db,product.applicationURL=https://desk",
        "extraEnv holds GRAPHMAIL_DATABASE_URL, which the chart sets already: use the value database.existingSecret",
    ),
    "a variable twice": ("extraEnv[0].name=A,extraEnv[1].name=A", "extraEnv holds A twice"),
    "a variable of the receiver that a value sets": (
        "receiver.extraEnv[0].name=GRAPHMAIL_LOG_LEVEL,receiver.extraEnv[0].value=debug",
        "receiver.extraEnv holds GRAPHMAIL_LOG_LEVEL, which the chart sets already: use the value log.level",
    ),
    "two databases of the receiver": (
        "receiver.extraEnv[0].name=GRAPHMAIL_DATABASE_URL,receiver.database.existingSecret=db",
        "use the value receiver.database.existingSecret",
    ),
    "a Grafana that is none": ("metrics.prometheusRule.grafanaURL=grafana", "at '/metrics/prometheusRule/grafanaURL'"),
    "a field of the pod that has a value": ("extraPodSpec.nodeSelector.a=b", "at '/extraPodSpec/nodeSelector'"),
    "a field of the endpoint that has a value": (
        "metrics.serviceMonitor.endpointAdditionalProperties.interval=1m",
        "at '/metrics/serviceMonitor/endpointAdditionalProperties/interval'",
    ),
    "two that act at once": ("leaderElection.enabled=false", "set replicas to 1"),
    "a monitor of nothing": (
        "metrics.serviceMonitor.enabled=true,metrics.service.enabled=false",
        "metrics.serviceMonitor.enabled needs metrics.service.enabled",
    ),
    "an identity that nobody names": (
        "workloadIdentity.enabled=true,workloadIdentity.webhook=false",
        "clientID and tenantID must be set",
    ),
}

PASSWORD = "correct-horse"
SECRETS = {
    "the database's URL as a value": (
        f"database.url=postgresql://operator:{PASSWORD}@db/desk",
        "database.existingSecret",
    ),
    "the database's password as a value": (f"database.password={PASSWORD}", "database.existingSecret"),
    "the database's URL as the name of a Secret": (
        f"database.existingSecret=postgresql://operator:{PASSWORD}@db/desk",
        "database.existingSecret",
    ),
    "a password as the name of a Secret": (
        f"credentials.existingSecret={PASSWORD}!",
        "credentials.existingSecret is not the name of a Secret",
    ),
    "a URL with a password as a variable": (
        f"extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://me:{PASSWORD}@proxy",
        "secretKeyRef",
    ),
    "the database's URL as a variable": (
        f"extraEnv[0].name=GRAPHMAIL_DATABASE_URL,extraEnv[0].value=host=db password={PASSWORD}",
        "use database.existingSecret",
    ),
    "a part of the password as a variable": (
        f"extraEnv[0].name=GRAPHMAIL_DATABASE_URL,extraEnv[0].value=postgresql://me:$(A){PASSWORD}@db/desk",
        "put the URL into a Secret",
    ),
    "the password behind the URL": (
        f"extraEnv[0].name=GRAPHMAIL_DATABASE_URL,extraEnv[0].value=postgresql://me@db/desk?password={PASSWORD}",
        "use database.existingSecret",
    ),
    "a proxy with a password": (f"proxy.httpsProxy=http://me:{PASSWORD}@proxy:3128", "secretKeyRef"),
    "a proxy with a password that stands behind it": (
        "proxy.httpsProxy=http://me:$(LATER)@proxy:3128,extraEnv[0].name=LATER",
        "secretKeyRef",
    ),
    "a product's URL with a password": (f"product.applicationURL=https://me:{PASSWORD}@desk", "put the URL into"),
    "the receiver's database as a variable": (
        f"receiver.extraEnv[0].name=GRAPHMAIL_DATABASE_URL,receiver.extraEnv[0].value=host=db password={PASSWORD}",
        "use database.existingSecret",
    ),
    "a private key": (f"podAnnotations.key=-----BEGIN PRIVATE KEY-----{PASSWORD}", "credentials.existingSecret"),
}


@pytest.mark.parametrize(("values", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_and_named(values: str, told: str, helm: Helm) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("--set", values)
    assert told in str(refused.value)


@pytest.mark.parametrize(("values", "told"), SECRETS.values(), ids=SECRETS)
def test_a_secret_among_the_values_is_refused_and_not_shown(values: str, told: str, helm: Helm) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("--set", values)
    assert told in str(refused.value)
    assert PASSWORD not in str(refused.value)
