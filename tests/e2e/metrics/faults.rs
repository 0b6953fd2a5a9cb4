//! Whatever happens to the metrics, nothing is decided because of it, the rule says what is wrong and where, others go
//! on, and everything continues by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRuleStatus};
use autopilot_shared::names;
use autopilot_stack::{Action, FaultProxy, Refusal, StubAnswer};
use autopilot_tests::transitions::ASKED_AND_APPROVED;
use autopilot_tests::{PX_KEY, RuleText, Scene, SceneOptions};
use futures::future::try_join_all;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::backend::{Backend, Fault, Spoilt};
use super::snapshot::{DataAvailable, Journals, data, passes, rules, unanswered, until_passes, until_states};

/// Seconds that the conditions of the acting rules must hold: long enough to break everything meanwhile.
const HOLD: u32 = 12;

struct Case {
    name: &'static str,
    fault: Fault,
    /// The reason in `DataAvailable`.
    reason: &'static str,
    /// Parts of its message; `HOST` stands for the provider's.
    says: &'static [&'static str],
    /// More parameters of the provider.
    params: &'static str,
    /// Seconds between passes.
    poll: u32,
}

impl Case {
    fn new(name: &'static str, fault: Fault, reason: &'static str, says: &'static [&'static str]) -> Self {
        Case { name, fault, reason, says, params: "", poll: 1 }
    }
}

fn cases() -> Vec<Case> {
    let refuse = |code, reason: &str, message: &str| {
        Fault::Proxied(Action::Refuse(Refusal::new(code, reason, message)))
    };
    let page = StubAnswer::Reply(200, "<!DOCTYPE html><title>Sign in</title>".into());
    let half =
        StubAnswer::Truncated(r#"{"status":"success","data":{"resultType":"vector","result":["#.into());
    let too_many =
        StubAnswer::error(422, "execution", "query processing would load too many samples into memory");
    vec![
        Case::new("down", Fault::Stopped, "Unreachable", &["HOST", "refused", "check the provider's url"]),
        Case::new("frozen", Fault::Frozen, "TimedOut", &["HOST", "3s", "timeout"]),
        Case::new(
            "slow",
            Fault::Proxied(Action::Delay(Duration::from_secs(9))),
            "TimedOut",
            &["HOST", "no whole answer within 3s"],
        ),
        Case::new("dropped", Fault::Proxied(Action::DropRequest), "Unreachable", &["HOST", "cannot reach"]),
        Case::new(
            "locked",
            refuse(401, "Unauthorized", "no"),
            "Unauthorized",
            &["HOST", "401", "credentials"],
        ),
        Case::new(
            "failing",
            refuse(503, "Overloaded", "too busy"),
            "ServerError",
            &["HOST", "503", "too busy"],
        ),
        Case::new("page", Fault::Says(page), "NotAnAnswer", &["HOST", "not one of Prometheus"]),
        Case::new("half", Fault::Says(half), "Unreachable", &["HOST"]),
        Case::new(
            "refused",
            Fault::Says(too_many),
            "Refused",
            &["HOST", "too many samples", "correct the rule's key"],
        ),
        Case {
            params: ",max_answer=1048576",
            poll: 2,
            ..Case::new(
                "huge",
                Fault::Says(StubAnswer::Huge(50 << 20)),
                "TooLarge",
                &["HOST", "1048576", "max_answer"],
            )
        },
        Case {
            params: ",ignore_unhealthy_targets=false",
            ..Case::new(
                "targets",
                Fault::TargetDown,
                "UnhealthyTargets",
                &["1 scrape targets are down", "ignore_unhealthy_targets"],
            )
        },
        Case::new("empty", Fault::Series(Spoilt::Gone), "NoSeries", &["expressions[0]", "no series"]),
        Case::new("nan", Fault::Series(Spoilt::NaN), "NoMatchingSeries", &["finite value"]),
        Case::new("infinite", Fault::Series(Spoilt::Infinite), "NoMatchingSeries", &["finite value"]),
        Case::new("unlabelled", Fault::Series(Spoilt::Unlabelled), "NoMatchingSeries", &["label volumename"]),
        Case::new(
            "doubled",
            Fault::Series(Spoilt::Doubled),
            "Refused",
            &["duplicate series", "correct the rule's key"],
        ),
    ]
}

/// A case in the cluster: a rule that asks, with one object at rest and one that a person is asked about; and a rule that
/// does not ask, with an object whose conditions hold, but not for long enough yet.
struct Staged {
    name: &'static str,
    reason: &'static str,
    says: &'static [&'static str],
    frozen: bool,
    /// Its lines of the configuration.
    provider: String,
    /// Its manifests.
    rules: String,
    backend: Backend,
    ask: String,
    act: String,
    quiet: String,
    asked: String,
    held: String,
}

