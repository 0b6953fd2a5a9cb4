//! The endings of the walk-through, each on its own: what a person sees with `kubectl`, with events and sizes to the
//! letter. What `make walkthrough` prints stands in the output of a failed test. And the examples of README and guide.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use autopilot_shared::api::AutopilotRule;
use autopilot_shared::config::Config;
use autopilot_shared::rule::Rule;
use autopilot_tests::walkthrough::{DATA, Pace, Stage, Walk};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Outlives the tests: the stage's client belongs to it.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(Runtime::new);
/// One stage for all that may share it; each test has a namespace and a rule of its own there.
static STAGE: OnceCell<Stage> = OnceCell::const_new();

/// Starts the servers of a test.
async fn new_stage() -> Result<Stage> {
    let mut stage = Stage::new(Pace::TEST).await?;
    stage.install().await?;
    stage.start_controller().await?;
    Ok(stage)
}

fn runtime() -> Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| anyhow!("no runtime: {error}"))
}

fn on_the_shared_stage(play: impl AsyncFnOnce(&'static Stage) -> Result<()>) -> Result<()> {
    runtime()?.block_on(async { play(STAGE.get_or_try_init(new_stage).await?).await })
}

/// Creates a namespace with the two claims, and a rule of the same name that selects one of them and has seen it
/// `Normal`.
async fn given<'a>(stage: &'a Stage, name: &str, approval: bool) -> Result<Walk<'a>> {
    let mut walk = Walk::new(stage, name, name, name).await?;
    walk.until_usage(30.0).await?;
    stage.scene.cluster.apply(&walk.rule_text(name, approval)?).await?;
    walk.starts_normal().await?;
    walk.show_events().await?;
    Ok(walk)
}

#[test]
fn approve_resizes_and_the_approval_goes() -> Result<()> {
    on_the_shared_stage(async |stage| {
        let mut walk = given(stage, "approve", true).await?;
        let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
        walk.approve(&question.name_any(), &["10Gi", "20Gi"]).await?;
        walk.check_untouched().await
    })
}

#[test]
fn decline_is_quiet_for_ten_polls_and_a_restart() -> Result<()> {
    // Every write counts here, so nobody else may play on this stage.
    runtime()?.block_on(async {
        let stage = new_stage().await?;
        let mut walk = given(&stage, "decline", true).await?;
        let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
        walk.decline(&question.name_any()).await?;
        walk.stays_quiet().await?;
        walk.until_sizes(&["10Gi"]).await?;
        walk.check_untouched().await?;
        stage.stop_controller().await
    })
}

#[test]
fn deleting_the_declined_approval_asks_again() -> Result<()> {
    on_the_shared_stage(async |stage| {
        let mut walk = given(stage, "ask-again", true).await?;
        let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
        walk.decline(&question.name_any()).await?;
        let again = walk.delete_declined(&question).await?;
        walk.until_sizes(&["10Gi"]).await?;
        // The new question is as good as the first.
        walk.approve(&again.name_any(), &["10Gi", "20Gi"]).await?;
        walk.check_untouched().await
    })
}

#[test]
fn without_enforcement_it_resizes_once_and_asks_nobody() -> Result<()> {
    on_the_shared_stage(async |stage| {
        let mut walk = given(stage, "unattended", false).await?;
        walk.data.fill_to(6.0);
        walk.resizes_alone(&["Normal => Triggered"], &["10Gi", "20Gi"]).await?;
        let asked: Vec<String> = stage
            .writes()
            .into_iter()
            .filter(|write| write.contains("/unattended/actionapprovals"))
            .collect();
        ensure!(asked.is_empty(), "somebody was asked:\n{}", asked.join("\n"));
        walk.check_untouched().await
    })
}

#[test]
fn removing_enforcement_takes_the_question_back_and_resizes_once() -> Result<()> {
    on_the_shared_stage(async |stage| {
        let mut walk = given(stage, "left-alone", true).await?;
        walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
        walk.remove_enforcement().await?;
        walk.resizes_alone(&["ActionAwaitingApproval => Triggered"], &["10Gi", "20Gi"]).await?;
        walk.check_untouched().await
    })
}

#[test]
fn what_is_not_selected_is_never_touched() -> Result<()> {
    on_the_shared_stage(async |stage| {
        // Full, and labelled like the selected one, in a namespace without the label.
        let elsewhere = Walk::new(stage, "elsewhere", "cache", "elsewhere").await?;
        elsewhere.data.fill_to(9.0);
        elsewhere.until_usage(90.0).await?;

        let mut walk = given(stage, "selected", true).await?;
        let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
        walk.approve(&question.name_any(), &["10Gi", "20Gi"]).await?;

        let objects = stage.scene.rule("selected").await?.status.context("the rule has a status")?.objects;
        ensure!(objects == Some(1), "the rule selects {objects:?} objects instead of {DATA} alone");
        walk.check_untouched().await?;
        elsewhere.check_both_untouched().await
    })
}

/// Returns the texts between the fences of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn examples_in_readme_and_guide_mean_something_and_links_lead_somewhere() -> Result<()> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut rules, mut configurations) = (0, 0);
    for page in ["README.md", "docs/guide.md", "docs/gitops.md"] {
        let path = checkout.join(page);
        let text = std::fs::read_to_string(&path).context(page)?;
        for block in blocks(&text, "yaml") {
            if block.contains("kind: AutopilotRule\n") {
                let rule: AutopilotRule = serde_saphyr::from_str(block).context(page)?;
                Rule::parse(&rule).map_err(|problems| anyhow!("{page}: {problems:?}"))?;
                rules += 1;
            } else if block.contains("kind: ConfigMap\n") {
                let map: ConfigMap = serde_saphyr::from_str(block).context(page)?;
                Config::parse(map.data.context(page)?.get("config.yaml").context(page)?).context(page)?;
                configurations += 1;
            }
        }
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() {
                let folder = path.parent().context(page)?;
                ensure!(folder.join(file).exists(), "{page} links to {target}, which is not there");
            }
        }
    }
    ensure!(rules >= 2 && configurations >= 1, "found {rules} rules and {configurations} configurations");
    Ok(())
}
