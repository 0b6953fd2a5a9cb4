//! An approval: what waits for a person.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use autopilot_shared::api::{
    ActionApprovalSpec, ActionApprovalStatus, LABEL_OBJECT, LABEL_RULE, PullRequestState,
};
use jiff::Timestamp;

use crate::clock::{age, seconds_since};
use crate::rows::column::{Cell, CellContext, Row, WIDE, by_number, columns, searchable};
use crate::rows::names::Names;
use crate::rows::parts::{ApprovalState, DecisionRow, ExecutionRow, Measure, PullRequestRow, Undecidable};
use crate::rows::pin::Pin;
use crate::rows::wire;
use crate::text::Safe;
use crate::theme::Role;

/// An approval.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// UID.
    pub uid: Arc<str>,
    /// Name, as the API has it.
    pub raw_name: Arc<str>,
    /// Namespace, as the API has it.
    pub raw_namespace: Arc<str>,
    /// Name.
    pub name: Safe,
    /// Namespace.
    pub namespace: Safe,
    /// Rule.
    pub rule: Safe,
    /// The PVC, or the object's id where that is not known.
    pub object: Safe,
    /// The object's id.
    pub volume: Safe,
    /// The workload.
    pub workload: Safe,
    /// The controller's preview of the action.
    pub preview: Safe,
    /// Short name of the action.
    pub action: Safe,
    /// Size now.
    pub from: Safe,
    /// Size after.
    pub to: Safe,
    /// Values that were measured.
    pub measured: Vec<Measure>,
    /// Ratio of the value to its threshold; higher is more urgent.
    pub urgency: f64,
    /// Since when it waits.
    pub since: Option<Timestamp>,
    /// Value in the spec.
    pub state: ApprovalState,
    /// The latched decision.
    pub decision: Option<DecisionRow>,
    /// Result of the action.
    pub execution: Option<ExecutionRow>,
    /// Its pull request.
    pub pull_request: Option<PullRequestRow>,
    /// Digest in `spec.actions[0].proposal`, as the API has it.
    pub digest: Option<Arc<str>>,
    /// The same, as shown.
    pub proposal: Safe,
    /// Number of actions in the spec.
    pub actions: usize,
    /// Digest in `status.proposal`.
    pub proposed: Option<Arc<str>>,
    /// Condition in which the controller says what is wrong with it.
    pub trouble: Safe,
    /// Error because of which only its name is known.
    pub unreadable: Option<Safe>,
    /// `true` if there are annotations at all: a JSON patch cannot add to what is not there.
    pub annotated: bool,
    /// `true` if it is being deleted.
    pub deleting: bool,
    /// Version that was seen.
    pub version: Arc<str>,
    /// All that words are searched in, in lower case.
    lower: Box<str>,
}

