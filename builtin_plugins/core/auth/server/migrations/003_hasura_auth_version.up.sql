-- Which of hasura-auth's own migrations this schema stands for, in the record that hasura-auth's migration tool reads: its
-- image then goes on from there. It refuses a version that it has no file of, so the number is one that it has long had, and
-- all that it has added to these tables since may be run on them again.
DO $$
BEGIN
  IF to_regclass('auth.migrations') IS NOT NULL THEN  -- hasura-auth's former record, in which ours stood, too
    DELETE FROM auth.migrations WHERE name LIKE 'nself\_%';
    IF NOT EXISTS (SELECT FROM auth.migrations) THEN
      DROP TABLE auth.migrations;
    END IF;
  END IF;
  IF to_regclass('auth.migrations') IS NULL AND to_regclass('auth.schema_migrations') IS NULL THEN
    CREATE TABLE auth.schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
    INSERT INTO auth.schema_migrations (version, dirty) VALUES (16, false);
  END IF;
END
$$;
