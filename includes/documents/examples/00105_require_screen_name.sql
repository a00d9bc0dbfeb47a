-- +goose Up
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_screen_name_not_null;
ALTER TABLE accounts
    ALTER COLUMN screen_name SET NOT NULL,
    -- The new application leaves user_name empty.
    -- squawk-ignore ban-drop-not-null
    ALTER COLUMN user_name DROP NOT NULL;
-- NOT NULL guarantees the same.
-- squawk-ignore ban-drop-constraint
ALTER TABLE accounts DROP CONSTRAINT accounts_screen_name_not_null;

-- +goose Down
ALTER TABLE accounts
    ADD CONSTRAINT accounts_screen_name_not_null CHECK (screen_name IS NOT NULL) NOT VALID;
ALTER TABLE accounts
    ALTER COLUMN user_name SET NOT NULL,
    ALTER COLUMN screen_name DROP NOT NULL;
