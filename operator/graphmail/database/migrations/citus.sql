-- Runs only where the Citus extension is installed, and leaves alone what is distributed already. Not tested: no Citus at hand.
-- Our tables join the product's: distributed by tenant, and colocated with the providers, so that each statement stays on one node.
-- `mailbox_states`, `provider_events` and `renewal_requests` stay on the coordinator, where a notification reaches those who listen.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'email_providers'::regclass) THEN
    RETURN;  -- the extension is there, and the product does not use it
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.claims'::regclass) THEN
    PERFORM create_distributed_table('graphmail.claims', 'tenant', colocate_with => 'email_providers');
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.provider_state'::regclass) THEN
    PERFORM create_distributed_table('graphmail.provider_state', 'tenant', colocate_with => 'email_providers');
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.folder_subscriptions'::regclass) THEN
    PERFORM create_distributed_table('graphmail.folder_subscriptions', 'tenant', colocate_with => 'email_providers');
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.inbound_pauses'::regclass) THEN
    PERFORM create_distributed_table('graphmail.inbound_pauses', 'tenant', colocate_with => 'email_providers');
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.abandoned'::regclass) THEN
    PERFORM create_distributed_table('graphmail.abandoned', 'tenant', colocate_with => 'none');
  END IF;
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'graphmail.orphans'::regclass) THEN
    PERFORM create_distributed_table('graphmail.orphans', 'subscription_id', colocate_with => 'none');
  END IF;
END $$;
