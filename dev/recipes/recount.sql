-- +goose Up
CREATE TABLE drops (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reaction_count bigint NOT NULL DEFAULT 0
);
CREATE TABLE reactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    drop_id bigint NOT NULL,
    removed_at timestamptz
);
CREATE INDEX reactions_drop_id_idx ON reactions (drop_id);

-- +goose Down
DROP TABLE reactions;
DROP TABLE drops;
