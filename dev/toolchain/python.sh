#!/bin/sh
# Runs a script with the oldest Python here that is new enough: what works there works with every newer one.
set -eu

oldest=
IFS=:
for folder in $PATH; do
	for python in "$folder"/python3 "$folder"/python3.1[1-9]; do
		found=$("$python" -c 'import ensurepip, sys, venv; print("%d%03d%03d" % sys.version_info[:3])' 2>/dev/null) || continue
		if [ "$found" -ge 3011000 ] && [ "$found" -lt "${oldest:-9999999}" ]; then
			oldest=$found
			program=$python
		fi
	done
done
[ -z "$oldest" ] || exec "$program" "$@"

echo "No Python 3.11 or newer with its venv module is on the PATH: install one, on Debian and Ubuntu with \`apt install python3 python3-venv\`, then try again." >&2
exit 1
