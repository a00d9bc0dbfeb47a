-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
    batch_size CONSTANT integer := 5000;
    last_id bigint := 0;
    batch_end bigint;
BEGIN
    LOOP
        SELECT max(id) INTO batch_end
        FROM (SELECT id FROM accounts WHERE id > last_id ORDER BY id LIMIT batch_size) AS batch;
        EXIT WHEN batch_end IS NULL;

        UPDATE accounts
        SET screen_name = user_name
        WHERE id > last_id
            AND id <= batch_end
            AND screen_name IS DISTINCT FROM user_name;
        COMMIT;

        last_id := batch_end;
    END LOOP;
END;
$$;
-- +goose StatementEnd

-- +goose Down
-- Nothing to undo: user_name still holds every value.
SELECT 1;
