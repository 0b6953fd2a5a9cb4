//! Lists and single objects, read once.

use autopilot_shared::api::GROUP;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::error::{classify, within};
use crate::cluster::session::Session;
use crate::rows::wire::Page;

/// Reason why an object cannot be shown as the cluster has it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no connection yet.
    #[error("there is no connection")]
    NoConnection,
    /// The server refused, or was not reached.
    #[error("{}", classify(.0).1)]
    Client(#[from] kube::Error),
    /// It cannot be written as YAML.
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::SerializeError),
}

/// Returns the path of a collection.
fn path(plural: &str, namespace: Option<&str>) -> String {
    let within = namespace.map(|n| format!("/namespaces/{n}")).unwrap_or_default();
    format!("/apis/{GROUP}/v1alpha1{within}/{plural}")
}

/// Returns a whole list, page by page.
///
/// # Errors
/// When the server refuses.
pub(crate) async fn list<K: DeserializeOwned>(
    session: &Session,
    plural: &str,
    namespace: Option<&str>,
) -> Result<Vec<K>, kube::Error> {
    let params = kube::api::ListParams::default().limit(500);
    let request = kube::core::Request::new(path(plural, namespace));
    let mut items = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = match next.take() {
            Some(token) => params.clone().continue_token(&token),
            None => params.clone(),
        };
        let request = request.list(&page).map_err(kube::Error::BuildRequest)?;
        let page: Page<K> = within(session.times().page, session.client().request(request)).await?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|t| !t.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(items),
        }
    }
}

/// Returns an object as the cluster has it, without what only machines read.
///
/// # Errors
/// When the server refuses, or it cannot be written as YAML.
pub async fn yaml(
    session: &Session,
    plural: &str,
    namespace: Option<&str>,
    name: &str,
) -> Result<String, FetchError> {
    let request = http::Request::get(format!("{}/{name}", path(plural, namespace))).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError)?;
    let mut value: Value = session.ask(session.client().request(request)).await?;
    if let Some(meta) = value["metadata"].as_object_mut() {
        meta.remove("managedFields");
    }
    Ok(serde_saphyr::to_string(&value)?)
}

/// Checks that a kind can be listed at all.
///
/// # Errors
/// When it cannot.
pub(crate) async fn list_some(
    session: &Session,
    plural: &str,
    namespace: Option<&str>,
) -> Result<(), kube::Error> {
    let request = kube::core::Request::new(path(plural, namespace));
    let params = kube::api::ListParams::default().limit(1);
    let request = request.list(&params).map_err(kube::Error::BuildRequest)?;
    session.ask(session.client().request_text(request)).await.map(drop)
}
