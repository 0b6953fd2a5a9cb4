//! Files of ours on the branch to merge into that nobody waits for: a GitOps tool would apply them again and again.

use jiff::{SignedDuration, Timestamp};

use super::approvals::ApprovalIndex;
use super::request::{ApprovalKey, Call, LeftoverFile, Request, Subject};
use crate::pull_requests::forge::{Author, Change};
use crate::pull_requests::plan::{self, Ask, Folder, ForgeEffect, Identity, Write};
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::{body, file};

/// A commit on the base branch is made right after its head was asked for.
const FRESH: SignedDuration = SignedDuration::from_secs(3);
/// Files that one commit removes.
const AT_ONCE: usize = 50;

/// Returns the next step about leftover files. Only files whose names say that this cluster made them are read.
pub(super) fn next(
    now: Timestamp,
    folder: &Folder,
    approvals: &ApprovalIndex,
    identity: &Identity,
    author: &Author,
) -> Option<Request> {
    let request = |subject, effect| Some(Request { subject, call: Call::Step(effect), basis: None });
    let mut leftover = Vec::new();
    for found in &folder.files {
        let Some(uuid) = file::any_uuid(&found.path) else { continue };
        let Some(content) = folder.contents.get(found) else {
            return request(Subject::All, ForgeEffect::Ask(folder.look(found)));
        };
        let Some(approval) = &content.approval else { continue };
        if is_leftover(uuid, approval, approvals, identity) {
            leftover.push(LeftoverFile {
                path: found.path.clone(),
                key: key_of(approval),
                digest: approval.digest.clone(),
            });
        }
    }
    leftover.truncate(AT_ONCE);
    if leftover.is_empty() {
        return None;
    }
    if folder.at + FRESH < now {
        return request(Subject::All, ForgeEffect::Ask(Ask::Folder));
    }
    let paths: Vec<String> = leftover.iter().map(|file| file.path.clone()).collect();
    // All of them were read.
    let others = folder.others(&paths).ok()?;
    let change = Change {
        message: body::deletion(&paths, &others),
        author: author.clone(),
        at: now,
        add: others,
        remove: paths,
    };
    let write = Write::DeleteFiles { parent: folder.base.clone(), change };
    request(Subject::LeftoverFiles(leftover), ForgeEffect::Write(Box::new(write)))
}

fn key_of(approval: &FiledApproval) -> ApprovalKey {
    ApprovalKey { namespace: approval.namespace.clone(), name: approval.name.clone() }
}

fn is_leftover(uuid: &str, filed: &FiledApproval, approvals: &ApprovalIndex, identity: &Identity) -> bool {
    if filed.digest.is_empty() || uuid != file::uuid(&identity.cluster, &filed.digest) {
        return false;
    }
    // An approval that waits removes its file with its own pull request, one that we still hold by its own commit.
    approvals
        .get(&key_of(filed))
        .is_none_or(|approval| plan::pending_proposal(approval).is_none() && !approval.raw.has_finalizer())
}
