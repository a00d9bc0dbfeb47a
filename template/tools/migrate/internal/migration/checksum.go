package migration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"migrate/internal/failure"
)

// Checksum is the SHA-256 of a file's content. A line ends the same way whether git checked it out with LF or CRLF, so
// that difference does not count; every other byte does.
func Checksum(content []byte) string {
	sum := sha256.Sum256(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
	return hex.EncodeToString(sum[:])
}

// Checksums are those of every migration of the folder, by file.
func (d Directory) Checksums() (map[string]string, error) {
	sums := map[string]string{}
	for _, m := range d.Migrations {
		path := filepath.Join(d.Path, m.File)
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, failure.Refused("%s cannot be read: correct its permissions", path)
		}
		sums[m.File] = Checksum(content)
	}
	return sums, nil
}
