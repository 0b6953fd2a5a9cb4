//! Takes what was observed of the cluster into the model.

use crate::connection::KindName;
use crate::message::ClusterEvent;
use crate::model::{Dialog, Model};
use crate::text::Safe;

pub(super) fn apply(model: &mut Model, event: ClusterEvent) {
    let now = model.now;
    match event {
        ClusterEvent::Start(kind) => {
            model.store.mark(kind);
            model.link.synced.retain(|k| *k != kind);
            model.link.loading.remove(&kind);
        }
        ClusterEvent::Done(kind) => {
            model.store.sweep(kind);
            if !model.link.synced.contains(&kind) {
                model.link.synced.push(kind);
            }
            model.link.behind.retain(|k| *k != kind);
            model.link.denied.retain(|d| d.kind != kind);
        }
        ClusterEvent::Following(kind) if !model.link.behind.contains(&kind) => return,
        ClusterEvent::Following(kind) => model.link.behind.retain(|k| *k != kind),
        ClusterEvent::Behind(kind) if model.link.behind.contains(&kind) => return,
        ClusterEvent::Behind(kind) => model.link.behind.push(kind),
        ClusterEvent::Approvals(rows) => {
            *model.link.loading.entry(KindName::Approvals).or_default() += rows.len();
            rows.into_iter().for_each(|row| model.store.approval(row));
        }
        ClusterEvent::Objects(rows) => {
            *model.link.loading.entry(KindName::Objects).or_default() += rows.len();
            rows.into_iter().for_each(|row| model.store.object(row));
        }
        ClusterEvent::Rules(rows) => {
            *model.link.loading.entry(KindName::Rules).or_default() += rows.len();
            rows.into_iter().for_each(|row| model.store.rules.put(row));
        }
        ClusterEvent::Events(records) => {
            *model.link.loading.entry(KindName::Events).or_default() += records.len();
            records.into_iter().for_each(|record| model.store.event(record));
        }
        ClusterEvent::Gone(kind, uid) => model.store.remove(kind, &uid),
        ClusterEvent::Contact => {
            if !model.link.contacted(now) {
                return;
            }
        }
        ClusterEvent::Trouble(trouble, text) => {
            if model.link.started.is_none() {
                model.link.started = Some(now);
            }
            model.link.troubled(trouble, text, now);
        }
        ClusterEvent::Denied(kind, trouble, text) => model.link.deny(kind, trouble, text, now),
        ClusterEvent::Identity(user) => model.cluster.user = user,
        ClusterEvent::Credentials(user) => {
            model.cluster.user = user;
            model.access.forget();
        }
        ClusterEvent::Cluster(label) => {
            model.read_only |= label.sealed;
            model.cluster = *label;
        }
    }
    model.link.noted(now);
    model.dirty = true;
}

/// Withdraws a question about something that has changed.
pub(super) fn withdraw(model: &mut Model) {
    let Some(Dialog::Confirm(confirm)) = &model.dialog else { return };
    let stale_now = model.stale() && !confirm.stale;
    let changed = confirm.targets.iter().find_map(|target| {
        let row = model.store.approvals.get(&target.uid);
        Some((target, target.changed(row, confirm.action)?))
    });
    let text = match changed {
        Some((target, why)) => {
            format!("withdrawn, nothing was written: {}/{}: {why}", target.namespace, target.object)
        }
        None if stale_now => "withdrawn, nothing was written: the connection was lost meanwhile".to_owned(),
        None => return,
    };
    // Whoever types on must not give commands: what was meant for the question goes to this notice.
    model.dialog = Some(Dialog::Notice { opened: model.now.mono, text: Safe::new(&text) });
    model.dirty = true;
}
