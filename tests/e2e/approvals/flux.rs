//! The rows of Flux once more, with the files in git and the real Flux: what reaches the cluster by way of a repository.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{ClusterOptions, Kustomization};
use autopilot_tests::gitops::{FLUX, GitOpsScene, STEP};

use crate::case::{ClusterSnapshot, NAMESPACE, until};
use crate::given::{self, bring_about, cases_with_full_volumes};
use crate::table::{Must, Onto, Writer};

/// Flux looks at a folder that did not change no more during the test.
const SELDOM: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_flux_brings_acts_exactly_where_it_names_the_open_question() -> Result<()> {
    let options = ClusterOptions::without_binder();
    let gitops = GitOpsScene::start(options).await?;
    let scene = &gitops.scene;
    // Without a forge: what the file does is the engine's business alone.
    let prometheus = scene.prometheus.as_ref().context("no metrics")?;
    scene.configure(prometheus.url(), "").await?;
    given::rules(scene).await?;
    let mut cases = cases_with_full_volumes(scene, |writer| writer == Writer::Flux).await?;
    gitops.controller()?;

    given::questions_asked_twice(scene, &mut cases).await?;
    bring_about(scene, &mut cases).await?;

    // When the files are merged, each in a folder with a Kustomization of its own, so that one that the API server refuses
    // holds up no other,
    let base = gitops.github.base();
    for case in &cases {
        let text = case.content()?.to_string();
        gitops.reviewer.put(base, &format!("cases/{}/approval.yaml", case.claim), &text).await?;
    }
    let commit = gitops.reviewer.branch(base).await?.context("no base")?;
    gitops.mirror.wait_for_commit(&commit, STEP).await?;
    gitops.flux.repository(&gitops.mirror.url(), base, FLUX).await?;
    for case in &cases {
        let of = Kustomization {
            interval: SELDOM,
            prune: false,
            wait: false,
            ..Kustomization::new(&case.claim, &format!("./cases/{}", case.claim))
        };
        gitops.flux.kustomization(&of).await?;
    }
    let head = gitops.mirror.head().await?;
    for case in &cases {
        if case.must == Must::Refused {
            scene
                .until(&format!("Flux to fail at {case}"), async || {
                    let ready = gitops.flux.ready(&case.claim).await?;
                    Ok((ready.status == "False" && ready.message.contains("finalizer")).then_some(()))
                })
                .await?;
        } else {
            gitops
                .flux
                .wait_for_applied(&case.claim, &head, STEP)
                .await
                .with_context(|| format!("{case}"))?;
        }
    }

    // then each acts where it names the open question, and nowhere else.
    until(scene, "what must follow from each file", &cases, ClusterSnapshot::as_it_must).await?;
    for case in &cases {
        let approved = case.must == Must::Resize || case.onto == Onto::Executed;
        let sizes = scene.csi.requests(NAMESPACE, &case.claim);
        let expected: &[&str] = if approved { &["10Gi", "20Gi"] } else { &["10Gi"] };
        ensure!(sizes == expected, "{case}: its sizes were {sizes:?}");
    }
    Ok(())
}
