//! Asking one server.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use autopilot_shared::error::innermost;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;

use super::answer::{Answer, AnswerError, clean, parse};
use super::endpoint::{Address, Credentials, Endpoint, SecretFrom};
use super::error::{ClientError, QueryError};
use super::tls;

/// Most bytes that are read of an answer which is no success: enough for Prometheus' words.
const ERROR_BODY: usize = 64 * 1024;
/// From this size on a body is parsed off the threads that serve everybody: a megabyte takes a millisecond.
const LARGE_BODY: usize = 1024 * 1024;
/// Idle connections are closed before a load balancer does it (60 s is common).
const IDLE: Duration = Duration::from_secs(50);

/// Asks one server. Cheap to use from many tasks at once; open connections are kept and shared.
pub struct Client {
    endpoint: Endpoint,
    uri: Uri,
    host: Box<str>,
    credentials: Credentials,
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.endpoint).finish()
    }
}

impl Client {
    /// A client for the endpoint; connects to nothing yet. Reads certificates when the url is https (blocking).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let mut address = Address::parse(&endpoint.url)?;
        let credentials = match (address.user.take(), &endpoint.credentials) {
            (None, credentials) => credentials.clone(),
            (Some((username, password)), Credentials::None) => {
                Credentials::Basic { username, password: SecretFrom::Text(password) }
            }
            (Some(_), _) => return Err(ClientError::TwoCredentials { host: address.host }),
        };
        // Half of the time-out for connecting: "no connection" says more than "no answer".
        let connector =
            tls::connector(&address.host, address.tls, endpoint.ca_file.as_deref(), endpoint.timeout / 2)?;
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Client { uri: address.uri, host: address.host, endpoint, credentials, http })
    }

    /// The endpoint that the client was made from.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The value of `query` at `time`. Ends within the endpoint's time-out, apart from parsing.
    ///
    /// An answer with warnings is an answer: the caller decides what incomplete data means to it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn instant(&self, query: &str, time: Timestamp) -> Result<Answer, QueryError> {
        let timeout = self.endpoint.timeout;
        let exchange = async {
            let authorization = self.authorization().await?;
            let response = self.send(&self.form(query, time), authorization.as_ref()).await?;
            let status = response.status();
            match status.as_u16() {
                200..=299 => Ok((status, self.whole(response).await?)),
                // What these say in their body is about the user, or a page for people.
                401 | 403 => {
                    Err(QueryError::Unauthorized { host: self.host.clone(), status: status.as_u16() })
                }
                300..=399 => {
                    Err(self.not_an_answer(status, "it leads elsewhere, and no redirect is followed"))
                }
                _ => Err(self.failure(status, &self.beginning(response).await)),
            }
        };
        let (status, body) =
            tokio::time::timeout(timeout, exchange).await.map_err(|_| self.timed_out())??;
        let parsed = if body.len() < LARGE_BODY {
            parse(&body)
        } else {
            tokio::task::spawn_blocking(move || parse(&body)).await.unwrap_or_else(|_| {
                Err(AnswerError::Malformed { detail: "reading it was cut short".to_owned() })
            })
        };
        parsed.map_err(|error| self.unusable(status, error))
    }

    /// The body of the request. `time` has milliseconds, which is all that Prometheus keeps.
    fn form(&self, query: &str, time: Timestamp) -> Bytes {
        // Divided last and rounded to three digits, every millisecond of the next thousand years is exact.
        let time = format!("{:.3}", time.as_millisecond() as f64 / 1000.0);
        // The server stops working on what nobody waits for any more.
        let timeout = self.endpoint.timeout.as_secs_f64().to_string();
        form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .append_pair("time", &time)
            .append_pair("timeout", &timeout)
            .finish()
            .into()
    }

    /// The header that says who asks, from files that are read now.
    async fn authorization(&self) -> Result<Option<HeaderValue>, QueryError> {
        let no = |problem: String| QueryError::Credentials { host: self.host.clone(), problem };
        let text = match &self.credentials {
            Credentials::None => return Ok(None),
            Credentials::Basic { username, password } => {
                let password = secret(password).await.map_err(no)?;
                format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
            }
            Credentials::Bearer(token) => format!("Bearer {}", secret(token).await.map_err(no)?),
        };
        let mut header = HeaderValue::try_from(text)
            .map_err(|_| no("the token has characters that no header can hold".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// A kept connection may be closed by the other side while the request is under way. A query changes nothing, so
    /// it is sent once more, over a new connection; a second failure is one.
    async fn send(
        &self,
        form: &Bytes,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, QueryError> {
        let mut again = true;
        loop {
            let mut request = Request::new(Full::new(form.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.uri.clone();
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(
                USER_AGENT,
                HeaderValue::from_static(concat!("autopilot-controller/", env!("CARGO_PKG_VERSION"))),
            );
            if let Some(value) = authorization {
                headers.insert(AUTHORIZATION, value.clone());
            }
            match self.http.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) if again && !error.is_connect() => again = false,
                Err(error) => return Err(self.unreachable(&error)),
            }
        }
    }

    /// The whole body, or nothing: what is over the limit is refused before it is kept.
    async fn whole(&self, response: Response<Incoming>) -> Result<Vec<u8>, QueryError> {
        let max = self.endpoint.max_answer;
        let too_large = || QueryError::TooLarge { host: self.host.clone(), max_answer: max };
        let mut incoming = response.into_body();
        let told = incoming.size_hint();
        if told.lower() > max as u64 {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(told.lower()).unwrap_or(0));
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error))?;
            let Some(piece) = frame.data_ref() else { continue };
            let length = body.len() + piece.len();
            if length > max {
                return Err(too_large());
            }
            if length > body.capacity() {
                // Doubles like any vector, but never past the limit.
                let room = length.max(2 * body.capacity()).min(max);
                body.reserve_exact(room - body.len());
            }
            body.extend_from_slice(piece);
        }
        Ok(body)
    }

    /// The first bytes of a body whose end does not matter.
    async fn beginning(&self, response: Response<Incoming>) -> Vec<u8> {
        let mut body = Vec::new();
        let mut incoming = response.into_body();
        while let Some(Ok(frame)) = incoming.frame().await {
            if let Some(piece) = frame.data_ref() {
                body.extend_from_slice(piece.get(..ERROR_BODY - body.len()).unwrap_or(piece));
            }
            if body.len() >= ERROR_BODY {
                break;
            }
        }
        body
    }

    /// Returns the meaning of an answer of status 4xx or 5xx.
    fn failure(&self, status: StatusCode, body: &[u8]) -> QueryError {
        let host = self.host.clone();
        let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        match parse(body) {
            // Prometheus says 503 when it gave a query up; a proxy in front of it says 504.
            Err(AnswerError::Failed { error_type, .. }) if later && error_type == "timeout" => {
                self.timed_out()
            }
            _ if status == StatusCode::GATEWAY_TIMEOUT => self.timed_out(),
            Err(error @ AnswerError::Failed { .. }) if later => {
                QueryError::ServerError { host, status: status.as_u16(), text: error.to_string() }
            }
            _ if later => {
                let words = clean(&String::from_utf8_lossy(body));
                QueryError::ServerError {
                    host,
                    status: status.as_u16(),
                    text: match words.trim() {
                        "" => status.canonical_reason().unwrap_or("no reason given").to_owned(),
                        words => words.to_owned(),
                    },
                }
            }
            Err(error) => self.unusable(status, error),
            Ok(_) => self.not_an_answer(status, "its status says failure, its body success"),
        }
    }

    /// Returns the meaning of a body that is no answer.
    fn unusable(&self, status: StatusCode, error: AnswerError) -> QueryError {
        let host = self.host.clone();
        match error {
            AnswerError::NotAVector { kind } => QueryError::NotAVector { host, kind },
            AnswerError::Failed { error_type, text } => QueryError::Refused { host, error_type, text },
            AnswerError::Malformed { detail } => self.not_an_answer(status, &detail),
        }
    }

    fn not_an_answer(&self, status: StatusCode, problem: &str) -> QueryError {
        QueryError::NotAnAnswer {
            host: self.host.clone(),
            status: status.as_u16(),
            problem: problem.to_owned(),
        }
    }

    fn timed_out(&self) -> QueryError {
        QueryError::TimedOut { host: self.host.clone(), timeout: self.endpoint.timeout }
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> QueryError {
        QueryError::Unreachable { host: self.host.clone(), problem: clean(&innermost(error)) }
    }
}

/// The secret, its file read where blocking is allowed.
async fn secret(from: &SecretFrom) -> Result<String, String> {
    match from {
        SecretFrom::Text(text) => Ok(text.clone()),
        SecretFrom::File(_) => {
            let from = from.clone();
            tokio::task::spawn_blocking(move || from.read())
                .await
                .unwrap_or_else(|_| Err("reading it was cut short".to_owned()))
        }
    }
}
