package runlock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// holderQuery finds the session that has the lock, as far as the server lets this role see it.
const holderQuery = `
SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), 'a socket'),
       coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '')
FROM pg_locks l
LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = $1`

// holder names the session that has the lock for a person who wants to find it; it is empty where that has just let go.
func (a Advisory) holder(ctx context.Context, session *sql.DB) (string, error) {
	var pid int
	var application, client, since string
	err := session.QueryRowContext(ctx, holderQuery, a.Key()).Scan(&pid, &application, &client, &since)
	if err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return "", err
	}
	return fmt.Sprintf("pid %d (%s from %s, since %s)", pid, application, client, since), nil
}
