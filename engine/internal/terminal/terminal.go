// Package terminal is the way to the person, or the pipeline, that started the program. It knows no command.
//
// May import: config.
package terminal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"

	"avion.internal/migrate/internal/config"
)

// Terminal is where questions, results and reports go.
type Terminal struct {
	In          io.Reader
	Out         io.Writer // results
	Err         io.Writer // everything for people
	Interactive bool      // somebody can answer a question
	Colour      bool      // what goes to Out is looked at by somebody who has nothing against colour
	Screen      bool      // what goes to Err is looked at, and can be written over
}

// Standard is the terminal of this process.
func Standard() Terminal {
	environment := config.Process()
	return Terminal{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Interactive: isatty.IsTerminal(os.Stdin.Fd()), Screen: isatty.IsTerminal(os.Stderr.Fd()),
		Colour: isatty.IsTerminal(os.Stdout.Fd()) && environment.Typed(config.NoColor) == "" && environment.Typed(config.Term) != "dumb",
	}
}

// Ask puts a question and returns the line that is typed, without the blanks around it. An interrupt is an empty answer.
func (t Terminal) Ask(ctx context.Context, question string) string {
	fmt.Fprint(t.Err, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(t.In).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		return line
	case <-ctx.Done():
		fmt.Fprintln(t.Err)
		return ""
	}
}
