//! Errors of the client, classified for the person who waits.

use std::error::Error;
use std::time::Duration;

use autopilot_shared::error::innermost;
use kube::client::AuthError;
use tokio::time::timeout;

use crate::connection::Trouble;
use crate::text::Safe;

/// Error: no answer came in time.
#[derive(Debug, thiserror::Error)]
#[error("the server accepts connections and does not answer")]
struct NoAnswer;

/// Returns the answer to a question, or that none came within this time.
///
/// # Errors
/// The error of the question, or that no answer came.
pub(crate) async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    timeout(patience, asked).await.unwrap_or_else(|_| Err(kube::Error::Service(NoAnswer.into())))
}

/// Returns the kind of trouble, and a text for people.
pub(crate) fn classify(error: &kube::Error) -> (Trouble, Safe) {
    let trouble = match error {
        kube::Error::Api(status) => match status.code {
            401 => Trouble::Unauthorized,
            403 => Trouble::Forbidden,
            404 => Trouble::NoKinds,
            _ => Trouble::Refused,
        },
        _ if credentials(error).is_some() => Trouble::Unauthorized,
        kube::Error::SerdeError(_) => Trouble::Refused,
        _ => Trouble::Silent,
    };
    let text = match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) => format!("HTTP {}", status.code),
        other => match credentials(other) {
            // The rest of this error is the plugin's call, with its environment, and all that it wrote.
            Some(AuthError::AuthExecRun { out, .. }) => {
                let said = String::from_utf8_lossy(&out.stderr);
                let last = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
                format!("the credential plugin failed ({}): {last}", out.status)
            }
            _ => innermost(other),
        },
    };
    (trouble, Safe::new(&text))
}

/// Returns the error of the credentials; `None` if it is another error.
fn credentials(error: &kube::Error) -> Option<&AuthError> {
    match error {
        kube::Error::Auth(error) => Some(error),
        kube::Error::Service(error) => error.downcast_ref(),
        _ => None,
    }
}

/// `true` if the error proves that nothing reached the server.
pub(crate) fn never_sent(error: &kube::Error) -> bool {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    credentials(error).is_some()
}
