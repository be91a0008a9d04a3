//! Every metric there is: its name, kind, labels and help. `docs/metrics.md` lists the same, and tests hold the two and
//! the page together.

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name; a counter's ends in `_total`, and a unit is a base unit (`_seconds`, `_bytes`).
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it says, in one line.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub static $constant: Metric = Metric { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };
        )+

        /// All of them, in the order of the page.
        pub static ALL: &[&Metric] = &[$(&$constant),+];
    };
}

metrics! {
    BUILD_INFO Gauge "wicketgate_build_info" ["version"] "1, with the version of the program.";
    START_TIME Gauge "process_start_time_seconds" [] "When the process started, in seconds since the epoch.";
    CPU Counter "process_cpu_seconds_total" [] "CPU time that the process has used, in user and system mode.";
    RESIDENT Gauge "process_resident_memory_bytes" [] "Memory of the process that is in RAM.";
    OPEN_FDS Gauge "process_open_fds" [] "File descriptors that are open.";
    MAX_FDS Gauge "process_max_fds" [] "File descriptors that may be open.";

    CONNECTIONS_OPEN Gauge "wicketgate_connections_open" [] "Client connections that hold a place among limits.connections, handshakes included.";
    CONNECTIONS_LIMIT Gauge "wicketgate_connections_limit" [] "The value of limits.connections.";
    CONNECTIONS_ACCEPTED Counter "wicketgate_connections_accepted_total" ["listener"] "Connections that were accepted.";
    CONNECTIONS_REFUSED Counter "wicketgate_connections_refused_total" ["listener" "cause"] "Connections that were closed as soon as they were accepted, by the limit or rule that they met.";
    HANDSHAKES Counter "wicketgate_handshakes_total" ["listener" "result"] "TLS handshakes that were done (full, resumed), and connections that came to nothing before, by cause.";
    HANDSHAKE_DURATION Histogram "wicketgate_handshake_duration_seconds" ["kind"] "From accepting a connection to the end of its TLS handshake, the client's own part and its balancer's included.";
    CONNECTIONS_CUT Counter "wicketgate_connections_cut_total" ["reason"] "Open connections and tunnels that were cut because what let them in no longer holds, or for want of memory (overloaded).";
    LIVE Gauge "wicketgate_live_connections" [] "Open connections that are found when something changes that they rest on.";

    REQUESTS Counter "wicketgate_requests_total" ["route" "method" "status"] "Requests that were answered, by class of status; none where the connection was closed instead.";
    VERDICTS Counter "wicketgate_verdicts_total" ["route" "verdict" "reason" "authentication"] "What became of requests, one verdict for each, and by what those that may pass have shown who they are.";
    REQUEST_DURATION Histogram "wicketgate_request_duration_seconds" ["route"] "From the head of a request to the last octet of its answer.";
    DECIDE_DURATION Histogram "wicketgate_decide_duration_seconds" [] "From the head of a request to its verdict: gathering of evidence and decision.";
    REQUESTS_UNDER_WAY Gauge "wicketgate_requests_under_way" [] "Requests that are being answered.";
    RESPONSE_BYTES Counter "wicketgate_response_bytes_total" ["route"] "Octets of the bodies of answers, as they were handed over to be sent.";
    BUFFERS Gauge "wicketgate_buffers_bytes" [] "Memory for bodies on their way that did not go on at once, of requests and answers, and for bodies that are held whole.";
    BUFFERS_LIMIT Gauge "wicketgate_buffers_limit_bytes" [] "The value of limits.buffers.";
    TUNNELS Gauge "wicketgate_tunnels_open" [] "WebSockets and other connections that have switched protocols.";

    UPSTREAM_DURATION Histogram "wicketgate_upstream_duration_seconds" ["upstream"] "From sending a request to an upstream to the head of its answer, connecting and trying again included.";
    UPSTREAM_RESPONSES Counter "wicketgate_upstream_responses_total" ["upstream" "status"] "Answers of an upstream, by class of status.";
    UPSTREAM_FAILURES Counter "wicketgate_upstream_failures_total" ["upstream" "cause"] "Requests that got no answer from an upstream.";

    UPSTREAM_SERVERS Gauge "wicketgate_upstream_servers" ["upstream" "state"] "Servers of an upstream, by whether they get requests; unresolved are names whose addresses cannot be had.";
    UPSTREAM_QUEUE Gauge "wicketgate_upstream_queue" ["upstream"] "Requests that wait for a server to be free, where limits.requests says how many a server may have.";
    UPSTREAM_RETRIES Counter "wicketgate_upstream_retries_total" ["upstream" "result"] "Requests that a server has failed and another one was asked for (sent), or not because the budget was spent (over_budget).";
    UPSTREAM_BUDGET Gauge "wicketgate_upstream_retry_budget" ["upstream"] "Retries that the budget allows at this moment, where there is another server.";
    SERVER_UP Gauge "wicketgate_upstream_server_up" ["upstream" "server" "address"] "Whether a server gets requests: it passes its checks and is not ejected.";
    SERVER_RESPONSES Counter "wicketgate_upstream_server_responses_total" ["upstream" "server" "address" "status"] "Answers of a server, by class of status.";
    SERVER_FAILURES Counter "wicketgate_upstream_server_failures_total" ["upstream" "server" "address" "cause"] "Requests that a server has failed, whether another one answered them or not.";
    SERVER_DURATION Histogram "wicketgate_upstream_server_duration_seconds" ["upstream" "server" "address"] "From sending a request over an open connection to a server to the head of its answer.";
    SERVER_CONNECT Histogram "wicketgate_upstream_server_connect_duration_seconds" ["upstream" "server" "address"] "How long it takes to connect to a server, TLS included; its count is that of the connections made, those of checks too.";
    SERVER_CONNECTIONS Gauge "wicketgate_upstream_server_connections" ["upstream" "server" "address" "state"] "Open connections to a server: idle are kept HTTP/1.1 connections that no request uses, busy are all others.";
    SERVER_STALE Counter "wicketgate_upstream_server_stale_connections_total" ["upstream" "server" "address"] "Kept connections that turned out to be closed when a request was sent over them.";
    SERVER_ACTIVE Gauge "wicketgate_upstream_server_requests_under_way" ["upstream" "server" "address"] "Requests under way at a server, where there is a choice of servers or a limit.";
    SERVER_CHECKS Counter "wicketgate_upstream_server_checks_total" ["upstream" "server" "address" "result"] "Active checks of a server.";
    SERVER_EJECTIONS Counter "wicketgate_upstream_server_ejections_total" ["upstream" "server" "address"] "How often a server was ejected because it failed requests.";

    CACHE_ANSWERS Counter "wicketgate_cache_answers_total" ["kind" "result"] "Questions to the cache of accounts: answered from it (hit), by the store (miss), from it in the store's place (stale), or not at all.";
    CACHE_ENTRIES Gauge "wicketgate_cache_entries" ["kind"] "Answers that the cache of accounts holds, about.";
    DATABASE_UP Gauge "wicketgate_database_up" [] "Whether the store of accounts gives answers.";
    DATABASE_CONFIRMED Gauge "wicketgate_database_confirmed_age_seconds" [] "How long ago the store last confirmed what is known of it; -1 if it never has.";
    DATABASE_QUERIES Counter "wicketgate_database_queries_total" ["result"] "Questions to the store of accounts.";
    DATABASE_DURATION Histogram "wicketgate_database_query_duration_seconds" [] "How long the store of accounts takes to answer, waiting for a connection included.";
    DATABASE_CONNECTIONS Gauge "wicketgate_database_connections_busy" [] "Connections to a MySQL server that are in use.";

    CRL_AGE Gauge "wicketgate_crl_age_seconds" ["trust" "origin" "issuer"] "How long ago a revocation list was made (thisUpdate), by its file or URL.";
    CRL_REMAINING Gauge "wicketgate_crl_remaining_seconds" ["trust" "origin" "issuer"] "How long a revocation list is still good (nextUpdate); below 0 it has run out.";
    CRL_ENTRIES Gauge "wicketgate_crl_entries" ["trust" "origin" "issuer"] "How many certificates a revocation list names.";
    CRL_REFUSED Counter "wicketgate_crl_refused_total" ["trust"] "Revocation lists that could not be used; the one before stays.";
    CRL_TAKEN Counter "wicketgate_crl_taken_up_total" ["trust"] "Revocation lists that were taken up.";
    CRL_FETCHES Counter "wicketgate_crl_fetches_total" ["trust" "result"] "Attempts to fetch revocation lists.";
    OCSP_QUESTIONS Counter "wicketgate_ocsp_questions_total" ["trust" "result"] "Questions to OCSP responders about certificates of clients.";
    OCSP_AGE Gauge "wicketgate_ocsp_answer_age_seconds" ["trust"] "How long ago a responder last gave an answer that is believed; -1 if none has.";
    STAPLE_REMAINING Gauge "wicketgate_ocsp_staple_remaining_seconds" ["fingerprint"] "How long the OCSP answer is still good that is sent along with a certificate of ours; -1 if there is none.";
    CERTIFICATE_REMAINING Gauge "wicketgate_certificate_remaining_seconds" ["role" "name" "subject" "fingerprint"] "How long a certificate is still valid: of a listener, an authority of a trust set, or ours for an upstream; below 0 it has expired.";

    THROTTLE_LOCKS Counter "wicketgate_throttle_locks_total" [] "How often a name was locked for an address after too many wrong passwords.";
    THROTTLE_HELD Counter "wicketgate_throttle_held_total" ["cause"] "Attempts that were not let try a password: locked, or too many at once.";
    THROTTLE_WAITING Gauge "wicketgate_throttle_waiting" [] "Attempts that wait for their turn to try a password.";
    DIGEST_NONCES Gauge "wicketgate_digest_nonces" [] "Nonces of HTTP Digest whose counts are known.";

    RELOADS Counter "wicketgate_reloads_total" ["result"] "Configurations that were taken up or refused after the start.";
    EPOCH Gauge "wicketgate_configuration_epoch" [] "The number of the configuration in force, from 1.";
    LOADED Gauge "wicketgate_configuration_loaded_timestamp_seconds" [] "When the configuration in force was taken up, in seconds since the epoch.";
    AUDIT_LOST Counter "wicketgate_audit_lines_lost_total" [] "Lines of the audit log that were lost because the disk has failed.";
    ACCESS_LINES Counter "wicketgate_access_log_lines_total" [] "Lines of the access log.";
    ACCESS_DROPPED Counter "wicketgate_access_log_dropped_total" [] "Lines of the access log that were left out because the disk is too slow or has failed.";
    TRACE_SPANS Counter "wicketgate_trace_spans_total" ["result"] "Spans of traces that were sent to the collector (exported), that it did not take (failed), or that found no room in the queue (dropped).";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut names = HashSet::new();
        for metric in ALL {
            let Metric { name, kind, help, labels } = metric;
            let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(names.insert(name), "{name} is there twice");
            assert!(word(name) && labels.iter().all(|label| word(label)), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(name.starts_with("wicketgate_") || name.starts_with("process_"), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}");
            assert_eq!(*kind == Kind::Histogram, name.ends_with("_duration_seconds"), "{name}");
        }
    }
}
