package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"avion.internal/migrate/internal/postgrestest"
)

// plan is what EXPLAIN says of a node, and of those below it.
type plan struct {
	NodeType string  `json:"Node Type"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []plan
}

// each calls a function with the node, and with all that are below it.
func (p plan) each(do func(plan)) {
	do(p)
	for _, below := range p.Plans {
		below.each(do)
	}
}

func TestOfAWholeBatchOnlyItsEndsAreRead(t *testing.T) {
	const batch = 40000
	session, _ := open(t, postgrestest.New(t))
	for _, statement := range []string{
		"CREATE TABLE accounts (id bigint PRIMARY KEY, user_name text NOT NULL)",
		"INSERT INTO accounts SELECT n, 'name ' || n FROM generate_series(1, 50000) n",
		"ANALYZE accounts",
	} {
		if _, err := session.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	runner := Runner{Session: session, Job: Job{Table: "accounts", Key: []string{"id"}}}
	query, values := runner.finding(nil, nil, batch)
	var said []byte
	if err := session.QueryRow("EXPLAIN (ANALYZE, FORMAT JSON) "+query, values...).Scan(&said); err != nil {
		t.Fatal(err)
	}
	var explained []struct{ Plan plan }
	if err := json.Unmarshal(said, &explained); err != nil {
		t.Fatal(err)
	}
	// The index passes over the batch once; nothing that converts or counts sees more than one of its rows.
	scanned := 0.0
	explained[0].Plan.each(func(node plan) {
		switch {
		case strings.HasPrefix(node.NodeType, "Index"):
			scanned += node.Rows * node.Loops
		case node.Rows*node.Loops > 1:
			t.Errorf("%s passes %v rows on: %s", node.NodeType, node.Rows*node.Loops, said)
		case node.NodeType == "Aggregate" && node.Loops > 0:
			t.Errorf("a whole batch is counted: %s", said)
		}
	})
	if scanned < batch || scanned > batch+2 {
		t.Errorf("%v rows are read to find %d: %s", scanned, batch, said)
	}
}

func TestTheLastBatchHoldsTheRest(t *testing.T) {
	session, _ := open(t, postgrestest.New(t))
	if _, err := session.Exec("CREATE TABLE accounts AS SELECT n % 3 AS a, n AS b FROM generate_series(1, 10) n"); err != nil {
		t.Fatal(err)
	}
	runner := Runner{Session: session, Job: Job{Table: "accounts", Key: []string{"a", "b"}}}
	for _, c := range []struct {
		after, first, last string
		size               int
		rows               int64
	}{
		{`[]`, `["0","3"]`, `["1","1"]`, 4, 4},
		{`["1","1"]`, `["1","4"]`, `["2","8"]`, 6, 6},
		{`["1","1"]`, `["1","4"]`, `["2","8"]`, 7, 6},
		{`["2","5"]`, `["2","8"]`, `["2","8"]`, 1, 1},
		{`["2","8"]`, `[]`, `[]`, 1, 0},
	} {
		var after Key
		if err := after.Scan(c.after); err != nil {
			t.Fatal(err)
		}
		found, err := runner.next(context.Background(), session, after, nil, c.size)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := found.first.Value()
		last, _ := found.last.Value()
		if found.rows != c.rows || first != c.first || last != c.last {
			t.Errorf("%d rows behind %s: %d from %s to %s", c.size, c.after, found.rows, first, last)
		}
	}
}

func TestABatchDoesNotWaitForTheDisk(t *testing.T) {
	session, _ := open(t, postgrestest.New(t))
	for _, statement := range []string{
		"SET synchronous_commit = on",
		"CREATE TABLE accounts AS SELECT 1 AS id, '' AS waits",
		"CREATE TABLE progress (" + columns + ")",
	} {
		if _, err := session.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	runner := Runner{Session: session, Table: "progress", Job: Job{
		Name: "count", Statement: "UPDATE accounts SET waits = current_setting('synchronous_commit') WHERE id BETWEEN $1 AND $2",
	}}
	ctx := context.Background()
	if err := runner.begin(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := runner.apply(ctx, batch{first: Key{"1"}, last: Key{"1"}, rows: 1}, runner.atOnce, false); err != nil {
		t.Fatal(err)
	}
	var batch, end string
	if err := session.QueryRow("SELECT waits, current_setting('synchronous_commit') FROM accounts").Scan(&batch, &end); err != nil {
		t.Fatal(err)
	}
	if batch != "off" || end != "on" {
		t.Error("synchronous_commit is", batch, "in a batch and", end, "at the end")
	}
}

func TestAJobThatRestsHoldsNoTransactionOpen(t *testing.T) {
	database := postgrestest.New(t)
	session, _ := open(t, database)
	for _, statement := range []string{
		"CREATE TABLE accounts AS SELECT n AS id, 0 AS done FROM generate_series(1, 400) n", "CREATE TABLE progress (" + columns + ")",
		"SET idle_in_transaction_session_timeout = '100ms'",
	} {
		if _, err := session.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	// One percent of the time: each slice of 20 ms is followed by a rest of two seconds.
	runner := Runner{Session: session, Table: "progress", OpenWatcher: func(context.Context) (*sql.DB, error) { return nil, nil }, Job: Job{
		Name: "count", Table: "accounts", Key: []string{"id"}, Pace: Pace{Load: 1},
		Statement: "UPDATE accounts SET done = done + 1 FROM (SELECT pg_sleep(0.005)) s WHERE id >= $1 AND id <= $2",
	}}
	ctx := context.Background()
	if err := runner.begin(ctx); err != nil {
		t.Fatal(err)
	}
	rows, err := runner.next(ctx, session, nil, nil, 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.work(ctx, rows); err != nil {
		t.Fatal(err)
	}
	if done := database.Value(t, "SELECT concat_ws(' ', sum(done), max(done)) FROM accounts"); done != "300 1" {
		t.Error(done)
	}
}

func TestABatchIsDoneInSlices(t *testing.T) {
	session, _ := open(t, postgrestest.New(t))
	for _, statement := range []string{
		"CREATE TABLE accounts AS SELECT n % 3 AS a, n AS b, 0 AS done FROM generate_series(1, 1000) n",
		"CREATE TABLE statements (changed bigint)",
		`CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN INSERT INTO statements SELECT count(*) FROM new; RETURN NULL; END'`,
		"CREATE TRIGGER count_rows AFTER UPDATE ON accounts REFERENCING NEW TABLE AS new EXECUTE FUNCTION count_rows()",
		"CREATE TABLE progress (" + columns + ")",
	} {
		if _, err := session.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	runner := Runner{Session: session, Table: "progress", OpenWatcher: func(context.Context) (*sql.DB, error) { return nil, nil }, Job: Job{
		Name: "count", Table: "accounts", Key: []string{"a", "b"}, Pace: Pace{Load: 100},
		Statement: "UPDATE accounts SET done = done + 1 WHERE (a, b) >= ($1, $2) AND (a, b) <= ($3, $4)",
	}}
	ctx := context.Background()
	if err := runner.begin(ctx); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{250, 750} {
		rows, err := runner.next(ctx, session, runner.progress.LastKey, nil, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := runner.work(ctx, rows); err != nil {
			t.Fatal(err)
		}
	}
	if p := runner.progress; p.Scanned != 1000 || p.Changed != 1000 || p.Batches != 11 {
		t.Errorf("%+v", p)
	}
	var sizes string
	var other int
	if err := session.QueryRow("SELECT (SELECT string_agg(changed::text, ' ') FROM statements), (SELECT count(*) FROM accounts WHERE done <> 1)").
		Scan(&sizes, &other); err != nil {
		t.Fatal(err)
	}
	if want := "100 100 50 100 100 100 100 100 100 100 50"; sizes != want || other != 0 {
		t.Errorf("%d rows were not done once, in slices of %s instead of %s", other, sizes, want)
	}
}
