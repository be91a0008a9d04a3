//! Hand-over: whoever has logged in at one site goes on to another that stands elsewhere, without logging in again. This
//! module answers below `/.well-known/wicketgate/handover`: for the source it makes tokens, for the target it begins a
//! hand-over, takes a token and gives a session. [`token`] says what is in a token and whether it holds; the whole
//! protocol, and what each attack meets, stands in `docs/handover.md`. What a session is worth afterwards is for
//! `auth::session`.

pub mod form;
mod page;
pub mod token;

use crate::account::cache::Accounts;
use crate::account::{Account, CertificateKey, Lookup, Status, Unavailable};
use crate::assertion::keys::read_pkcs8;
use crate::assertion::{KeyError, method_name};
use crate::auth::session::{MOST_CERTIFICATES, Origin, Session, Sessions, algorithm};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::config::{self, LookupKind, Method};
use crate::jose::jwe::DecryptionKey;
use crate::jose::jwk::{self, KeySet, Use};
use crate::jose::jws::SigningKey;
use crate::jose::{JoseError, encode};
use crate::proxy::headers::cookies;
use crate::proxy::service::{Access, Answer, LocalService, RESERVED, Reserved, ServiceRequest, method_not_allowed};
use crate::revocation::database;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::{Response, StatusCode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use token::{Claims, Password, Source};

/// How long a browser has from the beginning of a hand-over to its end.
const BEGUN: Duration = Duration::from_secs(5 * 60);
/// The largest form that is taken: a token and its name.
const MOST_FORM: u64 = 16 * 1024;
/// The largest file of another site's keys.
const MOST_KEYS: u64 = 64 * 1024;

/// A hand-over cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key of ours.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file with another site's keys cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds no keys, or not those that are needed.
    #[error("{path}: {why}")]
    Site {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Another site.
struct Site {
    name: String,
    url: config::SiteUrl,
    keys: KeySet,
    send: Vec<String>,
    accept: Vec<String>,
    lookup: LookupKind,
}

/// The service that hands people over and takes them.
pub struct Handover {
    url: config::SiteUrl,
    signing: SigningKey,
    decryption: Vec<DecryptionKey>,
    published: String,
    sites: Vec<Site>,
    sessions: Arc<Sessions>,
    lifetime: Duration,
    accounts: Arc<Accounts>,
}

/// Why somebody is not taken over: the reason that they are told, and the detail for the log.
type Turned = (Reason, String);

fn refused(detail: impl ToString) -> Turned {
    (Reason::HandoverRefused, detail.to_string())
}

impl From<Turned> for Answer {
    fn from((reason, detail): Turned) -> Self {
        Self::Refuse { reason, detail }
    }
}

fn unavailable(error: &Unavailable) -> Turned {
    (Reason::AccountsUnavailable, error.to_string())
}

impl Handover {
    /// For a checked configuration. `sessions` is where sessions are made.
    ///
    /// # Errors
    /// When a key of ours, or another site's, cannot be had or is not of the kind that is needed.
    pub fn new(
        settings: &config::Handover,
        sessions: Arc<Sessions>,
        accounts: Arc<Accounts>,
    ) -> Result<Self, SetupError> {
        let signing = settings.signing.iter().map(|file| read_pkcs8(file, SigningKey::from_pkcs8));
        let signing: Vec<SigningKey> = signing.collect::<Result<_, _>>()?;
        let decryption = settings.decryption.iter().map(|file| read_pkcs8(file, DecryptionKey::from_pkcs8));
        let decryption: Vec<DecryptionKey> = decryption.collect::<Result<_, _>>()?;
        let sign = signing.iter().map(|key| (key.public(), Use::Signature));
        let published = jwk::set(sign.chain(decryption.iter().map(|key| (key.public(), Use::Encryption))));
        let sites = settings.sites.iter().map(|(name, site)| Site::of(name, site)).collect::<Result<_, _>>()?;
        Ok(Self {
            url: settings.url.clone(),
            signing: signing.into_iter().next().ok_or(KeyError::None)?,
            decryption,
            published,
            sites,
            sessions,
            lifetime: settings.session.lifetime,
            accounts,
        })
    }

    /// The site of this name or URL.
    fn site(&self, named: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name == named || site.url.as_str() == named)
    }

    /// At the source: sends who asks to the target, with a token if the target has begun.
    fn hand_over(&self, request: &ServiceRequest<'_>) -> Result<Response<Bytes>, Turned> {
        let nobody = || (Reason::CertificateRequired, "nobody in particular is handed over".to_owned());
        let identity = request.permit.identity().ok_or_else(nobody)?;
        let parameters = parameters(request)?;
        let to = form::value(&parameters, "to").unwrap_or_default();
        let site = self.site(to).filter(|site| !site.send.is_empty());
        let site = site.ok_or_else(|| refused(format!("nobody is handed over to {to:?}")))?;
        let first = site.send.first().map_or("/", String::as_str);
        let return_to = form::value(&parameters, "return").unwrap_or(first);
        if !token::may_return(return_to, &site.send) {
            return Err(refused(token::Refused::Return(return_to.to_owned())));
        }
        let Some(state) = form::value(&parameters, "state") else {
            let (from, to) = (form::encoded(self.url.as_str()), form::encoded(return_to));
            return Ok(see_other(&format!("{}{RESERVED}handover/begin?from={from}&return={to}", site.url.as_str())));
        };
        if !token::is_state(state) {
            return Err(refused("the state is none"));
        }
        let claims = self.claims(request, identity.method, &identity.account, site, (return_to, state))?;
        let failed = |error: JoseError| refused(format!("the token cannot be made: {error}"));
        let to = site.keys.encryption.first().ok_or_else(|| refused("the site has no key to encrypt to"))?;
        let token = token::seal(&claims, &self.signing, to).map_err(failed)?;
        tracing::info!(request = request.request_id, account = claims.sub, site = site.name, "handed over");
        let url = format!("{}{RESERVED}handover/accept", site.url.as_str());
        Ok(page::carrying(&token, site.url.as_str(), &url))
    }

    fn claims(
        &self,
        request: &ServiceRequest<'_>,
        method: Method,
        account: &Account,
        site: &Site,
        (return_to, state): (&str, &str),
    ) -> Result<Claims, Turned> {
        let (mut certificates, mut not_after, mut password) = (Vec::new(), None, None);
        match (method, &request.standing.path, request.proof.and_then(|proof| proof.digest_realm())) {
            (Method::Certificate, Some(path), _) => {
                certificates = path.certificates.iter().map(|one| database::key(one).name()).collect();
                not_after = Some(path.not_after.as_unix());
            }
            (_, _, Some((realm, algorithm))) => {
                password = Some(Password { realm: realm.to_owned(), algorithm: algorithm.as_str().to_owned() });
            }
            // Whoever came by a hand-over is handed on by the site that knows them.
            _ => return Err(refused(format!("who logged in by {} is not handed over", method.as_str()))),
        }
        if certificates.len() > MOST_CERTIFICATES {
            return Err(refused("the path of the certificate is too long"));
        }
        let identifier = random::<16>()?;
        Ok(Claims {
            iss: self.url.as_str().to_owned(),
            aud: site.url.as_str().to_owned(),
            iat: request.at.as_unix(),
            exp: request.at.plus(token::LIFETIME).as_unix(),
            jti: encode(identifier),
            state: state.to_owned(),
            return_to: return_to.to_owned(),
            sub: account.username.clone(),
            email: account.email.clone(),
            amr: vec![method_name(method).to_owned()],
            certificates,
            not_after,
            password,
        })
    }

    /// At the target: ties what is to come to this browser, and sends it to the source.
    fn begin(&self, request: &ServiceRequest<'_>) -> Result<Response<Bytes>, Turned> {
        let parameters = parameters(request)?;
        let from = form::value(&parameters, "from").unwrap_or_default();
        let site = self.site(from).filter(|site| !site.accept.is_empty());
        let site = site.ok_or_else(|| refused(format!("{from:?} may hand nobody over to this site")))?;
        let first = site.accept.first().map_or("/", String::as_str);
        let return_to = form::value(&parameters, "return").unwrap_or(first);
        if !token::may_return(return_to, &site.accept) {
            return Err(refused(token::Refused::Return(return_to.to_owned())));
        }
        let browser = encode(random::<32>()?);
        let (us, to, state) = (form::encoded(self.url.as_str()), form::encoded(return_to), token::state_of(&browser));
        let mut response =
            see_other(&format!("{}{RESERVED}handover?to={us}&return={to}&state={state}", site.url.as_str()));
        // `None`, because the token will come by a form of another site.
        set_cookie(&mut response, cookies::HANDOVER, &browser, BEGUN, "None");
        Ok(response)
    }

    /// At the target: takes a token, once, and gives a session for it.
    async fn accept(&self, request: &ServiceRequest<'_>) -> Result<Response<Bytes>, Turned> {
        let is_form = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded"
        });
        if !is_form {
            return Err(refused("a token comes by a form"));
        }
        let form = std::str::from_utf8(&request.body).map_err(|_| refused("the form is not UTF-8"))?;
        let form = form::parse(form).map_err(refused)?;
        let token = form::value(&form, "token").ok_or_else(|| refused("the form holds no token"))?;
        let browser = cookies::value(request.headers, cookies::HANDOVER);
        let browser =
            browser.ok_or_else(|| refused("the browser has not begun a hand-over here, or it was too long ago"))?;
        let accepting: Vec<&Site> = self.sites.iter().filter(|site| !site.accept.is_empty()).collect();
        let sources: Vec<Source<'_>> = accepting
            .iter()
            .map(|site| Source { url: site.url.as_str(), keys: &site.keys, accept: &site.accept })
            .collect();
        let opened = token::open(token, &self.decryption, &sources, self.url.as_str(), browser, request.at);
        let (index, claims) = opened.map_err(refused)?;
        let site = accepting.get(index).ok_or_else(|| refused("the site is none"))?;
        let account = self.account(site, &claims).await?;
        let origin = self.origin(&claims, &account).await?;
        // Last, so that a token which is refused for another reason is not written down.
        let until = Timestamp::from_unix(claims.exp).plus(token::TOLERANCE);
        match self.accounts.use_once(&token::used_as(&claims), until, request.at).await {
            Ok(true) => {}
            Ok(false) => return Err(refused("the token was used before")),
            Err(error) => return Err(unavailable(&error)),
        }
        let ends = request.at.plus(self.lifetime);
        let session = Session {
            username: account.username.clone(),
            site: site.url.as_str().to_owned(),
            methods: claims.amr.clone(),
            origin,
            expires: claims.not_after.map_or(ends, |date| ends.min(Timestamp::from_unix(date))),
        };
        let text = self.sessions.seal(&session).map_err(refused)?;
        tracing::info!(request = request.request_id, account = account.username, site = site.name, "taken over");
        let mut response = see_other(&claims.return_to);
        set_cookie(&mut response, cookies::SESSION, &text, session.expires.since(request.at), "Lax");
        set_cookie(&mut response, cookies::HANDOVER, "", Duration::ZERO, "None");
        Ok(response)
    }

    /// The account here of whom the token is about.
    async fn account(&self, site: &Site, claims: &Claims) -> Result<Arc<Account>, Turned> {
        let name = match site.lookup {
            LookupKind::Email => claims.email.clone().ok_or_else(|| refused("the token names no address"))?,
            _ => claims.sub.clone(),
        };
        let unknown = || (Reason::AccountUnknown, format!("nobody here is {name:?} of {}", site.name));
        let found = self.accounts.find(&Lookup { kind: site.lookup, name: name.clone() }).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let [account] = &*found.accounts else { return Err(unknown()) };
        match account.status {
            Status::Active => Ok(Arc::clone(account)),
            status => Err((Reason::AccountInactive, format!("{} ({})", account.username, status.as_str()))),
        }
    }

    /// What the session will rest on, if that holds.
    async fn origin(&self, claims: &Claims, account: &Account) -> Result<Origin, Turned> {
        if let Some(Password { realm, algorithm: name }) = &claims.password {
            let algorithm = algorithm(name).ok_or_else(|| refused("the password's algorithm is none"))?;
            let ha1 = self.accounts.ha1(&account.username, realm, algorithm).await;
            let ha1 = ha1.map_err(|error| unavailable(&error))?;
            let ha1 =
                ha1.ok_or_else(|| refused("the password is not known here, so nobody could tell when it changes"))?;
            return Ok(Origin::password(realm.clone(), algorithm, &ha1));
        }
        let keys: Option<Vec<_>> = claims.certificates.iter().map(|name| CertificateKey::of_name(name)).collect();
        let keys = keys.filter(|keys| (1..=MOST_CERTIFICATES).contains(&keys.len()));
        let keys = keys.ok_or_else(|| refused("the token names no certificate"))?;
        let revoked = self.accounts.revoked(&keys).await.map_err(|error| unavailable(&error))?;
        if revoked.at.iter().any(Option::is_some) || self.sessions.are_listed(&keys) {
            return Err((Reason::CertificateRevoked, "the certificate that they logged in by is revoked".to_owned()));
        }
        Ok(Origin::Certificates(keys))
    }

    /// Whether a request is for the host that we are known by: cookies and tokens are for that one.
    fn is_ours(&self, request: &ServiceRequest<'_>) -> bool {
        request.target.host() == Some(self.url.host())
    }
}

