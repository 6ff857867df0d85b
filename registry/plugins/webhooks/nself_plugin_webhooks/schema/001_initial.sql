CREATE TABLE np_webhooks_endpoints (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_account_id text NOT NULL DEFAULT 'primary',
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    events text[] NOT NULL DEFAULT '{}',
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text NOT NULL DEFAULT '',
    failures integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN np_webhooks_endpoints.events IS 'Types it wants, * at the end of one for any rest; empty for all';
COMMENT ON COLUMN np_webhooks_endpoints.failures IS 'Failed tries in a row';

CREATE TABLE np_webhooks_events (
    id text NOT NULL,
    source_account_id text NOT NULL DEFAULT 'primary',
    type text NOT NULL CHECK (type ~ '^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$'),
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, id)
);
CREATE INDEX np_webhooks_events_old ON np_webhooks_events (created_at);

CREATE TABLE np_webhooks_deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_account_id text NOT NULL,
    event_id text NOT NULL,
    endpoint_id uuid NOT NULL REFERENCES np_webhooks_endpoints ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'retrying', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    http_status integer,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    FOREIGN KEY (source_account_id, event_id) REFERENCES np_webhooks_events ON DELETE CASCADE,
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX np_webhooks_deliveries_open ON np_webhooks_deliveries (next_at) WHERE status IN ('queued', 'retrying');
CREATE INDEX np_webhooks_deliveries_newest ON np_webhooks_deliveries (source_account_id, created_at DESC, id);
CREATE INDEX np_webhooks_deliveries_event ON np_webhooks_deliveries (source_account_id, event_id);

CREATE TABLE np_webhooks_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES np_webhooks_deliveries ON DELETE CASCADE,
    http_status integer,
    error text NOT NULL DEFAULT '',
    response text NOT NULL DEFAULT '',
    took_ms integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX np_webhooks_attempts_of ON np_webhooks_attempts (delivery_id, id);
