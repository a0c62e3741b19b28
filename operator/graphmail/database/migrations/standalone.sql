-- For a database without the product: the tables that the operator reads and writes, as the product's behave. A table that exists is left alone.
CREATE TABLE IF NOT EXISTS tenants (
  tenant      uuid NOT NULL DEFAULT gen_random_uuid(),
  client_name text NOT NULL,
  email       text NOT NULL,
  created_at  timestamptz DEFAULT CURRENT_TIMESTAMP,
  updated_at  timestamptz DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT tenants_pkey PRIMARY KEY (tenant)
);

CREATE TABLE IF NOT EXISTS email_providers (
  id                   uuid         NOT NULL DEFAULT gen_random_uuid(),
  tenant               uuid         NOT NULL,
  provider_type        varchar(50)  NOT NULL DEFAULT 'microsoft',
  provider_name        varchar(255) NOT NULL,
  mailbox              varchar(255) NOT NULL,
  is_active            boolean      DEFAULT true,
  status               text         DEFAULT 'configuring',
  error_message        text,
  created_at           timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at           timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  inbound_paused_at    timestamptz,
  inbound_pause_reason text,
  CONSTRAINT email_providers_pkey PRIMARY KEY (id, tenant),
  CONSTRAINT email_providers_tenant_foreign FOREIGN KEY (tenant) REFERENCES tenants (tenant),
  CONSTRAINT email_providers_tenant_mailbox_unique UNIQUE (tenant, mailbox),
  CONSTRAINT email_providers_status_check CHECK (status IN ('connected', 'disconnected', 'error', 'configuring')),
  CONSTRAINT email_providers_inbound_pause_reason_check CHECK (
    (inbound_paused_at IS NULL AND inbound_pause_reason IS NULL)
    OR (inbound_paused_at IS NOT NULL AND inbound_pause_reason IN ('manual', 'tenant_cancelled', 'auth_failure'))
  )
);

CREATE TABLE IF NOT EXISTS microsoft_email_provider_config (
  email_provider_id          uuid         NOT NULL,
  tenant                     uuid         NOT NULL,
  client_id                  varchar(255) NOT NULL,
  client_secret              text         NOT NULL,
  tenant_id                  varchar(255) NOT NULL,
  redirect_uri               text         NOT NULL DEFAULT '',
  folder_filters             jsonb        DEFAULT '[]',
  access_token               text,
  refresh_token              text,
  token_expires_at           timestamptz,
  created_at                 timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at                 timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  webhook_subscription_id    text,
  webhook_expires_at         timestamptz,
  webhook_verification_token text,
  last_subscription_renewal  timestamptz,
  delivery_mode              text         NOT NULL DEFAULT 'polling',
  last_webhook_delivery_at   timestamptz,
  CONSTRAINT microsoft_email_provider_config_pkey PRIMARY KEY (email_provider_id, tenant),
  CONSTRAINT microsoft_email_provider_config_delivery_mode_check CHECK (delivery_mode IN ('webhook', 'polling'))
);

CREATE TABLE IF NOT EXISTS email_provider_health (
  id                            serial       NOT NULL,
  tenant                        uuid         NOT NULL,
  provider_id                   varchar(255) NOT NULL,
  provider_type                 varchar(255) NOT NULL,
  is_healthy                    boolean      DEFAULT true,
  health_details                text,
  success_count                 integer      DEFAULT 0,
  failure_count                 integer      DEFAULT 0,
  consecutive_failures          integer      DEFAULT 0,
  last_success_at               timestamptz,
  last_failure_at               timestamptz,
  last_health_check_at          timestamptz  DEFAULT CURRENT_TIMESTAMP,
  created_at                    timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at                    timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
  subscription_status           varchar(255),
  subscription_expires_at       timestamptz,
  last_renewal_attempt_at       timestamptz,
  last_renewal_result           varchar(255),
  failure_reason                text,
  last_notification_received_at timestamptz,
  CONSTRAINT email_provider_health_pkey PRIMARY KEY (id),
  CONSTRAINT email_provider_health_tenant_fkey FOREIGN KEY (tenant) REFERENCES tenants (tenant) ON DELETE CASCADE
);
