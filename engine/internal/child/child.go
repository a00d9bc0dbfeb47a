// Package child starts other programs with the variables that they need, and with none that holds a secret or that a git hook
// has set for another repository. It never hands on the whole environment.
//
// May import: nothing of this module.
package child

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// system are the variables without which programs do not find their files, their words, or the network.
var system = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP",
	"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
	"SYSTEMROOT", "SystemRoot", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ProgramData",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
}

// gits are those of git that say who works and how to reach others. Those that name a repository (GIT_DIR, GIT_INDEX_FILE, …)
// are not among them: inside a hook they name the one of the hook, whatever the current folder is.
var gits = []string{
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_TEST_ASSUME_DIFFERENT_OWNER",
	"SSH_AUTH_SOCK", "SSH_ASKPASS",
}

// Command prepares a program that is told nothing but what every program is.
func Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	return command(ctx, name, arguments, system)
}

// Git prepares git, which asks the current folder which repository it is in.
func Git(ctx context.Context, arguments ...string) *exec.Cmd {
	return command(ctx, "git", arguments, slices.Concat(system, gits))
}

// Script prepares a shell script that asks git about the current folder.
func Script(ctx context.Context, path string) *exec.Cmd {
	return command(ctx, "sh", []string{path}, slices.Concat(system, gits))
}

func command(ctx context.Context, name string, arguments, passed []string) *exec.Cmd {
	prepared := exec.CommandContext(ctx, name, arguments...)
	prepared.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		variable, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(passed, variable) && !strings.HasPrefix(variable, "LC_")
	})
	return prepared
}
