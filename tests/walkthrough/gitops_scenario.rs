//! The walk-through with GitHub and Flux: merge approves, close declines.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::{ActionApproval, PullRequestState};
use autopilot_stack::github::BOT_TOKEN;
use autopilot_stack::github::PullRequest as Pull;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::pace::Pace;
use super::print::{heading, title};
use super::stage::Stage;
use super::walk::{NAMESPACE, RULE, Walk};
use crate::support::gitops::{FOLDER, GitOpsServers, KUSTOMIZATION};

/// The namespace as it stands in git.
const MANIFEST: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: pg1
  labels:
    type: db
";

/// Plays the whole scenario, and checks it on the way.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn play_gitops(pace: Pace) -> Result<()> {
    let start = Instant::now();
    title("Autopilot with GitHub and Flux: merge approves, close declines");
    println!(
        "Real here: etcd, kube-apiserver, kube-controller-manager, Prometheus, and Flux's source-controller and\n\
         kustomize-controller. GitHub's API is played by the npm package emulate and a front before it; Flux reads a mirror\n\
         of its base branch. The controller has the permissions of deploy/rbac and deploy/gitops and no other.\n"
    );
    println!("Starting the servers ...\n");
    let mut stage = Stage::new(pace).await?;
    stage.shell.run("kubectl apply -f deploy/crds -f deploy/rbac -f deploy/gitops").await?;
    stage.shell.run("kubectl wait --for=condition=Established --timeout=30s -f deploy/crds").await?;
    let servers = GitOpsServers::start(&stage.scene.cluster).await?;

    heading("Token and configuration");
    install(&mut stage, &servers).await?;

    heading("The folder that Flux applies");
    println!(
        "{FOLDER}/{NAMESPACE}.yaml is pushed to {}/{}:\n\n{}",
        servers.github.owner(),
        servers.github.name(),
        indented(MANIFEST)
    );
    servers.reviewer.put(servers.github.base(), &format!("{FOLDER}/{NAMESPACE}.yaml"), MANIFEST).await?;
    servers.synced().await?;
    let shell = &stage.shell;
    shell.run("kubectl get gitrepositories,kustomizations -n flux-system").await?;
    shell.run(&format!("kubectl get namespace {NAMESPACE} -L type")).await?;

    heading("Volumes and rule");
    let mut walk = Walk::within(&stage, NAMESPACE, RULE).await?;
    walk.until_usage(30.0).await?;
    shell.run("kubectl apply -f tests/fixtures/volume-resize.yaml").await?;
    if pace != Pace::GUIDE {
        stage.set_times(RULE).await?;
    }
    walk.starts_normal().await?;

    heading("The volume fills, and a pull request asks");
    let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;
    let first = shown(&walk, &servers, "").await?;
    let commits = servers.reviewer.commits(&first.head).await?;
    let commit = commits.first().context("no commit")?;
    println!("Its only commit is by {}. It adds one file:\n", commit.author);
    let path = files(&servers, &first.head).await?.pop().context("no file")?;
    let text = servers.reviewer.read(&first.head, &path).await?.context("no file")?;
    println!("{path}\n\n{}", indented(&text));

    merge(&mut walk, &servers, &first).await?;
    let second = close(&mut walk, &servers, &first, &question).await?;
    let third = ask_anew(&mut walk, &servers, &second).await?;
    take_back(&walk, &servers, &third.head).await?;
    stage.stop_controller().await?;
    println!("All as it should be, after {} s.", start.elapsed().as_secs());
    Ok(())
}

/// Merges the pull request: the volume grows, and nothing is left on GitHub.
async fn merge(walk: &mut Walk<'_>, servers: &GitOpsServers, first: &Pull) -> Result<()> {
    heading("Merge: approved");
    println!(
        "{} merges #{}. Flux applies the file, and the volume grows.\n",
        servers.github.owner(),
        first.number
    );
    servers.reviewer.merge(first.number).await?;
    walk.grows(&["10Gi", "20Gi"]).await?;
    no_branch(walk, servers, &first.head).await?;
    let base = servers.github.base();
    println!("The file has done its work; the last commits on {base}:\n");
    for commit in servers.reviewer.commits(base).await?.iter().take(3) {
        println!("    {}  {}", commit.author, commit.message.lines().next().unwrap_or_default());
    }
    println!();
    ensure!(files(servers, base).await?.is_empty(), "the file is on the base branch");
    comments(servers, first.number, "**Done.**").await?;
    servers.synced().await?;
    let shell = &walk.stage.shell;
    shell.run(&format!("kubectl get kustomization {KUSTOMIZATION} -n flux-system")).await?;
    Ok(())
}

/// Closes the next pull request.
async fn close(
    walk: &mut Walk<'_>,
    servers: &GitOpsServers,
    first: &Pull,
    approved: &ActionApproval,
) -> Result<Closed> {
    heading("Close: declined");
    println!("The volume fills again.\n");
    let question = walk.is_asked(17.0, 85.0, "PVC will resize from 20Gi to 40Gi").await?;
    ensure!(question.uid() != approved.uid(), "the approval is still the first one");
    let pull = shown(walk, servers, &first.head_sha).await?;
    println!("{} closes #{}.\n", servers.github.owner(), pull.number);
    servers.reviewer.close(pull.number).await?;
    walk.until_told(&["ActionAwaitingApproval => ActiveActionsDeclined"], 0).await?;
    walk.show_last_events(1).await?;
    let approval = walk
        .until("the decline in the spec, and nothing left on GitHub", 10, async || {
            let scene = &walk.stage.scene;
            let found = scene.approval(NAMESPACE, RULE, walk.data.volume()).await?;
            Ok(found.filter(|a| {
                a.spec.approval_state.as_deref() == Some("declined") && a.metadata.finalizers.is_none()
            }))
        })
        .await?;
    walk.show_approval("declined").await?;
    no_branch(walk, servers, &pull.head).await?;
    comments(servers, pull.number, "**Declined.**").await?;
    Ok(Closed { pull, approval })
}

