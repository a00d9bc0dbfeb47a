// Package watch tells Prometheus and Kubernetes how the worker is doing. It never decides what the worker does.
//
// May import: failure.
package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"avion.internal/migrate/internal/failure"
)

// hung is how long the worker may do nothing, not even wait, before it counts as hung.
const hung = 2 * time.Minute

// State is what the worker knows of itself.
type State struct {
	// Service labels every metric.
	Service string
	// Rounded counts scores that float64 could not tell from their neighbours.
	Rounded atomic.Int64

	mutex    sync.Mutex
	alive    time.Time
	failures map[string]int64
	tables   map[string]*Table
}

// Table is what the worker knows of one outbox.
type Table struct {
	Applied int64
	// Seen tells that the others are known.
	Seen   bool
	Events int64
	Oldest float64
	Whole  bool
}

// Alive notes that the worker does something.
func (s *State) Alive() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.alive = time.Now()
}

// Failed counts a failure on the side of redis or postgresql.
func (s *State) Failed(side string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failures == nil {
		s.failures = map[string]int64{}
	}
	s.failures[side]++
}

// Change changes what is known of a table.
func (s *State) Change(table string, change func(*Table)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.tables == nil {
		s.tables = map[string]*Table{}
	}
	if s.tables[table] == nil {
		s.tables[table] = &Table{}
	}
	change(s.tables[table])
}

// Serve answers /metrics and /healthz until the context ends.
func (s *State) Serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return failure.Refused("REDIS_SYNC_LISTEN is %q, which cannot be listened on (%w): name a free address, as in :9474", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write([]byte(s.text()))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if still := s.still(); still > hung {
			http.Error(w, fmt.Sprintf("nothing was done for %s", still.Round(time.Second)), http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return nil
}

func (s *State) still() time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return time.Since(s.alive)
}

// text writes the state in Prometheus' text format.
func (s *State) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var text strings.Builder
	family := func(name, kind, help string, series map[string]float64) {
		if len(series) == 0 {
			return
		}
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, labels := range sorted(series) {
			fmt.Fprintf(&text, "%s{service=%s%s} %s\n", name, quote(s.Service), labels, strconv.FormatFloat(series[labels], 'f', -1, 64))
		}
	}
	of := func(known func(*Table) bool, value func(*Table) float64) map[string]float64 {
		series := map[string]float64{}
		for name, table := range s.tables {
			if known(table) {
				series[",table="+quote(name)] = value(table)
			}
		}
		return series
	}
	always, seen := func(*Table) bool { return true }, func(t *Table) bool { return t.Seen }
	failures := map[string]float64{`,side="redis"`: 0, `,side="postgresql"`: 0}
	for side, count := range s.failures {
		failures[",side="+quote(side)] = float64(count)
	}
	family("redis_sync_events_applied_total", "counter", "Events whose changes have reached Redis.",
		of(always, func(t *Table) float64 { return float64(t.Applied) }))
	family("redis_sync_outbox_events", "gauge", "Events that wait in the outbox, counted up to 100000.",
		of(seen, func(t *Table) float64 { return float64(t.Events) }))
	family("redis_sync_outbox_oldest_seconds", "gauge", "How long the oldest event has waited.",
		of(seen, func(t *Table) float64 { return t.Oldest }))
	family("redis_sync_whole", "gauge", "1 if all sorted sets have been built in this Redis since it last lost its data.",
		of(seen, func(t *Table) float64 { return map[bool]float64{true: 1}[t.Whole] }))
	family("redis_sync_failures_total", "counter", "Attempts that failed on one side.", failures)
	family("redis_sync_rounded_scores_total", "counter", "Scores beyond 2^53, which float64 rounds.",
		map[string]float64{"": float64(s.Rounded.Load())})
	return text.String()
}

func sorted(series map[string]float64) []string {
	var labels []string
	for each := range series {
		labels = append(labels, each)
	}
	slices.Sort(labels)
	return labels
}

var escaping = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func quote(value string) string { return `"` + escaping.Replace(value) + `"` }