impl Staged {
    async fn provision(scene: &Scene, origin: &str, case: Case) -> Result<Self> {
        let Case { name, fault, reason, says, params, poll } = case;
        let frozen = matches!(fault, Fault::Frozen);
        let backend = Backend::start(name, fault, origin, &scene.exporter).await?;
        let provider = format!(
            "- name: {name}\n  type: prometheus\n  params: url={},timeout=3{params}\n",
            backend.url()
        );
        let rule = |role: &str| {
            RuleText::new(&format!("{name}-{role}"))
                .set("/selector", json!({ "matchLabels": { "case": name, "role": role } }))
                .set("/conditions/provider", json!(name))
                .set("/conditions/expressions/0/key", json!(backend.key()))
                .set("/pollInterval", json!(poll))
        };
        let act = rule("act").without_approval().set("/conditions/for", json!(HOLD));
        let rules = format!("{}\n{}\n", rule("ask").text(), act.text());
        let claim = async |object: &str, role: &str, used: f64| -> Result<String> {
            let labels = [("case", name), ("role", role)];
            let volume = scene.claim("db", &format!("{name}-{object}"), "10Gi", &labels).await?;
            backend.set(&scene.exporter, &volume, used, 10.0);
            Ok(volume)
        };
        let quiet = claim("quiet", "ask", 3.0).await?;
        let asked = claim("asked", "ask", 6.0).await?;
        let held = claim("held", "act", 3.0).await?;
        let (ask, act) = (format!("{name}-ask"), format!("{name}-act"));
        Ok(Staged { name, reason, says, frozen, provider, rules, backend, ask, act, quiet, asked, held })
    }

    async fn approve(&self, scene: &Scene) -> Result<()> {
        let approval = names::approval_name(&self.ask, &self.asked);
        scene.answer("db", &approval, "approved").await
    }

    /// Waits until the storage has grown a volume, and lets its metrics follow.
    async fn grown(&self, scene: &Scene, object: &str, volume: &str) -> Result<()> {
        scene.until_request("db", &format!("{}-{object}", self.name), "20Gi").await?;
        self.backend.set(&scene.exporter, volume, 6.0, 20.0);
        Ok(())
    }

    fn complaint(&self, status: &AutopilotRuleStatus) -> Option<String> {
        let DataAvailable { status: value, reason, message } = data(status);
        let url = self.backend.url();
        let host = url.trim_start_matches("http://");
        let says = self.says.iter().all(|words| message.contains(&words.replace("HOST", host)));
        (value != "False" || reason != self.reason || !says).then(|| {
            format!("DataAvailable={value} {reason}: {message}; not {} {:?}", self.reason, self.says)
        })
    }

