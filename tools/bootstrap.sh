#!/bin/sh
# Finds a supported Python and runs tools/environment.py with it, which creates .venv.
#
#   tools/bootstrap.sh run|dev
#
# PYTHON sets the interpreter. Without it, an existing .venv keeps its interpreter.
set -eu
cd "$(dirname "$0")/.."

NEEDED="3.11 to 3.13"

fails() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 2
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

suitable() {
    case "$(version_of "$1")" in
        3.11.* | 3.12.* | 3.13.*) return 0 ;;
        *) return 1 ;;
    esac
}

find_interpreter() {
    for candidate in .venv/bin/python python3 python3.13 python3.12 python3.11 python; do
        if suitable "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

if [ -n "${PYTHON:-}" ]; then
    found=$(version_of "$PYTHON") || fails "cannot run the interpreter: $PYTHON" \
        "use Python $NEEDED, for example: make PYTHON=/usr/bin/python3.11"
    suitable "$PYTHON" || fails "unsupported Python: $PYTHON is $found, not $NEEDED" \
        "use another one, for example: make PYTHON=/usr/bin/python3.11"
    interpreter=$PYTHON
else
    interpreter=$(find_interpreter) || fails \
        "Python $NEEDED not found; python3 is: $(version_of python3 || echo missing)" \
        "install Python 3.13, or set its path: make PYTHON=/path/to/python3.13"
fi

command -v git >/dev/null 2>&1 || fails "Git is not on PATH" \
    "install it with the package manager, for example: apt-get install git"

exec "$interpreter" -I tools/environment.py "$@"
