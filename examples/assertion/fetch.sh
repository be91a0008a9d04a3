#!/bin/bash
# Puts what verify.py needs into a folder, for PYTHONPATH, unless it is there: by pip, and only if the hashes are the
# ones expected.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$(dirname "$folder")"

# Test programs run side by side; the first fetches, the others wait for it.
exec 9>"$folder.lock"
flock 9
[ -d "$folder" ] && exit 0

work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
pip3 install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes --target "$work/packages" \
  --requirement "$here/requirements.txt"
mv "$work/packages" "$folder"
