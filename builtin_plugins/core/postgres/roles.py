"""One database role per plugin: it may log in, owns the plugin's tables and nothing else, and reads what it was granted.

Brought in line at every start, as superuser, from the manifests alone: no text of a plugin's is run here. Tables lie in
``public``, where a role may create only while its own migrations run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builtin_plugins.core.postgres.sql_text import literal
from hookspecs.roles import password_of, role_of

if TYPE_CHECKING:
    from hookspecs import InstalledPlugin, Resolver

_ROUNDS = 4096  # PostgreSQL's own default of scram_iterations

#: What the ledger knows of the plugins, and what a plugin's own session may do to it: record and forget its migrations. Both
#: run as the database's owner, see to whom the session belongs, and refuse what the manifest does not list.
SCHEMA = """\
CREATE TABLE IF NOT EXISTS nself.plugins (
    plugin text PRIMARY KEY,
    role text NOT NULL UNIQUE,
    tables text[],
    password text NOT NULL DEFAULT '',
    reads text[] NOT NULL DEFAULT '{}',
    writes text[] NOT NULL DEFAULT '{}'
);
CREATE OR REPLACE FUNCTION nself.grant_foreign(wanted regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $nself$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT p.role, bool_or(t.writes) AS writes, c.relnamespace::regnamespace::text AS schema
               FROM pg_class c, nself.plugins p JOIN pg_roles r ON r.rolname = p.role AND r.rolcanlogin,
                    (SELECT plugin, unnest(reads) AS name, false AS writes FROM nself.plugins
                     UNION ALL SELECT plugin, unnest(writes), true FROM nself.plugins) t
               WHERE c.oid = wanted AND t.plugin = p.plugin
                 AND to_regclass(CASE WHEN t.name LIKE '%.%' THEN t.name ELSE 'public.' || quote_ident(t.name) END) = wanted
               GROUP BY p.role, c.relnamespace LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', one.schema, one.role);
        EXECUTE format('GRANT SELECT, REFERENCES ON %s TO %I', wanted, one.role);
        IF one.writes THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO %I', wanted, one.role);
        END IF;
    END LOOP;
END $nself$;
-- A table that a manifest asks for may be made later, by a service that keeps its own (the auth server).
CREATE OR REPLACE FUNCTION nself.table_made() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $nself$
BEGIN
    PERFORM nself.grant_foreign(made.objid::regclass) FROM pg_event_trigger_ddl_commands() made
    WHERE made.object_type IN ('table', 'view', 'materialized view');
END $nself$;
DROP EVENT TRIGGER IF EXISTS nself_table_made;
CREATE EVENT TRIGGER nself_table_made ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW')
    EXECUTE FUNCTION nself.table_made();
-- Others run a plugin's functions too, by its triggers, defaults and views: they run as the plugin, and never with the rights of
-- who reads or writes its tables (GraphQL and a restore do so as superuser).
CREATE OR REPLACE FUNCTION nself.confine(routines oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $nself$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT f.oid::regprocedure AS routine, f.prosecdef FROM pg_proc f JOIN pg_roles r ON r.oid = f.proowner
               JOIN nself.plugins p ON p.role = r.rolname
               WHERE f.oid = ANY (routines) AND f.prokind <> 'a'
                 AND NOT (f.prosecdef AND coalesce(array_to_string(f.proconfig, ' '), '') LIKE '%search_path=%') LOOP
        IF NOT one.prosecdef THEN
            EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', one.routine);
        END IF;
        EXECUTE format('ALTER ROUTINE %s SECURITY DEFINER SET search_path = public, pg_temp', one.routine);
    END LOOP;
END $nself$;
-- In an expression that is stored with a table, a view or a domain, whoever comes by runs PostgreSQL's own functions with their
-- own rights: those that the plugin may not call itself, and those that act on other tables, have no place there.
CREATE OR REPLACE FUNCTION nself.lent(wanted text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $nself$
    WITH mine AS (SELECT c.oid FROM pg_class c WHERE c.relowner = wanted::regrole),
    stored AS (
        SELECT adbin::text AS tree FROM pg_attrdef JOIN mine ON adrelid = mine.oid
        UNION ALL SELECT conbin::text FROM pg_constraint LEFT JOIN pg_type t ON t.oid = contypid
                  WHERE conrelid IN (SELECT oid FROM mine) OR t.typowner = wanted::regrole
        UNION ALL SELECT typdefaultbin::text FROM pg_type WHERE typowner = wanted::regrole
        UNION ALL SELECT ev_qual::text || ev_action::text FROM pg_rewrite JOIN mine ON ev_class = mine.oid
        UNION ALL SELECT concat(polqual::text, polwithcheck::text) FROM pg_policy JOIN mine ON polrelid = mine.oid
        UNION ALL SELECT tgqual::text FROM pg_trigger JOIN mine ON tgrelid = mine.oid)
    SELECT min(f.oid::regprocedure::text)
    FROM stored, regexp_matches(tree, ':\\w*funcid (\\d+)', 'g') called JOIN pg_proc f ON f.oid = called[1]::oid
    WHERE NOT has_function_privilege(wanted, f.oid, 'EXECUTE')
       OR f.proname ~ '_to_xml|^(ts_stat|ts_rewrite|set_config|setval|lo_\\w+|crosstab\\w*|connectby|xpath_table|dblink\\w*)$'
$nself$;
CREATE OR REPLACE FUNCTION nself.confined() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $nself$
BEGIN
    PERFORM nself.confine(array_agg(objid)) FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_proc'::regclass;
    IF EXISTS (SELECT FROM nself.plugins WHERE role = session_user) AND nself.lent(session_user) IS NOT NULL THEN
        RAISE EXCEPTION 'it stores a call of %, which others would run with their own rights', nself.lent(session_user)
        USING HINT = 'call it in a function of its own, which runs as the plugin';
    END IF;
END $nself$;
DROP EVENT TRIGGER IF EXISTS nself_confined;
CREATE EVENT TRIGGER nself_confined ON ddl_command_end EXECUTE FUNCTION nself.confined();
CREATE OR REPLACE FUNCTION nself.stray(wanted text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $nself$
    WITH mine AS (SELECT p.tables, p.role, r.oid FROM nself.plugins p JOIN pg_roles r ON r.rolname = p.role
                  WHERE p.role = wanted AND p.tables IS NOT NULL),
    found AS (
        SELECT c.relname::text AS name FROM pg_class c JOIN mine ON c.relowner = mine.oid
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND NOT c.relispartition
          AND NOT c.relname = ANY (mine.tables)
          AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                   AND d.objid = c.oid AND d.deptype IN ('a', 'i')))
        UNION ALL
        SELECT p.proname || '()' FROM pg_proc p JOIN mine ON p.proowner = mine.oid
        WHERE NOT starts_with(p.proname, mine.role || '_') AND p.pronamespace <> pg_my_temp_schema()
        UNION ALL
        SELECT t.typname::text FROM pg_type t JOIN mine ON t.typowner = mine.oid
        WHERE t.typelem = 0 AND NOT starts_with(t.typname, mine.role || '_') AND t.typnamespace <> pg_my_temp_schema()
          AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
          AND NOT EXISTS (SELECT FROM pg_range x WHERE x.rngmultitypid = t.oid)
        UNION ALL
        SELECT 'schema ' || n.nspname FROM pg_namespace n JOIN mine ON n.nspowner = mine.oid
        WHERE NOT starts_with(n.nspname, 'pg_')
        UNION ALL
        -- what has no name of the plugin's own and would be found in place of PostgreSQL's: operators, text search, collations …
        SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_shdepend d JOIN mine ON d.refobjid = mine.oid
        WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
          AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND d.classid <> ALL (ARRAY['pg_class', 'pg_proc', 'pg_type', 'pg_namespace', 'pg_statistic_ext',
                                      'pg_default_acl']::regclass[]))
    SELECT min(name) FROM found
$nself$;
CREATE OR REPLACE FUNCTION nself.record(id text, checksum text, down text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $nself$
DECLARE
    mine nself.plugins;
BEGIN
    SELECT * INTO STRICT mine FROM nself.plugins WHERE role = session_user;
    IF nself.stray(mine.role) IS NOT NULL THEN
        RAISE EXCEPTION 'it makes %, which `tables` in plugin.json does not list', nself.stray(mine.role)
        USING HINT = 'list it there; functions and types are named ' || mine.role || '_…';
    END IF;
    INSERT INTO nself.migrations (plugin, id, checksum, down) VALUES (mine.plugin, record.id, record.checksum, record.down);
END $nself$;
CREATE OR REPLACE FUNCTION nself.forget(id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $nself$
BEGIN
    DELETE FROM nself.migrations m USING nself.plugins p
    WHERE p.role = session_user AND m.plugin = p.plugin AND m.id = forget.id;
END $nself$;
REVOKE ALL ON FUNCTION nself.record(text, text, text), nself.forget(text), nself.stray(text), nself.grant_foreign(regclass),
    nself.confine(oid[]), nself.lent(text) FROM PUBLIC;
"""

_RECONCILE = """\
CREATE TEMP TABLE wanted AS SELECT * FROM pg_catalog.jsonb_to_recordset({wanted}::jsonb)
    AS x(plugin text, role text, tables text[], fingerprint text, verifier text, reads text[], writes text[]);
DO $nself$
DECLARE
    one record;
    item text;
BEGIN
    SET LOCAL search_path = pg_catalog;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    FOR one IN SELECT w.*, p.password AS known FROM pg_temp.wanted w LEFT JOIN nself.plugins p USING (plugin) LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = one.role) THEN
            EXECUTE format('CREATE ROLE %I', one.role);
            one.known := NULL;
        END IF;
        IF one.known IS DISTINCT FROM one.fingerprint THEN
            EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L',
                           one.role, one.verifier);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public, nself TO %I', one.role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION nself.record(text, text, text), nself.forget(text) TO %I', one.role);
        EXECUTE format('REVOKE CREATE ON SCHEMA public FROM %I', one.role);
        INSERT INTO nself.plugins VALUES (one.plugin, one.role, one.tables, one.fingerprint, one.reads, one.writes)
            ON CONFLICT (plugin) DO UPDATE SET tables = excluded.tables, password = excluded.password,
                reads = excluded.reads, writes = excluded.writes;
    END LOOP;
    PERFORM nself.confine(array_agg(oid)) FROM pg_proc;  -- those made before this was done when they are made
    -- who takes part no longer keeps its tables and may not log in
    FOR item IN SELECT role FROM nself.plugins p JOIN pg_roles r ON r.rolname = p.role AND r.rolcanlogin
                WHERE NOT EXISTS (SELECT FROM pg_temp.wanted w WHERE w.plugin = p.plugin) LOOP
        EXECUTE format('ALTER ROLE %I NOLOGIN', item);
        UPDATE nself.plugins SET password = '' WHERE role = item;
    END LOOP;
END $nself$;
"""

#: Rights upon tables of others: those the manifests ask for where the table is there, and no others.
_GRANTS = """\
DO $nself$
DECLARE
    one record;
    item text;
    held record;
    place regclass;
BEGIN
    SET LOCAL search_path = pg_catalog;
    FOR one IN SELECT * FROM pg_temp.wanted LOOP
        FOR held IN SELECT DISTINCT c.oid::regclass AS place FROM pg_class c, aclexplode(c.relacl) a
                    WHERE a.grantee = one.role::regrole AND c.relowner <> one.role::regrole LOOP
            IF NOT EXISTS (SELECT FROM unnest(one.reads || one.writes) t WHERE to_regclass(
                           CASE WHEN t LIKE '%.%' THEN t ELSE 'public.' || quote_ident(t) END) = held.place) THEN
                EXECUTE format('REVOKE ALL ON %s FROM %I', held.place, one.role);
            END IF;
        END LOOP;
        FOREACH item IN ARRAY one.reads || one.writes LOOP
            place := to_regclass(CASE WHEN item LIKE '%.%' THEN item ELSE 'public.' || quote_ident(item) END);
            IF place IS NOT NULL THEN
                PERFORM nself.grant_foreign(place);
            END IF;
        END LOOP;
    END LOOP;
END $nself$;
"""


@dataclass(frozen=True)
class Role:
    """What a plugin's role is to be. ``tables`` ``None``: it may own what it likes."""

    plugin: str
    password: str
    tables: tuple[str, ...] | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return role_of(self.plugin)

    @classmethod
    def of(cls, plugin: InstalledPlugin, password: str) -> Role:
        """That of an installed plugin, from its manifest."""
        asked = plugin.manifest.permissions.database
        writes = tuple(entry.removesuffix(":write") for entry in asked if entry.endswith(":write"))
        reads = tuple(entry.removesuffix(":read") for entry in asked if not entry.endswith(":write"))
        return cls(plugin.name, password, plugin.manifest.tables, reads, writes)


def password(resolver: Resolver, plugin: str) -> str:
    """The password of a plugin's role."""
    return resolver.value("", password_of(plugin)) or ""


#: The fingerprints of passwords in force, as JSON.
KNOWN = """\
SELECT coalesce(json_object_agg(plugin, password), '{}') FROM nself.plugins p JOIN pg_roles r ON r.rolname = p.role;
"""


def reconcile(roles: Sequence[Role], known: Mapping[str, str]) -> str:
    """SQL that makes the roles as they are to be, with their grants; ``SCHEMA`` stands. ``known``: what ``KNOWN`` answers."""
    return _RECONCILE.format(wanted=literal(json.dumps([_document(role, known) for role in roles]))) + _GRANTS


def grants(roles: Sequence[Role]) -> str:
    """SQL for the grants alone, once more tables are there; and the names of what roles own and should not."""
    rows = [_document(role, {role.plugin: _fingerprint(role.password)}) for role in roles]
    return (
        _RECONCILE.partition("DO $nself$")[0].format(wanted=literal(json.dumps(rows)))
        + _GRANTS
        + "SELECT json_build_array(plugin, nself.stray(role)) FROM pg_temp.wanted WHERE nself.stray(role) IS NOT NULL;\n"
    )


def _document(role: Role, known: Mapping[str, str]) -> dict[str, Any]:
    fingerprint = _fingerprint(role.password)
    return {
        "plugin": role.plugin,
        "role": role.name,
        "tables": role.tables,
        "fingerprint": fingerprint,
        "verifier": "" if known.get(role.plugin) == fingerprint else verifier(role.password),
        "reads": role.reads,
        "writes": role.writes,
    }


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()  # of 256 random bits: nothing can be guessed


def verifier(text: str) -> str:
    """What PostgreSQL stores of a password (RFC 5803): with this no statement, and so no log, ever holds the password itself."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, _ROUNDS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ROUNDS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
