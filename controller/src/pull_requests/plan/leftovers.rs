//! Objects that a GitOps tool made of a file of ours after the approval had gone: nobody asked, they are inert, and
//! the file says that they are not to be pruned.

use autopilot_shared::api::approval_state;
use kube::ResourceExt as _;

use super::builder::PlanBuilder;
use super::effect::{Ask, ClusterEffect};
use super::files;
use super::observed::Finding;
use super::sync;
use crate::pull_requests::text::file;

/// Deletes such an object, once its file has gone and the tool knows that.
pub(crate) fn leftover(out: &mut PlanBuilder<'_, '_>) {
    // Its status is not ours.
    out.keep_conditions();
    let view = out.view();
    let raw = out.approval();
    let asked = raw.spec.actions.iter().flatten().find_map(|a| a.proposal.as_ref());
    let applied = view.approval.writers.iter().any(|w| w.apply)
        && raw.annotations().get(file::UNPRUNED).is_some_and(|v| v == "disabled");
    let approved = raw.spec.approval_state.as_deref() == Some(approval_state::APPROVED);
    let (Some(identity), Some(digest), Some(made)) = (view.identity, asked, &raw.metadata.creation_timestamp)
    else {
        return;
    };
    if !applied || !approved {
        return;
    }
    if view.now < made.0 {
        // The server's clock is ahead.
        return out.wake(made.0);
    }
    let Some(folder) = view.folder.filter(|f| f.at >= made.0) else {
        return out.ask(Ask::Folder);
    };
    let path = files::path(view, identity, digest);
    if folder.files.iter().any(|f| f.path == path) {
        // Swept, and then seen again.
        return out.wake(view.now + view.settings.poll);
    }
    // Where no tool that we know applies the folder, another one may make it again and again.
    let applies = |found: &[Finding]| found.iter().any(|f| matches!(f, Finding::Applied { .. }));
    if !sync::behind(out, folder, made.0, applies) {
        out.write_cluster(ClusterEffect::Remove(view.target()));
    }
}
