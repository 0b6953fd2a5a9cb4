//! Who may approve: every cell of [`table::TABLE`] on a real API server, all side by side.

mod case;
mod flux;
mod stubborn;
mod table;
mod writers;

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRule, Outcome};
use autopilot_shared::names;
use autopilot_tests::{RuleText, Scene, SceneOptions};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use case::{Cell, NAMESPACE, World, until};
use table::{COLUMNS, Must, Onto, TABLE, Writer};
use writers::Answer;

/// Cells that are worked on at the same time.
const AT_ONCE: usize = 8;
/// Rule of all cells but those whose question is taken back.
const RULE: &str = "volume-resize";
/// Rule that is suspended, which takes its questions back.
const SUSPENDED: &str = "volume-suspended";
/// Holds deleted approvals in the cluster.
const HOLD: &str = "autopilot.test/hold";
/// Who holds them. What `kubectl` wrote, finalizers too, Flux takes for its own and removes.
const HOLDER: &str = "holder";
/// Longer than the test.
const COOL_DOWN: u32 = 3600;

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_acts_exactly_where_it_names_the_open_question() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    scene.cluster.namespace(NAMESPACE, &[("type", "db")]).await?;
    for (rule, app) in [(RULE, "postgres"), (SUSPENDED, "suspended")] {
        let text = RuleText::new(rule)
            .set("/actionsCoolDownPeriod", json!(COOL_DOWN))
            .set("/selector/matchLabels/app", json!(app))
            .text();
        scene.cluster.apply(&text).await?;
    }
    let mut cells = cells_with_full_volumes(&scene, |_| true).await?;
    scene.controller_without_lease().await?;

    // Given a question that was asked twice: the first approval was deleted.
    let world =
        until(&scene, "a first question for each cell", &cells, |w, c| w.question(c).map(drop)).await?;
    for cell in &mut cells {
        cell.old = world.question(cell)?.to_owned();
    }
    approvals(&scene).delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let asked_again = |w: &World, c: &Cell| match w.question(c)? {
        digest if digest == c.old => bail!("it is the first question still"),
        _ => Ok(()),
    };
    let world = until(&scene, "a second question for each cell", &cells, asked_again).await?;
    for cell in &mut cells {
        cell.current = world.question(cell)?.to_owned();
    }

    // … and, but for the first column, an end to it.
    bring_about(&scene, &mut cells).await?;

    // When each writer brings its file …
    let written: Vec<(Cell, Answer)> = futures::stream::iter(cells.clone())
        .map(async |cell| Ok::<_, anyhow::Error>((cell.clone(), cell.writer.write(&scene, &cell).await?)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for (cell, answer) in &written {
        let expected = match cell.must {
            Must::Refused => Answer::Refused,
            Must::NotFound => Answer::NotFound,
            _ => Answer::Written,
        };
        ensure!(*answer == expected, "{cell}: {answer:?}");
    }

    // … then it acts where it names the open question, …
    until(&scene, "what must follow from each write", &cells, World::as_it_must).await?;

    // … a stale file has not spoilt the question, …
    let stale: Vec<Cell> = of(&cells, |c| c.onto == Onto::Pending && c.must == Must::Inert);
    answer(&scene, &stale, "approved").await?;
    let resized = |w: &World, c: &Cell| {
        w.latched(c, Outcome::Approved, "kubectl")?;
        w.is(c, "20Gi", RuleState::ActiveActionsTaken)
    };
    until(&scene, "the questions that stale files were brought to, answered", &stale, resized).await?;

    // … and what was decided before stays so, after a restart too. (Their writes came before the answers just now, by the
    // same watch: the controller has seen them.)
    let rest: Vec<Cell> = of(&cells, |c| !stale.iter().any(|s| s.claim == c.claim));
    until(&scene, "nothing else, seen by the same controller", &rest, World::as_it_must).await?;
    scene.running()?.sigterm()?;
    let ended = scene.running()?.wait(std::time::Duration::from_secs(20)).await?;
    ensure!(ended.success(), "the first controller ended with {ended}");
    scene.controller_without_lease().await?;
    let canary = scene.claim(NAMESPACE, "canary", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&canary, 9.0, 10.0);
    let question = scene.until_pending(NAMESPACE, RULE, &canary).await?;
    scene.answer(NAMESPACE, question.metadata.name.as_deref().unwrap_or_default(), "approved").await?;
    scene.until_request(NAMESPACE, "canary", "20Gi").await?;
    until(&scene, "nothing else, seen by the next controller", &rest, World::as_it_must).await?;

    // What is asked next is a question of its own: nothing that lies about answers it.
    suspend(&scene, Value::Null).await?;
    let (canceled, absent) =
        (of(&cells, |c| c.onto == Onto::Canceled), of(&cells, |c| c.onto == Onto::Absent));
    let held = of(&canceled, |c| c.must != Must::Gone);
    for cell in &absent {
        scene.usage(&cell.volume, 9.0, 10.0);
    }
    until(&scene, "the next proposals, behind approvals that are being deleted", &held, |w, c| {
        w.is(c, "10Gi", RuleState::Triggered)
    })
    .await?;
    merge_all(&scene, &held, HOLDER, &json!({ "metadata": { "finalizers": null } })).await?;
    until(&scene, "new questions", &[canceled, absent].concat(), World::asks_anew).await?;

    // In all this, no volume asked for anything but what was approved, once.
    for cell in &cells {
        let approved = cell.must == Must::Resize
            || cell.onto == Onto::Executed
            || stale.iter().any(|s| s.claim == cell.claim);
        let sizes = scene.csi.requests(NAMESPACE, &cell.claim);
        let expected: &[&str] = if approved { &["10Gi", "20Gi"] } else { &["10Gi"] };
        ensure!(sizes == expected, "{cell}: its sizes were {sizes:?}");
    }
    Ok(())
}

/// A volume of 10 GiB, 90 % full, for each cell of these writers.
async fn cells_with_full_volumes(scene: &Scene, of: impl Fn(Writer) -> bool) -> Result<Vec<Cell>> {
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
            Ok(Cell { writer, file, onto, must, claim, rule, volume, approval, old, current, before: None })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// From pending to what the column says.
async fn bring_about(scene: &Scene, cells: &mut [Cell]) -> Result<()> {
    let onto = |wanted: Onto| of(cells, |c| c.onto == wanted);
    let (declined, canceled) = (onto(Onto::Declined), onto(Onto::Canceled));
    let (executed, absent) = (onto(Onto::Executed), onto(Onto::Absent));
    for cell in &absent {
        scene.usage(&cell.volume, 1.0, 10.0);
    }
    for cell in &executed {
        // As full afterwards as before: only the decision and the cool-down hold it back.
        scene.usage(&cell.volume, 18.0, 20.0);
    }
    answer(scene, &declined, "declined").await?;
    answer(scene, &executed, "approved").await?;
    merge_all(scene, &canceled, HOLDER, &json!({ "metadata": { "finalizers": [HOLD] } })).await?;
    suspend(scene, json!(true)).await?;
    let world = until(scene, "decisions", &[declined, canceled, executed].concat(), |w, c| match c.onto {
        Onto::Declined => {
            w.latched(c, Outcome::Declined, "kubectl")?;
            w.is(c, "10Gi", RuleState::ActionsDeclined)
        }
        Onto::Canceled => {
            w.latched(c, Outcome::Canceled, "controller")?;
            ensure!(
                w.approval(c).is_some_and(|a| a.metadata.deletion_timestamp.is_some()),
                "it is not deleted"
            );
            w.is(c, "10Gi", RuleState::Normal)
        }
        _ => {
            w.latched(c, Outcome::Approved, "kubectl")?;
            w.is(c, "20Gi", RuleState::ActiveActionsTaken)
        }
    })
    .await?;
    for cell in cells.iter_mut() {
        cell.before = world.decision(cell).cloned();
    }
    // A question that comes up before the metrics have fallen goes the same way.
    scene
        .until("no question where the conditions do not hold", async || {
            let world = World::look(scene).await?;
            for cell in absent.iter().filter(|c| world.approval(c).is_some()) {
                let _ = approvals(scene).delete(&cell.approval, &DeleteParams::default()).await;
            }
            let gone =
                |c: &Cell| world.approval(c).is_none() && world.is(c, "10Gi", RuleState::Normal).is_ok();
            Ok(absent.iter().all(gone).then_some(()))
        })
        .await
}

fn of(cells: &[Cell], wanted: impl Fn(&Cell) -> bool) -> Vec<Cell> {
    cells.iter().filter(|c| wanted(c)).cloned().collect()
}

fn approvals(scene: &Scene) -> Api<ActionApproval> {
    Api::namespaced(scene.client.clone(), NAMESPACE)
}

/// The guide's command.
async fn answer(scene: &Scene, cells: &[Cell], state: &str) -> Result<()> {
    merge_all(scene, cells, "kubectl-patch", &json!({ "spec": { "approvalState": state } })).await
}

async fn merge_all(scene: &Scene, cells: &[Cell], manager: &str, patch: &Value) -> Result<()> {
    let (api, patch) = (approvals(scene), Patch::Merge(patch));
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    futures::stream::iter(cells)
        .map(async |cell| {
            api.patch(&cell.approval, &params, &patch).await.map(drop).with_context(|| format!("{cell}"))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn suspend(scene: &Scene, value: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "suspend": value } }));
    Api::<AutopilotRule>::all(scene.client.clone()).patch(SUSPENDED, &PatchParams::default(), &patch).await?;
    Ok(())
}
