-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS sessions_account_id_idx;
CREATE INDEX CONCURRENTLY sessions_account_id_idx ON sessions (account_id);

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS sessions_account_id_idx;
