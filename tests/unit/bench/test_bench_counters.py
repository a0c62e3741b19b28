"""How bench-idle counts what must not happen."""

from benches.idle import api_writes, statements

METRICS = """
# HELP apiserver_request_total Counter of apiserver requests
apiserver_request_total{code="200",component="apiserver",dry_run="",group="graphmail.dev",resource="graphmailsubscriptions",scope="namespace",subresource="",verb="LIST",version="v1alpha1"} 9
apiserver_request_total{code="200",component="apiserver",dry_run="",group="graphmail.dev",resource="graphmailsubscriptions",scope="resource",subresource="status",verb="APPLY",version="v1alpha1"} 5
apiserver_request_total{code="200",component="apiserver",dry_run="",group="graphmail.dev",resource="graphmailsubscriptions",scope="resource",subresource="",verb="PATCH",version="v1alpha1"} 2
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="events",scope="resource",subresource="",verb="POST",version="v1"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 400
apiserver_request_total{code="0",component="apiserver",dry_run="",group="graphmail.dev",resource="graphmailsubscriptions",scope="namespace",subresource="",verb="WATCH",version="v1alpha1"} 1e+03
"""  # noqa: E501 - lines of the API server

LOG = """
2026-03-01 12:00:00.000 UTC [71] LOG:  execute <unnamed>: SELECT clock.as_of, f.*
\tFROM (SELECT statement_timestamp() AS as_of) clock
2026-03-01 12:00:01.000 UTC [71] DETAIL:  Parameters: $1 = NULL
2026-03-01 12:00:02.000 UTC [71] LOG:  statement: SELECT 1
2026-03-01 12:00:03.000 UTC [12] LOG:  checkpoint starting: time
2026-03-01 12:00:04.000 UTC [71] ERROR:  relation "x" does not exist
2026-03-01 12:00:04.000 UTC [71] STATEMENT:  SELECT * FROM x
"""


def test_writes_of_our_resources_and_events_count_and_the_servers_own_do_not() -> None:
    assert api_writes(METRICS) == 10


def test_each_statement_counts_once_whichever_protocol_sent_it() -> None:
    assert statements(LOG) == 2
