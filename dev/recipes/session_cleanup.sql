-- +goose Up
CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    expires_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE sessions;
