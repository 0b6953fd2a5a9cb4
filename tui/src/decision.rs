//! A decision on approvals: what is decided, on exactly what, and how that ended.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use strum::IntoStaticStr;

use crate::clock::stamp;
use crate::rows::{Approval, ApprovalState, PullRequestRow, Row};
use crate::text::Safe;

/// Value of the annotation that says with what was decided.
pub(crate) const VIA: &str = "console";

/// A decision of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// Yes.
    Approve,
    /// No.
    Decline,
    /// Forget it was asked; a declined object is asked about again.
    Delete,
}

impl Action {
    /// Returns `approve`.
    pub(crate) fn verb(self) -> &'static str {
        self.into()
    }

    /// Returns `approved`.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Action::Approve => "approved",
            Action::Decline => "declined",
            Action::Delete => "deleted",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())
    }
}

/// An approval as it was shown: exactly this is decided, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// UID.
    pub uid: Arc<str>,
    /// Name, for the API.
    pub raw_name: Arc<str>,
    /// Namespace, for the API.
    pub raw_namespace: Arc<str>,
    /// Name, for people.
    pub name: Safe,
    /// Namespace, for people.
    pub namespace: Safe,
    /// The PVC.
    pub object: Safe,
    /// The rule.
    pub rule: Safe,
    /// Size, as it was shown.
    pub from: Safe,
    /// Size, as it was shown.
    pub to: Safe,
    /// Digest of the proposal, for the API.
    pub digest: Option<Arc<str>>,
    /// Digest of the proposal, for people.
    pub proposal: Safe,
    /// Value of `spec.approvalState`.
    pub state: ApprovalState,
    /// `true` if it was decided.
    pub decided: bool,
    /// Its pull request.
    pub pull_request: Option<PullRequestRow>,
    /// `true` if it has annotations.
    pub annotated: bool,
    /// The version that was seen.
    pub version: Arc<str>,
    /// `true` if something was taken out of what is shown.
    pub sanitized: bool,
    /// `true` if it could not be read: then only its version tells it from what it becomes.
    pub unreadable: bool,
}

impl Target {
    /// Returns an approval as it is shown now.
    pub fn of(row: &Approval) -> Target {
        Target {
            uid: Arc::clone(&row.uid),
            raw_name: Arc::clone(&row.raw_name),
            raw_namespace: Arc::clone(&row.raw_namespace),
            name: row.name.clone(),
            namespace: row.namespace.clone(),
            object: row.object.clone(),
            rule: row.rule.clone(),
            from: row.from.clone(),
            to: row.to.clone(),
            digest: row.digest.clone(),
            proposal: row.proposal.clone(),
            state: row.state.clone(),
            decided: row.decision.is_some(),
            pull_request: row.pull_request.clone(),
            annotated: row.annotated,
            version: Arc::clone(&row.version),
            sanitized: Row::sanitized(row),
            unreadable: row.unreadable.is_some(),
        }
    }

    /// Returns why the row is no longer what was shown; `None` if it is.
    pub(crate) fn changed(&self, row: Option<&Approval>, action: Action) -> Option<&'static str> {
        let Some(row) = row else { return Some("it is gone") };
        let pull = |p: &Option<PullRequestRow>| p.as_ref().map(|p| (p.number, p.state));
        if row.uid != self.uid {
            Some("it is another object of the same name")
        } else if row.version != self.version && (self.unreadable || row.unreadable.is_some()) {
            Some("it changed since it was shown")
        } else if row.digest != self.digest || row.from != self.from || row.to != self.to {
            Some("its proposal changed")
        } else if row.state != self.state || row.decision.is_some() != self.decided {
            Some("somebody decided it in between")
        } else if row.deleting {
            Some("it is being deleted")
        } else if action != Action::Delete && row.undecidable().is_some() {
            Some("it cannot be decided any more")
        } else if pull(&row.pull_request) != pull(&self.pull_request) {
            Some("its pull request changed")
        } else {
            None
        }
    }

    /// Returns `pg1/pgbench-data 10Gi → 20Gi`.
    pub(crate) fn title(&self, arrow: &str) -> String {
        format!("{}/{} {} {arrow} {}", self.namespace, self.object, self.from, self.to)
    }
}

/// A write, as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What.
    pub action: Action,
    /// On what.
    pub target: Target,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// In which context of the kubeconfig.
    pub context: Safe,
    /// At which server.
    pub server: Safe,
    /// Time at which it is sent.
    pub at: Timestamp,
    /// `true` if the server only says what it would do.
    pub dry_run: bool,
}

/// Result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Done,
    /// It was not what had been shown any more; nothing was written.
    Changed(Safe),
    /// The server refused: 403.
    Denied(Safe),
    /// The server refused; nothing was written.
    Failed(Safe),
    /// Sent, and no answer: it may have been written.
    Unknown(Safe),
    /// Never sent, or nobody was there to take it.
    Dropped(Safe),
}

impl Ending {
    /// Returns a word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Changed(_) => "changed",
            Ending::Denied(_) => "denied",
            Ending::Failed(_) => "failed",
            Ending::Unknown(_) => "unknown",
            Ending::Dropped(_) => "not sent",
        }
    }

    /// Returns why others are not sent after this one: whatever keeps one away, or its answer, keeps them away too.
    pub(crate) fn keeps_others(&self) -> Option<&'static str> {
        match self {
            Ending::Unknown(_) => Some("no answer came about another one"),
            Ending::Dropped(_) => Some("another one did not reach the server"),
            Ending::Done | Ending::Changed(_) | Ending::Denied(_) | Ending::Failed(_) => None,
        }
    }

    /// Returns why it is not done; `None` if it is done.
    pub fn why(&self) -> Option<&Safe> {
        match self {
            Ending::Done => None,
            Ending::Changed(why)
            | Ending::Denied(why)
            | Ending::Failed(why)
            | Ending::Unknown(why)
            | Ending::Dropped(why) => Some(why),
        }
    }
}

/// A write and its result, for the log and the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// When.
    pub at: Timestamp,
    /// The write.
    pub write: Write,
    /// Its result.
    pub ending: Ending,
}

impl Written {
    /// Returns a line for people.
    pub(crate) fn line(&self) -> String {
        let target = &self.write.target;
        let why = self.ending.why().map(|w| format!(" ({w})")).unwrap_or_default();
        let reason = match self.write.reason.as_str() {
            "" => String::new(),
            reason => format!(", reason: {}", Safe::new(reason)),
        };
        format!(
            "{} {} {}/{} {}{why}, by {} on {}{reason}",
            stamp(self.at),
            self.write.action,
            target.namespace,
            target.name,
            self.ending.word(),
            Safe::new(&self.write.by),
            self.write.context,
        )
    }
}
