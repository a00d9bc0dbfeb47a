#!/bin/sh
# Brings bin/squawk, in the version that squawk.txt pins. It needs no root, and nothing outside this folder changes.
set -eu

cd "$(dirname "$0")"
pinned=$(sed -n 's/^squawk-cli==//p' squawk.txt)
[ "$(bin/squawk --version 2>/dev/null)" != "squawk $pinned" ] || {
	touch bin/squawk
	exit 0
}
unfinished=bin/.squawk.$$
trap 'rm -rf "$unfinished"' EXIT
mkdir -p bin

if [ "$(squawk --version 2>/dev/null)" = "squawk $pinned" ]; then
	mkdir -p "$unfinished/bin"
	cp "$(command -v squawk)" "$unfinished/bin/squawk"
else
	echo "Bringing squawk $pinned into tools/migrate/bin (once)…" >&2
	python3 -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 5 --only-binary :all: --target "$unfinished" --requirement squawk.txt >&2 ||
		UV_HTTP_TIMEOUT=5 uv pip install --quiet --only-binary :all: --target "$unfinished" --requirement squawk.txt >&2 || {
		printf 'migrate: squawk %s could not be installed: put that version on the PATH (pipx install squawk-cli==%s)\n' "$pinned" "$pinned" >&2
		exit 1
	}
fi
mv "$unfinished/bin/squawk" bin/squawk
touch bin/squawk
