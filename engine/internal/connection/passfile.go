package connection

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// passwordFromFile looks into libpq's password file. pgx's own reader loses blanks at a password's end, takes a backslash before
// any character but : and \ for a part of the password, and an unescaped colon for the end of it: psql would log in, and the
// engine would not.
func passwordFromFile(wanted fields) (string, error) {
	home, _ := os.UserHomeDir()
	named := wanted.more["passfile"]
	file, err := os.Open(cmp.Or(named, filepath.Join(home, ".pgpass")))
	if err != nil && named == "" {
		return "", nil
	}
	if err != nil {
		return "", failure.Refused("PGPASSFILE names %s, which cannot be read: correct PGPASSFILE, or unset it", describePath(named))
	}
	defer file.Close()
	host := wanted.host
	if strings.HasPrefix(host, "/") {
		host = "localhost"
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, longestPassfileLine)
	for lines.Scan() {
		entry := splitPassfileLine(lines.Text())
		if len(entry) == 5 && matches(entry, host, wanted.port, wanted.database, wanted.user) {
			return entry[4], nil
		}
	}
	return "", nil
}

const longestPassfileLine = 1024 * 1024

func matches(entry []string, wanted ...string) bool {
	for position, value := range wanted {
		if entry[position] != "*" && entry[position] != value {
			return false
		}
	}
	return true
}

// splitPassfileLine splits host:port:database:user:password, where a backslash lets the next character stand for itself.
func splitPassfileLine(line string) []string {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	var parts []string
	var part strings.Builder
	for escaped := false; len(line) > 0; line = line[1:] {
		character := line[0]
		switch {
		case !escaped && character == '\\':
			escaped = true
			continue
		case !escaped && character == ':' && len(parts) < 4:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(character)
		}
		escaped = false
	}
	return append(parts, part.String())
}
