#!/bin/sh
# Runs a script with the first Python here that can make a virtual environment for this repository.
set -eu

for python in python3 python3.14 python3.13 python3.12 python3.11; do
	if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		exec "$python" "$@"
	fi
done

echo "No Python 3.11 or newer with its venv module is on the PATH: install one, on Debian and Ubuntu with \`apt install python3 python3-venv\`, then try again." >&2
exit 1
