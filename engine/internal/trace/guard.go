package trace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// guard ends a session that takes too much of the machine.
type guard struct {
	sync.Mutex
	said   string
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	guardAfter = 300 * time.Millisecond
	guardEvery = 100 * time.Millisecond
)

// watch looks at the size of the database and at the clock, from a session of its own once a trace is not quick.
func (s *Server) watch(ctx context.Context, database string, pid uint32) *guard {
	watching, cancel := context.WithCancel(ctx)
	g := &guard{cancel: cancel, done: make(chan struct{})}
	deadline := time.Now().Add(s.Limits.Time)
	go func() {
		defer close(g.done)
		select {
		case <-watching.Done():
			return
		case <-time.After(guardAfter):
		}
		session, err := s.dial(watching, maintenance, func(*pgx.ConnConfig) {})
		if err != nil {
			g.say("nothing could watch over it: " + sentence(err))
			return
		}
		defer session.Close(context.WithoutCancel(ctx))
		var begun int64
		for watching.Err() == nil {
			var size int64
			err := session.QueryRow(watching, "SELECT pg_database_size($1::name)", database).Scan(&size)
			begun = max(begun, min(size, 64<<20))
			switch {
			case watching.Err() != nil:
				return
			case err == nil && size-begun > s.Limits.Bytes:
				g.say(fmt.Sprintf("it wrote more than %d MB", s.Limits.Bytes>>20))
			case time.Now().After(deadline):
				g.say(fmt.Sprintf("it ran for more than %s", s.Limits.Time))
			default:
				select {
				case <-watching.Done():
					return
				case <-time.After(guardEvery):
				}
				continue
			}
			_, _ = session.Exec(watching, "SELECT pg_terminate_backend($1)", pid)
			time.Sleep(guardEvery)
		}
	}()
	return g
}

func (g *guard) say(reason string) {
	g.Lock()
	defer g.Unlock()
	if g.said == "" {
		g.said = reason
	}
}

func (g *guard) reason() string {
	g.Lock()
	defer g.Unlock()
	return g.said
}

func (g *guard) end() {
	g.cancel()
	<-g.done
}
