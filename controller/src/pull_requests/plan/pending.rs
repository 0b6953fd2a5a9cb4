//! An approval that is not decided: its pull request is opened and followed.

use autopilot_shared::api::{Proposal, PullRequestState};
use kube::ResourceExt as _;

use super::builder::PlanBuilder;
use super::conditions::{self, REFUSED, WAITS};
use super::effect::{Ask, Class, Write};
use super::match_pulls::{ForeignPull, Head, MatchedPulls, head, in_repository, match_pulls};
use super::observed::BranchState;
use super::view::{Identity, Slot, View};
use super::{closing, files, sync};
use crate::pull_requests::forge::{Change, NewPull, Pull, PullState};
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::marker::Marker;
use crate::pull_requests::text::{body, file};

/// Interval at which a branch that is not ours is looked at again.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// Time that the forge may fail before every approval says so.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Plans the steps of an approval that waits for an answer to this proposal.
pub(crate) fn pending(out: &mut PlanBuilder<'_, '_>, proposal: &Proposal) {
    let view = out.view();
    if view.folder.is_none() {
        // The condition about the folder stays until the folder is read again.
        out.keep_condition(conditions::FOLDER, "");
    } else if let Some(list) = view.folder.and_then(|f| f.kustomization(&view.settings.folder)) {
        let text = format!(
            "{list} lists the files of its folder, so a new one is not applied; remove it, or choose \
                            another folder"
        );
        out.set_condition(conditions::FOLDER, "OwnKustomization", text);
    }
    let Some(identity) = view.identity else {
        return out_of_order(out);
    };
    let matched = match_pulls(view, identity, &proposal.digest);
    match matched.leading() {
        Some(pull) => following(out, identity, proposal, &matched, pull),
        None => {
            out.want_pull_request();
            creating(out, identity, proposal, &matched);
        }
    }
    if let Some(ForeignPull { pull, reason }) = matched.foreign.iter().find(|f| f.pull.is_open()) {
        let text = format!(
            "pull request {} has this approval's branch name and is not ours; it does not count",
            pull.url
        );
        out.set_condition(REFUSED, reason, text);
    }
}

/// Says that the forge is in the way; after a while, since most outages pass.
fn out_of_order(out: &mut PlanBuilder<'_, '_>) {
    let Some(outage) = out.view().outage else { return };
    let due = outage.since + PATIENCE;
    if due > out.view().now {
        // The conditions in the status stay until then.
        out.keep_conditions();
        return out.wake(due);
    }
    out.set_condition(WAITS, outage.reason, format!("there is no pull request yet: {}", outage.text));
}

fn creating(
    out: &mut PlanBuilder<'_, '_>,
    identity: &Identity,
    proposal: &Proposal,
    matched: &MatchedPulls<'_>,
) {
    out.set_class(Class::Creating);
    let view = out.view();
    match view.slot {
        Slot::Go => {}
        Slot::Soon => {
            out.keep_conditions();
            return out_of_order(out);
        }
        Slot::Full { before } => {
            let text = format!(
                "{} pull requests are open, as many as maxOpen allows; at least {before} approvals are before this one",
                view.settings.max_open
            );
            return out.set_condition(WAITS, "MaxOpen", text);
        }
    }
    // The reason to wait stands until there is a pull request, or another reason.
    out.keep_conditions();
    out_of_order(out);
    let mut foreign = matched.foreign.iter().map(|foreign| foreign.pull);
    if let Some(pull) = foreign.find(|pull| pull.is_open() && in_repository(identity, pull)) {
        let text = format!("branch {} has pull request {} that is not ours", out.branch(), pull.url);
        return out.set_condition(WAITS, "BranchTaken", text);
    }
    if !out.finalizer() {
        return;
    }
    if view.observed.searched.is_none() {
        return out.ask(Ask::Search { branch: out.branch() });
    }
    for pull in matched.older.iter().filter(|p| p.is_open()) {
        let marker = Marker::read(&pull.body).unwrap_or_default();
        if !view.has_uid(&marker.uid) {
            // Of an approval that is gone: closed as such.
            return;
        }
        closing::end(out, pull, &[Comment::Replaced], &marker.digest);
    }
    if !out.complete() {
        return;
    }
    let name = out.branch();
    match &view.observed.branch {
        BranchState::Unknown => out.ask(Ask::Branch { name }),
        BranchState::Absent => push(out, identity, proposal),
        BranchState::Present(tip) => {
            // An older pull request of ours ended on this commit: its branch is left over.
            if matched.older.iter().any(|p| p.head == tip.commit) {
                return out.write(Write::DeleteBranch { name, commit: tip.commit.clone() });
            }
            match closing::pushed_by_us(view, tip) {
                None => out.ask(Ask::Tip { commit: tip.commit.clone() }),
                Some(false) => {
                    let again = view.observed.branch_asked.unwrap_or(view.now) + LOOK_AGAIN;
                    if again <= view.now {
                        return out.ask(Ask::Branch { name });
                    }
                    out.wake(again);
                    let text = format!(
                        "branch {name} is there and is not ours; delete it, or decide in the cluster"
                    );
                    out.replace_condition(WAITS, "ForeignBranch", text);
                }
                Some(true) => {
                    let contents = view.observed.tips.get(&tip.commit).map(Vec::as_slice).unwrap_or_default();
                    if contents.iter().any(|c| c.digest == proposal.digest) {
                        open(out, identity, proposal, &tip.commit);
                    } else {
                        out.write(Write::DeleteBranch { name, commit: tip.commit.clone() });
                    }
                }
            }
        }
    }
}

