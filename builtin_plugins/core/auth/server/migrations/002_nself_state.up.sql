-- State of our own that hasura-auth does not know. The prefix keeps it apart from hasura-auth's tables; dropping
-- these tables loses no account.

-- Refresh tokens that were exchanged already: showing one again ends the session it came from.
CREATE TABLE IF NOT EXISTS auth.nself_spent_tokens (
  hash varchar(255) PRIMARY KEY,
  refresh_token_id uuid NOT NULL REFERENCES auth.refresh_tokens (id) ON DELETE CASCADE,
  spent_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS nself_spent_tokens_refresh_token_id_idx ON auth.nself_spent_tokens (refresh_token_id);

-- Mails not delivered yet. A row is written in the transaction that made it necessary and deleted after delivery.
CREATE TABLE IF NOT EXISTS auth.nself_outbox (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now(),
  template text NOT NULL,
  recipient text NOT NULL,
  subject text NOT NULL,
  html text NOT NULL,
  plain text NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_error text
);
CREATE INDEX IF NOT EXISTS nself_outbox_next_attempt_at_idx ON auth.nself_outbox (next_attempt_at);

-- WebAuthn ceremonies under way, keyed by their challenge.
CREATE TABLE IF NOT EXISTS auth.nself_webauthn_challenges (
  challenge text PRIMARY KEY,
  purpose text NOT NULL,
  user_id uuid,
  options jsonb,
  expires_at timestamptz NOT NULL
);

-- Wrong guesses of one-time codes per subject.
CREATE TABLE IF NOT EXISTS auth.nself_attempts (
  purpose text NOT NULL,
  subject text NOT NULL,
  failures integer NOT NULL DEFAULT 0,
  since timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (purpose, subject)
);

-- The last time step whose TOTP code a user has used: a code counts once (RFC 6238, 5.2).
CREATE TABLE IF NOT EXISTS auth.nself_totp_steps (
  user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
  step bigint NOT NULL
);
