CREATE TABLE np_cron_jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_account_id text NOT NULL DEFAULT 'primary',
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    schedule text NOT NULL,
    timezone text NOT NULL DEFAULT 'UTC',
    method text NOT NULL DEFAULT 'POST' CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
    url text NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    body text,
    timeout_seconds integer CHECK (timeout_seconds BETWEEN 1 AND 3600),
    retries integer NOT NULL DEFAULT 0 CHECK (retries BETWEEN 0 AND 10),
    overlap boolean NOT NULL DEFAULT false,
    missed text NOT NULL DEFAULT 'skip' CHECK (missed IN ('skip', 'once')),
    paused boolean NOT NULL DEFAULT false,
    next_run_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_account_id, name)
);
COMMENT ON COLUMN np_cron_jobs.overlap IS 'Whether a run may start while the one before is under way';
COMMENT ON COLUMN np_cron_jobs.missed IS 'After an outage: skip what was missed, or run once for all of it';
CREATE INDEX np_cron_jobs_due ON np_cron_jobs (next_run_at) WHERE NOT paused;

CREATE TABLE np_cron_runs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id uuid NOT NULL REFERENCES np_cron_jobs ON DELETE CASCADE,
    cause text NOT NULL CHECK (cause IN ('schedule', 'manual')),
    scheduled_for timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'missed', 'skipped')),
    attempt integer NOT NULL DEFAULT 0,
    http_status integer,
    detail text NOT NULL DEFAULT '',
    response text NOT NULL DEFAULT '',
    started_at timestamptz,
    finished_at timestamptz
);
CREATE UNIQUE INDEX np_cron_runs_once ON np_cron_runs (job_id, scheduled_for) WHERE cause = 'schedule';
CREATE INDEX np_cron_runs_newest ON np_cron_runs (job_id, scheduled_for DESC);
CREATE INDEX np_cron_runs_open ON np_cron_runs (job_id) WHERE status IN ('queued', 'running');
