//! The text of questions, and how much room it takes.

use autopilot_shared::api::PullRequestState;

use crate::connection::ClusterLabel;
use crate::content::limits::is_drawn;
use crate::decision::{Action, Target, VIA};
use crate::model::{Confirm, Field, Model};
use crate::text::wrap;
use crate::theme::{Glyphs, Role};

/// Returns how many columns a question takes.
pub(crate) fn question_columns(width: u16) -> u16 {
    76.min(width.saturating_sub(2))
}

/// Returns how many lines a reason has: on a low terminal, one.
pub(crate) fn reason_rows(height: u16) -> u16 {
    if height < 20 { 1 } else { 3 }
}

/// Returns how many lines of a question are not its text: the frame, the fields, a blank and the buttons.
pub(crate) fn fixed_lines(confirm: &Confirm, height: u16) -> u16 {
    let lines = |f: &Field| if matches!(f, Field::Reason(_)) { 1 + reason_rows(height) } else { 1 };
    4 + confirm.fields.iter().map(lines).sum::<u16>()
}

/// Returns how many lines the text of a question has, and for how many there is room.
pub(crate) fn question_extent(model: &Model, confirm: &Confirm) -> (usize, usize) {
    let (width, height) = model.size;
    let inside = usize::from(question_columns(width).saturating_sub(4));
    let room = if is_drawn(model.size) { height.saturating_sub(fixed_lines(confirm, height)) } else { 0 };
    let lines = question(&model.cluster, model.settings.glyphs, confirm, inside).len();
    (lines, usize::from(room))
}

/// Returns the text of a question: what will be written, to what, where. The objects come first.
pub(crate) fn question(
    cluster: &ClusterLabel,
    glyphs: Glyphs,
    confirm: &Confirm,
    columns: usize,
) -> Vec<(String, Role)> {
    let mut lines = Vec::new();
    let mut say = |text: String, role| lines.extend(wrap(&text, columns).into_iter().map(|l| (l, role)));
    match confirm.targets.as_slice() {
        [target] => one(target, confirm.action, glyphs.arrow, &mut say),
        many => {
            for target in many {
                say(target.title(glyphs.arrow), if target.sanitized { Role::Bad } else { Role::Text });
            }
            let sanitized = many.iter().filter(|t| t.sanitized).count();
            if sanitized > 0 {
                say(format!("{sanitized} of them contain hidden characters"), Role::Bad);
            }
        }
    }
    if confirm.hidden > 0 {
        say(format!("{} marked, but hidden by the filter: left out", confirm.hidden), Role::Bad);
    }
    let writes = match confirm.action {
        Action::Approve => "writes spec.approvalState: approved; the volume grows once",
        Action::Decline => "writes spec.approvalState: declined; no more questions until it is deleted",
        Action::Delete => "deletes the approval; a condition that still holds asks again",
    };
    say(writes.to_owned(), Role::Text);
    if confirm.action != Action::Delete {
        let reason = if confirm.action == Action::Decline { "your reason" } else { "empty" };
        let via = VIA;
        let by = if cluster.user.is_empty() { "nobody yet" } else { cluster.user.as_str() };
        say(
            format!(
                "and decided-by: {by}, decided-via: {via}, decided-at: now, \
                 decision-reason: {reason}"
            ),
            Role::Text,
        );
    }
    for (state, after) in [
        (PullRequestState::Open, "will be closed with a comment"),
        (PullRequestState::Merged, "is merged and not synced yet: this decision does not wait for it"),
    ] {
        let pulls = confirm.targets.iter().filter(|t| !t.decided).filter_map(|t| t.pull_request.as_ref());
        let pulls: Vec<u64> = pulls.filter(|p| p.state == state).map(|p| p.number).collect();
        if let [first, rest @ ..] = pulls.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            say(format!("pull request #{first}{more} {after}"), Role::Warn);
        }
    }
    let production = if cluster.production { "  PRODUCTION" } else { "" };
    let role = if cluster.production { Role::Production } else { Role::Title };
    say(format!("cluster {}{production}", cluster.context), role);
    say(cluster.server.to_string(), Role::Dim);
    if confirm.stale {
        say("The connection is lost: what you see may be old.".to_owned(), Role::Bad);
    }
    lines
}

fn one(target: &Target, action: Action, arrow: &str, say: &mut impl FnMut(String, Role)) {
    if target.sanitized {
        say(
            "This object contains hidden characters: what you read is not all there is.".to_owned(),
            Role::Bad,
        );
    }
    say(format!("{}/{}", target.namespace, target.object), Role::Head);
    if action == Action::Delete {
        say(format!("approval {}", target.name), Role::Text);
    } else {
        say(format!("from {} {arrow} to {}, rule {}", target.from, target.to, target.rule), Role::Text);
    }
    say(format!("proposal {}, uid {}", target.proposal, target.uid), Role::Dim);
}
