-- Removes what 001 made, users included. The extension citext stays: others may use it.
DROP TABLE IF EXISTS auth.refresh_tokens, auth.user_security_keys, auth.user_providers, auth.user_roles, auth.users,
  auth.refresh_token_types, auth.provider_requests, auth.providers, auth.roles, auth.migrations, auth.nself_migrations;
DROP FUNCTION IF EXISTS auth.set_current_timestamp_updated_at();
DROP DOMAIN IF EXISTS auth.email;
