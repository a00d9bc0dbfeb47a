-- +goose NO TRANSACTION
-- +goose Up
-- Only what a failed run left behind.
-- squawk-ignore ban-drop-constraint
ALTER TABLE accounts DROP CONSTRAINT IF EXISTS accounts_screen_name_key;
DROP INDEX CONCURRENTLY IF EXISTS accounts_screen_name_key;
CREATE UNIQUE INDEX CONCURRENTLY accounts_screen_name_key ON accounts (screen_name);
ALTER TABLE accounts ADD CONSTRAINT accounts_screen_name_key UNIQUE USING INDEX accounts_screen_name_key;

-- +goose Down
ALTER TABLE accounts DROP CONSTRAINT accounts_screen_name_key;
