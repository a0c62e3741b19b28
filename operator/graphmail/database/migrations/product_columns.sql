-- Adds to the product's tables what the operator writes and an older generation lacks. Drops nothing, changes nothing, adds no index.
-- Nullable columns, or a constant default: the catalogue changes and no row is rewritten.
ALTER TABLE microsoft_email_provider_config
  ADD COLUMN IF NOT EXISTS webhook_subscription_id    text,
  ADD COLUMN IF NOT EXISTS webhook_expires_at         timestamptz,
  ADD COLUMN IF NOT EXISTS webhook_verification_token text,
  ADD COLUMN IF NOT EXISTS last_subscription_renewal  timestamptz;

ALTER TABLE email_provider_health
  ADD COLUMN IF NOT EXISTS is_healthy                    boolean DEFAULT true,
  ADD COLUMN IF NOT EXISTS success_count                 integer DEFAULT 0,
  ADD COLUMN IF NOT EXISTS failure_count                 integer DEFAULT 0,
  ADD COLUMN IF NOT EXISTS consecutive_failures          integer DEFAULT 0,
  ADD COLUMN IF NOT EXISTS last_success_at               timestamptz,
  ADD COLUMN IF NOT EXISTS last_failure_at               timestamptz,
  ADD COLUMN IF NOT EXISTS last_health_check_at          timestamptz,
  ADD COLUMN IF NOT EXISTS subscription_status           varchar(255),
  ADD COLUMN IF NOT EXISTS subscription_expires_at       timestamptz,
  ADD COLUMN IF NOT EXISTS last_renewal_attempt_at       timestamptz,
  ADD COLUMN IF NOT EXISTS last_renewal_result           varchar(255),
  ADD COLUMN IF NOT EXISTS failure_reason                text,
  ADD COLUMN IF NOT EXISTS last_notification_received_at timestamptz;
