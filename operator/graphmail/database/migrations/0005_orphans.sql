-- Subscriptions that carry our mark and belong to nobody, as the sweep has seen them: only what is seen again after a grace time is deleted.
CREATE TABLE graphmail.orphans (
  subscription_id text NOT NULL,
  provider_id     text NOT NULL,  -- as the mark names it
  expires_at      timestamptz NOT NULL,
  seen_since      timestamptz,    -- by Graph's clock; NULL: it belongs to somebody after all
  reason          text NOT NULL,
  CONSTRAINT orphans_pkey PRIMARY KEY (subscription_id)
);
