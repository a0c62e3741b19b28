-- The subscription of each folder, for a consumer that watches several: the product's row has room for the first one's alone.
CREATE TABLE graphmail.folder_subscriptions (
  tenant          uuid        NOT NULL,
  provider_id     uuid        NOT NULL,
  folder          text        NOT NULL,
  subscription_id text,                               -- NULL: there is none any more
  expires_at      timestamptz,
  recorded_at     timestamptz NOT NULL,
  CONSTRAINT folder_subscriptions_pkey PRIMARY KEY (tenant, provider_id, folder)
);

-- A notification names its subscription; the consumer looks for whose it is.
CREATE INDEX folder_subscriptions_by_id ON graphmail.folder_subscriptions (subscription_id) WHERE subscription_id IS NOT NULL;
