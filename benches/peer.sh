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

# The same with everything on that a gate of an organisation has on: revocation by list and by the database, Digest beside certificates, limits of
# requests, a checked upstream, metrics, and an access log with a line for each request.
peer_wicketgate_all() {
  peer_wicketgate "$1" || return 1
  local d=$RUN/wicketgate_all from=$RUN/wicketgate/$1.yaml
  PORT=9110
  mkdir -p "$d"
  head -c 32 /dev/urandom | base64 > "$d/nonce.secret"
  chmod 600 "$d/nonce.secret"
  sed -e "s#127.0.0.1:9109#127.0.0.1:$PORT#; s#audit: .*#audit: $d/audit.log, access: { path: $d/access.log } }#" \
    -e "s#^    \(revocation: { crl: {.*}\) }#    \1, database: true }#" \
    -e "s#authenticate: \[certificate\] }#authenticate: [certificate, digest], limits: { rate: 1000000/s, concurrency: 10000, by: account } }#" \
    -e "s#^limits: { #limits: { requests_per_address: { rate: 1000000/s, concurrency: 20000 }, #" \
    -e "s#^    servers: .*#&\n    health: { path: /, every: 5s }#" "$from" > "$d/$1.yaml"
  grep -q revocation "$d/$1.yaml" || sed -i "s#^    authorities: .*#&\n    revocation: { crl: { files: [$PKI/crl-1k.pem] }, database: true }#" "$d/$1.yaml"
  cat >> "$d/$1.yaml" <<X
digest: { realm: example.org, nonce: { secret: { file: $d/nonce.secret } } }
throttle: { failures: 5, window: 10m }
admin: { address: 127.0.0.1:9190 }
X
  CMD=("${CMD[0]}" serve -c "$d/$1.yaml")
}

# Peers that write a line for each request as well, in the form that they write by default.
peer_nginx_logging() {
  peer_nginx "$1" || return 1
  local d=$RUN/nginx_logging
  PORT=9111
  mkdir -p "$d"
  sed -e "s#access_log off;#access_log $d/access.log combined;#; s#127.0.0.1:9101#127.0.0.1:$PORT#; s#$RUN/nginx/#$d/#g" "$RUN/nginx/$1.conf" > "$d/$1.conf"
  CMD=(nginx -p "$d" -c "$d/$1.conf" -e stderr)
}

peer_haproxy_logging() {
  peer_haproxy "$1" || return 1
  local d=$RUN/haproxy_logging
  PORT=9112
  mkdir -p "$d"
  # Its lines go to the driver's log of its output.
  sed -e "s#^  nbthread 1#&\n  log stdout format raw local0 info#; s#^  mode http#&\n  log global\n  option httplog#; s#127.0.0.1:9102#127.0.0.1:$PORT#" "$RUN/haproxy/$1.cfg" > "$d/$1.cfg"
  CMD=(haproxy -db -f "$d/$1.cfg")
}
