package runlock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// holder is the session that has the lock, as far as the server lets this role see it.
type holder struct {
	pid         int
	application string
	client      string
	since       string
}

const holderQuery = `
SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), 'a socket'),
       coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '')
FROM pg_locks l
LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = $1`

func (a Advisory) holder(ctx context.Context, session *sql.DB) (holder, error) {
	var found holder
	err := session.QueryRowContext(ctx, holderQuery, a.Key()).
		Scan(&found.pid, &found.application, &found.client, &found.since)
	if errors.Is(err, sql.ErrNoRows) { // let go between the two questions
		return holder{}, nil
	}
	return found, err
}

func (h holder) found() bool { return h.pid != 0 }

// String names the holder for a person who wants to find it.
func (h holder) String() string {
	if !h.found() {
		return "a session that has just ended"
	}
	return fmt.Sprintf("pid %d (%s from %s, since %s)", h.pid, h.application, h.client, h.since)
}
