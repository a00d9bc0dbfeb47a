package migration

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
)

// Script is the content of a migration, split the way goose splits it.
type Script struct {
	Up, Down []Statement
	// HasDown tells whether there is a Down section at all, be it empty.
	HasDown bool
	// NoTransaction tells that goose runs the statements one by one, outside a transaction.
	NoTransaction bool
	// Substitutes is the line of ENVSUB ON, zero without one.
	Substitutes int
	// Limits are what the file asks for instead of the session's own.
	Limits Limits
}

// Section returns the statements of one direction.
func (s Script) Section(up bool) []Statement {
	if up {
		return s.Up
	}
	return s.Down
}

// Statement is what goose sends to the server at once.
type Statement struct {
	Line int // of its first line in the file
	Text string
}

// longestLine is goose's limit.
const longestLine = 4 * 1024 * 1024

type section int

const (
	beforeUp section = iota
	inUp
	inDown
)

// scanner follows goose's own parser line by line; TestScriptIsSplitAsGooseSplitsIt holds the two together.
type scanner struct {
	script  Script
	section section
	inBlock bool // between StatementBegin and StatementEnd
	// afterEmptyBlock is the place at which goose takes the next line for the block's.
	afterEmptyBlock bool
	buffer          strings.Builder
	start           int // line of the first line in buffer
	number          int // of the line that is read
}

// malformedLine is a line that goose would stumble over.
type malformedLine struct {
	line int
	error
}

func (m malformedLine) Error() string { return fmt.Sprintf("line %d: %s", m.line, m.error) }

// ParseScript reads a file as goose would. Where goose would stumble, the error names the line.
func ParseScript(content string) (Script, error) {
	lines := bufio.NewScanner(strings.NewReader(content))
	lines.Buffer(nil, longestLine)
	reading := scanner{}
	number := 0
	for lines.Scan() {
		number++
		if err := reading.line(number, lines.Text()); err != nil {
			if placed, ok := errors.AsType[malformedLine](err); ok {
				return Script{}, placed
			}
			return Script{}, malformedLine{number, err}
		}
	}
	if err := lines.Err(); err != nil {
		return Script{}, malformedLine{number + 1, fmt.Errorf("%w: a line holds at most 4 MiB", err)}
	}
	if err := reading.end(); err != nil {
		return Script{}, err
	}
	return reading.script, nil
}

func (s *scanner) line(number int, line string) error {
	s.number = number
	isComment := strings.HasPrefix(strings.TrimSpace(line), "--")
	if isComment && strings.Contains(line, "+goose") {
		return s.annotation(line)
	}
	if s.buffer.Len() == 0 {
		if parts := limitsLine.FindStringSubmatch(line); parts != nil {
			return s.limits(parts[1])
		}
		if isComment || line == "" || s.section == beforeUp && strings.TrimSpace(line) == "" {
			return nil
		}
	}
	if s.section == beforeUp {
		return errors.New("SQL stands before '-- +goose Up': begin the file with that line")
	}
	if s.afterEmptyBlock && !s.inBlock {
		return errors.New("SQL stands after an empty StatementBegin/StatementEnd block, which makes goose lose that line: remove the block")
	}
	if strings.TrimSpace(s.buffer.String()) == "" {
		s.start = number
	}
	s.buffer.WriteString(line + "\n")
	if !s.inBlock && endsStatement(line) {
		s.flush()
	}
	return nil
}

func (s *scanner) limits(settings string) error {
	if s.section == inDown || len(s.script.Up) > 0 {
		return errors.New("'-- migrate:' stands after a statement: it holds for the whole file, so move it to the top")
	}
	return s.script.Limits.read(settings)
}

func (s *scanner) annotation(line string) error {
	name, err := parseAnnotation(line)
	if err != nil {
		return err
	}
	switch name {
	case "up":
		if s.section != beforeUp {
			return errors.New("a second '-- +goose Up': keep one Up section")
		}
		s.section = inUp
	case "down":
		if s.section != inUp || s.inBlock {
			return errors.New("'-- +goose Down' is out of place: " +
				"it stands once, after the Up section, outside StatementBegin and StatementEnd")
		}
		if err := s.unfinished(); err != nil {
			return err
		}
		s.section, s.script.HasDown, s.afterEmptyBlock = inDown, true, false
	case "statementbegin":
		if s.section == beforeUp || s.inBlock {
			return errors.New("'-- +goose StatementBegin' is out of place: it stands inside Up or Down, and does not nest")
		}
		s.inBlock = true
	case "statementend":
		if !s.inBlock {
			return errors.New("'-- +goose StatementEnd' without '-- +goose StatementBegin'")
		}
		s.inBlock, s.afterEmptyBlock = false, s.buffer.Len() == 0
		if !s.afterEmptyBlock {
			s.flush()
		}
	case "no transaction":
		s.script.NoTransaction = true
	case "envsub on":
		s.script.Substitutes = s.number
	}
	return nil
}

func parseAnnotation(line string) (string, error) {
	if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
		return "", errors.New("an indented '-- +goose' line: goose wants it in the first column")
	}
	name := strings.ReplaceAll(line, "--", "")
	name = strings.ToLower(strings.TrimSpace(strings.Replace(name, "+goose", "", 1)))
	switch name {
	case "up", "down", "statementbegin", "statementend", "no transaction", "envsub on", "envsub off":
		return name, nil
	}
	return "", fmt.Errorf("%q is not one of goose's lines: "+
		"Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB ON, ENVSUB OFF", strings.TrimSpace(line))
}

func (s *scanner) flush() {
	statement := Statement{Line: s.start, Text: strings.TrimSpace(s.buffer.String())}
	if s.section == inUp {
		s.script.Up = append(s.script.Up, statement)
	} else {
		s.script.Down = append(s.script.Down, statement)
	}
	s.buffer.Reset()
}

func (s *scanner) unfinished() error {
	if text := s.buffer.String(); strings.TrimSpace(text) != "" {
		if written := s.script.Section(s.section != inDown); len(written) > 0 && copiesIn.MatchString(written[len(written)-1].Plain()) {
			return malformedLine{written[len(written)-1].Line, errors.New(rowsOfPsql)}
		}
		if isPsql(text) {
			return malformedLine{s.start, errors.New(psqlCommand)}
		}
		if open := stillOpen(text); open != "" && !s.inBlock {
			return malformedLine{s.start, fmt.Errorf("begins a statement that does not end, inside of %s: close it; a body with semicolons stands between "+
				"'-- +goose StatementBegin' and '-- +goose StatementEnd'", open)}
		}
		return fmt.Errorf("the statement that begins on line %d does not end: a semicolon is missing", s.start)
	}
	s.buffer.Reset()
	return nil
}

func (s *scanner) end() error {
	switch {
	case s.section == beforeUp:
		return errors.New("has no '-- +goose Up' line: begin the file with it")
	case s.inBlock:
		return errors.New("ends inside a block: '-- +goose StatementEnd' is missing")
	default:
		return s.unfinished()
	}
}

// endsStatement tells whether the last word before a comment ends in a semicolon.
func endsStatement(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
