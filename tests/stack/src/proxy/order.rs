//! Orders to the open watches.

/// A part of a path; empty means any.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) String);

impl Pattern {
    pub(super) fn matches(&self, path: &str) -> bool {
        path.contains(&self.0)
    }
}

/// An order to the open watches whose path matches.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Cut(Pattern),
    Expire(Pattern),
}
