//! One object in full: the change as a diff, the condition with its value, the workload, what happened so far.

use std::ops::Range;

use crate::clock::{age, seconds_since, stamp};
use crate::message::Yaml;
use crate::model::{Model, ScreenContent};
use crate::rows::object::{state_glyph, state_role};
use crate::rows::{
    Approval, ApprovalColumn, CellContext, EventKind, ExecutionRow, ObjectRow, PairRow, Row as _, RuleRow,
    SizeChange, Step, Subject,
};
use crate::text::{Safe, wrap};
use crate::theme::Role;

/// A line in pieces.
pub(crate) type Pieces = Vec<(String, Role)>;

/// Returns the title of a subject, for the header.
pub(crate) fn detail_title(model: &Model, of: &Subject) -> String {
    let store = &model.store;
    let name = match of {
        Subject::Approval(id) => store.approvals.get(id).map(|r| format!("{}/{}", r.namespace, r.object)),
        Subject::Events(id) => store.events.get(id).map(|r| format!("{} under {}", r.volume, r.rule)),
        Subject::Object(id) => store.objects.get(id).map(|r| format!("{}/{}", r.namespace, r.object)),
        Subject::Rule(id) => store.rules.get(id).map(|r| format!("rule {}", r.name)),
    };
    name.unwrap_or_else(|| "gone".to_owned())
}

struct Page {
    lines: Vec<Pieces>,
    columns: usize,
}

impl Page {
    fn head(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        self.lines.push(vec![(text.to_owned(), Role::Head)]);
    }

    fn line(&mut self, text: String, role: Role) {
        self.lines.push(vec![(text, role)]);
    }

    /// Adds a name and its value, the value broken into lines.
    fn field(&mut self, name: &str, value: &str, role: Role) {
        if value.is_empty() {
            return;
        }
        for (at, part) in wrap(value, self.columns.saturating_sub(16)).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            self.lines.push(vec![(format!("{name:<13} "), Role::Dim), (part, role)]);
        }
    }
}

/// Returns the lines of the shown object.
pub(crate) fn detail_lines(model: &Model, columns: u16) -> Vec<Pieces> {
    let ScreenContent::Detail { of, yaml, .. } = &model.screen().shown else { return Vec::new() };
    let mut page = Page { lines: Vec::new(), columns: usize::from(columns.saturating_sub(2)) };
    match yaml {
        Some(Yaml::Asked) => page.line("reading …".to_owned(), Role::Dim),
        Some(Yaml::Failed(why)) => page.line(format!("it cannot be read: {why}"), Role::Bad),
        Some(Yaml::Lines(lines)) => {
            if lines.iter().any(Safe::sanitized) {
                let glyph = model.settings.glyphs.altered;
                page.line(format!("{glyph} altered: hidden or control characters were taken out"), Role::Bad);
            }
            for line in lines {
                page.line(line.to_string(), if line.sanitized() { Role::Bad } else { Role::Text });
            }
        }
        None => {
            let store = &model.store;
            let found = match of {
                Subject::Approval(id) => store.approvals.get(id).map(|row| approval(model, row, &mut page)),
                Subject::Events(id) => store.events.get(id).map(|row| events(model, row, &mut page)),
                Subject::Object(id) => store.objects.get(id).map(|row| object(model, row, &mut page)),
                Subject::Rule(id) => store.rules.get(id).map(|row| rule(model, row, &mut page)),
            };
            if found.is_none() {
                page.line("It is gone from the cluster.".to_owned(), Role::Warn);
            }
        }
    }
    page.lines
}

fn warn_if_sanitized(model: &Model, is: bool, page: &mut Page) {
    if is {
        let glyph = model.settings.glyphs.altered;
        let text = format!(
            "{glyph} altered: this object contains hidden or control characters; what you read is not all there is"
        );
        for part in wrap(&text, page.columns) {
            page.line(part, Role::Bad);
        }
        page.lines.push(Vec::new());
    }
}

/// Returns the moments that the shown ages count from.
pub(crate) fn detail_ages(model: &Model, of: &Subject) -> Vec<Option<jiff::Timestamp>> {
    let store = &model.store;
    match of {
        Subject::Approval(id) => store.approvals.get(id).map_or_else(Vec::new, |row| {
            let pull = row.pull_request.as_ref().and_then(|p| p.at);
            vec![row.since, pull, row.decision.as_ref().and_then(|d| d.at)]
        }),
        Subject::Object(id) => vec![store.objects.get(id).and_then(|row| row.since)],
        Subject::Rule(id) => vec![store.rules.get(id).and_then(|row| row.created)],
        // Times only.
        Subject::Events(_) => Vec::new(),
    }
}

