//! The hidden lines that only we read: the subject of a pull request, and the outcomes that its comments tell.

use super::safe::slug;

/// The subject of a pull request. A hint: the digest that counts is the one in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    /// UID of namespace `kube-system`.
    pub cluster: String,
    /// Namespace of the approval.
    pub namespace: String,
    /// Name of the approval.
    pub name: String,
    /// UID of the approval.
    pub uid: String,
    /// Digest of the proposal.
    pub digest: String,
    /// The commit that was pushed.
    pub head: String,
}

const BEGIN: &str = "<!-- autopilot-approval ";
const SAID: &str = "<!-- autopilot-said ";
const END: &str = " -->";

impl Marker {
    /// Writes the line. White space separates the parts, so none of them may hold any.
    pub(crate) fn line(&self) -> String {
        let Marker { cluster, namespace, name, uid, digest, head } = self;
        let parts = [cluster, namespace, name, uid, digest, head].map(|part| slug(part));
        format!("{BEGIN}{}{END}", parts.join(" "))
    }

    /// Reads the last such line of a text: text that a person writes above it does not hide it.
    pub fn read(body: &str) -> Option<Marker> {
        let line = body.lines().rev().find_map(|l| l.trim().strip_prefix(BEGIN)?.strip_suffix(END))?;
        let mut parts = line.split(' ').map(str::to_owned);
        let mut next = || parts.next();
        let marker = Marker {
            cluster: next()?,
            namespace: next()?,
            name: next()?,
            uid: next()?,
            digest: next()?,
            head: next()?,
        };
        parts.next().is_none().then_some(marker)
    }
}

/// Writes the line of a comment that tells an outcome of a proposal.
pub(crate) fn said(word: &str, digest: &str) -> String {
    format!("{SAID}{} {}{END}", slug(word), slug(digest))
}

/// Returns the outcomes that a comment tells.
pub fn outcomes(comment: &str) -> impl Iterator<Item = &str> {
    comment.lines().filter_map(|line| line.trim().strip_prefix(SAID)?.strip_suffix(END))
}

/// Returns an outcome of a proposal as [`outcomes`] gives it.
pub(crate) fn outcome(word: &str, digest: &str) -> String {
    format!("{} {}", slug(word), slug(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back() {
        let marker = Marker {
            cluster: "c".into(),
            namespace: "ns".into(),
            name: "rule-pvc-1.a".into(),
            uid: "u-1".into(),
            digest: "0123456789abcdef".into(),
            head: "abc".into(),
        };
        let body = format!("text\r\n{}\r\n", marker.line());
        assert_eq!(Marker::read(&body), Some(marker.clone()));
        let twice =
            format!("{}\n{}", Marker { name: "other".into(), ..marker.clone() }.line(), marker.line());
        assert_eq!(Marker::read(&twice), Some(marker));
        assert_eq!(Marker::read("<!-- autopilot-approval a b c d e -->"), None);
        assert_eq!(Marker::read("`<!-- autopilot-approval a b c d e f -->`"), None);
    }

    #[test]
    fn what_was_said_is_read_back() {
        let comment = format!("done\n\n{}", said("done", "d1"));
        assert_eq!(outcomes(&comment).collect::<Vec<_>>(), [outcome("done", "d1")]);
        assert_eq!(outcomes("nothing").count(), 0);
    }
}
