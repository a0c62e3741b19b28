-- What happened to a provider that others act upon: a row each, and a notification on the channel graphmail_events in the same statement.
CREATE TABLE graphmail.provider_events (
  position        bigint      GENERATED ALWAYS AS IDENTITY,  -- in the order in which they were told; who reads remembers the last one
  id              uuid        NOT NULL,                -- the same for what is told again, which is therefore told once
  tenant          uuid        NOT NULL,
  provider_id     uuid        NOT NULL,
  mailbox         text        NOT NULL,
  kind            text        NOT NULL,
  reason          text        NOT NULL,
  message         text        NOT NULL,
  what_to_do      text        NOT NULL,
  subscription_id text,
  resource        text        NOT NULL,                -- the resource's name, for whoever looks further
  occurred_at     timestamptz NOT NULL,                -- by the clock of Graph
  told_at         timestamptz NOT NULL,                -- by the clock of this database
  CONSTRAINT provider_events_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX provider_events_position ON graphmail.provider_events (position);
CREATE INDEX provider_events_of ON graphmail.provider_events (tenant, provider_id, position);
CREATE INDEX provider_events_told ON graphmail.provider_events (told_at);

-- What was told of a mailbox, beside how it stands: the next event is the difference, also for a process that begins later.
ALTER TABLE graphmail.mailbox_states
  ADD COLUMN troubles     text   NOT NULL DEFAULT '',  -- those that were told and are not over, parted by spaces
  ADD COLUMN events       bigint NOT NULL DEFAULT 0,   -- how many were told
  ADD COLUMN events_as_of timestamptz,                 -- the last attempt that the last of them knew of: an older status tells nothing
  ADD COLUMN missed_at    timestamptz;                 -- of the missed notifications that were told last: when Graph said so

-- Inbound mail that the operator has paused in the product's columns, so that it takes back nobody else's pause.
CREATE TABLE graphmail.inbound_pauses (
  tenant      uuid NOT NULL,
  provider_id uuid NOT NULL,
  paused_at   timestamptz,                             -- as we wrote it to the product's row; NULL: it is over
  CONSTRAINT inbound_pauses_pkey PRIMARY KEY (tenant, provider_id)
);
