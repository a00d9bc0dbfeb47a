package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
)

var done = Run{
	Service:  "avion-auth",
	Ended:    time.UnixMilli(1_700_000_000_250),
	Duration: 1500 * time.Millisecond,
	Applied:  2,
	Schema:   &Schema{Version: 3, Pending: 0},
}

var unreachable = Run{
	Service: "avion-auth",
	Ended:   time.UnixMilli(1_700_000_100_000),
	Code:    failure.CodeUnreachable,
}

func lines(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			found[series] = value
		}
	}
	return found
}

func expect(t *testing.T, text string, want map[string]string) {
	t.Helper()
	got := lines(text)
	if len(got) != len(want) {
		t.Errorf("%d metrics, not %d: %s", len(got), len(want), text)
	}
	for name, value := range want {
		if series := name + `{service="avion-auth"}`; got[series] != value {
			t.Errorf("%s is %q, not %q", series, got[series], value)
		}
	}
}

func TestFileHoldsTheRunAndWhatAnEarlierOneKnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.prom")
	for _, each := range []struct {
		run  Run
		want map[string]string
	}{
		{unreachable, map[string]string{
			"migration_last_run_timestamp_seconds": "1700000100", "migration_last_run_duration_seconds": "0",
			"migration_last_run_exit_code": "4", "migration_last_run_applied": "0", "migration_last_run_rolled_back": "0",
		}},
		{done, map[string]string{
			"migration_last_run_timestamp_seconds": "1700000000.25", "migration_last_run_duration_seconds": "1.5",
			"migration_last_run_exit_code": "0", "migration_last_run_applied": "2", "migration_last_run_rolled_back": "0",
			"migration_last_success_timestamp_seconds": "1700000000.25", "migration_version": "3", "migration_pending": "0",
		}},
		{unreachable, map[string]string{
			"migration_last_run_timestamp_seconds": "1700000100", "migration_last_run_duration_seconds": "0",
			"migration_last_run_exit_code": "4", "migration_last_run_applied": "0", "migration_last_run_rolled_back": "0",
			"migration_last_success_timestamp_seconds": "1700000000.25", "migration_version": "3", "migration_pending": "0",
		}},
	} {
		if err := each.run.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, string(text), each.want)
	}
}

func TestFileIsReplacedAsAWholeAndReadableForTheCollector(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "auth.prom")
	if err := os.WriteFile(path, []byte("half a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := done.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if old, _ := io.ReadAll(before); string(old) != "half a li" {
		t.Errorf("a reader that had begun sees %q", old)
	}
	entries, _ := os.ReadDir(folder)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 || len(entries) != 1 {
		t.Errorf("%v, %v, %v", info.Mode(), err, entries)
	}
}

func TestFileThatCannotBeWrittenIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "auth.prom")
	if err := done.WriteFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestRunsThatEndTogetherLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.prom")
	var runs sync.WaitGroup
	for job := range 20 {
		runs.Go(func() {
			run := done
			run.Maintenance = &Maintenance{Job: strconv.Itoa(job)}
			if err := run.WriteFile(path); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	content, err := os.ReadFile(path)
	if told := strings.Count(string(content), "migration_maintenance_last_run_exit_code{"); err != nil || told != 20 {
		t.Errorf("%d of 20: %v", told, err)
	}
}

func TestAKilledRunIsNotWaitedForLong(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "auth.prom")
	left := filepath.Join(folder, ".auth.prom.unfinished")
	old := time.Now().Add(-2 * abandoned)
	if err := errors.Join(os.WriteFile(left, nil, 0o600), os.Chtimes(left, old, old), done.WriteFile(path)); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Error(entries)
	}
}

func TestPushGoesToTheGroupOfTheService(t *testing.T) {
	for service, path := range map[string]string{
		"avion-auth": "/prefix/metrics/job/migration/service/avion-auth",
		"..":         "/prefix/metrics/job/migration/service@base64/Li4=",
		"a/b":        "/prefix/metrics/job/migration/service@base64/YS9i",
		"":           "/prefix/metrics/job/migration/service@base64/=",
	} {
		var got *http.Request
		var body []byte
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
			got = request
			body, _ = io.ReadAll(request.Body)
		}))
		run := done
		run.Service = service
		address := strings.Replace(server.URL, "://", "://me:secret@", 1) + "/prefix/"
		if err := run.Push(context.Background(), address); err != nil {
			t.Fatal(err)
		}
		server.Close()
		_, password, _ := got.BasicAuth()
		if got.Method != http.MethodPost || got.URL.Path != path || password != "secret" || string(body) != run.text("") {
			t.Errorf("%s %s %q %s", got.Method, got.URL.Path, password, body)
		}
	}
}

func TestNoErrorShowsMoreThanTheHost(t *testing.T) {
	client.Timeout = 200 * time.Millisecond
	t.Cleanup(func() { client.Timeout = patience })
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		switch {
		case strings.HasPrefix(request.URL.Path, "/slow"):
			<-release
		case strings.HasPrefix(request.URL.Path, "/moved"):
			http.Redirect(response, request, "http://elsewhere.invalid/?secret", http.StatusTemporaryRedirect)
		default:
			http.Error(response, "the secret is not accepted", http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	genuine := strings.Replace(server.URL, "://", "://me:secret@", 1)
	for address, words := range map[string]string{
		genuine:                            "400 Bad Request",
		genuine + "/moved":                 "307 Temporary Redirect",
		genuine + "/slow":                  "Client.Timeout",
		"http://me:secret@127.0.0.1:1":     "connection refused",
		"http://me:secret@nowhere.invalid": "nowhere.invalid",
		"http://me:sec ret@host":           "is no address",
		"http://me:secret%zz@host":         "is no address",
		"me:secret@host":                   "is no address",
		"ftp://me:secret@host":             "is no address",
		"secret":                           "is no address",
	} {
		err := done.Push(context.Background(), address)
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestServiceIsEscaped(t *testing.T) {
	run := done
	run.Service = "a\"b\\c\nd"
	if text := run.text(""); !strings.Contains(text, `{service="a\"b\\c\nd"} 3`) {
		t.Error(text)
	}
}