impl Approval {
    /// Keeps what is shown.
    pub fn from_wire(
        object: wire::Object<ActionApprovalSpec, ActionApprovalStatus>,
        names: &mut Names,
    ) -> Approval {
        let wire::Object { metadata: meta, spec, status, unreadable } = object;
        let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let actions = spec.actions.unwrap_or_default();
        let proposal = status.proposal;
        let involved = status
            .action_previews
            .iter()
            .flatten()
            .flat_map(|p| &p.involved_objects)
            .find(|o| o.kind == "PersistentVolumeClaim");
        let preview =
            status.action_previews.iter().flatten().map(|p| p.expected_result.message.as_str()).next();
        let label = |key: &str| meta.labels.get(key).map(String::as_str).unwrap_or_default();
        let rule = status.rule.as_ref().map_or(label(LABEL_RULE), |r| r.name.as_str());
        let volume = involved.map_or("", |o| o.uid.as_str());
        let volume = Safe::new(if volume.is_empty() { label(LABEL_OBJECT) } else { volume });
        let workload = involved
            .and_then(|o| o.owner_references.as_ref()?.first())
            .map(|o| format!("{} {}", o.kind, o.name))
            .unwrap_or_default();
        let trouble =
            status
                .conditions
                .iter()
                .flatten()
                .find(|c| c.status == "True")
                .map(|c| {
                    if c.message.is_empty() { c.type_.clone() } else { format!("{}: {}", c.type_, c.message) }
                })
                .unwrap_or_default();
        let (name, namespace) = (Safe::new(&meta.name), names.safe(&meta.namespace));
        let measured: Vec<Measure> =
            proposal.iter().flat_map(|p| &p.measured).map(|m| Measure::from_wire(m, names)).collect();
        let decision = status.decision.map(|d| DecisionRow::from_wire(&d, names));
        let pull_request = status.pull_request.map(|p| PullRequestRow::from_wire(&p, names));
        let mut shared = |text: &str| names.safe(text);
        let digest = actions.first().and_then(|a| a.proposal.as_deref()).filter(|d| !d.is_empty());
        let shown = digest.map_or_else(|| Safe::own("none"), Safe::new);
        let digest = digest.map(|d| Names::raw(d, &shown));
        let proposed = proposal.as_ref().map(|p| match &digest {
            Some(digest) if **digest == *p.digest => Arc::clone(digest),
            _ => Arc::from(p.digest.as_str()),
        });
        let mut row = Approval {
            uid: meta.uid.as_str().into(),
            raw_name: Names::raw(&meta.name, &name),
            raw_namespace: Names::raw(&meta.namespace, &namespace),
            name,
            namespace,
            rule: shared(rule),
            object: match involved {
                Some(claim) => Safe::new(&claim.name),
                // Something must tell it from others.
                None if volume.is_empty() => Safe::new(&meta.name),
                None => volume.clone(),
            },
            volume,
            workload: shared(&workload),
            preview: shared(preview.unwrap_or_default()),
            action: shared(proposal.as_ref().map_or("", |p| p.action.as_str())),
            from: shared(proposal.as_ref().map_or("", |p| p.from.as_str())),
            to: shared(proposal.as_ref().map_or("", |p| p.to.as_str())),
            urgency: measured.first().map_or(0.0, Measure::urgency),
            measured,
            since: proposal.as_ref().and_then(|p| p.at.as_ref()).map(|t| t.0).or(meta.creation_timestamp),
            state: ApprovalState::read(spec.approval_state.as_deref()),
            decision,
            execution: status
                .execution
                .map(|e| ExecutionRow { outcome: Safe::new(&e.outcome), message: Safe::new(&e.message) }),
            pull_request,
            digest,
            proposal: shown,
            actions: actions.len(),
            proposed,
            trouble: Safe::new(&trouble),
            unreadable: unreadable.map(|why| Safe::new(&why)),
            annotated: meta.annotations.is_some_and(|a| !a.is_empty()),
            deleting: meta.deletion_timestamp.is_some(),
            version: meta.resource_version.as_str().into(),
            lower: Box::default(),
        };
        row.lower = searchable(&row);
        row
    }

    /// `true` if it waits for a person.
    pub(crate) fn waits(&self) -> bool {
        self.decision.is_none()
            && !self.deleting
            && matches!(self.state, ApprovalState::Absent | ApprovalState::Pending | ApprovalState::Other(_))
    }

    /// Returns why it cannot be approved or declined; `None` if it can.
    pub fn undecidable(&self) -> Option<Undecidable> {
        if let Some(why) = &self.unreadable {
            return Some(Undecidable::Unreadable(why.clone()));
        }
        if self.deleting {
            return Some(Undecidable::Deleting);
        }
        if let Some(decision) = &self.decision {
            return Some(Undecidable::Decided(decision.word()));
        }
        if !self.waits() {
            return Some(Undecidable::Answered(self.state.clone()));
        }
        match (&self.digest, &self.proposed) {
            _ if self.actions != 1 => Some(Undecidable::Actions),
            (Some(digest), Some(proposed)) if digest == proposed => None,
            (None, _) => Some(Undecidable::NamesNoProposal),
            (_, None) => Some(Undecidable::NotProposed),
            _ => Some(Undecidable::OlderProposal),
        }
    }

    /// Returns the first number that was measured.
    pub(crate) fn usage(&self) -> Option<f64> {
        self.measured.first()?.number
    }

    /// Returns the word of the state column: what is latched counts before what is asked for.
    pub fn state_word(&self) -> &str {
        match (&self.decision, &self.execution) {
            _ if self.deleting => "deleting",
            _ if self.unreadable.is_some() => "unclear",
            (_, Some(execution)) => execution.outcome.as_str(),
            (Some(decision), _) => decision.word(),
            _ => self.state.word(),
        }
    }

