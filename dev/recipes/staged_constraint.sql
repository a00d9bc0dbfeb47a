-- +goose Up
CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE follows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    target_id bigint NOT NULL
);
CREATE INDEX follows_account_id_idx ON follows (account_id);

-- +goose Down
DROP TABLE follows;
DROP TABLE accounts;
