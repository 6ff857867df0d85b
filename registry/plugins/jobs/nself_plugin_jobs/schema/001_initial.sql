CREATE TABLE np_jobs_queues (
    source_account_id text NOT NULL DEFAULT 'primary',
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    paused boolean NOT NULL DEFAULT false,
    max_attempts integer CHECK (max_attempts BETWEEN 1 AND 100),
    backoff_seconds integer NOT NULL DEFAULT 5 CHECK (backoff_seconds BETWEEN 0 AND 86400),
    concurrency integer CHECK (concurrency >= 1),
    push_url text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, name)
);
COMMENT ON COLUMN np_jobs_queues.backoff_seconds IS 'Before the second try; doubled before each further one';
COMMENT ON COLUMN np_jobs_queues.concurrency IS 'Most jobs of the queue that are held at once';
COMMENT ON COLUMN np_jobs_queues.push_url IS 'Where jobs are posted to; without one, workers fetch them';

CREATE TABLE np_jobs_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_account_id text NOT NULL DEFAULT 'primary',
    queue text NOT NULL,
    type text NOT NULL DEFAULT '',
    payload jsonb NOT NULL DEFAULT '{}',
    priority integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'held', 'done', 'dead', 'cancelled')),
    run_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    unique_key text,
    lease uuid,
    worker text NOT NULL DEFAULT '',
    leased_until timestamptz,
    result jsonb,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX np_jobs_jobs_next ON np_jobs_jobs (source_account_id, queue, priority DESC, run_at, id) WHERE state = 'waiting';
CREATE INDEX np_jobs_jobs_held ON np_jobs_jobs (leased_until) WHERE state = 'held';
CREATE INDEX np_jobs_jobs_old ON np_jobs_jobs (finished_at) WHERE state IN ('done', 'dead', 'cancelled');
CREATE UNIQUE INDEX np_jobs_jobs_unique ON np_jobs_jobs (source_account_id, queue, unique_key) WHERE state IN ('waiting', 'held');
COMMENT ON INDEX np_jobs_jobs_unique IS 'A key is taken for as long as its job is not over';

CREATE TABLE np_jobs_schedules (
    source_account_id text NOT NULL DEFAULT 'primary',
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    queue text NOT NULL,
    type text NOT NULL DEFAULT '',
    payload jsonb NOT NULL DEFAULT '{}',
    priority integer NOT NULL DEFAULT 0,
    schedule text NOT NULL,
    next_run_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, name)
);

CREATE FUNCTION np_jobs_enqueue(
    queue text, payload jsonb DEFAULT '{}', type text DEFAULT '', priority integer DEFAULT 0, delay interval DEFAULT '0',
    unique_key text DEFAULT NULL, source_account_id text DEFAULT 'primary'
) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO np_jobs_jobs AS j (source_account_id, queue, type, payload, priority, run_at, unique_key, max_attempts)
    SELECT $7, $1, $3, $2, $4, now() + $5, $6,
           COALESCE((SELECT q.max_attempts FROM np_jobs_queues q WHERE q.source_account_id = $7 AND q.name = $1), 5)
    ON CONFLICT (source_account_id, queue, unique_key) WHERE state IN ('waiting', 'held')
        DO UPDATE SET unique_key = excluded.unique_key
    RETURNING id
$$;
COMMENT ON FUNCTION np_jobs_enqueue IS 'Enqueue from SQL, in the transaction that the job belongs to';

CREATE FUNCTION np_jobs_ready() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('np_jobs', '');
    RETURN NULL;
END $$;
CREATE TRIGGER np_jobs_jobs_ready AFTER INSERT ON np_jobs_jobs FOR EACH STATEMENT EXECUTE FUNCTION np_jobs_ready();
