#!/bin/sh
# Set the lab up on the first run, then run all checks and tests, several at a time: ./run_tests.sh [pytest options]
set -eu

script=$0
while [ -L "$script" ]; do
    link=$(readlink "$script")
    case $link in
        /*) script=$link ;;
        *) script=$(dirname "$script")/$link ;;
    esac
done
root=$(CDPATH='' cd "$(dirname "$script")" && pwd -P)

# Settings meant for another Python must not reach the lab's own.
unset PYTHONHOME PYTHONPATH

is_fit() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for python in "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python; do
        is_fit "$python" && return
    done
    case $(uname -s) in
        Darwin) how='run: brew install python@3.12 (or get it from python.org)' ;;
        *)
            if command -v dnf >/dev/null; then how='run: sudo dnf install python3.12'
            elif command -v pacman >/dev/null; then how='run: sudo pacman -S python'
            else how='run: sudo apt-get install python3 python3-venv'
            fi ;;
    esac
    echo "The lab needs Python 3.11 or newer and found none; $how; or use conda, see README.md." >&2
    exit 1
}

find_python
"$python" -I "$root/lab_utils/bootstrap.py"

cd "$root"
exec "$root/.venv/bin/python" -m pytest -c "$root/pyproject.toml" --rootdir "$root" -n auto "$@"
