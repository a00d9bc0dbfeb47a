#!/bin/sh
# Builds bin/migrate. GO names another go command.
set -eu

go=${GO:-go}
case $go in
/*) ;;
*/*) go=$PWD/$go ;; # the path is meant from where make runs
esac
cd "$(dirname "$0")"

# The oldest goose that the engine is proven with.
minimum_goose=3.27.3

fail() {
	printf 'migrate: %s\n' "$1" >&2
	exit 1
}

# older A B: is version A lower than version B?
older() {
	awk -v a="$1" -v b="$2" 'BEGIN {
		split(a, x, "."); split(b, y, ".")
		for (i = 1; i <= 3; i++) if (x[i] + 0 != y[i] + 0) exit !(x[i] + 0 < y[i] + 0)
		exit 1
	}'
}

needed=$(sed -n 's/^go //p' go.mod)

command -v "$go" >/dev/null 2>&1 ||
	fail "'$go' was not found: tools/migrate needs Go $needed or newer: install it, or name it with GO=/path/to/go"

# Asked from the root folder: inside the module go may already have switched to another toolchain.
found=$(cd / && GOTOOLCHAIN=local "$go" env GOVERSION) || fail "'$go' does not run: name a working Go $needed or newer with GO=/path/to/go"
found=${found#go}
case $(cd / && "$go" env GOTOOLCHAIN) in
'' | local)
	! older "$found" "$needed" ||
		fail "'$go' is Go $found: tools/migrate needs Go $needed or newer: update it, or name another one with GO=/path/to/go"
	;;
esac

export GOWORK=off CGO_ENABLED=0

goose=$("$go" list -m -f '{{.Version}}' github.com/pressly/goose/v3)
! older "${goose#v}" "$minimum_goose" ||
	fail "go.mod names goose $goose: the engine needs v$minimum_goose or newer: raise it in tools/migrate/go.mod"

echo 'Building tools/migrate (once; a minute the first time)…' >&2
mkdir -p bin
unfinished=bin/.migrate.$$
trap 'rm -f "$unfinished"' EXIT
"$go" build -trimpath -buildvcs=false -ldflags='-s -w' -o "$unfinished" .
mv "$unfinished" bin/migrate