fn since(model: &Model, at: Option<jiff::Timestamp>) -> String {
    at.map(|t| format!("{} ({} ago)", stamp(t), age(seconds_since(t, model.now.wall)))).unwrap_or_default()
}

fn approval(model: &Model, row: &Approval, page: &mut Page) {
    warn_if_sanitized(model, row.sanitized(), page);
    let glyphs = model.settings.glyphs;
    let cell = row.cell(ApprovalColumn::State, &CellContext { now: model.now, glyphs });
    page.lines.push(vec![
        (format!("{}/{}", row.namespace, row.object), Role::Head),
        ("  ".to_owned(), Role::Text),
        (cell.text.into_owned(), cell.role),
    ]);
    page.lines.push(Vec::new());
    // The change as a diff.
    page.line(format!("- requests.storage: {}", row.from), Role::Bad);
    page.line(format!("+ requests.storage: {}", row.to), Role::Good);
    page.lines.push(Vec::new());
    page.field("what", row.preview.as_str(), Role::Text);
    for measure in &row.measured {
        page.field("measured", &measure.short(), Role::Warn);
        page.field("of", measure.key.as_str(), Role::Text);
    }
    page.field("rule", row.rule.as_str(), Role::Text);
    page.field("workload", row.workload.as_str(), Role::Text);
    page.field("volume", row.volume.as_str(), Role::Text);
    page.field("approval", row.name.as_str(), Role::Text);
    page.field("waits since", &since(model, row.since), Role::Text);
    page.field("proposal", row.proposal.as_str(), Role::Dim);
    if let Some(why) = row.undecidable().filter(|_| row.waits()) {
        page.field("cannot decide", &why.to_string(), Role::Bad);
    }
    page.field("trouble", row.trouble.as_str(), Role::Bad);
    if let Some(pull) = &row.pull_request {
        page.head("Pull request");
        let by = if pull.by.is_empty() { String::new() } else { format!(" by {}", pull.by) };
        page.field(&format!("#{}", pull.number), &format!("{}{by}", pull.word()), Role::Text);
        page.field("link", pull.url.as_str(), Role::Link);
        page.field("since", &since(model, pull.at), Role::Text);
    }
    if let Some(decision) = &row.decision {
        page.head("Decision");
        let by = if decision.by.is_empty() { "somebody".to_owned() } else { decision.by.to_string() };
        page.field(decision.word(), &format!("by {by} via {}", decision.via), Role::Text);
        page.field("when", &since(model, decision.at), Role::Text);
        page.field("why", decision.reason.as_str(), Role::Text);
    }
    if let Some(ExecutionRow { outcome, message: why }) = &row.execution {
        page.field("outcome", &format!("{outcome} {why}"), Role::Text);
    }
    // Only what belongs to this question: the object's own page has all.
    if let Some(journal) = model.store.journal(row.rule.as_str(), row.volume.as_str()) {
        let states: Vec<_> = journal.steps.iter().map(|s| (s.at, s.state.as_str())).collect();
        steps(model, &journal.steps[episode(&states, row.since)], page);
    } else if let Some(happened) = model.store.happened(row.rule.as_str(), row.volume.as_str()) {
        let states: Vec<_> = happened
            .events
            .iter()
            .map(|event| match &event.what {
                EventKind::Transition { to, .. } => (Some(event.at), to.as_str()),
                EventKind::Other { .. } => (Some(event.at), ""),
            })
            .collect();
        timeline(model, happened, episode(&states, row.since), page);
    }
}

/// Returns the part of a history, oldest first, in which something was asked: since the object was last Normal before,
/// until it is Normal again.
fn episode(states: &[(Option<jiff::Timestamp>, &str)], asked: Option<jiff::Timestamp>) -> Range<usize> {
    let normal =
        |(at, state): &(Option<jiff::Timestamp>, &str)| (*state == "Normal").then_some(*at).flatten();
    let Some(asked) = asked else { return 0..states.len() };
    let start = states.iter().rposition(|s| normal(s).is_some_and(|at| at <= asked)).map_or(0, |at| at + 1);
    let end =
        states.iter().position(|s| normal(s).is_some_and(|at| at > asked)).map_or(states.len(), |at| at + 1);
    start..end.max(start)
}

