CREATE TABLE np_notify_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_account_id text NOT NULL DEFAULT 'primary',
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    locale text NOT NULL DEFAULT '' CHECK (locale ~ '^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$'),
    category text NOT NULL DEFAULT 'transactional',
    subject text NOT NULL DEFAULT '',
    text text NOT NULL DEFAULT '',
    html text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_account_id, name, locale)
);
COMMENT ON COLUMN np_notify_templates.locale IS 'A language tag; the empty one serves every language that has no template of its own';

CREATE TABLE np_notify_notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_account_id text NOT NULL DEFAULT 'primary',
    user_id uuid,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    recipient text NOT NULL,
    category text NOT NULL DEFAULT 'transactional',
    template text,
    subject text NOT NULL DEFAULT '',
    text text NOT NULL DEFAULT '',
    html text NOT NULL DEFAULT '',
    data jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'retrying', 'sent', 'failed', 'suppressed')),
    attempts integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    idempotency_key text,
    send_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    UNIQUE (source_account_id, idempotency_key)
);
CREATE INDEX np_notify_notifications_newest ON np_notify_notifications (source_account_id, created_at DESC, id);
CREATE INDEX np_notify_notifications_user ON np_notify_notifications (user_id, created_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX np_notify_notifications_open ON np_notify_notifications (send_at) WHERE status IN ('queued', 'retrying');
CREATE INDEX np_notify_notifications_recent ON np_notify_notifications (recipient, sent_at) WHERE status = 'sent';

CREATE TABLE np_notify_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid NOT NULL REFERENCES np_notify_notifications ON DELETE CASCADE,
    number integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('sent', 'retry', 'failed')),
    detail text NOT NULL DEFAULT '',
    took_ms integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (notification_id, number)
);

CREATE TABLE np_notify_preferences (
    source_account_id text NOT NULL DEFAULT 'primary',
    user_id uuid NOT NULL,
    category text NOT NULL DEFAULT '*',
    channel text NOT NULL DEFAULT '*' CHECK (channel IN ('*', 'email', 'webhook')),
    enabled boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, user_id, category, channel)
);
COMMENT ON TABLE np_notify_preferences IS 'What a user wants; the most exact line counts, transactional mail is always sent';
