-- How each mailbox stands, as its resource tells it: for the product's own pages, which read Postgres and not Kubernetes.
CREATE TABLE graphmail.mailbox_states (
  tenant               uuid        NOT NULL,
  provider_id          uuid        NOT NULL,
  mailbox              text        NOT NULL,           -- a provider that moves has two for a while
  namespace            text        NOT NULL,           -- of the operator that wrote the row last
  resource             text        NOT NULL,           -- the resource's name, for whoever looks further
  subscription_id      text,
  expires_at           timestamptz,
  state                text        NOT NULL,
  reason               text        NOT NULL,
  message              text        NOT NULL,
  what_to_do           text        NOT NULL,
  next_renewal_at      timestamptz,
  last_renewal_at      timestamptz,
  last_notification_at timestamptz,
  updated_at           timestamptz NOT NULL,
  CONSTRAINT mailbox_states_pkey PRIMARY KEY (tenant, provider_id, mailbox)
) WITH (fillfactor = 70);

-- It reads our own table alone: a view of the product's tables would stand in the way of their migrations. Hours are counted when it is
-- read, so that it is right also while no operator runs.
CREATE VIEW graphmail.subscriptions WITH (security_barrier = true) AS
SELECT s.tenant, s.provider_id, s.mailbox, s.subscription_id, s.expires_at,
       round(greatest(extract(epoch FROM s.expires_at - now()) / 3600, 0)::numeric, 1) AS hours_left,
       CASE WHEN s.state IN ('covered', 'failing') AND s.expires_at <= now() THEN 'expired' ELSE s.state END AS state,
       s.reason, s.message, s.what_to_do, s.next_renewal_at, s.last_renewal_at, s.last_notification_at, s.updated_at, s.resource
FROM graphmail.mailbox_states s
WHERE s.state <> 'removed';