/// A declined approval and its pull request.
struct Closed {
    pull: Pull,
    approval: ActionApproval,
}

/// Deletes the declined approval. Returns the pull request that asks anew.
async fn ask_anew(walk: &mut Walk<'_>, servers: &GitOpsServers, closed: &Closed) -> Result<Pull> {
    heading("Delete the approval: asked anew");
    walk.delete_declined(&closed.approval).await?;
    let pull = shown(walk, servers, &closed.pull.head_sha).await?;
    ensure!(pull.number != closed.pull.number && pull.head == closed.pull.head, "{pull:?}");
    walk.check_untouched().await?;
    Ok(pull)
}

/// Deletes the rule while it asks.
async fn take_back(walk: &Walk<'_>, servers: &GitOpsServers, branch: &str) -> Result<()> {
    heading("Take the question back");
    println!("The rule goes; nothing stays behind on GitHub.\n");
    walk.stage.shell.run(&format!("kubectl delete autopilotrule {RULE}")).await?;
    no_branch(walk, servers, branch).await?;
    let listed = servers.reviewer.pulls("all").await?;
    for pull in &listed {
        let state = if pull.merged { "merged" } else { &pull.state };
        println!("    #{}  {state:<7}  {}", pull.number, pull.title);
    }
    println!();
    ensure!(listed.len() == 3 && listed.iter().all(|p| p.state == "closed"), "{listed:?}");
    Ok(())
}

/// Applies Secret and ConfigMap as the guide has them, and starts the controller.
async fn install(stage: &mut Stage, servers: &GitOpsServers) -> Result<()> {
    stage.shell.export("GITHUB_TOKEN", BOT_TOKEN);
    stage
        .shell
        .run(
            "kubectl create secret generic aut-github -n kube-system \
             --from-literal=GITHUB_TOKEN=\"$GITHUB_TOKEN\"",
        )
        .await?;
    let more: &[(&str, Value)] = &[("clusterName", json!("production"))];
    let config = servers.configuration(&stage.metrics.url(), more);
    let github = &config["providers"][1]["github"];
    let setting = |key: &str| github[key].as_str().map_or_else(|| github[key].to_string(), str::to_owned);
    let settings: Vec<String> =
        ["user", "repo", "folder", "author", "email", "baseUrl", "pollInterval", "clusterName"]
            .iter()
            .map(|key| format!("        {key}: {}", setting(key)))
            .collect();
    let more =
        format!("    - name: github\n      type: github-scm\n      github:\n{}\n", settings.join("\n"));
    stage.configure(&more).await?;
    stage.scene.token = stage.scene.cluster.service_account_token("kube-system", "autopilot").await?;
    stage.start_controller().await?;
    println!("autopilot-controller runs with the token of ServiceAccount kube-system/autopilot.\n");
    Ok(())
}

/// Waits for the open pull request whose head is not this, and shows it as GitHub does.
async fn shown(walk: &Walk<'_>, servers: &GitOpsServers, other_than: &str) -> Result<Pull> {
    let pull = walk
        .until("an open pull request", 20, async || {
            let open = servers.reviewer.pulls("open").await?;
            Ok(open.into_iter().find(|p| p.head_sha != other_than))
        })
        .await?;
    walk.until("the status to tell of it", 10, async || {
        let found = walk.stage.scene.approval(NAMESPACE, RULE, walk.data.volume()).await?;
        let told = found.and_then(|a| a.status).and_then(|s| s.pull_request);
        Ok(told.filter(|p| p.number == pull.number && p.state == PullRequestState::Open))
    })
    .await?;
    println!("On GitHub:\n");
    println!("    #{}  {}", pull.number, pull.title);
    println!("    {} wants to merge 1 commit into {} from {}\n", pull.author, pull.base, pull.head);
    println!("{}", indented(&pull.body));
    walk.stage.shell.run(&format!("kubectl get actionapproval -n {NAMESPACE} -o wide")).await?;
    Ok(pull)
}

/// Shows the comments on a pull request; the last one begins like this.
async fn comments(servers: &GitOpsServers, number: u64, last: &str) -> Result<()> {
    let said = servers.reviewer.comments(number).await?;
    println!("On #{number}:\n");
    for comment in &said {
        println!("    {} says\n{}", comment.author, indented(&comment.body));
    }
    ensure!(said.last().is_some_and(|c| c.body.starts_with(last)), "nobody said {last}: {said:?}");
    Ok(())
}

async fn no_branch(walk: &Walk<'_>, servers: &GitOpsServers, name: &str) -> Result<()> {
    walk.until("the branch to go", 20, async || {
        Ok(servers.reviewer.branch(name).await?.is_none().then_some(()))
    })
    .await?;
    let branches: Vec<String> = servers.reviewer.branches().await?.into_keys().collect();
    println!("Branches: {}.\n", branches.join(", "));
    Ok(())
}

/// Returns the files of approvals at a branch.
async fn files(servers: &GitOpsServers, at: &str) -> Result<Vec<String>> {
    let all = servers.reviewer.files(at).await?;
    Ok(all.into_iter().filter(|f| f.starts_with(&format!("{FOLDER}/{RULE}-"))).collect())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}
