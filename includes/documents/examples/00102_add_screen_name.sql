-- +goose Up
ALTER TABLE accounts ADD COLUMN screen_name text;

-- +goose Down
ALTER TABLE accounts DROP COLUMN screen_name;
