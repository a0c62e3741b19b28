-- A row asks for one renewal, and is told what became of it. Whoever asks writes tenant, provider_id, requested_by and reason alone.
CREATE TABLE graphmail.renewal_requests (
  id           uuid        NOT NULL DEFAULT gen_random_uuid(),
  tenant       uuid        NOT NULL,
  provider_id  uuid        NOT NULL,
  requested_by text        NOT NULL DEFAULT '' CHECK (length(requested_by) <= 200),
  reason       text        NOT NULL DEFAULT '' CHECK (length(reason) <= 2000),
  requested_at timestamptz NOT NULL DEFAULT now(),
  state        text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'refused')),
  started_at   timestamptz,
  finished_at  timestamptz,
  message      text        NOT NULL DEFAULT '',
  expires_at   timestamptz,                            -- the subscription's expiry after the renewal
  answer_to    text,                                   -- the annotation's value that the operator set for it
  CONSTRAINT renewal_requests_pkey PRIMARY KEY (id)
);

CREATE INDEX renewal_requests_open ON graphmail.renewal_requests (requested_at) WHERE finished_at IS NULL;
CREATE INDEX renewal_requests_of ON graphmail.renewal_requests (tenant, provider_id, requested_at);

-- Whoever listens (GRAPHMAIL_MIRROR_NOTIFY) looks at once; the mirror's next question finds it in any case.
CREATE FUNCTION graphmail.tell_of_request() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('graphmail_changes', '');
  RETURN NULL;
END $$;
CREATE TRIGGER renewal_requested AFTER INSERT ON graphmail.renewal_requests FOR EACH STATEMENT EXECUTE FUNCTION graphmail.tell_of_request();
