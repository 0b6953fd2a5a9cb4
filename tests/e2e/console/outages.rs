//! Everything that can be the matter between the console and a server, side by side on one cluster: told within 30 s and
//! since when, with what is old dim, and forgotten within 5 s.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::{Action, Cluster, FaultProxy, Match, TempDir, wait_for};
use autopilot_tests::install;
use serde_json::json;

use crate::console::{Console, STEP};
use crate::gate::Gate;
use crate::losing::{BACK, NOTICED};
use crate::scene::{VIEWER, bare, put, replace};

/// The dim colour of the default theme.
const DIM: vt100::Color = vt100::Color::Rgb(0x8b, 0x93, 0xa3);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_matter_is_told_and_forgotten() -> Result<()> {
    let cluster = bare().await?;
    // No kinds yet: that is told, and noticed when they come.
    let admin = cluster.kubeconfig(ADMIN_TOKEN, None)?;
    let console = Console::start(&admin, &[], &[])?;
    console.shows_within(&["no Autopilot here for ", "CRDs are missing"], NOTICED).await?;
    install::crds(&cluster).await?;
    put(&cluster.admin_client().await?, "default", "at-last", |_| {}).await?;
    console.shows_within(&["live", "at-last"], 2 * BACK).await?;

    tokio::try_join!(
        named("watches_are_cut", watches_are_cut(&cluster)),
        named("nobody_answers", nobody_answers(&cluster)),
        named("credentials_expire", credentials_expire(&cluster)),
        named("credentials_are_wrong", credentials_are_wrong(&cluster)),
        named("no_cluster", no_cluster(&cluster)),
        named("no_permission", no_permission(&cluster)),
    )?;
    Ok(())
}

async fn named(what: &'static str, outage: impl Future<Output = Result<()>>) -> Result<()> {
    outage.await.context(what)
}

/// Starts a console on one namespace, with two rows: one is selected, the other shows what is dim.
async fn two_rows(cluster: &Cluster, namespace: &str, server: &str, token: &str) -> Result<Console> {
    cluster.namespace(namespace, &[]).await?;
    let client = cluster.admin_client().await?;
    put(&client, namespace, "one", |_| {}).await?;
    put(&client, namespace, "two", |_| {}).await?;
    let console =
        Console::start(&cluster.kubeconfig(token, Some(server))?, &["--namespace", namespace], &[])?;
    console.shows(&["live", "one", "two"]).await?;
    ensure!(!dim(&console), "rows are dim from the start:\n{}", console.screen());
    Ok(console)
}

/// Returns whether a row that is not selected is dim.
fn dim(console: &Console) -> bool {
    [console.colour("10Gi → 20Gi"), console.colour("two"), console.colour("one")].contains(&Some(DIM))
}

/// Changes while watches are broken in every way; all arrive, and the server is not run over.
async fn watches_are_cut(cluster: &Cluster) -> Result<()> {
    let proxy = FaultProxy::to_cluster(cluster)?;
    let gate = Gate::before(&proxy.url()).await?;
    let console = two_rows(cluster, "cut", gate.url(), ADMIN_TOKEN).await?;
    let client = cluster.admin_client().await?;
    let began = Instant::now();
    for n in 0..8 {
        wait_for("watches", STEP, async || Ok((proxy.open_watches() >= 4).then_some(()))).await?;
        match n % 4 {
            0 => gate.cut(),
            1 => ensure!(proxy.cut_watches("") > 0),
            2 => ensure!(proxy.expire_watches("") > 0),
            // The next four end before they begin.
            _ => {
                proxy.rule(Match::watches().times(4), Action::ExpireWatch);
                ensure!(proxy.cut_watches("") > 0);
            }
        }
        put(&client, "cut", &format!("change-{n}"), |_| {}).await?;
    }
    cluster.kubectl(&["delete", "actionapproval", "two", "-n", "cut"]).await?.ok()?;
    let all: Vec<String> = (0..8).map(|n| format!("change-{n}")).collect();
    console
        .until("every change", STEP, |screen| {
            let here = all.iter().all(|name| screen.contains(name.as_str()));
            here && screen.contains("live") && !screen.contains("two") && screen.contains("1 Approvals 9")
        })
        .await?;
    let (came, took) = (gate.came(began), began.elapsed().as_secs_f64());
    // A return may open all four at once, and one probe; otherwise one a second.
    ensure!((came as f64) <= took + 5.0, "{came} connections in {took:.1} s");
    Ok(())
}

