#!/bin/bash
# Builds the program as packages have it: optimised across all crates and laid out for what a gate mostly does, which a
# first build counts while tests/training.rs makes it do that (profile-guided optimisation). It takes about half an hour on
# two cores; what it gives is in docs/performance.md. The program is the last line of what this prints.
#
# llvm-profdata must be of the compiler's own LLVM: `rustup component add llvm-tools` has it, or LLVM_PROFDATA names it.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$PWD/target}
profile=$target/profile
merge=${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata}
if ! "$merge" --version >/dev/null 2>&1; then
  echo "$merge is not there: run \`rustup component add llvm-tools\`, or name the llvm-profdata of $(rustc -vV | grep LLVM) in LLVM_PROFDATA" >&2
  exit 1
fi

# With a target named, the flags are for the program alone and not for what builds it. Names are left uncompressed
# since not every llvm-profdata can read them otherwise.
rm -rf "$profile"
RUSTFLAGS="-Cprofile-generate=$profile -Cllvm-args=-enable-name-compression=false" \
  cargo test --profile prove --target "$host" --target-dir "$target/training" --test training -- --ignored
"$merge" merge -o "$profile/merged.profdata" "$profile"/*.profraw

RUSTFLAGS="-Cprofile-use=$profile/merged.profdata" \
  cargo build --profile packaged --target "$host" --target-dir "$target/training"
echo "$target/training/$host/packaged/wicketgate"
