//! The rows of Flux once more, with the files in git and the real Flux: what reaches the cluster by way of a repository.

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{ClusterOptions, Kustomization};
use autopilot_tests::gitops::{FLUX, Gitops, STEP};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use std::time::Duration;

use autopilot_shared::api::ActionApproval;
use autopilot_tests::RuleText;

use crate::case::{NAMESPACE, World, until};
use crate::table::{Must, Onto, Writer};
use crate::{COOL_DOWN, RULE, SUSPENDED, bring_about, cells_with_full_volumes};

/// Flux looks at a folder that did not change no more during the test.
const SELDOM: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_flux_brings_acts_exactly_where_it_names_the_open_question() -> Result<()> {
    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
    let world = Gitops::start(options).await?;
    let scene = &world.scene;
    // Without a forge: what the file does is the engine's business alone.
    let prometheus = scene.prometheus.as_ref().context("no metrics")?;
    scene.configure(prometheus.url(), "").await?;
    scene.cluster.namespace(NAMESPACE, &[("type", "db")]).await?;
    for (rule, app) in [(RULE, "postgres"), (SUSPENDED, "suspended")] {
        let text = RuleText::new(rule)
            .set("/actionsCoolDownPeriod", json!(COOL_DOWN))
            .set("/selector/matchLabels/app", json!(app))
            .text();
        scene.cluster.apply(&text).await?;
    }
    let mut cells = cells_with_full_volumes(scene, |writer| writer == Writer::Flux).await?;
    world.controller()?;

    let first =
        until(scene, "a first question for each cell", &cells, |w, c| w.question(c).map(drop)).await?;
    for cell in &mut cells {
        cell.old = first.question(cell)?.to_owned();
    }
    let api: Api<ActionApproval> = Api::namespaced(scene.client.clone(), NAMESPACE);
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let second = until(scene, "a second question for each cell", &cells, |w, c| match w.question(c)? {
        digest if digest == c.old => anyhow::bail!("it is the first question still"),
        _ => Ok(()),
    })
    .await?;
    for cell in &mut cells {
        cell.current = second.question(cell)?.to_owned();
    }
    bring_about(scene, &mut cells).await?;

    // When the files are merged, each in a folder with a Kustomization of its own, so that one that the API server refuses
    // holds up no other,
    let base = world.github.base();
    for cell in &cells {
        let text = cell.content()?.to_string();
        world.reviewer.put(base, &format!("cells/{}/approval.yaml", cell.claim), &text).await?;
    }
    let commit = world.reviewer.branch(base).await?.context("no base")?;
    world.mirror.wait_for_commit(&commit, STEP).await?;
    world.flux.repository(&world.mirror.url(), base, FLUX).await?;
    for cell in &cells {
        let of = Kustomization {
            interval: SELDOM,
            prune: false,
            wait: false,
            ..Kustomization::new(&cell.claim, &format!("./cells/{}", cell.claim))
        };
        world.flux.kustomization(&of).await?;
    }
    let head = world.mirror.head().await?;
    for cell in &cells {
        if cell.must == Must::Refused {
            scene
                .until(&format!("Flux to fail at {cell}"), async || {
                    let ready = world.flux.ready(&cell.claim).await?;
                    Ok((ready.status == "False" && ready.message.contains("finalizer")).then_some(()))
                })
                .await?;
        } else {
            world.flux.wait_for_applied(&cell.claim, &head, STEP).await.with_context(|| format!("{cell}"))?;
        }
    }

    // then each acts where it names the open question, and nowhere else.
    until(scene, "what must follow from each file", &cells, World::as_it_must).await?;
    for cell in &cells {
        let approved = cell.must == Must::Resize || cell.onto == Onto::Executed;
        let sizes = scene.csi.requests(NAMESPACE, &cell.claim);
        let expected: &[&str] = if approved { &["10Gi", "20Gi"] } else { &["10Gi"] };
        ensure!(sizes == expected, "{cell}: its sizes were {sizes:?}");
    }
    Ok(())
}