    async fn check_paths(&self, scene: &Scene) -> Result<()> {
        for (rule, volume, wanted) in [
            (&self.ask, &self.quiet, &QUIET[..]),
            (&self.ask, &self.asked, &ASKED_AND_APPROVED[..]),
            (&self.act, &self.held, &HELD[..]),
        ] {
            let path = scene
                .until(&format!("the last transition of {rule}:{volume} is told"), async || {
                    let path = scene.path(rule, volume).await?;
                    Ok((path.len() >= wanted.len()).then_some(path))
                })
                .await?;
            assert_eq!(path, wanted, "{rule}:{volume}");
        }
        for (object, sizes) in
            [("quiet", &["10Gi"][..]), ("asked", &["10Gi", "20Gi"]), ("held", &["10Gi", "20Gi"])]
        {
            let seen = scene.csi.requests("db", &format!("{}-{object}", self.name));
            assert_eq!(seen, sizes, "{}-{object}", self.name);
        }
        Ok(())
    }
}

const QUIET: [&str; 3] =
    ["Initializing => Normal", "Normal => Triggered", "Triggered => ActionAwaitingApproval"];
const HELD: [&str; 6] = [
    "Initializing => Normal",
    "Normal => Triggered",
    "Triggered => ActiveActionsPending",
    "ActiveActionsPending => ActiveActionsInProgress",
    "ActiveActionsInProgress => ActiveActionsTaken",
    "ActiveActionsTaken => Normal",
];

/// A rule of each kind for every fault, on metrics that are fine still, and a rule that has nothing to do with it.
struct Given {
    scene: Scene,
    cases: Vec<Staged>,
    /// The volume of the rule that has nothing to do with it.
    bystander: String,
    /// In front of its metrics.
    bystanders: FaultProxy,
}

async fn given() -> Result<Given> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let origin = scene.prometheus.as_ref().context("a Prometheus of its own")?.url().to_owned();
    let bystanders = FaultProxy::to_plain(&origin)?;
    scene.cluster.namespace("db", &[("type", "db")]).await?;
    let cases =
        try_join_all(cases().into_iter().map(|case| Staged::provision(&scene, &origin, case))).await?;
    let bystander = scene.claim("db", "bystander", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&bystander, 3.0, 10.0);
    let mut text = format!(
        "min_poll_interval: 1\ncancelAfter: 1\nproviders:\n- name: default\n  type: prometheus\n  params: url={}\n",
        bystanders.url()
    );
    let mut manifests = String::new();
    for case in &cases {
        text += &case.provider;
        manifests += &case.rules;
    }
    let rule =
        RuleText::new("bystander").without_approval().set("/conditions/expressions/0/key", json!(PX_KEY));
    manifests += &rule.text();
    scene.configure_text(&text).await?;
    scene.controller().await?;
    scene.cluster.apply(&manifests).await?;
    Ok(Given { scene, cases, bystander, bystanders })
}