fn push(out: &mut PlanBuilder<'_, '_>, identity: &Identity, proposal: &Proposal) {
    let view = out.view();
    let Some(folder) = view.folder.filter(|f| f.at + view.settings.poll >= view.now) else {
        return out.ask(Ask::Folder);
    };
    let Some(old) = files::own_files(out) else { return };
    let path = files::path(view, identity, &proposal.digest);
    if old.contains(&path) {
        let text = format!("{path} is on {} already; the GitOps tool has not applied it", identity.base);
        out.replace_condition(WAITS, "FileInBase", text);
        return out.wake(view.now + view.settings.poll);
    }
    let others = match folder.others(&old) {
        Ok(others) => others,
        Err(unread) => return out.ask(folder.look(unread)),
    };
    let content = match file::content(out.approval(), proposal) {
        Ok(content) => content,
        Err(error) => {
            out.replace_condition(WAITS, "NoFile", format!("its file cannot be written: {error}"));
            return;
        }
    };
    let change = Change {
        message: body::message(out.approval()),
        author: view.settings.author.clone(),
        at: proposal.at.as_ref().map_or(view.now, |at| at.0),
        add: std::iter::once((path, content)).chain(others).collect(),
        remove: old,
    };
    let branch = out.branch();
    out.write(Write::Push { branch, parent: folder.base.clone(), change });
}

fn open(out: &mut PlanBuilder<'_, '_>, identity: &Identity, proposal: &Proposal, commit: &str) {
    let raw = out.approval();
    let marker = Marker {
        cluster: identity.cluster.clone(),
        namespace: raw.namespace().unwrap_or_default(),
        name: raw.name_any(),
        uid: raw.uid().unwrap_or_default(),
        digest: proposal.digest.clone(),
        head: commit.to_owned(),
    };
    let cluster = out.view().settings.cluster_name.as_deref().unwrap_or(&identity.cluster);
    let new = NewPull {
        title: body::title(raw),
        body: body::body(cluster, raw, proposal, &marker),
        branch: out.branch(),
        base: identity.base.clone(),
    };
    out.write(Write::Open(new));
}

fn following(
    out: &mut PlanBuilder<'_, '_>,
    identity: &Identity,
    proposal: &Proposal,
    matched: &MatchedPulls<'_>,
    pull: &Pull,
) {
    let view = out.view();
    let path = files::path(view, identity, &proposal.digest);
    let digest = match counts(out, identity, proposal, pull) {
        None => {
            out.set_class(Class::Decision);
            return out.ask(Ask::Head { commit: pull.head.clone(), path });
        }
        Some(true) => proposal.digest.as_str(),
        Some(false) => "",
    };
    let known = view.record_of(pull);
    match pull.state {
        PullState::Open => {
            if known.is_none() {
                out.set_class(Class::Creating);
                decorate(out, pull);
                if !out.complete() {
                    return;
                }
            }
            out.set_record(Some(conditions::record(pull, digest, &path, "", false)));
            report_rejected_reviewers(out, pull);
            out.set_class(Class::Ending);
            closing::close_older(out, matched);
            files::drop_stale(out, identity, &proposal.digest);
        }
        PullState::Closed => {
            out.set_class(Class::Decision);
            let told = known.filter(|r| r.state == PullRequestState::Closed).map(|r| r.by.as_str());
            let Some(by) = told.or_else(|| view.observed.deciders.get(&pull.number).map(String::as_str))
            else {
                return out.ask(Ask::Decider { number: pull.number });
            };
            out.set_record(Some(conditions::record(pull, digest, &path, by, false)));
        }
        PullState::Merged => {
            out.set_class(Class::Decision);
            let told = known.filter(|r| r.state == PullRequestState::Merged).map(|r| r.by.as_str());
            let Some(by) = told.or_else(|| view.observed.deciders.get(&pull.number).map(String::as_str))
            else {
                return out.ask(Ask::Decider { number: pull.number });
            };
            let Some(folder) = view.folder.filter(|f| f.at + view.settings.poll > view.now) else {
                // The record is written first: the engine waits for it.
                let before = known.is_none_or(|r| r.in_base || r.state != PullRequestState::Merged);
                out.set_record(Some(conditions::record(pull, digest, &path, by, before)));
                return out.ask(Ask::Folder);
            };
            out.wake(folder.at + view.settings.poll);
            let in_base = folder.files.iter().any(|f| f.path == path);
            out.set_record(Some(conditions::record(pull, digest, &path, by, in_base)));
            out.set_class(Class::Ending);
            if digest.is_empty() {
                // Nobody will ask for it again, and two files of one object hold a Kustomization up.
                files::drop_all(out);
            } else {
                if view.settings.request_reconcile
                    && in_base
                    && !view.observed.reconcile_requested.contains_key(&pull.number)
                {
                    out.ask(Ask::RequestReconcile);
                }
                sync::merged(out, proposal, pull, &path, in_base);
                if in_base {
                    files::drop_beside(out, &path);
                } else {
                    files::drop_stale(out, identity, &proposal.digest);
                }
            }
            closing::drop_branch(out, matched.ours());
        }
    }
}

