-- Every object of a database that a migration can make: what it is called, and everything about it that matters.
-- Columns have no position: no Down can put a dropped column back where it was.
WITH
own AS ( -- the engine's tables, with what belongs to them
    SELECT unnest($1::oid[]) AS oid
    UNION ALL
    SELECT indexrelid FROM pg_index WHERE indrelid = ANY ($1::oid[])
    UNION ALL
    SELECT objid FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
        AND refobjid = ANY ($1::oid[]) AND deptype IN ('a', 'i')
),
member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'), -- an extension brought it
space AS (
    SELECT n.* FROM pg_namespace n
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND ('pg_namespace'::regclass, n.oid) NOT IN (SELECT classid, objid FROM member)
),
relation AS (
    SELECT c.*, c.oid::regclass::text AS name FROM pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE c.oid NOT IN (SELECT oid FROM own) AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM member)
),
routine AS (
    SELECT p.* FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
    WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM member)
),
type AS (
    SELECT t.* FROM pg_type t JOIN space s ON s.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typtype IN ('b', 'd', 'e', 'r')
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
        AND ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM member)
),
other (classid, oid, detail) AS (
    SELECT 'pg_cast'::regclass, oid, concat_ws(' ', castcontext, castmethod, castfunc::regprocedure) FROM pg_cast
    UNION ALL SELECT 'pg_operator'::regclass, oid, concat_ws(' ', oprcode, oprcom::regoperator, oprnegate::regoperator, oprrest, oprjoin, oprcanhash, oprcanmerge) FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, concat_ws(' ', opcintype::regtype, opcdefault) FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, '' FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, concat_ws(' ', collprovider, collisdeterministic, collcollate, collctype) FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, conproc::text FROM pg_conversion
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, '' FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictinitoption FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, '' FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, '' FROM pg_ts_template
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, array_to_string(fdwoptions, ' ') FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, concat_ws(' ', srvtype, srvversion, array_to_string(srvoptions, ' ')) FROM pg_foreign_server
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, concat_ws(' ', evtevent, evtfoid::regprocedure, evtenabled, array_to_string(evttags, ' ')) FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, oid, concat_ws(' ', puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot) FROM pg_publication
    UNION ALL SELECT 'pg_publication_rel'::regclass, oid, concat_ws(' ', pg_get_expr(prqual, prrelid), prattrs) FROM pg_publication_rel
    UNION ALL SELECT 'pg_transform'::regclass, oid, concat_ws(' ', trffromsql, trftosql) FROM pg_transform
    UNION ALL SELECT 'pg_language'::regclass, oid, concat_ws(' ', lanpltrusted, lanplcallfoid::regprocedure) FROM pg_language
    UNION ALL SELECT 'pg_am'::regclass, oid, amhandler::text FROM pg_am
)
SELECT format('schema %I', nspname),
    concat_ws(E'\n', 'owner ' || pg_get_userbyid(nspowner),
        (SELECT 'grants ' || string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a))
FROM space
UNION ALL
SELECT format('extension %I', extname), concat_ws(E'\n', 'version ' || extversion, 'schema ' || extnamespace::regnamespace)
FROM pg_extension
UNION ALL
SELECT CASE relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'partitioned table ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
        WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence ' ELSE 'composite type ' END || name,
    concat_ws(E'\n', 'owner ' || pg_get_userbyid(relowner),
        CASE relpersistence WHEN 'u' THEN 'unlogged' END,
        'with ' || array_to_string(reloptions, ', '),
        (SELECT 'access method ' || amname FROM pg_am WHERE oid = relam),
        (SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE oid = reltablespace),
        CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced row security' END,
        CASE WHEN relkind IN ('r', 'p', 'm') THEN 'replica identity ' || relreplident::text END,
        (SELECT 'inherits ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = relation.oid),
        'partition ' || pg_get_expr(relpartbound, relation.oid),
        CASE relkind WHEN 'p' THEN 'partition by ' || pg_get_partkeydef(relation.oid) END,
        CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(relation.oid) END,
        CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'not populated' END,
        (SELECT concat_ws(' ', seqtypid::regtype, 'start', seqstart, 'increment', seqincrement, 'from', seqmin, 'to', seqmax, 'cache', seqcache,
                CASE WHEN seqcycle THEN 'cycle' END) FROM pg_sequence WHERE seqrelid = relation.oid),
        (SELECT 'owned by ' || pg_describe_object(refclassid, refobjid, refobjsubid) FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND relkind = 'S' AND deptype IN ('a', 'i')),
        CASE WHEN relkind <> 'c' THEN (SELECT 'grants ' || string_agg(a::text, ' ' ORDER BY a::text)
            FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a) END)
FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
UNION ALL
SELECT format('column %s.%I', name, attname),
    concat_ws(E'\n', format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END,
        CASE attgenerated WHEN '' THEN 'default ' WHEN 's' THEN 'generated stored ' ELSE 'generated ' END || pg_get_expr(adbin, adrelid),
        'identity ' || nullif(attidentity::text, ''),
        (SELECT 'collation ' || a.attcollation::regcollation FROM pg_type t WHERE t.oid = atttypid AND t.typcollation <> a.attcollation),
        (SELECT 'storage ' || attstorage::text FROM pg_type t WHERE t.oid = atttypid AND t.typstorage <> attstorage),
        'compression ' || nullif(attcompression::text, ''),
        'statistics ' || nullif(attstattarget, -1),
        'with ' || array_to_string(attoptions, ', '), 'foreign ' || array_to_string(attfdwoptions, ', '),
        (SELECT 'grants ' || string_agg(g::text, ' ' ORDER BY g::text) FROM unnest(attacl) g))
FROM relation JOIN pg_attribute a ON attrelid = relation.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND attnum > 0 AND NOT attisdropped
UNION ALL
-- A NOT NULL that is checked and inherited as usual is in its column; PostgreSQL 18 names it besides.
SELECT format('constraint %I on %s', conname, name), pg_get_constraintdef(k.oid)
FROM relation JOIN pg_constraint k ON conrelid = relation.oid WHERE contype <> 'n' OR NOT convalidated OR connoinherit
UNION ALL
SELECT 'index ' || name, concat_ws(E'\n', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'invalid' END,
    CASE WHEN indisclustered THEN 'clustered' END, CASE WHEN indisreplident THEN 'replica identity' END)
FROM relation JOIN pg_index ON indexrelid = relation.oid
UNION ALL
SELECT format('trigger %I on %s', tgname, name), concat_ws(E'\n', pg_get_triggerdef(t.oid), 'enabled ' || tgenabled::text)
FROM relation JOIN pg_trigger t ON tgrelid = relation.oid WHERE NOT tgisinternal
UNION ALL
SELECT format('rule %I on %s', rulename, name), concat_ws(E'\n', pg_get_ruledef(r.oid), 'enabled ' || ev_enabled::text)
FROM relation JOIN pg_rewrite r ON ev_class = relation.oid WHERE rulename <> '_RETURN'
UNION ALL
SELECT format('policy %I on %s', polname, name),
    concat_ws(E'\n', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END || ' for ' || polcmd::text,
        (SELECT 'to ' || string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r)::text END, ', ' ORDER BY r) FROM unnest(polroles) r),
        'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid))
