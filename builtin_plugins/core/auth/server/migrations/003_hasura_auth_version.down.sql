DROP TABLE IF EXISTS auth.schema_migrations;
