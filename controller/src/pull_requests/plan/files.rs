//! The files of an approval on the branch to merge into: which they are, and when they go.

use jiff::SignedDuration;

use super::builder::PlanBuilder;
use super::effect::{Ask, Write};
use super::folder::Folder;
use super::view::{Identity, View};
use crate::pull_requests::forge::Change;
use crate::pull_requests::text::{body, file};
use kube::ResourceExt as _;

/// The head of the base branch moves all the time: a commit on it is made right after it was asked for.
const FRESH: SignedDuration = SignedDuration::from_secs(3);

/// Whether a file names this approval.
pub(crate) fn is_named(view: &View<'_>, filed: &file::FiledApproval) -> bool {
    Some(&filed.namespace) == view.raw().metadata.namespace.as_ref() && filed.name == view.raw().name_any()
}

/// Path of the file of a proposal of this approval.
pub(crate) fn path(view: &View<'_>, identity: &Identity, digest: &str) -> String {
    file::path(&view.settings.folder, &view.name(), &identity.cluster, digest)
}

/// UUIDs of the files that were made for this approval, as far as it tells: they are ours whatever is in them now.
fn own_uuids(view: &View<'_>) -> Vec<String> {
    let raw = view.raw();
    let cluster = view.identity.map(|identity| identity.cluster.as_str()).unwrap_or_default();
    let proposed = raw.proposal().map(|p| &p.digest);
    let decided = raw.decision().map(|d| &d.digest);
    let recorded = raw.pull_request().map(|p| &p.digest);
    let digests = [proposed, decided, recorded].into_iter().flatten().filter(|digest| !digest.is_empty());
    digests.map(|digest| file::uuid(cluster, digest)).collect()
}

/// Returns the paths of this approval's files in the folder; `None` if more must be read first.
pub(crate) fn own_files(out: &mut PlanBuilder<'_, '_>) -> Option<Vec<String>> {
    let view = out.view();
    let folder = view.folder?;
    let name = view.name();
    let uuids = own_uuids(view);
    let mut own = Vec::new();
    for found in &folder.files {
        let Some(uuid) = file::uuid_of(&found.path, &name) else { continue };
        if uuids.iter().any(|known| known == uuid) {
            own.push(found.path.clone());
            continue;
        }
        let Some(content) = folder.contents.get(found) else {
            out.ask(folder.look(found));
            return None;
        };
        if content.approval.as_ref().is_some_and(|filed| is_named(view, filed)) {
            own.push(found.path.clone());
        }
    }
    Some(own)
}

/// Removes files of ours for earlier proposals of this approval, which somebody put back: a GitOps tool applies them
/// again and again, and when they came after the pull request, merging it makes two files for one object. Looked for
/// when the object says what such a file says.
pub(crate) fn drop_stale(out: &mut PlanBuilder<'_, '_>, identity: &Identity, current: &str) {
    let Some(folder) = out.view().folder else { return };
    let Some(own) = own_files(out) else { return };
    let (known, current) = (own_uuids(out.view()), file::uuid(&identity.cluster, current));
    let is_stale = |path: &String| {
        let found = folder.files.iter().find(|f| f.path == **path);
        let filed = found.and_then(|f| folder.contents.get(f)?.approval.as_ref());
        let made = filed.filter(|f| !f.digest.is_empty()).map(|f| file::uuid(&identity.cluster, &f.digest));
        file::any_uuid(path).is_some_and(|uuid| {
            uuid != current && (known.iter().any(|k| k == uuid) || made.as_deref() == Some(uuid))
        })
    };
    drop_paths(out, folder, own.into_iter().filter(is_stale).collect());
}

/// Removes all files of this approval but one that was merged beside them, also those that name no proposal: two
/// files of one object hold the whole Kustomization up, and the merged one with it.
pub(crate) fn drop_beside(out: &mut PlanBuilder<'_, '_>, merged: &str) {
    let Some(folder) = out.view().folder else { return };
    let Some(own) = own_files(out) else { return };
    drop_paths(out, folder, own.into_iter().filter(|path| path != merged).collect());
}

/// Removes this approval's files. The folder is asked for anew whenever something was merged.
pub(crate) fn drop_all(out: &mut PlanBuilder<'_, '_>) {
    let Some(folder) = out.view().folder else {
        return out.ask(Ask::Folder);
    };
    let Some(paths) = own_files(out) else { return };
    drop_paths(out, folder, paths);
}

fn drop_paths(out: &mut PlanBuilder<'_, '_>, folder: &Folder, paths: Vec<String>) {
    if paths.is_empty() {
        return;
    }
    let others = match folder.others(&paths) {
        Ok(others) => others,
        Err(unread) => return out.ask(folder.look(unread)),
    };
    if folder.at + FRESH < out.view().now {
        return out.ask(Ask::Folder);
    }
    let change = Change {
        message: body::deletion(&paths, &others),
        author: out.view().settings.author.clone(),
        // Another attempt on another head is another commit anyway.
        at: out.view().now,
        add: others,
        remove: paths,
    };
    out.write(Write::DeleteFiles { parent: folder.base.clone(), change });
}
