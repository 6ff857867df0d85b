-- One row is one piece of work: a plugin's job, a webhook that came in (name "webhook:<source>") or one to send ("deliver").
CREATE TABLE nself_host.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin text NOT NULL,
    name text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead')),
    priority integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    -- Set when it is claimed: should this run be lost, there is no other.
    last_try boolean NOT NULL DEFAULT false,
    -- While a job of that name and key waits for its first run, no second one is queued.
    key text,
    -- An outside id that is taken once, as long as the row is kept: a webhook's event id.
    once text,
    payload bytea NOT NULL,
    -- Of a webhook: its type, content type and headers.
    event jsonb,
    -- Of one to send: what signs it.
    secret text,
    worker uuid,
    lease_until timestamptz,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.2);

CREATE INDEX jobs_queued ON nself_host.jobs (plugin, priority DESC, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_running ON nself_host.jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_done ON nself_host.jobs ((event IS NULL), finished_at) WHERE state = 'done';
CREATE INDEX jobs_dead ON nself_host.jobs (id) WHERE state = 'dead';
CREATE UNIQUE INDEX jobs_key ON nself_host.jobs (plugin, name, key)
    WHERE key IS NOT NULL AND state = 'queued' AND started_at IS NULL;
CREATE UNIQUE INDEX jobs_once ON nself_host.jobs (plugin, name, once) WHERE once IS NOT NULL;

CREATE TABLE nself_host.schedules (
    plugin text NOT NULL,
    name text NOT NULL,
    expression text NOT NULL,
    next_at timestamptz NOT NULL,
    PRIMARY KEY (plugin, name)
);

-- Where webhooks are sent to no more, since the receiver answered 410.
CREATE TABLE nself_host.webhook_endpoints_gone (
    plugin text NOT NULL,
    url text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plugin, url)
);
