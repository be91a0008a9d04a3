#!/bin/bash
# Puts the certificates and revocation lists of NIST's test suite into a folder, unless they are there: `certs` and
# `crls`. They come with pip, from whichever index it is configured for, and only if their hash is the one expected.
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

if ! command -v pip3 >/dev/null; then
  echo "pip3 is needed to fetch NIST's test suite; on Debian: apt-get install --no-install-recommends python3-pip" >&2
  exit 1
fi
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
pip3 download --quiet --no-deps --only-binary :all: --require-hashes --dest "$work" --requirement "$here/requirements.txt"
python3 - "$work" <<'PYTHON'
import pathlib, sys, zipfile

work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("cryptography_vectors-*.whl")
counts = {"certs": 0, "crls": 0}
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        parts = pathlib.PurePosixPath(member.filename).parts
        if parts[-4:-2] == ("x509", "PKITS_data") and parts[-2] in counts:
            target = work / "suite" / parts[-2] / parts[-1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
            counts[parts[-2]] += 1
if counts != {"certs": 405, "crls": 173}:
    sys.exit(f"the package holds {counts}, which is not the suite that was expected")
PYTHON
mv "$work/suite" "$folder"
