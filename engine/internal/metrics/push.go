package metrics

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
)

const patience = 5 * time.Second

var client = http.Client{
	Timeout: patience,
	// The address may hold a password, which is for that host alone.
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Push sends the run to a Pushgateway, which keeps what an earlier run has told and this one cannot. No error shows
// more of the address than its host.
func (r Run) Push(ctx context.Context, address string) error {
	gateway, err := url.Parse(address)
	if err != nil || gateway.Host == "" || gateway.Scheme != "http" && gateway.Scheme != "https" {
		return failure.Refused("the metrics were not pushed: MIGRATION_PUSHGATEWAY_URL is no address: " +
			"write one such as http://pushgateway:9091")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		gateway.JoinPath("metrics/job/migration", r.grouping()).String(), strings.NewReader(r.text("")))
	if err != nil {
		return notPushed(gateway, "the address cannot be used")
	}
	request.Header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	response, err := client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // its text holds the address
			err = wrapped.Err
		}
		return notPushed(gateway, err.Error())
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return notPushed(gateway, "it answered "+response.Status)
	}
	return nil
}

// grouping is the labels that tell runs apart, as a part of the address.
func (r Run) grouping() string {
	if r.Maintenance == nil {
		return group("service", r.Service)
	}
	return group("service", r.Service) + "/" + group("maintenance", r.Maintenance.Job)
}

// group is a label as a part of an address. Base64 takes what a path cannot hold.
func group(label, value string) string {
	if value != "" && value != "." && value != ".." && url.PathEscape(value) == value {
		return label + "/" + value
	}
	// A padding sign alone stands for the empty value.
	return label + "@base64/" + cmp.Or(base64.URLEncoding.EncodeToString([]byte(value)), "=")
}

func notPushed(gateway *url.URL, reason string) error {
	return failure.Refused("the metrics were not pushed to %s (%s): correct MIGRATION_PUSHGATEWAY_URL, or leave it out",
		gateway.Host, reason)
}
