package migration

import (
	"strings"
	"testing"
)

func TestOnlyTheWayLinesEndDoesNotCount(t *testing.T) {
	const text = "-- +goose Up\nSELECT 1;\n\n-- +goose Down\nSELECT 2;\n"
	sum := Checksum([]byte(text))
	if Checksum([]byte(strings.ReplaceAll(text, "\n", "\r\n"))) != sum || Checksum([]byte(strings.Replace(text, "\n", "\r\n", 2))) != sum {
		t.Error("CRLF counts")
	}
	for _, edited := range []string{
		"", text + "\n", text + " ", strings.TrimSpace(text), "\ufeff" + text, strings.ToLower(text),
		strings.Replace(text, "\n", "\r", 1), strings.Replace(text, "\n", "\r\r\n", 1), strings.Replace(text, " ", "\t", 1),
	} {
		if Checksum([]byte(edited)) == sum {
			t.Errorf("%q has the same checksum", edited)
		}
	}
}

// The checksum is an interface: it stands in databases.
func TestTheChecksumIsSHA256(t *testing.T) {
	if sum := Checksum([]byte("abc")); sum != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(sum)
	}
}
