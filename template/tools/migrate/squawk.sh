#!/bin/sh
# Brings bin/squawk, the linter of SQL, in the version that is pinned here. It needs no root, and nothing outside this folder
# changes. `squawk.sh requirements` only prints the pin, as pip reads it.
set -eu
unset CDPATH

# One hash for each platform that squawk exists for.
requirements='
squawk-cli==2.70.0 \
    --hash=sha256:1bdaf04df63c21c60171377608875773bfdd326f693d727ab4270c9ce7121e4a \
    --hash=sha256:1c352fd18443d808d8ce48f5d4efa43646e210fc951437f6c3c25e51394f4a8f \
    --hash=sha256:699021805add4ec82274796081c0bc64ea2516ffd48be7690e3a3b6d60211411 \
    --hash=sha256:7da1629aee5855f6b12eed127b8dac518d71fcbd120559fd4facfce925967dfe \
    --hash=sha256:a2d10a22cafd400e1eec78d487e662aaff996825788f99418e0c7ba85c749c32 \
    --hash=sha256:c6164a083f8bee368fc7c9c1cd7de4704c0775aa75767eefb371c0bd37d3bf08 \
    --hash=sha256:e67651bb984b01276752ca685f870b281cf493d5d7bd318607148b657c359b52
'
[ "${1:-}" != requirements ] || {
	printf '%s' "$requirements"
	exit 0
}
pinned=$(printf '%s' "$requirements" | sed -n 's/^squawk-cli==\([^ ]*\).*/\1/p')

cd "$(dirname "$0")"
[ "$(bin/squawk --version 2>/dev/null)" != "squawk $pinned" ] || {
	touch bin/squawk
	exit 0
}
# An installer needs to know of no database.
unset DB_URL DB_PASSWORD PGPASSWORD REDIS_URL
unfinished=bin/.squawk.$$
trap 'rm -rf "$unfinished"' EXIT
mkdir -p bin

if [ "$(squawk --version 2>/dev/null)" = "squawk $pinned" ]; then
	mkdir -p "$unfinished/bin"
	cp "$(command -v squawk)" "$unfinished/bin/squawk"
else
	echo "Bringing squawk $pinned into tools/migrate/bin (once)…" >&2
	mkdir "$unfinished"
	printf '%s' "$requirements" >"$unfinished/requirements.txt"
	set -- --quiet --only-binary :all: --require-hashes --target "$unfinished" --requirement "$unfinished/requirements.txt"
	python3 -m pip install --disable-pip-version-check --retries 1 --timeout 5 "$@" >&2 ||
		UV_HTTP_TIMEOUT=5 uv pip install "$@" >&2 || {
		printf 'migrate: squawk %s could not be installed: put that version on the PATH (pipx install squawk-cli==%s)\n' "$pinned" "$pinned" >&2
		exit 1
	}
fi
mv "$unfinished/bin/squawk" bin/squawk
touch bin/squawk
