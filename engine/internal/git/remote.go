package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"avion.internal/migrate/internal/child"
)

// patience is how long another repository may take to answer: nothing that matters depends on it.
const patience = 1500 * time.Millisecond

// RemoteTags asks another repository for the names of its tags. Nobody is asked for a password.
func (Repository) RemoteTags(ctx context.Context, url string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := child.Git(ctx, "ls-remote", "--tags", "--refs", "--quiet", "--", url)
	command.Env = append(command.Env, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=1", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh")
	// git leaves the network to a program of its own, which may outlive it and keep its output open.
	command.WaitDelay = 100 * time.Millisecond
	output, err := command.Output()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s gave no answer within %s", url, patience)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be reached", url)
	}
	var tags []string
	for entry := range strings.Lines(string(output)) {
		if _, tag, found := strings.Cut(strings.TrimSpace(entry), "\trefs/tags/"); found {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}
