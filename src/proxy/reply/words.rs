//! What a refusal says, in words for the person before the screen and in one line for the administrator.
//! Nothing of what the client sent is repeated, and nothing is told of an account but its state.

use crate::base::reason::Reason;
use http::StatusCode;
use serde::Serialize;

/// What is said of one reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// The heading: a sentence without its full stop.
    pub(super) title: &'static str,
    /// What happened.
    pub(super) happened: &'static str,
    /// What the person can do.
    pub(super) advice: &'static str,
    /// What the administrator looks for.
    pub(super) administrator: &'static str,
    /// Whether another certificate could help, so that it is worth telling how to choose one.
    pub(super) choose_again: bool,
}

/// How to make a browser forget which certificate was chosen: it is never told to by the server.
pub(super) const CHOOSE_AGAIN: [&str; 3] = [
    "Browsers remember which certificate was chosen, or that none was, until they are closed. Close all windows of \
     the browser (on a phone: end the app), open this address again, and choose the certificate when asked.",
    "A private window asks again without closing the others. In Firefox, \"Active Logins\" under \"Clear Recent \
     History\" does so too.",
    "If the browser does not ask at all, it has no certificate that this site accepts: install yours, the file that \
     ends in .p12 or .pfx, in the browser (Firefox) or in the system (all others).",
];

