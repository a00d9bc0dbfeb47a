WITH listed AS (
    SELECT
        i.*,
        c.relname,
        n.nspname,
        c.relam,
        c.relkind,
        c.relispartition,
        -- What dropping the index would break: a key, an exclusion, a foreign key that refers to it, replication.
        i.indisreplident OR EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) AS needed,
        (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys,
        (i.indkey::int2[])[i.indnkeyatts:] AS included,
        coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions,
        coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
        (
            SELECT string_agg(format('%s %s', attnum, attoptions), ' ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = i.indexrelid AND attoptions IS NOT NULL
        ) AS parameters,
        -- A partitioned index is read and stored in those of the partitions.
        ARRAY(SELECT i.indexrelid UNION SELECT relid FROM pg_partition_tree(i.indexrelid)) AS members
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = i.indrelid AND deptype = 'e')
),
covers AS (
    SELECT less.indexrelid AS less, more.indexrelid AS more, less.needed AS less_needed, more.needed AS more_needed
    FROM listed less
    JOIN listed more ON more.indrelid = less.indrelid AND more.indexrelid <> less.indexrelid
        AND more.relam = less.relam AND more.keys = less.keys AND more.included @> less.included
        AND more.indclass = less.indclass AND more.indcollation = less.indcollation AND more.indoption = less.indoption
        AND more.expressions = less.expressions AND more.predicate = less.predicate
        AND more.parameters IS NOT DISTINCT FROM less.parameters
    WHERE more.indisvalid AND less.indisvalid
        AND (NOT less.indisunique
            OR more.indisunique AND more.indimmediate AND more.indnullsnotdistinct = less.indnullsnotdistinct)
),
superfluous AS (
    SELECT DISTINCT less FROM covers a
    -- Of two that do the same, the older one stays.
    WHERE NOT less_needed
        AND (less > more OR more_needed OR NOT EXISTS (SELECT FROM covers b WHERE b.less = a.more AND b.more = a.less))
),
duplicates AS (
    SELECT DISTINCT ON (less) less, more
    FROM superfluous
    JOIN covers USING (less)
    WHERE more NOT IN (SELECT less FROM superfluous)
    ORDER BY less, more_needed DESC, more
),
found AS (
    SELECT indexrelid, 'invalid' AS finding, NULL::oid AS instead FROM listed
    WHERE NOT indisvalid AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
    UNION ALL
    SELECT less, 'duplicate', more FROM duplicates
    UNION ALL
    SELECT indexrelid, 'unused', NULL FROM listed
    WHERE indisvalid AND NOT indisunique AND NOT needed
        AND (SELECT sum(pg_stat_get_numscans(member)) FROM unnest(members) member) = 0
)
SELECT
    f.finding,
    format('%I.%I', l.nspname, l.relname),
    l.indrelid::regclass::text,
    l.relkind = 'I',
    (SELECT sum(pg_relation_size(member)) FROM unnest(l.members) member)::bigint,
    coalesce((SELECT format('%I.%I', o.nspname, o.relname) FROM listed o WHERE o.indexrelid = f.instead), ''),
    pg_get_indexdef(l.indexrelid)
FROM found f
JOIN listed l USING (indexrelid)
-- An index of a partition goes with that of the table.
WHERE NOT l.relispartition
ORDER BY 1, 5 DESC, 2
