//! The beginning of the tests: rules, full volumes, approvals in every state.

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRule, Outcome};
use autopilot_shared::names;
use autopilot_tests::{RuleText, Scene};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, ClusterSnapshot, NAMESPACE, until};
use crate::table::{COLUMNS, Onto, TABLE, Writer};

/// Cases that are worked on at the same time.
pub(crate) const AT_ONCE: usize = 8;
/// Rule of all cases but those whose question is taken back.
pub(crate) const RULE: &str = "volume-resize";
/// Rule that is suspended, which takes its questions back.
const SUSPENDED: &str = "volume-suspended";
/// Holds deleted approvals in the cluster.
const HOLD: &str = "autopilot.test/hold";
/// The field manager that holds them. What `kubectl` wrote, finalizers too, Flux takes for its own and removes.
pub(crate) const HOLDER: &str = "holder";
/// Longer than the test.
const COOL_DOWN: u32 = 3600;

/// Creates the namespace and the two rules.
pub(crate) async fn rules(scene: &Scene) -> Result<()> {
    scene.cluster.namespace(NAMESPACE, &[("type", "db")]).await?;
    for (rule, app) in [(RULE, "postgres"), (SUSPENDED, "suspended")] {
        let text = RuleText::new(rule)
            .set("/actionsCoolDownPeriod", json!(COOL_DOWN))
            .set("/selector/matchLabels/app", json!(app))
            .text();
        scene.cluster.apply(&text).await?;
    }
    Ok(())
}

/// Waits for an approval of each case, deletes it, waits for the next one, and notes the digests of both.
pub(crate) async fn questions_asked_twice(scene: &Scene, cases: &mut [Case]) -> Result<()> {
    let asked = |s: &ClusterSnapshot, c: &Case| s.question(c).map(drop);
    let first = until(scene, "a first question for each case", cases, asked).await?;
    for case in cases.iter_mut() {
        case.old = first.question(case)?.to_owned();
    }
    approvals(scene).delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let asked_again = |s: &ClusterSnapshot, c: &Case| match s.question(c)? {
        digest if digest == c.old => bail!("it is the first question still"),
        _ => Ok(()),
    };
    let second = until(scene, "a second question for each case", cases, asked_again).await?;
    for case in cases.iter_mut() {
        case.current = second.question(case)?.to_owned();
    }
    Ok(())
}

/// Creates a volume of 10 GiB, 90 % full, for each case of these writers.
pub(crate) async fn cases_with_full_volumes(scene: &Scene, of: impl Fn(Writer) -> bool) -> Result<Vec<Case>> {
    let all = TABLE.iter().filter(|row| of(row.0)).flat_map(|(writer, file, must)| {
        COLUMNS.iter().zip(must).map(move |(onto, must)| (*writer, *file, *onto, *must))
    });
    futures::stream::iter(all)
        .map(async |(writer, file, onto, must)| {
            let claim = format!("{writer:?}-{file:?}-{onto:?}").to_lowercase();
            let (rule, app) =
                if onto == Onto::Canceled { (SUSPENDED, "suspended") } else { (RULE, "postgres") };
            let volume = scene.claim(NAMESPACE, &claim, "10Gi", &[("app", app)]).await?;
            scene.usage(&volume, 9.0, 10.0);
            let approval = names::approval_name(rule, &volume);
            let (old, current) = (String::new(), String::new());
            Ok(Case { writer, file, onto, must, claim, rule, volume, approval, old, current, before: None })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Brings the approvals from pending to what their columns say.
pub(crate) async fn bring_about(scene: &Scene, cases: &mut [Case]) -> Result<()> {
    let onto = |wanted: Onto| those(cases, |c| c.onto == wanted);
    let (declined, canceled) = (onto(Onto::Declined), onto(Onto::Canceled));
    let (executed, absent) = (onto(Onto::Executed), onto(Onto::Absent));
    for case in &absent {
        scene.usage(&case.volume, 1.0, 10.0);
    }
    for case in &executed {
        // As full afterwards as before: only the decision and the cool-down hold it back.
        scene.usage(&case.volume, 18.0, 20.0);
    }
    answer(scene, &declined, "declined").await?;
    answer(scene, &executed, "approved").await?;
    merge_all(scene, &canceled, HOLDER, &json!({ "metadata": { "finalizers": [HOLD] } })).await?;
    suspend(scene, json!(true)).await?;
    let snapshot = until(scene, "decisions", &[declined, canceled, executed].concat(), |s, c| match c.onto {
        Onto::Declined => {
            s.latched(c, Outcome::Declined, "kubectl")?;
            s.is(c, "10Gi", RuleState::ActionsDeclined)
        }
        Onto::Canceled => {
            s.latched(c, Outcome::Canceled, "controller")?;
            ensure!(
                s.approval(c).is_some_and(|a| a.metadata.deletion_timestamp.is_some()),
                "it is not deleted"
            );
            s.is(c, "10Gi", RuleState::Normal)
        }
        _ => {
            s.latched(c, Outcome::Approved, "kubectl")?;
            s.is(c, "20Gi", RuleState::ActiveActionsTaken)
        }
    })
    .await?;
    for case in cases.iter_mut() {
        case.before = snapshot.decision(case).cloned();
    }
    // A question that comes up before the metrics have fallen goes the same way.
    scene
        .until("no question where the conditions do not hold", async || {
            let snapshot = ClusterSnapshot::look(scene).await?;
            for case in absent.iter().filter(|c| snapshot.approval(c).is_some()) {
                let _ = approvals(scene).delete(&case.approval, &DeleteParams::default()).await;
            }
            let gone = |c: &Case| {
                snapshot.approval(c).is_none() && snapshot.is(c, "10Gi", RuleState::Normal).is_ok()
            };
            Ok(absent.iter().all(gone).then_some(()))
        })
        .await
}

pub(crate) fn those(cases: &[Case], wanted: impl Fn(&Case) -> bool) -> Vec<Case> {
    cases.iter().filter(|c| wanted(c)).cloned().collect()
}

fn approvals(scene: &Scene) -> Api<ActionApproval> {
    Api::namespaced(scene.client.clone(), NAMESPACE)
}

/// Decides as the guide's command does.
pub(crate) async fn answer(scene: &Scene, cases: &[Case], state: &str) -> Result<()> {
    merge_all(scene, cases, "kubectl-patch", &json!({ "spec": { "approvalState": state } })).await
}

pub(crate) async fn merge_all(scene: &Scene, cases: &[Case], manager: &str, patch: &Value) -> Result<()> {
    let (api, patch) = (approvals(scene), Patch::Merge(patch));
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    futures::stream::iter(cases)
        .map(async |case| {
            api.patch(&case.approval, &params, &patch).await.map(drop).with_context(|| format!("{case}"))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

pub(crate) async fn suspend(scene: &Scene, value: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "suspend": value } }));
    Api::<AutopilotRule>::all(scene.client.clone()).patch(SUSPENDED, &PatchParams::default(), &patch).await?;
    Ok(())
}