/// Adds labels and asks for reviews, once, before the pull request is recorded. What people change afterwards is
/// theirs.
fn decorate(out: &mut PlanBuilder<'_, '_>, pull: &Pull) {
    let view = out.view();
    let missing = |wanted: &[String], have: &[String]| -> Vec<String> {
        wanted.iter().filter(|w| !have.iter().any(|h| h.eq_ignore_ascii_case(w))).cloned().collect()
    };
    let labels = missing(&view.settings.labels, &pull.labels);
    if !labels.is_empty() && !view.observed.labelled.contains(&pull.number) {
        return out.write(Write::Label { number: pull.number, labels });
    }
    let mut logins = missing(&view.settings.reviewers, &pull.reviewers);
    if let Some(reviews) = view.observed.reviews.get(&pull.number) {
        logins.retain(|login| !reviews.asked.contains(login));
        if reviews.one_by_one {
            logins.truncate(1);
        }
    }
    if !logins.is_empty() {
        out.write(Write::Review { number: pull.number, logins });
    }
}

/// Says which logins the forge does not take as reviewers, as long as the pull request is open: nobody asks again.
fn report_rejected_reviewers(out: &mut PlanBuilder<'_, '_>, pull: &Pull) {
    let view = out.view();
    let rejected = view.observed.reviews.get(&pull.number).map(|reviews| &reviews.rejected);
    let rejected: Vec<&str> = rejected.into_iter().flatten().map(String::as_str).collect();
    if rejected.is_empty() {
        return out.keep_condition(conditions::UNASKED, &pull.url);
    }
    let text = format!("the forge does not take {} as a reviewer of {}", rejected.join(", "), pull.url);
    out.set_condition(conditions::UNASKED, "Refused", text);
}

/// Whether the branch that a pull request was merged into may have got another name since: a default branch that is
/// renamed takes along what is open, and not what was merged. Its file tells, once the folder was looked at.
fn was_renamed(view: &View<'_>, identity: &Identity, proposal: &Proposal, pull: &Pull) -> bool {
    let path = files::path(view, identity, &proposal.digest);
    pull.state == PullState::Merged
        && view.record_of(pull).is_some_and(|record| record.digest == proposal.digest)
        && view.folder.is_none_or(|folder| folder.files.iter().any(|f| f.path == path))
}

/// Whether a pull request is about exactly this proposal; sets the condition that says why not. `None` if its file
/// must be read first.
fn counts(
    out: &mut PlanBuilder<'_, '_>,
    identity: &Identity,
    proposal: &Proposal,
    pull: &Pull,
) -> Option<bool> {
    let way_out = "decide in the cluster, or delete the approval to be asked anew";
    if pull.base != identity.base && !was_renamed(out.view(), identity, proposal, pull) {
        let text = format!(
            "pull request {} asks to merge into {:?} instead of {:?} and does not count; set it back, or {way_out}",
            pull.url, pull.base, identity.base
        );
        out.set_condition(REFUSED, "Retargeted", text);
        return Some(false);
    }
    let content = match head(out.view(), pull, &proposal.digest) {
        Head::Untouched => return Some(true),
        Head::Unknown => return None,
        Head::Pushed(content) => content,
    };
    let raw = out.approval();
    let (namespace, name) = (raw.namespace().unwrap_or_default(), raw.name_any());
    match content {
        Some(found) if found.is(&namespace, &name, proposal) => Some(true),
        Some(found) if found.digest == proposal.digest => {
            let text = format!(
                "the file in pull request {} was edited and is not what was proposed: merging it approves nothing; \
                 undo the edit, or {way_out}",
                pull.url
            );
            out.set_condition(REFUSED, "FileEdited", text);
            // Closing it is still an answer to this question.
            Some(pull.state != PullState::Merged)
        }
        _ => {
            let text = format!(
                "the file in pull request {} is not about proposal {}: it does not count; {way_out}",
                pull.url, proposal.digest
            );
            out.set_condition(REFUSED, "OtherProposal", text);
            Some(false)
        }
    }
}
