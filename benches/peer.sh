# Wicketgate as one row of the comparison with other proxies: see docs/performance.md.
# Sourced by the comparison's driver, which sets $PKI, $RUN and $UPSTREAM and takes $PORT and $CMD.
# WICKETGATE names the program to measure (default: the release build).

peer_wicketgate() {
  PORT=9109
  local d=$RUN/wicketgate program=${WICKETGATE:-${CARGO_TARGET_DIR:-target}/release/wicketgate} crl=
  mkdir -p "$d"
  [ "$1" = crl ] && crl="revocation: { crl: { files: [$PKI/crl-1m.pem], unknown: reject } }"
  cat > "$d/$1.yaml" <<X
listeners:
  - name: guarded
    address: 127.0.0.1:$PORT
    client_certificate: need
    trust: bench
    tls:
      certificates: [{ chain: $PKI/server-chain.pem, key: $PKI/server.key }]
      min_version: "1.3"
trust:
  bench:
    authorities: [$PKI/client-ca.pem]
    $crl
identity:
  - { from: subject.cn, as: username }
accounts:
  sqlite: { path: $d/accounts.db }
routes:
  - { path: /, upstream: application, authenticate: [certificate] }
upstreams:
  application:
    servers: [http://$UPSTREAM]
    headers: { user: X-Remote-User }
limits: { connections: 20000, connections_per_address: 20000 }
timeouts: { idle: 10m }
log: { level: warn, audit: $d/audit.log }
X
  if [ ! -f "$d/accounts.db" ]; then
    for name in alice bob mallory; do "$program" account add -c "$d/$1.yaml" "$name" >&2 || return 1; done
  fi
  CMD=("$program" serve -c "$d/$1.yaml")
}
