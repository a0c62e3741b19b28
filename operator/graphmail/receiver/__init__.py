"""The receiver: a process of its own that takes what Graph posts. It holds no credential of Graph, and calls nothing there.

    Graph ─► server ─► handshake                              answered at once
                   ├─► lifecycle ─► handing ─► annotation     the operator's watch shows it
                   └─► notifications ─► forwarding ─► the product
                                    └─► arrivals ─► Postgres, or an annotation

Nothing is acknowledged that was not taken: a lifecycle notification is stored at the API server, and a change notification taken by the
product, before Graph gets a 2xx. `roster` knows the subscriptions and the fingerprints of their clientStates, from a watch.
"""

from graphmail.receiver.running import ReceiverError, receive

__all__ = ["ReceiverError", "receive"]
