#!/usr/bin/env bash
# Make the virtual environment: tools/setup.sh FOLDER
# Takes the first Python 3.11 or newer that can make one; set PYTHON to choose another.
set -euo pipefail
venv=$1
wanted='import sys, venv, ensurepip, sqlite3; sys.exit(sys.version_info < (3, 11))'

if ! { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$wanted" 2>/dev/null; }; then
    for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        if "$python" -c "$wanted" 2>/dev/null; then found=$python; break; fi
    done
    if [ -z "${found:-}" ]; then
        echo "No Python 3.11 or newer with venv and sqlite3 was found. Install one (on Debian:" >&2
        echo "apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    echo "Setting up $venv with $("$found" --version) (once; about a minute) ..."
    "$found" -m venv --clear "$venv"
fi

# Dependency groups (PEP 735) need pip 25.1.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev
