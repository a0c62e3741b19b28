-- Tells whoever listens that a row has changed, and nothing about it: a payload reaches every session that listens. It runs with the
-- rights of whoever changes the row, so it touches nothing but the notification. Equal ones of a transaction are sent as one.
CREATE FUNCTION graphmail.tell_of_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
      PERFORM pg_notify('graphmail_changes', 'all');  -- the question by updated_at would not find it
      RETURN NULL;
    END IF;
  END IF;
  PERFORM pg_notify('graphmail_changes', '');
  RETURN NULL;
END $$;
