-- When notifications usually arrive in each mailbox, as the operator has learned it: how many in each hour of the week.
CREATE TABLE graphmail.rhythms (
  tenant      uuid        NOT NULL,
  provider_id uuid        NOT NULL,
  mailbox     text        NOT NULL,                    -- a provider that moves has another rhythm
  weights     bytea       NOT NULL CHECK (length(weights) = 168),
  since       timestamptz NOT NULL,                    -- the hour of the first arrival
  last_at     timestamptz NOT NULL,                    -- the last arrival that was counted
  counted     smallint    NOT NULL,                    -- arrivals in the hour of the last one
  updated_at  timestamptz NOT NULL,
  CONSTRAINT rhythms_pkey PRIMARY KEY (tenant, provider_id, mailbox)
) WITH (fillfactor = 70);
