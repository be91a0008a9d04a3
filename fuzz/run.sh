#!/bin/bash
# Runs fuzz targets, each for some seconds: fuzz/run.sh SECONDS [TARGET]…
#
# It needs the stable compiler, a C++ compiler for libFuzzer, and openssl for the first inputs. What is found
# stays in fuzz/corpus for the next run. A target that fails leaves its input in fuzz/artifacts.
set -euo pipefail

seconds=${1:?how many seconds each target is to run}
shift
cd "$(dirname "$0")"
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(basename -as .rs fuzz_targets/*.rs); fi

# libFuzzer finds its way by counters that LLVM puts at every edge, and by the operands of comparisons. Given
# a --target, the flags reach neither build scripts nor procedural macros.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
export CARGO_TARGET_DIR=$PWD/target
"${CARGO:-cargo}" build --quiet --manifest-path Cargo.toml --target "$host" "${targets[@]/#/--bin=}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first inputs, made anew each time so that no key and no expired certificate is kept anywhere.
seeds() {
  mkdir -p "$work"/seeds/{certificate_facts,certificate_path,crl,identity,ocsp}
  (
    cd "$work"
    cat > ca.cnf <<'END'
[ca]
default_ca = c
[c]
database = index
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha256
policy = p
[p]
commonName = optional
organizationName = optional
emailAddress = optional
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[middle]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
nameConstraints = permitted;DNS:example.org
certificatePolicies = 1.2.3.4
[leaf]
keyUsage = digitalSignature
extendedKeyUsage = clientAuth, 1.3.6.1.4.1.311.20.2.2
subjectAltName = email:alice@example.org, DNS:alice.example.org, URI:https://example.org/alice, IP:192.0.2.7, dirName:other, otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@corp.example
certificatePolicies = 1.2.3.4, 2.5.29.32.0
[other]
CN = Alice
[part]
issuingDistributionPoint = critical, @point
2.5.29.27 = critical, ASN1:INTEGER:9
[point]
fullname = URI:http://crl.example.org/1
onlyuser = TRUE
indirectCRL = TRUE
onlysomereasons = keyCompromise, CACompromise
END
    : > index
    echo 1000 > serial
    echo 0A > crlnumber
    subject='/O=Example, Inc./CN=Alice Ünal+emailAddress=alice@example.org'
    for name in root middle leaf; do
      openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $name.key
      [ $name = leaf ] || subject_of="/CN=$name"
      [ $name != leaf ] || subject_of=$subject
      openssl req -new -utf8 -multivalue-rdn -key $name.key -subj "$subject_of" -out $name.csr
    done
    dates='-startdate 20260101000000Z -enddate 20270101000000Z'
    sign() { openssl ca -batch -notext -utf8 -config ca.cnf -extfile ca.cnf $dates "$@"; }
    sign -selfsign -keyfile root.key -in root.csr -extensions root -out root.pem
    sign -keyfile root.key -cert root.pem -in middle.csr -extensions middle -out middle.pem
    sign -keyfile middle.key -cert middle.pem -in leaf.csr -extensions leaf -out leaf.pem
    openssl ca -config ca.cnf -keyfile middle.key -cert middle.pem -revoke leaf.pem -crl_reason keyCompromise
    openssl ca -config ca.cnf -keyfile middle.key -cert middle.pem -gencrl -crldays 30 -out middle.crl
    openssl ca -config ca.cnf -keyfile middle.key -cert middle.pem -gencrl -crldays 30 -crlexts part -out seeds/crl/part.pem
    openssl crl -in seeds/crl/part.pem -outform der -out seeds/crl/part.der
    for name in root middle leaf; do
      openssl x509 -in $name.pem -outform der -out $name.der
      cp $name.der seeds/certificate_facts/
    done
    cat root.der leaf.der middle.der > seeds/certificate_path/whole
    cat middle.der leaf.der > seeds/certificate_path/anchored
    cp middle.crl seeds/crl/list.pem
    openssl crl -in middle.crl -outform der -out seeds/crl/list.der
    for reason in good revoked; do
      [ $reason = revoked ] || sed -i.revoked 's/^R\(\t[^\t]*\t\)[^\t]*/V\1/' index
      openssl ocsp -index index -CA middle.pem -rsigner middle.pem -rkey middle.key -ndays 300 -no_nonce \
        -issuer middle.pem -cert leaf.pem -respout $reason.der
      cat middle.der leaf.der $reason.der > seeds/ocsp/$reason
      mv -f index.revoked index 2> /dev/null || true
    done
    printf 'http://ocsp.example.org:8080/a?b' > seeds/ocsp/url
    printf 'alice@example.org\nAlice@B\303\274cher.example' > seeds/identity/address
    printf '\320\220\320\273\320\270\321\201\320\260' > seeds/identity/cyrillic
  ) > "$work/openssl.log" 2>&1 || { cat "$work/openssl.log"; exit 1; }
}
seeds

run() {
  local target=$1 corpus=corpus/$1 artifacts=artifacts/$1 runs
  mkdir -p "$corpus" "$artifacts" "$work/seeds/$target"
  # Seeds that are no certificates stand in the repository, in seeds/TARGET.
  local inputs=("$corpus" "$work/seeds/$target")
  if [ -d "seeds/$target" ]; then inputs+=("seeds/$target"); fi
  if "target/$host/debug/$target" -max_total_time="$seconds" -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
      -print_final_stats=1 -artifact_prefix="$artifacts/" "${inputs[@]}" > "$work/$target.log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
    echo "fuzz $target: $runs inputs in $seconds s, nothing found"
  else
    tail -n 40 "$work/$target.log"
    echo "fuzz $target: FAILED; the input is in fuzz/$artifacts"
    return 1
  fi
}

# One for each core, as each has one thread.
failed=0
under_way=0
for target in "${targets[@]}"; do
  if [ $under_way -eq "$(nproc)" ]; then
    wait -n || failed=1
    under_way=$((under_way - 1))
  fi
  run "$target" &
  under_way=$((under_way + 1))
done
while [ $under_way -gt 0 ]; do
  wait -n || failed=1
  under_way=$((under_way - 1))
done
exit $failed