fn steps(model: &Model, journal: &[Step], page: &mut Page) {
    page.head("What happened");
    for step in journal.iter().rev() {
        let when = step.at.map(stamp).unwrap_or_default();
        let state = step.state.as_str();
        let glyph = state_glyph(state, model.settings.glyphs);
        page.lines.push(vec![
            (format!("{when}  "), Role::Dim),
            (format!("{glyph} {state}"), state_role(state)),
            (format!("  {}", step.note), Role::Text),
        ]);
    }
}

fn timeline(model: &Model, row: &PairRow, part: Range<usize>, page: &mut Page) {
    page.head("What happened");
    let glyphs = model.settings.glyphs;
    for event in row.events.range(part).rev() {
        let (text, role) = match &event.what {
            EventKind::Transition { from, to } => {
                let glyph = state_glyph(to.as_str(), glyphs);
                (format!("{glyph} {from} {} {to}", glyphs.arrow), state_role(to.as_str()))
            }
            EventKind::Other { reason, text } => (format!("{reason}: {text}"), Role::Text),
        };
        let role = if event.warning { Role::Bad } else { role };
        let room = page.columns.saturating_sub(22);
        for (n, part) in wrap(&text, room).into_iter().enumerate() {
            let when = if n == 0 { stamp(event.at) } else { String::new() };
            page.lines.push(vec![(format!("{when:<20}  "), Role::Dim), (part, role)]);
        }
    }
}

fn events(model: &Model, row: &PairRow, page: &mut Page) {
    warn_if_sanitized(model, row.sanitized(), page);
    let name = row
        .pvc
        .as_ref()
        .map_or_else(|| row.volume.to_string(), |pvc| format!("{}/{}", pvc.namespace, pvc.name));
    page.line(name, Role::Head);
    page.field("rule", row.rule.as_str(), Role::Text);
    page.field("volume", row.volume.as_str(), Role::Text);
    page.field("seen", &format!("{} events", row.count()), Role::Text);
    timeline(model, row, 0..row.events.len(), page);
}

fn object(model: &Model, row: &ObjectRow, page: &mut Page) {
    warn_if_sanitized(model, row.sanitized(), page);
    let word = row.state_word();
    page.lines.push(vec![
        (format!("{}/{}  ", row.namespace, row.object), Role::Head),
        (format!("{} {word}", state_glyph(word, model.settings.glyphs)), state_role(word)),
    ]);
    page.field("since", &since(model, row.since), Role::Text);
    page.field("why", row.why.as_str(), Role::Text);
    page.field("rule", row.rule.as_str(), Role::Text);
    page.field("volume", row.volume.as_str(), Role::Text);
    if let Some(SizeChange { from, to }) = &row.change {
        page.field("proposed", &format!("{from} {} {to}", model.settings.glyphs.arrow), Role::Text);
    }
    page.field("transitions", &row.transitions.to_string(), Role::Text);
    steps(model, &row.steps, page);
}

fn rule(model: &Model, row: &RuleRow, page: &mut Page) {
    warn_if_sanitized(model, row.sanitized(), page);
    page.line(row.name.to_string(), Role::Head);
    page.field("understood", row.ready.word(), row.ready.role());
    page.field("", row.ready.why.as_str(), Role::Dim);
    page.field("has data", row.data.word(), row.data.role());
    page.field("", row.data.why.as_str(), Role::Dim);
    page.field("asks first", if row.requires_approval { "yes" } else { "no" }, Role::Text);
    if row.suspended {
        page.field("suspended", "yes", Role::Warn);
    }
    page.field("weight", &row.weight.to_string(), Role::Text);
    page.field("objects", &row.objects.map(|n| n.to_string()).unwrap_or_default(), Role::Text);
    page.field("since", &since(model, row.created), Role::Text);
    page.head("When");
    for condition in &row.conditions {
        for part in wrap(condition.as_str(), page.columns) {
            page.line(part, Role::Text);
        }
    }
    page.head("Then");
    for action in &row.actions {
        for part in wrap(action.as_str(), page.columns) {
            page.line(part, Role::Text);
        }
    }
    page.head("Objects per state");
    for (state, count) in row.counts() {
        let glyph = state_glyph(state.as_str(), model.settings.glyphs);
        page.line(format!("{count:>6}  {glyph} {state}"), state_role(state.as_str()));
    }
}
