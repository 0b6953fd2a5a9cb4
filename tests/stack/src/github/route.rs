//! The requests that the front looks at.

use http::Method;

use crate::fetch::decode;

/// The meaning of a request, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    ListPulls,
    OpenPull,
    ReadPull(u64),
    EditPull(u64),
    MergePull(u64),
    PullFiles(u64),
    ReadIssue(u64),
    AskReviewers(u64),
    Comment(u64),
    CreateRef,
    /// `heads/NAME`.
    MoveRef(String),
    DeleteRef(String),
    WriteFile,
    Other,
}

/// Returns `owner/name` of the repository, empty if there is none, and what is asked of it.
pub(super) fn route(method: &Method, path: &str) -> (String, Route) {
    let resource = path.split('?').next().unwrap_or(path);
    let parts: Vec<&str> = resource.trim_matches('/').split('/').collect();
    let ["repos", owner, name, rest @ ..] = parts.as_slice() else {
        return (String::new(), Route::Other);
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let found = match (method.as_str(), rest) {
        ("GET", ["pulls"]) => Some(Route::ListPulls),
        ("POST", ["pulls"]) => Some(Route::OpenPull),
        ("GET", ["pulls", n]) => number(n).map(Route::ReadPull),
        ("PATCH", ["pulls", n]) => number(n).map(Route::EditPull),
        ("PUT", ["pulls", n, "merge"]) => number(n).map(Route::MergePull),
        ("GET", ["pulls", n, "files"]) => number(n).map(Route::PullFiles),
        ("GET", ["issues", n]) => number(n).map(Route::ReadIssue),
        ("POST", ["pulls", n, "requested_reviewers"]) => number(n).map(Route::AskReviewers),
        ("POST", ["issues", n, "comments"]) => number(n).map(Route::Comment),
        ("POST", ["git", "refs"]) => Some(Route::CreateRef),
        ("PATCH", ["git", "refs", name @ ..]) => Some(Route::MoveRef(plain(name))),
        ("DELETE", ["git", "refs", name @ ..]) => Some(Route::DeleteRef(plain(name))),
        ("PUT" | "DELETE", ["contents", ..]) => Some(Route::WriteFile),
        _ => None,
    };
    (format!("{owner}/{name}"), found.unwrap_or(Route::Other))
}

fn plain(parts: &[&str]) -> String {
    // In a path a plus is a plus.
    decode(&parts.join("/").replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::{Route, route};
    use http::Method;

    #[test]
    fn routes() {
        for (method, path, expected) in [
            (Method::GET, "/repos/o/r/pulls?state=all", Route::ListPulls),
            (Method::PUT, "/repos/o/r/pulls/7/merge", Route::MergePull(7)),
            (Method::PATCH, "/repos/o/r/git/refs/heads/a%2Fb+c", Route::MoveRef("heads/a/b+c".into())),
            (Method::DELETE, "/repos/o/r/git/refs/heads/a/b", Route::DeleteRef("heads/a/b".into())),
            (Method::GET, "/repos/o/r/pulls/x", Route::Other),
        ] {
            assert_eq!(route(&method, path), ("o/r".to_owned(), expected), "{method} {path}");
        }
        assert_eq!(route(&Method::GET, "/user"), (String::new(), Route::Other));
    }
}
