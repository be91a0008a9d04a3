//! The configuration of the demo: an ordinary file, with comments that an administrator learns from.

use super::people::REALM;

/// The text of `wicketgate.yaml` for a gate on one port of 127.0.0.1 and its upstream on another.
pub(super) fn text(port: u16, upstream_port: u16) -> String {
    format!(
        r#"# The configuration of `wicketgate demo`, which writes it anew at each start: copy the directory before you
# change anything. Paths are relative to this file.
#
#   wicketgate check -c FILE      what is wrong with a configuration
#   wicketgate explain -c FILE C  what would happen to the certificate in C, stage by stage
#   wicketgate schema             everything that a configuration may hold
#   wicketgate serve -c FILE      run it

listeners:
  - name: demo
    address: "127.0.0.1:{port}"
    # want: a client is asked for a certificate and may have none; the route decides whether that will do.
    # need: it must have one, on every route. off: it is not asked.
    client_certificate: want
    # A client whose certificate is refused gets a page that says why. `alert` would break off the handshake,
    # of which browsers tell people nothing that helps.
    on_rejected_certificate: page
    # Whose certificates are accepted: a name from the section `trust`.
    trust: people
    tls:
      # Several may stand here; the name that the client asks for (SNI) chooses.
      certificates:
        - {{ chain: server.pem, key: server.key }}

trust:
  people:
    # The roots. Clients send the intermediate authorities along with their certificates.
    authorities: [ca.pem]
    revocation:
      # What the authority below has revoked stands in its database, and counts within a second. Of authorities
      # elsewhere, lists can be read (`crl`) or responders asked (`ocsp`).
      database: true

# How a certificate names an account. The first rule that finds any value in the certificate decides.
identity:
  - {{ from: san.email, as: email }}

accounts:
  # wicketgate account list -c FILE
  sqlite: {{ path: accounts.db }}

# The authority that issued all these certificates, and issues more: it has its own process, which alone opens its key.
#   wicketgate ca list -c FILE
authority:
  directory: authority
  passphrase: {{ file: authority.passphrase }}
  # Where that process (`wicketgate authority serve`, which the demo starts) answers the gate.
  socket: authority.sock
  # Whom it enrols on the word of the gate: machines ask below /.well-known/est (RFC 7030).
  est: {{ server_keys: true }}
  profiles:
    client:
      subject: {{ organization: Wicketgate Demo, common_name: "{{display_name|email}}" }}
    client-short:
      subject: {{ organization: Wicketgate Demo, common_name: "{{display_name|email}}" }}
    server:
      validity: 365d
      subject: {{ organization: Wicketgate Demo, common_name: "{{host}}" }}

# For clients that have no certificate. A certificate that is refused is never rescued by a password.
digest:
  realm: {REALM}
  # In the order in which they are offered.
  algorithms: [SHA-256, MD5]
  nonce: {{ secret: {{ file: nonce.secret }} }}

# The most specific host and path win, whatever their order here.
routes:
  # A certificate, or without one a password.
  - path: /
    authenticate: [certificate, digest]
    upstream: whoami
  # A certificate and nothing else.
  - path: /certificate-only
    authenticate: [certificate]
    upstream: whoami
  # Anybody. Whoever has a certificate is still named to the application.
  - path: /public
    authenticate: [certificate]
    anonymous: allow
    upstream: whoami
  # Certificates for machines, by a password or by the certificate that is to be renewed.
  - path: /.well-known/est
    authenticate: [certificate, digest]
    upstream: {{ service: est }}
  - path: /.well-known/est/cacerts
    authenticate: [certificate]
    anonymous: allow
    upstream: {{ service: est }}

upstreams:
  # The sample upstream runs inside the demo; `cargo run --example whoami -- 127.0.0.1:{upstream_port}` is the same.
  whoami:
    servers: [http://127.0.0.1:{upstream_port}]
    # Under which names the application is told who comes. What clients send under them never reaches it.
    headers: {{ user: Remote-User, email: Remote-Email, name: Remote-Name, groups: Remote-Groups, client_cert: rfc9440 }}

log:
  format: text
  level: warn
  # A line for each request: who came, what became of it and why.
  audit: audit.log
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_configuration_is_one_that_its_own_check_has_nothing_to_say_about() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wicketgate.yaml");
        std::fs::write(&path, text(8443, 8080)).unwrap();
        let loaded = config::load(&path).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert_eq!(loaded.config.listeners[0].address.to_string(), "127.0.0.1:8443");
        assert_eq!(loaded.config.upstreams["whoami"].servers[0].name.port, 8080);
    }
}
