-- +goose Up
-- POINT OF NO RETURN: the values of accounts.user_name are gone after this migration.
-- squawk-ignore ban-drop-column
ALTER TABLE accounts DROP COLUMN user_name;

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    IF coalesce(current_setting('custom.environment', true), '') NOT IN ('development', 'test') THEN
        RAISE EXCEPTION 'point of no return: the values of accounts.user_name cannot be restored'
            USING HINT = 'Write a new migration, or restore a backup.';
    END IF;
END;
$$;
-- +goose StatementEnd
ALTER TABLE accounts ADD COLUMN user_name text;