/// Waits until each case has a pending approval, and an object whose conditions hold, but not for long enough yet.
async fn until_all_wait(scene: &Scene, cases: &[Staged]) -> Result<()> {
    let asked: Vec<_> =
        cases.iter().map(|c| (c.ask.clone(), c.asked.clone(), RuleState::ActionAwaitingApproval)).collect();
    until_states(scene, "every question is asked", &asked).await?;
    scene
        .until("all others are Normal", async || {
            let normal = |s: &AutopilotRuleStatus| s.states.get("Normal") == Some(&1);
            Ok(rules(scene).await?.values().all(normal).then_some(()))
        })
        .await?;
    for case in cases {
        case.backend.set(&scene.exporter, &case.held, 6.0, 10.0);
    }
    let held: Vec<_> = cases.iter().map(|c| (c.act.clone(), c.held.clone(), RuleState::Triggered)).collect();
    until_states(scene, "every hold has begun", &held).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_the_metrics_decides_anything() -> Result<()> {
    // Given a rule of each kind for every fault, on metrics that are fine still, and a rule that has nothing to do with it.
    let Given { scene, cases: all, bystander, bystanders } = given().await?;
    until_all_wait(&scene, &all).await?;

    // When the metrics of all of them break.
    for case in &all {
        case.backend.break_it(&scene.exporter, case.frozen).await?;
    }
    let before = Journals::read(&scene).await?;
    let seen = passes(&bystanders).len();
    scene.usage(&bystander, 6.0, 10.0);

    // Then every rule says what is wrong, and where.
    let complaints = std::sync::Mutex::new(String::new());
    let told = scene.until("every rule says what is wrong", async || {
        let rules = rules(&scene).await?;
        let wrong: Vec<String> = all
            .iter()
            .flat_map(|case| [(case, &case.ask), (case, &case.act)])
            .filter_map(|(case, rule)| Some(format!("{rule}: {}", case.complaint(rules.get(rule)?)?)))
            .collect();
        *complaints.lock().unwrap() = wrong.join("\n");
        Ok(wrong.is_empty().then_some(()))
    });
    told.await.with_context(|| complaints.lock().unwrap().clone())?;
    // The bystander goes through a whole cycle meanwhile, asked as often as ever.
    scene.until_request("db", "bystander", "20Gi").await?;
    scene.usage(&bystander, 6.0, 20.0);
    scene.until_state("db", "bystander", &bystander, RuleState::Normal).await?;
    // An approval needs no metrics.
    let down = all.iter().find(|c| c.name == "down").context("the case down")?;
    down.approve(&scene).await?;
    down.grown(&scene, "asked", &down.asked).await?;
    // All holds are over, and yet nothing moves.
    let first = passes(&bystanders).len() - seen;
    until_passes(&scene, &bystanders, (HOLD as usize + 3).saturating_sub(first)).await?;
    let during = passes(&bystanders).len() - seen;
    let slow =
        all.iter().find(|c| c.name == "slow").and_then(|c| c.backend.proxy()).context("the case slow")?;
    let slow = unanswered(slow);
    ensure!(during >= 2 * slow, "{during} passes of a healthy rule beside {slow} of a slow one");
    let now = Journals::read(&scene).await?;
    for case in &all {
        for (rule, volume) in [(&case.act, &case.held), (&case.ask, &case.asked)] {
            if case.name == "down" && volume == &case.asked {
                continue;
            }
            let (was, is) =
                (before.of(rule, volume).context("before")?, now.of(rule, volume).context("now")?);
            assert_eq!((was.state, was.transitions), (is.state, is.transitions), "{rule}:{volume}");
            assert_eq!((&was.hold_since, &was.proposal), (&is.hold_since, &is.proposal), "{rule}:{volume}");
        }
        ensure!(now.of(&case.ask, &case.quiet).is_none(), "{}: the quiet object has a journal", case.name);
    }
    let approvals = Api::<ActionApproval>::all(scene.client.clone()).list(&ListParams::default()).await?;
    assert_eq!(approvals.items.len(), all.len() - 1, "one question each, and the one of case down is done");

    // When the metrics come back, and show that the quiet object is full too.
    for case in &all {
        case.backend.set(&scene.exporter, &case.quiet, 6.0, 10.0);
        case.backend.mend(&scene.exporter, case.frozen).await?;
    }
    // Then everything continues where it was: the hold that is over ends, a person is asked, the question still stands.
    try_join_all(all.iter().filter(|c| c.name != "down").map(|c| c.approve(&scene))).await?;
    for case in &all {
        case.grown(&scene, "asked", &case.asked).await.context(case.name)?;
        case.grown(&scene, "held", &case.held).await.context(case.name)?;
    }
    let wanted: Vec<_> = all
        .iter()
        .flat_map(|c| {
            [
                (c.ask.clone(), c.quiet.clone(), RuleState::ActionAwaitingApproval),
                (c.ask.clone(), c.asked.clone(), RuleState::Normal),
                (c.act.clone(), c.held.clone(), RuleState::Normal),
            ]
        })
        .collect();
    until_states(&scene, "every flow has continued", &wanted).await?;
    scene
        .until("every rule has data", async || {
            let rules = rules(&scene).await?;
            Ok(rules.values().all(|status| data(status).status == "True").then_some(()))
        })
        .await?;
    for case in &all {
        case.check_paths(&scene).await?;
    }
    Ok(())
}
