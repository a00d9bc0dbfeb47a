-- backfill: table=accounts key=id
UPDATE accounts
SET screen_name = user_name
WHERE id BETWEEN $1 AND $2
    AND screen_name IS DISTINCT FROM user_name;