FROM relation JOIN pg_policy ON polrelid = relation.oid
UNION ALL
SELECT CASE prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END || p.oid::regprocedure,
    concat_ws(E'\n', 'owner ' || pg_get_userbyid(proowner),
        CASE WHEN prokind <> 'a' THEN rtrim(pg_get_functiondef(p.oid), E'\n') END,
        (SELECT concat_ws(' ', 'state', aggtransfn, format_type(aggtranstype, NULL), 'final', aggfinalfn, 'combine', aggcombinefn,
                'initial', agginitval, 'moving', aggmtransfn, aggminvtransfn, aggmfinalfn, aggminitval, aggsortop::regoperator)
            FROM pg_aggregate WHERE aggfnoid = p.oid),
        (SELECT 'grants ' || string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(coalesce(proacl, acldefault('f', proowner))) a))
FROM routine p
UNION ALL
SELECT CASE typtype WHEN 'e' THEN 'enum ' WHEN 'd' THEN 'domain ' WHEN 'r' THEN 'range ' ELSE 'type ' END || t.oid::regtype,
    concat_ws(E'\n', 'owner ' || pg_get_userbyid(typowner),
        (SELECT 'values ' || string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
        CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod) || CASE WHEN typnotnull THEN ' NOT NULL' ELSE '' END END,
        'default ' || typdefault,
        CASE WHEN typtype = 'd' AND typcollation <> 0 THEN 'collation ' || typcollation::regcollation END,
        (SELECT string_agg(format('constraint %I %s', conname, pg_get_constraintdef(k.oid)), E'\n' ORDER BY conname)
            FROM pg_constraint k WHERE contypid = t.oid AND contype = 'c'),
        (SELECT concat_ws(' ', 'of', rngsubtype::regtype, rngcanonical, rngsubdiff) FROM pg_range WHERE rngtypid = t.oid),
        CASE typtype WHEN 'b' THEN concat_ws(' ', typlen, typbyval, typalign, typstorage, typinput, typoutput, typreceive, typsend) END,
        (SELECT 'grants ' || string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(coalesce(typacl, acldefault('T', typowner))) a))
FROM type t
UNION ALL
SELECT format('statistics %s.%I', stxnamespace::regnamespace, stxname), concat_ws(E'\n', pg_get_statisticsobjdef(e.oid), 'target ' || nullif(stxstattarget, -1))
FROM pg_statistic_ext e JOIN relation ON relation.oid = stxrelid
UNION ALL
SELECT type || ' ' || identity, detail FROM other, pg_identify_object(classid, oid, 0)
WHERE oid >= 16384 AND (classid, oid) NOT IN (SELECT classid, objid FROM member)
UNION ALL
SELECT 'comment on ' || type || ' ' || identity, description FROM pg_description, pg_identify_object(classoid, objoid, objsubid)
WHERE (objoid >= 16384 OR classoid = 'pg_namespace'::regclass)
    AND (classoid, objoid) NOT IN (SELECT classid, objid FROM member) AND objoid NOT IN (SELECT oid FROM own)
UNION ALL
SELECT format('default privileges of %I%s for %s', pg_get_userbyid(defaclrole), ' in schema ' || nullif(defaclnamespace, 0)::regnamespace, defaclobjtype),
    (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(defaclacl) a)
FROM pg_default_acl
UNION ALL
SELECT 'settings of ' || CASE setrole WHEN 0 THEN 'the database' ELSE 'role ' || setrole::regrole END,
    (SELECT string_agg(s, E'\n' ORDER BY s) FROM unnest(setconfig) s)
FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