    fn state_rank(&self) -> u8 {
        if self.waits() {
            u8::from(self.undecidable().is_some())
        } else if self.execution.is_none() {
            2
        } else {
            3
        }
    }

    fn decided(&self) -> String {
        match &self.decision {
            None => String::new(),
            Some(d) if d.by.is_empty() => format!("{} via {}", d.word(), d.via),
            Some(d) => format!("{} by {}", d.word(), d.by),
        }
    }
}

columns! {
    /// Columns of the approvals.
    ApprovalColumn {
        State "state" ["status"] "STATE" Text 9 11 0;
        Namespace "namespace" ["ns"] "NAMESPACE" Text 7 24 1;
        Object "object" ["pvc", "obj"] "OBJECT" Text 11 40 0;
        Rule "rule" ["r"] "RULE" Text 8 28 5;
        Change "change" ["size", "to"] "CHANGE" Text 11 18 2;
        Measured "usage" ["value", "measured"] "MEASURED" Number 9 16 3 descending;
        Waits "age" ["waiting", "since"] "WAITS" Age 5 7 1 descending;
        PullRequest "pr" ["pull", "pullrequest"] "PULL REQ" Text 9 14 4;
        Decision "decision" ["decided", "by"] "DECISION" Text 14 40 6;
        Proposal "proposal" ["digest"] "PROPOSAL" Text 16 16 WIDE;
    }
}

impl Row for Approval {
    type Column = ApprovalColumn;

    fn id(&self) -> &Arc<str> {
        &self.uid
    }

    fn sanitized(&self) -> bool {
        let measured = self.measured.iter().any(|m| {
            m.key.sanitized() || m.operator.sanitized() || m.values.sanitized() || m.value.sanitized()
        });
        let pull = self.pull_request.as_ref().is_some_and(|p| p.url.sanitized() || p.by.sanitized());
        let decision = self
            .decision
            .as_ref()
            .is_some_and(|d| d.by.sanitized() || d.via.sanitized() || d.reason.sanitized());
        let other = matches!(&self.state, ApprovalState::Other(word) if word.sanitized());
        let execution =
            self.execution.as_ref().is_some_and(|e| e.outcome.sanitized() || e.message.sanitized());
        let unreadable = self.unreadable.as_ref().is_some_and(Safe::sanitized);
        measured
            || pull
            || decision
            || other
            || execution
            || unreadable
            || [&self.name, &self.namespace, &self.rule, &self.object, &self.volume, &self.workload]
                .iter()
                .any(|s| s.sanitized())
            || [&self.preview, &self.action, &self.from, &self.to, &self.trouble, &self.proposal]
                .iter()
                .any(|s| s.sanitized())
    }

