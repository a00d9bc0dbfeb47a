package report

import (
	"fmt"
	"path"
	"strings"
)

// Annotation is what GitHub shows in a pull request beside a place in a file. The file is named from the top of the repository.
type Annotation struct {
	Level   string // error or warning
	File    string
	Line    int
	Column  int // 0 for the whole line
	Title   string
	Message string
}

// String is the workflow command.
func (a Annotation) String() string {
	place := ""
	if a.File != "" {
		place = fmt.Sprintf("file=%s,line=%d,", inProperty.Replace(path.Clean(a.File)), a.Line)
	}
	if a.Column > 0 {
		place += fmt.Sprintf("col=%d,", a.Column)
	}
	return fmt.Sprintf("::%s %stitle=%s::%s", a.Level, place, inProperty.Replace(a.Title), inMessage.Replace(a.Message))
}

// A workflow command ends with its line, and its properties with a colon or a comma.
var (
	inMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