/// Breaks connections as soon as they are taken: the peers connect 15,500 times a second then.
async fn nobody_answers(cluster: &Cluster) -> Result<()> {
    let gate = Gate::before(cluster.url()).await?;
    let mut console = two_rows(cluster, "dead", gate.url(), ADMIN_TOKEN).await?;
    gate.shut();
    // Until here its first questions may still have been on their way.
    console.shows_within(&["stale for ", "one", "two"], NOTICED).await?;
    let shut = Instant::now();
    console.until("rows that are dim", NOTICED, |_| dim(&console)).await?;
    // Long enough to see how often it tries, whatever keys are pressed: `R` tries now.
    while shut.elapsed() < Duration::from_secs(12) {
        console.keys("Rjk").await?;
    }
    ensure!(gate.came(shut) >= 3, "it does not try");
    gate.calm(shut)?;
    ensure!(console.runs()?);
    put(&cluster.admin_client().await?, "dead", "three", |_| {}).await?;
    gate.open();
    console.shows_within(&["live", "three"], BACK).await?;
    console.until("rows that are not dim", BACK, |_| !dim(&console)).await
}

/// Makes a service account anew: its old token is void, and the new one stands in the file later.
async fn credentials_expire(cluster: &Cluster) -> Result<()> {
    let account = || {
        json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "night", "namespace": "default" } })
        .to_string()
    };
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "night" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "night", "namespace": "default" }],
    });
    cluster.apply(&account()).await?;
    cluster.apply(&role.to_string()).await?;
    let gate = Gate::before(cluster.url()).await?;
    let old = cluster.service_account_token("default", "night").await?;
    let console = two_rows(cluster, "expired", gate.url(), &old).await?;
    cluster.kubectl(&["delete", "serviceaccount", "night"]).await?.ok()?;
    let client = cluster.client(&old).await?;
    wait_for("the old token's end", STEP, async || match client.apiserver_version().await {
        Err(kube::Error::Api(status)) if status.code == 401 => Ok(Some(())),
        _ => Ok(None),
    })
    .await?;
    // Watches that are open outlive their token; those that are made anew do not.
    gate.cut();
    console.shows_within(&["not authenticated for ", "one", "two"], NOTICED).await?;
    let cut = Instant::now();
    console.until("rows that are dim", NOTICED, |_| dim(&console)).await?;
    put(&cluster.admin_client().await?, "expired", "three", |_| {}).await?;
    cluster.apply(&account()).await?;
    let new = cluster.service_account_token("default", "night").await?;
    gate.calm(cut)?;
    let (file, content) =
        (cluster.kubeconfig(&old, Some(gate.url()))?, cluster.kubeconfig(&new, Some(gate.url()))?);
    replace(&file, &content)?;
    console.shows_within(&["live", "three"], BACK).await
}

/// Starts with a token that nobody knows.
async fn credentials_are_wrong(cluster: &Cluster) -> Result<()> {
    let file = cluster.kubeconfig("wrong", None)?;
    let mut console = Console::start(&file, &[], &[])?;
    console.shows_within(&["not authenticated for ", "tries again"], NOTICED).await?;
    ensure!(console.runs()?);
    replace(&file, &cluster.kubeconfig(ADMIN_TOKEN, None)?)?;
    console.shows_within(&["live", "at-last"], BACK).await
}

/// Starts without a kubeconfig, which comes later.
async fn no_cluster(cluster: &Cluster) -> Result<()> {
    let nowhere = TempDir::new("nowhere")?;
    let file = nowhere.join("config");
    let mut console = Console::start(&file, &[], &[])?;
    console.shows_within(&["no cluster for ", "reading the kubeconfig"], NOTICED).await?;
    ensure!(console.runs()?);
    replace(&file, &cluster.kubeconfig(ADMIN_TOKEN, None)?)?;
    console.shows_within(&["live", "at-last"], BACK).await
}

/// Starts without any permission, which is granted later.
async fn no_permission(cluster: &Cluster) -> Result<()> {
    let mut console = Console::start(&cluster.kubeconfig(VIEWER, None)?, &[], &[])?;
    console.shows_within(&["denied for ", "may not list"], NOTICED).await?;
    ensure!(console.runs()?);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "vera" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "vera" }],
    });
    cluster.apply(&binding.to_string()).await?;
    // By itself it asks seldom; somebody who was just given the permission presses R.
    console.keys("R").await?;
    console.shows_within(&["live", "at-last"], BACK).await
}
