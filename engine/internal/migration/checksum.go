package migration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
		_, sum, err := d.read(m.File)
		if err != nil {
			return nil, err
		}
		sums[m.File] = sum
	}
	return sums, nil
}
