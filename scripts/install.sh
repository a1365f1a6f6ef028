#!/bin/sh
# Make the virtual environment $1 with every pinned package and our own projects (the other arguments) in it.
# Python and the package index it is set up for are all this needs.
set -eu
venv=$1; shift
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null 2>&1 || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null || {
    echo "Anliegen needs Python 3.11 or newer: install it, or name it with 'make install PYTHON=/path/to/python3.11'." >&2
    exit 1
}
echo "Installing into $venv (the first time this fetches about 200 MB) …"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || {
    echo "Making a virtual environment failed. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
}
# uv is pinned with hashes like everything else; it installs the rest in seconds where pip needs a minute.
bootstrap=$(mktemp)
trap 'rm -f "$bootstrap"' EXIT
awk '/^uv==/ {on=1} on {print; if ($0 !~ /\\$/) exit}' requirements.txt >"$bootstrap"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$bootstrap"
VIRTUAL_ENV=$(cd "$venv" && pwd) && export VIRTUAL_ENV
# Certificates of the machine, where it has some: a company's own authority is among them.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=1
"$venv/bin/uv" pip sync --quiet --require-hashes requirements.txt || {
    # pip knows of mirrors and proxies that only its own configuration names.
    echo "uv could not fetch everything; pip tries, which takes a minute or two …"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
}
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation "$@"
echo "Installed."
