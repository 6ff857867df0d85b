DROP TABLE IF EXISTS auth.nself_totp_steps, auth.nself_attempts, auth.nself_webauthn_challenges, auth.nself_outbox,
  auth.nself_spent_tokens;
