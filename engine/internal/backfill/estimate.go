package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// estimate is how many rows the planner expects behind the last batch.
func (r *Runner) estimate(ctx context.Context) (int64, error) {
	var text string
	condition, values := r.between(r.progress.LastKey, nil)
	query := fmt.Sprintf("EXPLAIN (FORMAT JSON) SELECT %s FROM %s%s", strings.Join(r.Job.Key, ", "), r.Job.Table, condition)
	if err := r.Session.QueryRowContext(ctx, query, values...).Scan(&text); err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return 0, fmt.Errorf("the plan of the server cannot be read (%w)", err)
	}
	if len(plans) != 1 {
		return 0, fmt.Errorf("the server made %d plans for one statement", len(plans))
	}
	return int64(plans[0].Plan.Rows), nil
}

// Estimate is what a dry run finds out.
type Estimate struct {
	Job string `json:"job"`
	// Rows are left to do; Trial of them were tried, in a transaction that was rolled back, and Changed of those written.
	Rows    int64 `json:"rows"`
	Trial   int64 `json:"trial_rows"`
	Changed int64 `json:"trial_changed"`
	// Took is how long the trial ran, Total how long the job would at its pace, its waiting for others not counted.
	Took  time.Duration `json:"-"`
	Total time.Duration `json:"-"`
}

// MarshalJSON writes times in seconds.
func (e Estimate) MarshalJSON() ([]byte, error) {
	type plain Estimate
	return json.Marshal(struct {
		plain
		Took  float64 `json:"trial_seconds"`
		Total float64 `json:"total_seconds"`
	}{plain(e), e.Took.Seconds(), e.Total.Seconds()})
}

// Estimate tries batches of growing size, rolls each back, and works out from the last one how long the job would take.
func (r *Runner) Estimate(ctx context.Context) (Estimate, error) {
	found, err := r.tryOut(ctx)
	return found, r.explain(ctx, err)
}

func (r *Runner) tryOut(ctx context.Context) (Estimate, error) {
	if err := r.checkKey(ctx); err != nil {
		return Estimate{}, err
	}
	all, err := ReadProgress(ctx, r.Session, r.Table)
	if err != nil {
		return Estimate{}, err
	}
	if r.progress = all[r.Job.Name]; r.progress.State == Done || r.progress.Checksum != r.Job.Checksum {
		r.progress = Progress{}
	}
	found := Estimate{Job: r.Job.Name}
	if found.Rows, err = r.estimate(ctx); err != nil {
		return Estimate{}, err
	}
	for size := firstBatch; ; {
		rows, err := r.next(ctx, r.Session, r.progress.LastKey, nil, size)
		if err != nil {
			return Estimate{}, err
		}
		if rows.rows == 0 {
			found.Rows = 0
			return found, nil
		}
		started := time.Now()
		now, err := r.apply(ctx, rows, r.atOnce, true)
		if err != nil {
			return Estimate{}, err
		}
		if found.Took = time.Since(started); r.OpenWatcher != nil {
			found.Took += r.Job.Pace.rest(found.Took)
		}
		found.Trial, found.Changed = rows.rows, now.Changed-r.progress.Changed
		larger := r.Job.Pace.rowsFor(size, found.Took)
		if rows.rows < int64(size) { // the whole rest of the table
			found.Rows = rows.rows
		}
		if larger <= size || rows.rows < int64(size) {
			break
		}
		size = larger
	}
	found.Total = time.Duration(float64(found.Rows) / float64(found.Trial) * float64(found.Took))
	return found, nil
}
