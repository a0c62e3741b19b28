-- What we last wrote to the product's rows, so that what others write can be told apart.
CREATE TABLE graphmail.provider_state (
  tenant          uuid        NOT NULL,
  provider_id     uuid        NOT NULL,
  subscription_id text,                               -- as we last wrote it
  expires_at      timestamptz,                        -- as we last wrote it
  recorded_at     timestamptz NOT NULL,
  error_message   text,                               -- the text of the error status that we set; NULL: we set none
  status_before   text,                               -- the status that ours replaced
  refused_token   text,                               -- digest of the refresh token of a terminal failure; NULL: none
  consent         text        NOT NULL DEFAULT '',    -- digest of the refresh token that ended the last terminal failure
  CONSTRAINT provider_state_pkey PRIMARY KEY (tenant, provider_id)
) WITH (fillfactor = 70);
