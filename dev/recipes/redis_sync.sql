-- +goose Up
CREATE TABLE timeline_entries (
    timeline_id bigint NOT NULL,
    drop_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (timeline_id, drop_id)
);

-- +goose Down
DROP TABLE timeline_entries;
