#!/bin/sh
# Everything a machine can say about the code without running it: style, types, who imports whom, the house rules.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

step() {
    name=$1; shift
    printf '%-14s' "$name"
    began=$(date +%s)
    if said=$("$@" 2>&1); then
        printf 'fine  %3ss  %s\n' "$(($(date +%s) - began))" "$(printf '%s\n' "$said" | grep -v '^ *$' | tail -1)"
    else
        printf 'NOT FINE\n%s\n' "$said" >&2
        failed="${failed:-} $name"
    fi
}

# Every package is found where it lies, so that a new one needs no entry anywhere.
MYPYPATH=$(printf '%s:' libs/*/ services/*/)
export MYPYPATH

step style "$bin/ruff" check --quiet .
step format "$bin/ruff" format --check .
step types "$bin/mypy" --no-error-summary libs/*/anliegen services/*/anliegen benchmarks
step imports "$bin/lint-imports" --no-logo --no-cache
step house-rules "$bin/pytest" -q --no-header --tb=short tests/architecture

if [ -n "${failed:-}" ]; then
    echo "Not fine:$failed" >&2
    exit 1
fi
