#!/usr/bin/env bash
# Puts what draws the charts of reports beside the program: FOLDER/charts.js, and the licences, FOLDER/charts.txt. By npm, in the versions
# of reports/page/package-lock.json; none of its scripts are run. Exit status 3: npm or the registry is not to be had, and pages have tables alone.
# usage: charts.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: ci/charts.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../reports/page"
made_from=$(cat package.json package-lock.json | sha256sum | cut -c1-16)
[ "$(cat "$out/charts.version" 2>/dev/null)" != "$made_from" ] || exit 0
if ! command -v npm >/dev/null; then
  echo "charts: npm is not here (Debian: npm), so that reports have tables and no charts" >&2
  exit 3
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json "$work"
if ! (cd "$work" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/log" 2>&1; then
  cat "$work/log" >&2
  echo "charts: npm could not get them, so that reports have tables and no charts" >&2
  exit 3
fi
cd "$work/node_modules"
cat vega/build/vega.min.js vega-lite/build/vega-lite.min.js vega-embed/build/vega-embed.min.js >"$out/charts.js"
# Each licence once, under the names of all that have it.
licences() { find . -mindepth 2 -maxdepth 3 \( -iname 'license*' -o -iname 'licence*' \) -type f | sort; }
licences | while read -r file; do echo "$(sha256sum <"$file" | cut -c1-16) $file"; done | sort >"$work/licences"
cut -d' ' -f1 "$work/licences" | uniq | while read -r sum; do
  files=$(grep "^$sum " "$work/licences" | cut -d' ' -f2)
  # shellcheck disable=SC2086
  printf '%s\n\n' "$(printf '%s\n' $files | sed 's|^\./||; s|/[^/]*$||' | paste -sd' ')"
  cat "$(head -n 1 <<<"$files")"
  printf '\n\n'
done >"$out/charts.txt"
echo "$made_from" >"$out/charts.version"
