package operate

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/sqlscan"
)

const (
	watchAfter = 500 * time.Millisecond
	watchEvery = 250 * time.Millisecond
)

// The first word of a statement tells what the session does; the rest of it may hold a secret.
const blockersQuery = `
SELECT format('pid %s (%s)', b.pid, concat_ws(', ', nullif(a.application_name, ''), host(a.client_addr), a.state,
       'since ' || to_char(a.xact_start, 'HH24:MI:SS TZ'), upper(substring(a.query from '^(?:(?:BEGIN|SET LOCAL [^;]*);\s*)*([A-Za-z]+)'))))
FROM unnest(pg_blocking_pids($1)) b(pid) LEFT JOIN pg_stat_activity a USING (pid) ORDER BY b.pid LIMIT 5`

// watch looks, from a session of its own, at what the run's session waits for. A run whose files are quick never opens
// that session. The function that it returns ends the watching and names who was seen last, if anybody was.
func (s *Session) watch(ctx context.Context, tell func(blockers string)) (stop func() string) {
	if s.Target.Pooled() { // nobody knows which session of the server a pooler uses
		return func() string { return "" }
	}
	watching, cancel := context.WithCancel(ctx)
	seen := make(chan string, 1)
	timer := time.AfterFunc(watchAfter, func() {
		last := ""
		for watching.Err() == nil {
			if blockers := s.blockers(watching); blockers != "" && blockers != last {
				last = blockers
				tell(last)
			}
			select {
			case <-watching.Done():
			case <-time.After(watchEvery):
			}
		}
		seen <- last
	})
	return func() string {
		cancel()
		if timer.Stop() {
			return ""
		}
		return <-seen
	}
}

// blockers names the sessions that the run's session waits for. What cannot be found out stays empty: it is told for
// information only.
func (s *Session) blockers(ctx context.Context) string {
	if s.watcher == nil {
		opened, err := s.Target.Open(ctx, func(string, ...any) {})
		if err != nil {
			return ""
		}
		s.watcher = opened
	}
	all, err := sqlscan.Column[string](ctx, s.watcher, blockersQuery, s.pid)
	if err != nil { // pgx has closed a session whose query was cancelled; the next attempt opens another
		s.watcher.Close()
		s.watcher = nil
	}
	return strings.Join(all, ", ")
}

// backend is the id of the run's session in the server, which the connection knows without asking.
func backend(ctx context.Context, session *sql.DB) (pid uint32, err error) {
	connection, err := session.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	err = connection.Raw(func(driver any) error {
		pid = driver.(interface{ Conn() *pgx.Conn }).Conn().PgConn().PID()
		return nil
	})
	return pid, err
}
