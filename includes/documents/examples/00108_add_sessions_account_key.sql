-- +goose Up
ALTER TABLE sessions
    ADD CONSTRAINT sessions_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID;

-- +goose Down
ALTER TABLE sessions DROP CONSTRAINT sessions_account_id_fkey;
