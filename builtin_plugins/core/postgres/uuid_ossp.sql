-- The functions of uuid-ossp 1.1 in SQL (RFC 9562), for programs whose compiled module lacks its library on this machine.
\echo Use "CREATE EXTENSION "uuid-ossp"" to load this file. \quit

CREATE FUNCTION uuid_nil() RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '00000000-0000-0000-0000-000000000000'::uuid;
CREATE FUNCTION uuid_ns_dns() RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;
CREATE FUNCTION uuid_ns_url() RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;
CREATE FUNCTION uuid_ns_oid() RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;
CREATE FUNCTION uuid_ns_x500() RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_generate_v4() RETURNS uuid VOLATILE STRICT PARALLEL SAFE LANGUAGE sql
RETURN gen_random_uuid();

-- Version 1: 100 ns since 1582-10-15, random clock sequence, random node with the multicast bit that marks it as none.
CREATE FUNCTION uuid_generate_v1mc() RETURNS uuid VOLATILE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT (substr(t.x, 9, 8) || substr(t.x, 5, 4) || '1' || substr(t.x, 2, 3) || encode(
        set_byte(set_byte(r.b, 0, (get_byte(r.b, 0) & 63) | 128), 2, get_byte(r.b, 2) | 1), 'hex'))::uuid
    FROM (SELECT lpad(to_hex((extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 122192928000000000), 16, '0')) AS t(x),
        (SELECT substr(uuid_send(gen_random_uuid()), 9)) AS r(b)
$$;
CREATE FUNCTION uuid_generate_v1() RETURNS uuid VOLATILE STRICT PARALLEL SAFE LANGUAGE sql
RETURN @extschema@.uuid_generate_v1mc();

CREATE FUNCTION uuid_generate_v3(namespace uuid, name text) RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT encode(set_byte(set_byte(h.b, 6, (get_byte(h.b, 6) & 15) | 48), 8, (get_byte(h.b, 8) & 63) | 128), 'hex')::uuid
    FROM (SELECT decode(md5(uuid_send(namespace) || convert_to(name, 'UTF8')), 'hex')) AS h(b)
$$;
CREATE FUNCTION uuid_generate_v5(namespace uuid, name text) RETURNS uuid IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT encode(set_byte(set_byte(h.b, 6, (get_byte(h.b, 6) & 15) | 80), 8, (get_byte(h.b, 8) & 63) | 128), 'hex')::uuid
    FROM (SELECT substr(@extschema:pgcrypto@.digest(uuid_send(namespace) || convert_to(name, 'UTF8'), 'sha1'), 1, 16)) AS h(b)
$$;
