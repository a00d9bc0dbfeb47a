-- +goose Up
ALTER TABLE accounts
    ADD CONSTRAINT accounts_screen_name_not_null CHECK (screen_name IS NOT NULL) NOT VALID;

-- +goose Down
ALTER TABLE accounts DROP CONSTRAINT accounts_screen_name_not_null;
