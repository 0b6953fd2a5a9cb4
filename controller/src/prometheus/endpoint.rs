//! Where a Prometheus is and how to be let in.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::error::ClientError;

/// Most bytes of a file that holds a secret. A token has a few hundred; anything larger is the wrong file.
const SECRET_BYTES: u64 = 64 * 1024;

/// One Prometheus, or anything that answers like one. `Debug` shows no secret.
///
/// Two that are equal can share a [`Client`](super::Client), whose open connections are worth keeping.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://host:9090`, with a path prefix if it has one; a trailing `/api/v1` is accepted too. User and password
    /// in it count as basic authentication. A query (`?dedup=true`) is sent along.
    pub url: String,
    /// The credentials that the server asks for.
    pub credentials: Credentials,
    /// PEM file of certificates to trust besides the system's. Read when a client is made.
    pub ca_file: Option<PathBuf>,
    /// For one query, from connecting to the last byte.
    pub timeout: Duration,
    /// Most bytes of an answer, unpacked.
    pub max_answer: usize,
}

impl Endpoint {
    /// An endpoint without credentials; 10 s and 32 MiB an answer.
    pub fn new(url: impl Into<String>) -> Self {
        Endpoint {
            url: url.into(),
            credentials: Credentials::None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            max_answer: 32 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match Address::parse(&self.url) {
            Ok(address) => format!("{}://{}/…", address.scheme(), address.host),
            Err(_) => "<not a url>".to_owned(),
        };
        f.debug_struct("Endpoint")
            .field("url", &url)
            .field("credentials", &self.credentials)
            .field("ca_file", &self.ca_file)
            .field("timeout", &self.timeout)
            .field("max_answer", &self.max_answer)
            .finish()
    }
}

/// How a request says who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// It does not, unless the url has a user.
    #[default]
    None,
    /// `Authorization: Basic`.
    Basic {
        /// May be empty.
        username: String,
        /// May be empty.
        password: SecretFrom,
    },
    /// `Authorization: Bearer`.
    Bearer(SecretFrom),
}

/// A secret, or the file that holds it. `Debug` shows the file only.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// The secret itself.
    Text(String),
    /// Read anew for every request, since mounted tokens are replaced every hour or so. White space around it is cut.
    File(PathBuf),
}

impl fmt::Debug for SecretFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFrom::Text(_) => f.write_str("<redacted>"),
            SecretFrom::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl SecretFrom {
    /// The secret. Blocks while it reads the file.
    ///
    /// # Errors
    /// Names the file and why it gives no secret: unreadable, empty, too large, not text.
    pub(crate) fn read(&self) -> Result<String, String> {
        let path = match self {
            SecretFrom::Text(text) => return Ok(text.clone()),
            SecretFrom::File(path) => path,
        };
        let shown = path.display();
        let mut text = String::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(SECRET_BYTES + 1).read_to_string(&mut text))
            .map_err(|error| format!("{shown}: {error}"))?;
        if read as u64 > SECRET_BYTES {
            return Err(format!("{shown}: larger than {SECRET_BYTES} bytes"));
        }
        match text.trim() {
            "" => Err(format!("{shown}: the file is empty")),
            secret => Ok(secret.to_owned()),
        }
    }
}

/// The parts of a url: where to send queries, and nothing secret left in it but the user taken out.
#[derive(PartialEq, Eq)]
pub(crate) struct Address {
    /// Of the query endpoint, without user.
    pub uri: Uri,
    /// `host:port` as in the url, to show.
    pub host: Box<str>,
    /// Whether it is https.
    pub tls: bool,
    /// User and password of the url, decoded.
    pub user: Option<(String, String)>,
}

