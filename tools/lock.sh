#!/bin/sh
# Writes the lock files: requirements/*.lock from pyproject.toml, with hashes, without index URLs.
#
#   tools/lock.sh            keep valid pins, apply the changes of pyproject.toml
#   tools/lock.sh --upgrade  take the newest allowed versions
#
# dev.lock is resolved first and constrains the other two, so that all have the same versions.
set -eu
cd "$(dirname "$0")/.."

for argument in "$@"; do
    if [ "$argument" != --upgrade ]; then
        echo "error: unknown option: $argument" >&2
        echo "hint: tools/lock.sh [--upgrade]" >&2
        exit 2
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    uv=uv
else
    echo "lock: uv is not on PATH, installing it into a temporary environment"
    "${PYTHON:-python3}" -m venv "$work/environment"
    "$work/environment/bin/pip" install --quiet --disable-pip-version-check uv
    uv="$work/environment/bin/uv"
fi

# One version for all Python versions and systems (fewest forks); pre-releases only if requested or
# without alternative; extras kept, because pip refuses a hashed file without them.
resolve() {
    output=$1
    shift
    echo "lock: requirements/$output.lock"
    "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --prerelease if-necessary-or-explicit --generate-hashes --no-strip-extras \
        --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
        --output-file "$work/$output.lock" "$@"
    pin_without_extras "$work/$output.lock"
}

# pip resolves NAME and NAME[extra] as two requirements. If it resolves NAME first, it takes the newest
# version and finds no hash for it. Therefore both are pinned, with the same hashes.
pin_without_extras() {
    awk '
        function flush() { if (block != "") { if (bare != "") printf "%s", bare; printf "%s", block } block = bare = "" }
        /^[^ #]/ {
            flush()
            block = $0 "\n"
            if ($0 ~ /^[^ ;=]+\[[^]]*\]==/) { head = $0; sub(/\[[^]]*\]/, "", head); bare = head "\n" }
            next
        }
        { if (block == "") { print; next } block = block $0 "\n"; if (bare != "") bare = bare $0 "\n" }
        END { flush() }
    ' "$1" >"$1.pinned"
    mv "$1.pinned" "$1"
}

if [ "${1:-}" != --upgrade ] && [ -f requirements/dev.lock ]; then
    cp requirements/dev.lock "$work/dev.lock" # uv prefers pins in the output file
fi
resolve dev pyproject.toml --all-extras --group build
resolve run pyproject.toml --extra example --group build --constraints "$work/dev.lock"
resolve build --group build --constraints "$work/dev.lock"
mkdir -p requirements
mv "$work/dev.lock" "$work/run.lock" "$work/build.lock" requirements/