impl LocalService for Handover {
    fn name(&self) -> &'static str {
        "handover"
    }

    fn reserves(&self) -> Vec<Reserved> {
        let public = |name| Reserved { name, access: Access::Public };
        vec![
            Reserved { name: "handover", access: Access::AsRouted },
            public("handover/begin"),
            public("handover/accept"),
            public("handover/end"),
            public("handover-keys.json"),
        ]
    }

    fn body_limit(&self) -> u64 {
        MOST_FORM
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            if !self.is_ours(request) {
                return refused(format!("hand-overs are for {}", self.url.as_str())).into();
            }
            let name = request.target.path().strip_prefix(RESERVED).unwrap_or_default();
            let answer = match (name, request.method.as_str()) {
                ("handover", "GET") => self.hand_over(request),
                ("handover/begin", "GET") => self.begin(request),
                ("handover/accept", "POST") => self.accept(request).await,
                ("handover/end", "POST") => Ok(ended()),
                ("handover-keys.json", "GET" | "HEAD") => Ok(self.keys()),
                ("handover" | "handover/begin" | "handover-keys.json", _) => return method_not_allowed("GET"),
                ("handover/accept" | "handover/end", _) => return method_not_allowed("POST"),
                _ => Err((Reason::NoRoute, "there is nothing here".to_owned())),
            };
            answer.map_or_else(Answer::from, Answer::Response)
        })
    }
}

