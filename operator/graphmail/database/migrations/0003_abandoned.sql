-- Subscriptions that were left to expire at Graph, since nothing could sign in to delete them.
-- Text keys: a resource written by hand may name any tenant and provider.
CREATE TABLE graphmail.abandoned (
  tenant          text        NOT NULL,
  provider_id     text        NOT NULL,
  subscription_id text        NOT NULL,
  expires_at      timestamptz,
  reason          text        NOT NULL,
  abandoned_at    timestamptz NOT NULL,
  CONSTRAINT abandoned_pkey PRIMARY KEY (tenant, provider_id, subscription_id)
);
