#!/bin/bash
# Puts the packages of a requirements.txt into a folder, unless they are there: for Python, or programs that are packed as
# such. They come with pip, from whichever index it is configured for, and only if their hash is the one expected.
set -euo pipefail

if [ $# -ne 2 ]; then
  echo "usage: $0 FOLDER REQUIREMENTS" >&2
  exit 2
fi
folder=$1
wanted=$2
mkdir -p "$(dirname "$folder")"

# Test programs run side by side; the first fetches, the others wait for it.
exec 9>"$folder.lock"
flock 9
# Other packages were asked for when this folder was made.
cmp --silent "$folder/requirements.txt" "$wanted" && exit 0
rm -rf "$folder"

if ! command -v pip3 >/dev/null; then
  echo "pip3 is needed to fetch packages; on Debian: apt-get install --no-install-recommends python3-pip" >&2
  exit 1
fi
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
pip3 install --quiet --no-deps --only-binary :all: --require-hashes --disable-pip-version-check --root-user-action ignore \
  --target "$work/packages" --requirement "$wanted"
cp "$wanted" "$work/packages/requirements.txt"
mv "$work/packages" "$folder"
