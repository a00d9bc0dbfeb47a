package lint

import (
	"fmt"
	"path"
	"strings"
)

// Text is a finding for people and editors.
func Text(f Finding) string {
	return fmt.Sprintf("%s:%d:%d: %s: %s: %s", f.File, f.Line, f.Column, f.Level, f.Rule, f.advice())
}

// Annotation writes a finding so that GitHub shows it beside the line in a pull request. The prefix leads from the top
// of the repository to the service.
func Annotation(prefix string) func(Finding) string {
	return func(f Finding) string {
		level := "warning"
		if f.Level == "error" {
			level = "error"
		}
		return fmt.Sprintf("::%s file=%s,line=%d,col=%d,title=%s::%s", level, inProperty.Replace(path.Join(prefix, f.File)),
			f.Line, f.Column, inProperty.Replace(f.Rule), inMessage.Replace(f.advice()))
	}
}

// A workflow command ends with its line, and its properties with a colon or a comma.
var (
	inMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (f Finding) advice() string {
	words := f.Message
	if f.Help != "" {
		words += " Help: " + f.Help
	}
	words = strings.Join(strings.Fields(words), " ")
	if f.Rule == OutsideTransaction {
		return words
	}
	return words + " (https://squawkhq.com/docs/" + f.Rule + ")"
}