impl Address {
    /// Understands [`Endpoint::url`].
    ///
    /// # Errors
    /// [`ClientError::Url`], which does not repeat the url: there may be a password in it.
    pub(crate) fn parse(url: &str) -> Result<Self, ClientError> {
        let bad = |problem: &'static str| ClientError::Url { problem };
        let uri: Uri = url
            .trim()
            .parse()
            .map_err(|_| bad("it is malformed; a special character in user or password is written as %XX"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        // A `/`, `?` or `#` in a password ends the authority early, and a part of the password would pass for the host,
        // which is shown. Such a url has its `@` further on, or something for a port that is none.
        let after = url.split_once("://").and_then(|(_, rest)| rest.strip_prefix(authority.as_str()));
        if after.is_none_or(|rest| rest.contains('@')) {
            return Err(bad(
                "it has an @ after the host; in a user or password write special characters as %XX",
            ));
        }
        if authority.host().is_empty() {
            return Err(bad("it has no host"));
        }
        if host.len() > authority.host().len() && authority.port_u16().is_none() {
            return Err(bad("its port is no number"));
        }
        let user = match user {
            None => None,
            Some(user) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                let plain = |text| {
                    percent_decode_str(text)
                        .decode_utf8()
                        .map(std::borrow::Cow::into_owned)
                        .map_err(|_| bad("its user or password is not UTF-8"))
                };
                Some((plain(name)?, plain(password)?))
            }
        };
        let mut path = uri.path().trim_end_matches('/');
        for end in ["/query", "/api/v1"] {
            path = path.strip_suffix(end).unwrap_or(path);
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let uri = Uri::builder()
            .scheme(if tls { "https" } else { "http" })
            .authority(host)
            .path_and_query(format!("{path}/api/v1/query{query}"))
            .build()
            .map_err(|_| bad("it is malformed"))?;
        Ok(Address { uri, host: host.into(), tls, user })
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_url_leads_to_the_query_endpoint() {
        for (url, uri, host) in [
            ("http://p:9090", "http://p:9090/api/v1/query", "p:9090"),
            (" http://p:9090/ ", "http://p:9090/api/v1/query", "p:9090"),
            ("HTTP://p", "http://p/api/v1/query", "p"),
            ("https://p/prom", "https://p/prom/api/v1/query", "p"),
            ("https://p/prom//", "https://p/prom/api/v1/query", "p"),
            ("http://p:1/api/v1", "http://p:1/api/v1/query", "p:1"),
            ("http://p:1/x/api/v1/", "http://p:1/x/api/v1/query", "p:1"),
            ("http://p:1/x/api/v1/query", "http://p:1/x/api/v1/query", "p:1"),
            ("http://p:1/t?dedup=true", "http://p:1/t/api/v1/query?dedup=true", "p:1"),
            ("http://u:secret@p:1", "http://p:1/api/v1/query", "p:1"),
            ("http://[::1]:9090", "http://[::1]:9090/api/v1/query", "[::1]:9090"),
        ] {
            let address = Address::parse(url).map_err(|e| format!("{url}: {e}")).unwrap();
            assert_eq!((address.uri.to_string().as_str(), &*address.host), (uri, host), "{url}");
            assert_eq!(address.tls, uri.starts_with("https"));
        }
    }

    #[test]
    fn a_user_in_the_url_is_taken_out_and_decoded() {
        for (url, user) in [
            ("http://p", None),
            ("http://u:secret@p", Some(("u", "secret"))),
            ("http://u@p", Some(("u", ""))),
            ("http://u%40x:a%3Ab%20%C3%A9@p", Some(("u@x", "a:b é"))),
            ("http://u:a:b@p", Some(("u", "a:b"))),
        ] {
            let address = Address::parse(url).map_err(|e| format!("{url}: {e}")).unwrap();
            let found = address.user.as_ref().map(|(u, p)| (u.as_str(), p.as_str()));
            assert_eq!(found, user, "{url}");
        }
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "p:9090",
            "u:secret@p",
            "ftp://u:secret@p",
            "http://",
            "http://u:secret@",
            "http://u:sec ret@p",
            "http://u:secret/x@p",
            "http://u:12/sec@p",
            "http://u:12?sec@p",
            "http://u:12#sec@p",
            "http://u:12@sec/x@p",
            "http://u:12/u:12@sec/u:12",
            "http://p:b",
            "http://p:70000",
            "http://u:secret%FF@p",
        ] {
            match Address::parse(url) {
                Err(error) => assert!(!format!("{error} {error:?}").contains("sec"), "{error}"),
                Ok(address) => panic!("{url} is read as {}", address.uri),
            }
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        for credentials in [
            Credentials::None,
            Credentials::Basic { username: "u".to_owned(), password: SecretFrom::Text("hush".to_owned()) },
            Credentials::Bearer(SecretFrom::Text("hush".to_owned())),
        ] {
            let endpoint = Endpoint { credentials, ..Endpoint::new("http://u:hush@p:9090/hush?token=hush") };
            let shown = format!("{endpoint:?}");
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.contains("p:9090"), "{shown}");
        }
        assert!(!format!("{:?}", Endpoint::new("u:hush@p")).contains("hush"));
    }
}
