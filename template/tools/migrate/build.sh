#!/bin/sh
# Builds programs of the engine, whose source lies sealed in engine/ and is pinned by go.sum.
#
#	sh tools/migrate/build.sh [--platform=OS/ARCH] [--output=FOLDER] [PROGRAM...]
#	sh tools/migrate/build.sh --vendor
#
# GO names another go command. MIGRATE_ENGINE names a checkout of the template, whose engine is built instead. --vendor copies
# all sources into vendor/, from which is built without any proxy as long as that folder is there.
set -eu
unset CDPATH # with it, cd may go to another service's folder of the same name

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

# Each byte of a path that could mean something in a URL or in a list of URLs, as %XX.
escaped() {
	printf '%s' "$1" | od -An -v -tx1 | tr -s ' \n' '%%' | sed 's/%$//; s/%2f/\//g'
}

# absolute PATH: what is typed is meant from where make runs.
absolute() {
	case $1 in
	/*) printf '%s' "$1" ;;
	*) printf '%s/%s' "$PWD" "$1" ;;
	esac
}

go=${GO:-go}
case $go in */*) go=$(absolute "$go") ;; esac
checkout=
[ -z "${MIGRATE_ENGINE:-}" ] || checkout=$(absolute "$MIGRATE_ENGINE")
output=$(absolute "$(dirname "$0")/bin")
platform=
vendor=
while :; do
	case ${1:-} in
	--platform=*) platform=${1#*=} ;;
	--output=?*) output=$(absolute "${1#*=}") ;;
	--vendor) vendor=yes ;;
	-*) fail "'$1' is no option of build.sh: use --platform=OS/ARCH, --output=FOLDER or --vendor" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- migrate
cd "$(dirname "$0")"

! grep -Eq '^(<{7}|>{7}) ' go.mod go.sum ||
	fail 'tools/migrate/go.mod or go.sum holds conflict markers: make migrate-template-check names all files that do'

# Nothing of the surroundings decides what is built, but for the proxy, the certificates and the caches. Each is set to what
# it has to be, because `go env -w` fills in what is empty. A git hook's variables would lead git into the service's repository.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_PREFIX
unset GOROOT GOTOOLDIR GOEXPERIMENT
unset DB_URL DB_PASSWORD PGPASSWORD REDIS_URL
export GO111MODULE=on GOWORK=off CGO_ENABLED=0 GONOPROXY=none
[ -w "${HOME:-}" ] || export HOME="$output/.home" GOFLAGS=-modcacherw
case " ${GOFLAGS:-} " in
*' -modcacherw '*) cache_mode=' -modcacherw' ;; # concerns only who may delete the cache
*) cache_mode= ;;
esac
export GOFLAGS="-mod=readonly$cache_mode"

needed=$(sed -n 's/^go //p' go.mod)
command -v "$go" >/dev/null 2>&1 ||
	fail "'$go' was not found: tools/migrate needs Go $needed or newer: install it, or name it with GO=/path/to/go"
# Outside of module mode go says what it is, whatever go.mod asks for. A shim decides by this folder, as it does below.
found=$(GO111MODULE=off GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) ||
	fail "'$go' does not run: name a working Go $needed or newer with GO=/path/to/go"
found=${found#go}
case $(GO111MODULE=off "$go" env GOTOOLCHAIN) in
'' | local*)
	! older "$found" "$needed" ||
		fail "'$go' is Go $found: tools/migrate needs Go $needed or newer: update it, or name another one with GO=/path/to/go"
	;;
esac
[ -n "$platform" ] || platform=$("$go" env GOHOSTOS)/$("$go" env GOHOSTARCH)
export GOOS="${platform%%/*}"
export GOARCH="${platform#*/}"
GOARCH=${GOARCH%%/*} # without the variant of linux/arm64/v8

mkdir -p "$output"
unfinished=$output/.unfinished.$$
trap 'chmod -R u+w "$unfinished" && rm -rf "$unfinished"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$unfinished"

altered='the engine in tools/migrate/engine is not the one that tools/migrate/go.sum pins: restore both from git, or with copier recopy'

# what GO SAYS: the sentence for why it could not build.
explain() {
	case $1 in
	*'avion.internal/migrate@'*'checksum mismatch'*) fail "$altered" ;;
	*'inconsistent vendoring'*)
		fail "tools/migrate/vendor holds other sources than tools/migrate/go.mod names: carry them in again with sh tools/migrate/build.sh --vendor" ;;
	*'requires go >= '* | *'toolchain not available'*)
		fail "'$go' is Go $found, and brings no newer one by itself: tools/migrate needs Go $needed or newer: update it, or name another one with GO=/path/to/go" ;;
	*'GOPROXY=off'* | *'dial tcp'* | *'no such host'* | *'connection refused'* | *'proxyconnect'* | *'timeout'* | *'tls: '* | *'x509: '* | *'reading http'* | *'reading file:'*)
		fail "Go reached no module proxy (GOPROXY=$upstream) for what tools/migrate/go.mod names: name one that this machine reaches with GOPROXY, or carry the sources in with sh tools/migrate/build.sh --vendor where one is reached" ;;
	esac
	printf '%s\n' "$1" >&2
	fail "'$go' could not build the engine, for the reason above: restore tools/migrate from git, or bring it back with copier recopy"
}

upstream=$("$go" env GOPROXY)
if [ -n "$checkout" ]; then
	[ -f "$checkout/engine/go.mod" ] ||
		fail "MIGRATE_ENGINE is '$MIGRATE_ENGINE', but there is no engine/go.mod in it: name a checkout of the template"
	cd "$checkout/engine"
	echo "Building the engine of $checkout…" >&2
elif [ -d vendor ] && [ -z "$vendor" ]; then
	GOFLAGS=-mod=vendor
	echo 'Building tools/migrate from its vendor folder…' >&2
else
	engine=$(sed -n 's/^[[:space:]]*\(require \)\{0,1\}\(avion\.internal\/migrate\) \(v[^ ]*\).*/\2@\3/p' go.mod)
	for part in info mod zip; do
		[ -f "engine/${engine%@*}/@v/${engine#*@}.$part" ] ||
			fail "tools/migrate/engine holds no $part of $engine, which tools/migrate/go.mod names: restore it from git, or with copier recopy"
	done
	sealed=file://$(escaped "$PWD/engine")
	# In an empty cache, because a full one would answer for a sealed file that somebody changed.
	said=$(GOPROXY=$sealed GOMODCACHE=$unfinished/cache "$go" mod download "$engine" 2>&1) ||
		# A changed byte may make anything of a zip: only what can't be the files' fault is not.
		case $said in
		*'requires go >= '* | *'toolchain not available'* | *'no space left'* | *'permission denied'*) explain "$said" ;;
		*) fail "$altered" ;;
		esac
	export GOPROXY="$sealed,$upstream"
	[ -z "$vendor" ] || {
		said=$("$go" mod vendor 2>&1) || explain "$said"
		exit
	}
	echo 'Building tools/migrate (once; a minute the first time)…' >&2
fi

# Metrics go to one Pushgateway, which needs no HTTP/2: a third of a megabyte.
for program; do
	said=$("$go" build -trimpath -buildvcs=false -tags=nethttpomithttp2 -ldflags='-s -w' -o "$unfinished/$program" \
		"avion.internal/migrate/cmd/$program" 2>&1) || explain "$said"
done
for program; do
	mv "$unfinished/$program" "$output/$program"
	# make takes a program of another source for an old one, and builds again when the variable is gone.
	[ -z "$checkout" ] || touch -t 200001010000 "$output/$program"
done
