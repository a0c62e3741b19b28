-- Where no expiry is known, no hours are left to count: NULL. greatest() leaves NULL out, so that it was 0, as if the subscription had expired.
-- The columns stay as they are, and with them the pages' rights, and their views over this one.
CREATE OR REPLACE VIEW graphmail.subscriptions WITH (security_barrier = true) AS
SELECT s.tenant, s.provider_id, s.mailbox, s.subscription_id, s.expires_at,
       CASE WHEN s.expires_at IS NULL THEN NULL
            ELSE round(greatest(extract(epoch FROM s.expires_at - now()) / 3600, 0)::numeric, 1) END AS hours_left,
       CASE WHEN s.state IN ('covered', 'failing') AND s.expires_at <= now() THEN 'expired' ELSE s.state END AS state,
       s.reason, s.message, s.what_to_do, s.next_renewal_at, s.last_renewal_at, s.last_notification_at, s.updated_at, s.resource
FROM graphmail.mailbox_states s
WHERE s.state <> 'removed';
