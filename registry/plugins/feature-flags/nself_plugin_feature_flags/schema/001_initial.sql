CREATE TABLE np_feature_flags_flags (
    source_account_id text NOT NULL DEFAULT 'primary',
    key text NOT NULL CHECK (key ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    description text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT false,
    variants jsonb NOT NULL DEFAULT '{"on": true, "off": false}',
    default_variant text NOT NULL DEFAULT 'on',
    off_variant text NOT NULL DEFAULT 'off',
    rules jsonb NOT NULL DEFAULT '[]',
    salt text NOT NULL,
    public boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, key)
);
COMMENT ON COLUMN np_feature_flags_flags.enabled IS 'The kill switch: off, every evaluation gives off_variant';
COMMENT ON COLUMN np_feature_flags_flags.salt IS 'Keeps the buckets of two flags apart; unchanged for as long as the flag lives, so that roll-outs stay sticky';
COMMENT ON COLUMN np_feature_flags_flags.public IS 'Whether browsers may evaluate it';

CREATE TABLE np_feature_flags_segments (
    source_account_id text NOT NULL DEFAULT 'primary',
    key text NOT NULL CHECK (key ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    description text NOT NULL DEFAULT '',
    included text[] NOT NULL DEFAULT '{}',
    excluded text[] NOT NULL DEFAULT '{}',
    conditions jsonb NOT NULL DEFAULT '[]',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_account_id, key)
);

CREATE TABLE np_feature_flags_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_account_id text NOT NULL DEFAULT 'primary',
    kind text NOT NULL CHECK (kind IN ('flag', 'segment')),
    key text NOT NULL,
    action text NOT NULL CHECK (action IN ('created', 'changed', 'deleted')),
    before jsonb,
    after jsonb,
    actor text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX np_feature_flags_history_newest ON np_feature_flags_history (source_account_id, kind, key, id DESC);

-- Hosts keep every flag in memory; this tells them to look again.
CREATE FUNCTION np_feature_flags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('np_feature_flags', '');
    RETURN NULL;
END $$;
CREATE TRIGGER np_feature_flags_flags_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON np_feature_flags_flags
    FOR EACH STATEMENT EXECUTE FUNCTION np_feature_flags_changed();
CREATE TRIGGER np_feature_flags_segments_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON np_feature_flags_segments
    FOR EACH STATEMENT EXECUTE FUNCTION np_feature_flags_changed();