impl Handover {
    /// Our public keys, for the administrators of other sites.
    fn keys(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::copy_from_slice(self.published.as_bytes()));
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }
}

impl Site {
    fn of(name: &str, settings: &config::HandoverSite) -> Result<Self, SetupError> {
        let keys = read_keys(&settings.keys)?;
        let lacking = match (&keys.signature[..], &keys.encryption[..]) {
            ([], _) if !settings.accept.is_empty() => Some("no key that verifies signatures (`use: sig`)"),
            (_, []) if !settings.send.is_empty() => Some("no key of P-256 to encrypt to (`use: enc`)"),
            _ => None,
        };
        if let Some(lacking) = lacking {
            return Err(SetupError::Site { path: settings.keys.clone(), why: format!("it holds {lacking}") });
        }
        Ok(Self {
            name: name.to_owned(),
            url: settings.url.clone(),
            keys,
            send: settings.send.clone(),
            accept: settings.accept.clone(),
            lookup: settings.lookup,
        })
    }
}

/// The public keys of another site, from the file that its administrator has published.
///
/// # Errors
/// When it cannot be read, or is no set of public keys.
pub fn read_keys(path: &Path) -> Result<KeySet, SetupError> {
    let unreadable = |source| SetupError::Unreadable { path: path.to_owned(), source };
    let site = |why: String| SetupError::Site { path: path.to_owned(), why };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MOST_KEYS {
        return Err(site("it is too large for a set of keys".to_owned()));
    }
    let octets = std::fs::read(path).map_err(unreadable)?;
    KeySet::parse(&octets).map_err(|error| site(error.to_string()))
}

/// The parameters of a request's query.
fn parameters(request: &ServiceRequest<'_>) -> Result<Vec<(String, String)>, Turned> {
    let query = request.target.path_and_query().query().unwrap_or_default();
    form::parse(query).map_err(|error| (Reason::BadRequest, error.to_string()))
}

fn random<const N: usize>() -> Result<[u8; N], Turned> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| refused("the system gives no randomness"))?;
    Ok(octets)
}

/// Sends the browser on with a GET (RFC 9110, section 15.4.4).
fn see_other(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"See where Location says.\n"));
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// Sets one of our cookies, or takes it away where it lives for no time.
fn set_cookie(response: &mut Response<Bytes>, name: &str, value: &str, life: Duration, same_site: &str) {
    let seconds = life.as_secs();
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// The end of a session: the browser forgets it.
fn ended() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"The session has ended.\n"));
    set_cookie(&mut response, cookies::SESSION, "", Duration::ZERO, "Lax");
    response
}