/// What is said of a reason. 401 offers a password beside the certificate.
pub(super) fn of(reason: Reason, status: StatusCode) -> Words {
    match reason {
        Reason::CertificateRequired if status == StatusCode::UNAUTHORIZED => Words {
            title: "Please say who you are",
            happened: "This page is not open to everybody, and your browser sent neither a certificate nor a password.",
            advice: "Enter your user name and password, or choose your certificate.",
            administrator: "The route accepts a client certificate or HTTP Digest; the request had neither.",
            choose_again: true,
        },
        Reason::CertificateRequired => Words {
            title: "A certificate is needed here",
            happened: "This page is open only to those who show a client certificate, and your browser sent none.",
            advice: "If you have a certificate, let the browser ask for it again as described below. If you have \
                     none, ask your administrator for one.",
            administrator: "The listener or the route demands a client certificate, and the TLS session has none.",
            choose_again: true,
        },
        Reason::CertificateUntrusted => Words {
            title: "Your certificate is not one that this site trusts",
            happened: "The certificate that your browser sent was not issued by an authority that this site knows.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator which \
                     one is meant for this site.",
            administrator: "No valid path leads from the presented chain to an authority of the trust set; is an \
                            intermediate certificate missing?",
            choose_again: true,
        },
        Reason::CertificateExpired => Words {
            title: "Your certificate has expired",
            happened: "The certificate that your browser sent, or one of the authorities behind it, is past its last day.",
            advice: "If you have a newer certificate, choose that one. Otherwise ask your administrator to renew it.",
            administrator: "A certificate of the path is past its notAfter; compare the clock of this machine if it \
                            should not be.",
            choose_again: true,
        },
        Reason::CertificateNotYetValid => Words {
            title: "Your certificate is not valid yet",
            happened: "The certificate that your browser sent, or one of the authorities behind it, becomes valid \
                       only later.",
            advice: "Try again later, or choose another certificate if you have one.",
            administrator: "A certificate of the path is before its notBefore; compare the clocks of this machine \
                            and of the authority.",
            choose_again: true,
        },
        Reason::CertificateRevoked => Words {
            title: "Your certificate has been revoked",
            happened: "The certificate that your browser sent, or one of the authorities behind it, was declared \
                       invalid before its time.",
            advice: "If you were given a new certificate, choose that one. Otherwise ask your administrator.",
            administrator: "A revocation list or the database says that a certificate of the path is revoked.",
            choose_again: true,
        },
        Reason::CertificateUnsuitable => Words {
            title: "Your certificate is not meant for this",
            happened: "The certificate that your browser sent is genuine, but not made for proving who you are to a \
                       web site.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator for one \
                     that is meant for signing in.",
            administrator: "Key usage, extended key usage, depth or a constraint of a certificate of the path \
                            forbids client authentication.",
            choose_again: true,
        },
        Reason::RevocationUnknown => Words {
            title: "It cannot be told whether your certificate still counts",
            happened: "The site could not find out whether the certificate that your browser sent has been revoked.",
            advice: "Try again in a few minutes. If it goes on, tell your administrator.",
            administrator: "A revocation source that must answer has no current answer: a missing or outdated \
                            revocation list?",
            choose_again: false,
        },
        Reason::IdentityMissing => Words {
            title: "Your certificate does not say who you are",
            happened: "The certificate that your browser sent is valid, but holds no name that this site looks for.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator.",
            administrator: "No identity rule found a value in the certificate that fits its pattern.",
            choose_again: true,
        },
        Reason::IdentityInvalid => Words {
            title: "The name in your certificate cannot be used",
            happened: "The certificate that your browser sent is valid, but the name in it is not one that this site \
                       can accept.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator for a \
                     new one.",
            administrator: "A name in the certificate holds NUL or control characters, mixes scripts, or is too long.",
            choose_again: true,
        },
        Reason::IdentityAmbiguous => Words {
            title: "Your certificate means more than one person",
            happened: "The certificate that your browser sent is valid, but its names belong to different accounts.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator.",
            administrator: "The names that one identity rule found in the certificate lead to different accounts.",
            choose_again: true,
        },
        Reason::IssuerNotAllowed => Words {
            title: "Your certificate comes from the wrong authority",
            happened: "The certificate that your browser sent is valid, but its authority may not speak for your name.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator.",
            administrator: "The identity rule that found the name lists issuers, none of which is in the path.",
            choose_again: true,
        },
        Reason::AccountUnknown => Words {
            title: "You have no account here",
            happened: "The certificate that your browser sent is valid, but no account on this site belongs to it.",
            advice: "If you have several certificates, choose another one. Otherwise ask your administrator for an \
                     account.",
            administrator: "No account has a name that the identity rules found in the certificate.",
            choose_again: true,
        },
        Reason::AccountInactive => Words {
            title: "Your account is not active",
            happened: "You are known here, but your account is locked or closed.",
            advice: "Ask your administrator whether it can be opened again.",
            administrator: "The account's status is locked or closed.",
            choose_again: true,
        },
        Reason::ClaimMismatch => Words {
            title: "The request names somebody else",
            happened: "You are known here, but the request was made in the name of somebody else.",
            advice: "Choose the certificate or the account that the request is meant for.",
            administrator: "The request and its credentials name different accounts.",
            choose_again: true,
        },
        Reason::NotAuthorized => Words {
            title: "This page is not open to you",
            happened: "You are known here, but your account may not use this page.",
            advice: "If you need it for your work, ask your administrator.",
            administrator: "The account is in none of the groups that the route allows.",
            choose_again: true,
        },
        Reason::DigestFailed => Words {
            title: "User name or password is wrong",
            happened: "The user name and password that your browser sent do not fit together.",
            advice: "Try again. If you have forgotten the password, ask your administrator for a new one.",
            administrator: "The Digest credentials are wrong, or made for another realm or algorithm.",
            choose_again: false,
        },
        Reason::BasicFailed => Words {
            title: "The user name or the password is wrong",
            happened: "The user name and password that your browser sent do not fit together.",
            advice: "Try again. If you have forgotten the password, ask your administrator for a new one.",
            administrator: "The Basic credentials are wrong: the detail in the audit log says why.",
            choose_again: false,
        },
        Reason::HandoverRefused => Words {
            title: "You could not be taken over from the other site",
            happened: "What your browser brought along from the site where you have logged in does not hold here: it \
                       may be too old, used already, or meant for another page.",
            advice: "Go back to that site and follow its link again. Do not reload this page.",
            administrator: "The log has the request identifier and what exactly was wrong with the hand-over.",
            choose_again: false,
        },
        Reason::LockedOut => Words {
            title: "Too many wrong passwords",
            happened: "There were too many attempts with a wrong password, so that for a while none is accepted.",
            advice: "Wait a few minutes and try again.",
            administrator: "The throttle holds this account or address back.",
            choose_again: false,
        },
        Reason::RateLimited => Words {
            title: "Too many requests",
            happened: "More requests came from you than this site serves in so short a time.",
            advice: "Wait a moment and try again.",
            administrator: "A limit of the route or of the listener was reached.",
            choose_again: false,
        },
        Reason::Overloaded => Words {
            title: "The site is busy",
            happened: "This site is handling as much as it can at once.",
            advice: "Wait a moment and try again.",
            administrator: "As much memory is taken by requests as limits.held_bodies allows, in all or for one address.",
            choose_again: false,
        },
        Reason::BadRequest => Words {
            title: "The request cannot be understood",
            happened: "Your browser sent a request that is malformed, or that could be understood in two ways.",
            advice: "Check the address. If you followed a link, tell the author of the page it is on.",
            administrator: "The log says what is wrong with the request's head.",
            choose_again: false,
        },
        Reason::NoRoute => Words {
            title: "There is nothing here",
            happened: "No page of this site has this address.",
            advice: "Check the address.",
            administrator: "No route covers this listener, host and path, or those that do ask for other header fields (`match_headers`).",
            choose_again: false,
        },
        Reason::MethodNotAllowed => Words {
            title: "This cannot be done here",
            happened: "This address is not for what your browser or program wanted to do with it.",
            advice: "Go back and try another way.",
            administrator: "The routes of this host and path have `methods`, and the request's is none of them.",
            choose_again: false,
        },
        Reason::TooLarge => Words {
            title: "The request is too large",
            happened: "Your browser sent more than this site accepts.",
            advice: "Send a smaller file. If nothing was sent, delete this site's cookies in the browser.",
            administrator: "The head or the body of the request is over its limit.",
            choose_again: false,
        },
        Reason::Misdirected => Words {
            title: "This connection is for another site",
            happened: "Your browser asked for this site over a connection that it had opened to another one.",
            advice: "Reload the page.",
            administrator: "The host of the request has another client certificate policy than the name in the TLS \
                            handshake; clients retry over a new connection.",
            choose_again: false,
        },
        Reason::AccountsUnavailable => Words {
            title: "Signing in does not work at the moment",
            happened: "The site could not look your account up.",
            advice: "Try again in a few minutes. If it goes on, tell your administrator.",
            administrator: "The account store gave no answer; the log says which and why.",
            choose_again: false,
        },
        Reason::UpstreamUnavailable => Words {
            title: "The application does not answer",
            happened: "You were let in, but the application behind this site cannot be reached.",
            advice: "Try again in a few minutes. If it goes on, tell your administrator.",
            administrator: "No server of the upstream could be connected to, or it broke off; the log says why.",
            choose_again: false,
        },
        Reason::UpstreamBusy => Words {
            title: "The application is busy",
            happened: "You were let in, but the application behind this site has too much to do at the moment.",
            advice: "Try again in a few seconds. If it goes on, tell your administrator.",
            administrator: "All servers of the upstream had as many requests as `limits.requests` allows for as long as \
                            `limits.wait`, or too many requests waited.",
            choose_again: false,
        },
        Reason::LoopDetected => Words {
            title: "This site leads back to itself",
            happened: "You were let in, but what should have been the application is this site once more.",
            advice: "Tell your administrator.",
            administrator: "The request has passed this gate before, as its `Via` shows: the upstream's server, or a proxy \
                            behind it, leads back here.",
            choose_again: false,
        },
        Reason::UpstreamTimeout => Words {
            title: "The application takes too long",
            happened: "You were let in, but the application behind this site did not answer in time.",
            advice: "Try again in a few minutes. If it goes on, tell your administrator.",
            administrator: "No response came within the `timeouts` of the upstream.",
            choose_again: false,
        },
    }
}

/// Problem details (RFC 9457, section 3.1), with our own members after the standard's.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    reason: &'static str,
    advice: &'static str,
    administrator: &'static str,
    request_id: &'a str,
}

impl Words {
    pub(super) fn json(&self, reason: Reason, status: StatusCode, request_id: &str) -> String {
        let problem = Problem {
            r#type: "about:blank",
            title: self.title,
            status: status.as_u16(),
            detail: self.happened,
            reason: reason.as_str(),
            advice: self.advice,
            administrator: self.administrator,
            request_id,
        };
        // Only maps with keys that are no strings and failing writers can fail; there are none.
        serde_json::to_string(&problem).unwrap_or_default() + "\n"
    }

    pub(super) fn text(&self, reason: Reason, status: StatusCode, request_id: &str) -> String {
        let mut text = format!("{status}: {reason}\n\n{}.\n{}\n{}\n", self.title, self.happened, self.advice);
        if self.choose_again {
            text.push('\n');
            CHOOSE_AGAIN.iter().for_each(|hint| text.extend([*hint, "\n"]));
        }
        text.extend(["\nFor the administrator: ", self.administrator, "\nRequest identifier: ", request_id, "\n"]);
        text
    }
}
