#!/usr/bin/env bash
# Runs a program on an emulated CPU; `ci/emulate.sh --help` says how. The work is done by emulate.py beside it.
set -eu
command -v python3 >/dev/null || { echo "emulate: python3 is missing; install the package python3" >&2; exit 3; }
exec python3 "$(dirname "$0")/emulate.py" "$@"