    fn cell<'a>(&'a self, column: ApprovalColumn, context: &CellContext) -> Cell<'a> {
        let glyphs = context.glyphs;
        match column {
            ApprovalColumn::State => {
                let (glyph, role) = match self.state_word() {
                    "pending" if self.undecidable().is_some() => (glyphs.altered, Role::Warn),
                    "pending" => (glyphs.wait, Role::Warn),
                    "approved" | "done" => (glyphs.yes, Role::Good),
                    "declined" | "failed" => (glyphs.no, Role::Bad),
                    "canceled" | "deleting" | "superseded" => (glyphs.gone, Role::Dim),
                    _ => (glyphs.altered, Role::Warn),
                };
                Cell::new(format!("{glyph} {}", self.state_word()), role)
            }
            ApprovalColumn::Namespace => Cell::text(self.namespace.as_str()),
            ApprovalColumn::Object => Cell::text(self.object.as_str()).middle(),
            ApprovalColumn::Rule => Cell::text(self.rule.as_str()),
            ApprovalColumn::Change if self.to.is_empty() => Cell::new("", Role::Dim),
            ApprovalColumn::Change => Cell::text(format!("{} {} {}", self.from, glyphs.arrow, self.to)),
            ApprovalColumn::Measured => {
                Cell::text(self.measured.first().map(Measure::short).unwrap_or_default())
            }
            ApprovalColumn::Waits => {
                Cell::text(self.since.map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default())
            }
            ApprovalColumn::PullRequest => match &self.pull_request {
                None => Cell::new("", Role::Dim),
                Some(pr) => {
                    let role = match pr.state {
                        PullRequestState::Open => Role::Warn,
                        PullRequestState::Merged => Role::Good,
                        PullRequestState::Closed => Role::Bad,
                    };
                    Cell::new(format!("#{} {}", pr.number, pr.word()), role)
                }
            },
            ApprovalColumn::Proposal => Cell::text(self.proposal.as_str()),
            ApprovalColumn::Decision if self.decision.is_none() => {
                match self.undecidable().filter(|_| self.waits()) {
                    Some(why) => Cell::new(why.to_string(), Role::Warn),
                    None => Cell::new("", Role::Dim),
                }
            }
            ApprovalColumn::Decision => Cell::new(self.decided(), Role::Dim),
        }
    }

    fn text(&self, column: ApprovalColumn) -> Cow<'_, str> {
        match column {
            ApprovalColumn::State => self.state_word().into(),
            ApprovalColumn::Namespace => self.namespace.as_str().into(),
            ApprovalColumn::Object => self.object.as_str().into(),
            ApprovalColumn::Rule => self.rule.as_str().into(),
            ApprovalColumn::Change => self.to.as_str().into(),
            ApprovalColumn::Measured => self.measured.first().map(Measure::short).unwrap_or_default().into(),
            ApprovalColumn::PullRequest => {
                self.pull_request.as_ref().map(|p| p.word()).unwrap_or("none").into()
            }
            ApprovalColumn::Decision => self.decided().into(),
            ApprovalColumn::Proposal => self.proposal.as_str().into(),
            ApprovalColumn::Waits => "".into(),
        }
    }

    fn number(&self, column: ApprovalColumn, now: Timestamp) -> Option<f64> {
        match column {
            ApprovalColumn::Measured => self.usage(),
            ApprovalColumn::Waits => self.since.map(|t| seconds_since(t, now) as f64),
            ApprovalColumn::PullRequest => self.pull_request.as_ref().map(|p| p.number as f64),
            ApprovalColumn::State
            | ApprovalColumn::Namespace
            | ApprovalColumn::Object
            | ApprovalColumn::Rule
            | ApprovalColumn::Change
            | ApprovalColumn::Decision
            | ApprovalColumn::Proposal => None,
        }
    }

    fn compare(&self, other: &Self, column: ApprovalColumn) -> Ordering {
        let by_age = || self.since.cmp(&other.since);
        match column {
            ApprovalColumn::State => self
                .state_rank()
                .cmp(&other.state_rank())
                .then_with(|| other.urgency.total_cmp(&self.urgency))
                .then_with(by_age)
                .then_with(|| self.uid.cmp(&other.uid)),
            ApprovalColumn::Namespace => {
                self.namespace.cmp(&other.namespace).then_with(|| self.object.cmp(&other.object))
            }
            ApprovalColumn::Object => self.object.cmp(&other.object),
            ApprovalColumn::Rule => self.rule.cmp(&other.rule),
            ApprovalColumn::Change => self.to.cmp(&other.to).then_with(|| self.from.cmp(&other.from)),
            ApprovalColumn::Measured => by_number(self.usage(), other.usage()),
            ApprovalColumn::Waits => other.since.cmp(&self.since),
            ApprovalColumn::PullRequest => {
                let number = |a: &Approval| a.pull_request.as_ref().map(|p| p.number);
                number(self).cmp(&number(other))
            }
            ApprovalColumn::Proposal => self.proposal.cmp(&other.proposal),
            ApprovalColumn::Decision => self.decided().cmp(&other.decided()),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.object.as_str())
            || test(self.name.as_str())
            || test(self.namespace.as_str())
            || test(self.rule.as_str())
            || test(self.volume.as_str())
            || test(self.workload.as_str())
            || test(self.state_word())
            || self.pull_request.as_ref().is_some_and(|p| test(p.url.as_str()))
            || self.decision.as_ref().is_some_and(|d| test(d.by.as_str()))
            || self.digest.is_some() && test(self.proposal.as_str())
    }

    fn lower(&self) -> Option<&str> {
        Some(&self.lower)
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.since
    }

    fn belongs_to(&self, pin: &Pin) -> bool {
        pin.has_pair(self.rule.as_str(), self.volume.as_str())
    }
}
