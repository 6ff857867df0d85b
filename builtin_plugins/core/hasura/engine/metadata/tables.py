"""The tables of `hdb_catalog`, with the names and columns Hasura gives them.

`locked_at`, the lease of a delivery, is a column that it lacks. It is added only where it is missing, because adding a column
takes a lock that waits for whoever writes to the table.
"""

METADATA = """
CREATE SCHEMA IF NOT EXISTS hdb_catalog;
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_version (
  hasura_uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), version text NOT NULL,
  upgraded_on timestamptz NOT NULL, cli_state jsonb NOT NULL DEFAULT '{}', console_state jsonb NOT NULL DEFAULT '{}',
  ee_client_id text, ee_client_secret text);
CREATE UNIQUE INDEX IF NOT EXISTS hdb_version_one_row ON hdb_catalog.hdb_version ((version IS NOT NULL));
INSERT INTO hdb_catalog.hdb_version (version, upgraded_on) VALUES ('48', now()) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_metadata (
  id integer PRIMARY KEY, metadata json NOT NULL, resource_version integer NOT NULL DEFAULT 1 UNIQUE);
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_schema_notifications (
  id integer PRIMARY KEY CHECK (id = 1), notification json NOT NULL, resource_version integer NOT NULL DEFAULT 1,
  instance_id uuid NOT NULL, updated_at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_action_log (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), action_name text, input_payload jsonb NOT NULL,
  request_headers jsonb NOT NULL, session_variables jsonb NOT NULL, response_payload jsonb, errors jsonb,
  created_at timestamptz NOT NULL DEFAULT now(), response_received_at timestamptz,
  status text NOT NULL CHECK (status IN ('created', 'processing', 'completed', 'error')));
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_cron_events (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), trigger_name text NOT NULL, scheduled_time timestamptz NOT NULL,
  status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'locked', 'delivered', 'error', 'dead')),
  tries integer NOT NULL DEFAULT 0, created_at timestamptz DEFAULT now(), next_retry_at timestamptz);
CREATE UNIQUE INDEX IF NOT EXISTS hdb_cron_events_unique_scheduled ON hdb_catalog.hdb_cron_events (trigger_name, scheduled_time)
  WHERE status = 'scheduled';
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_cron_event_invocation_logs (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), event_id text REFERENCES hdb_catalog.hdb_cron_events ON DELETE CASCADE,
  status integer, request json, response json, created_at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_scheduled_events (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), webhook_conf json NOT NULL, scheduled_time timestamptz NOT NULL,
  retry_conf json, payload json, header_conf json,
  status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'locked', 'delivered', 'error', 'dead')),
  tries integer NOT NULL DEFAULT 0, created_at timestamptz DEFAULT now(), next_retry_at timestamptz, comment text);
CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_scheduled_event_invocation_logs (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), event_id text REFERENCES hdb_catalog.hdb_scheduled_events ON DELETE CASCADE,
  status integer, request json, response json, created_at timestamptz DEFAULT now());
CREATE INDEX IF NOT EXISTS hdb_cron_event_status ON hdb_catalog.hdb_cron_events (status);
CREATE INDEX IF NOT EXISTS hdb_scheduled_event_status ON hdb_catalog.hdb_scheduled_events (status);
DO $$ DECLARE leased text; BEGIN
  FOREACH leased IN ARRAY ARRAY['hdb_action_log', 'hdb_cron_events', 'hdb_scheduled_events'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_attribute
                   WHERE attrelid = ('hdb_catalog.' || leased)::regclass AND attname = 'locked_at' AND NOT attisdropped) THEN
      EXECUTE format('ALTER TABLE hdb_catalog.%I ADD COLUMN locked_at timestamptz', leased);
    END IF;
  END LOOP;
END $$;
"""

SOURCE = """
CREATE SCHEMA IF NOT EXISTS hdb_catalog;
CREATE TABLE IF NOT EXISTS hdb_catalog.event_log (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), schema_name text NOT NULL, table_name text NOT NULL,
  trigger_name text NOT NULL, payload jsonb NOT NULL, delivered boolean NOT NULL DEFAULT false,
  error boolean NOT NULL DEFAULT false, tries integer NOT NULL DEFAULT 0, created_at timestamp DEFAULT now(),
  locked timestamptz, next_retry_at timestamp, archived boolean NOT NULL DEFAULT false);
CREATE INDEX IF NOT EXISTS event_log_fetch_events ON hdb_catalog.event_log (created_at)
  WHERE delivered = false AND error = false AND archived = false;
CREATE TABLE IF NOT EXISTS hdb_catalog.event_invocation_logs (
  id text PRIMARY KEY DEFAULT gen_random_uuid(), trigger_name text, event_id text, status integer,
  request json, response json, created_at timestamp DEFAULT now());
"""
