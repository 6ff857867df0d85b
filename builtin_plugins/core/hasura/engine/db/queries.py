"""The catalogue queries. Each gives one JSON array, so that a snapshot costs three round trips."""

SYSTEM = "('pg_catalog', 'information_schema', 'hdb_catalog', 'pg_toast')"

TYPES = """
SELECT json_agg(json_build_object(
  'oid', t.oid::int8, 'name', t.typname, 'cast', format_type(t.oid, NULL), 'kind', t.typtype,
  'element', CASE WHEN t.typcategory = 'A' THEN t.typelem::int8 ELSE 0 END,
  'base_name', CASE WHEN t.typtype = 'd' THEN b.typname END))
FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype
"""

RELATIONS = f"""
WITH cols AS (
  SELECT a.attrelid, json_agg(json_build_object(
    'name', a.attname, 'type', a.atttypid::int8, 'not_null', a.attnotnull, 'default', a.atthasdef,
    'identity', a.attidentity, 'generated', a.attgenerated <> '', 'n', a.attnum,
    'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum) AS columns
  FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid
), keys AS (
  SELECT k.conrelid, json_agg(json_build_object(
    'name', k.conname, 'type', k.contype,
    'columns', (SELECT json_agg(a.attname ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u(att, n)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.att),
    'target', CASE WHEN k.contype = 'f' THEN (SELECT json_build_array(fn.nspname, fc.relname)
                FROM pg_class fc JOIN pg_namespace fn ON fn.oid = fc.relnamespace WHERE fc.oid = k.confrelid) END,
    'target_columns', CASE WHEN k.contype = 'f' THEN (SELECT json_agg(a.attname ORDER BY u.n)
                FROM unnest(k.confkey) WITH ORDINALITY u(att, n)
                JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.att) END
    ) ORDER BY k.conname) AS keys
  FROM pg_constraint k WHERE k.contype IN ('p', 'u', 'f') AND k.conrelid <> 0 GROUP BY k.conrelid
)
SELECT json_agg(json_build_object(
  'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'comment', obj_description(c.oid, 'pg_class'),
  'triggers', EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
  'columns', cols.columns, 'keys', keys.keys,
  'updatable', CASE WHEN c.relkind IN ('r', 'p') THEN 28 ELSE pg_relation_is_updatable(c.oid, true) END))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN cols ON cols.attrelid = c.oid LEFT JOIN keys ON keys.conrelid = c.oid
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT IN {SYSTEM} AND n.nspname NOT LIKE 'pg\\_temp%'
"""  # noqa: S608 - the only substitution is the constant above

FUNCTIONS = f"""
SELECT json_agg(json_build_object(
  'schema', n.nspname, 'name', p.proname, 'names', p.proargnames, 'modes', p.proargmodes::text[],
  'types', (SELECT coalesce(json_agg(u.t::int8 ORDER BY u.n), '[]') FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u(t, n)),
  'defaults', p.pronargdefaults, 'returns', p.prorettype::int8, 'returns_set', p.proretset,
  'volatility', p.provolatile, 'variadic', p.provariadic <> 0, 'comment', obj_description(p.oid, 'pg_proc'),
  'returns_table', (SELECT json_build_array(cn.nspname, c.relname) FROM pg_type t
     JOIN pg_class c ON c.oid = t.typrelid AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
     JOIN pg_namespace cn ON cn.oid = c.relnamespace WHERE t.oid = p.prorettype)))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND n.nspname NOT IN {SYSTEM}
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
"""  # noqa: S608 - the only substitution is the constant above
