-- Who works on a provider right now. Only one may: two operators side by side would create every subscription twice.
CREATE TABLE graphmail.claims (
  tenant          uuid        NOT NULL,
  provider_id     uuid        NOT NULL,
  holder          text        NOT NULL,               -- the process that claimed it last
  token           bigint      NOT NULL,               -- grows with each claim; a write-back must bring the current one
  until           timestamptz,                        -- by this database's clock; NULL: given back
  action          text,                               -- what the last holder set out to do
  begun_at        timestamptz NOT NULL,
  unsettled       text[]      NOT NULL DEFAULT '{}',  -- actions begun whose result at Graph is not known
  unsettled_since timestamptz,
  CONSTRAINT claims_pkey PRIMARY KEY (tenant, provider_id)
) WITH (fillfactor = 70);                             -- every row is updated twice a renewal: leave room beside it

-- Counts what a tenant has in flight; holds those rows only.
CREATE INDEX claims_in_flight ON graphmail.claims (tenant) WHERE until IS NOT NULL;
