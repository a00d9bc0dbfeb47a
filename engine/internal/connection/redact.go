package connection

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

const redacted = "*****"

// shortestSecret keeps a one-letter password from turning every message into asterisks.
const shortestSecret = 4

// Redact removes the password from words that the server or a library chose: a migration may have quoted it.
func (t Target) Redact(text string) string { return redact(text, t.secrets) }

// redact removes secrets, plain or percent-encoded, from words that a library chose.
func redact(text string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) < shortestSecret {
			continue
		}
		for _, form := range formsOf(secret) {
			text = strings.ReplaceAll(text, form, redacted)
		}
	}
	return text
}

// formsOf are the ways in which a library, the server or a file writes a secret, the longest first.
func formsOf(secret string) []string {
	forms := []string{
		secret, norm.NFKC.String(secret), url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:],
		strings.ReplaceAll(secret, "'", "''"), quote.Replace(secret), strings.ReplaceAll(quote.Replace(secret), `\'`, `''`),
		strings.Trim(strconv.Quote(secret), `"`), strings.Trim(strconv.QuoteToASCII(secret), `"`),
	}
	if document, err := json.Marshal(secret); err == nil {
		forms = append(forms, strings.Trim(string(document), `"`))
	}
	for _, form := range forms {
		forms = append(forms, percent.ReplaceAllStringFunc(form, strings.ToLower))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(forms)
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// innermost is the text of the error at the root of a chain: what happened, without each layer's story about it.
func innermost(err error) string {
	for {
		var inner error
		switch wrapper := err.(type) { //nolint:errorlint // one layer at a time is the point
		case interface{ Unwrap() error }:
			inner = wrapper.Unwrap()
		case interface{ Unwrap() []error }: // one error for each address of a host: the last one speaks for all
			if all := wrapper.Unwrap(); len(all) > 0 {
				inner = all[len(all)-1]
			}
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
