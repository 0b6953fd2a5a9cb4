//! One rule and its two claims, followed step by step.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRuleObject};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::filling::Filling;
use super::stage::Stage;
use crate::support::install::checkout;
use crate::support::objects;
use crate::support::rules::PX_KEY;

/// The claim that the rule selects.
pub const DATA: &str = "pgbench-data";
/// The claim that nothing selects.
pub(super) const STATE: &str = "pgbench-state";
/// The namespace of the guide.
pub(super) const NAMESPACE: &str = "pg1";
/// The name of the guide's rule.
pub(super) const RULE: &str = "volume-resize";
/// The guide's rule.
const RULE_FILE: &str = "tests/fixtures/volume-resize.yaml";

/// One rule, one namespace, two claims.
pub struct Walk<'a> {
    /// Where it plays.
    pub stage: &'a Stage,
    /// The namespace.
    pub namespace: String,
    /// Name of the rule.
    pub rule: String,
    /// The volume that fills.
    pub data: Filling,
    /// The volume that is full, and that nobody may touch.
    pub state: Filling,
    /// resourceVersions of the two claims when they were bound.
    bound: [Option<String>; 2],
    /// Transitions so far, as `A => B`.
    path: Vec<String>,
}

impl<'a> Walk<'a> {
    /// Creates the namespace, labelled `type=<kind>`, and the two claims in it, and gets them bound. `pgbench-data` is
    /// filled to 30 %, `pgbench-state` to 90 %.
    ///
    /// # Errors
    /// When `kubectl` fails or something is not bound.
    pub async fn new(stage: &'a Stage, namespace: &str, kind: &str, rule: &str) -> Result<Walk<'a>> {
        let shell = &stage.shell;
        shell.run(&format!("kubectl create namespace {namespace}")).await?;
        shell.run(&format!("kubectl label namespace {namespace} type={kind}")).await?;
        Walk::within(stage, namespace, rule).await
    }

    /// Does the same in a namespace that is there.
    ///
    /// # Errors
    /// When `kubectl` fails or something is not bound.
    pub async fn within(stage: &'a Stage, namespace: &str, rule: &str) -> Result<Walk<'a>> {
        let shell = &stage.shell;
        shell.run(&format!("kubectl apply -n {namespace} -f tests/fixtures/pgbench.yaml")).await?;
        let csi = &stage.scene.csi;
        let (data, state) =
            tokio::try_join!(csi.provision_for(namespace, DATA), csi.provision_for(namespace, STATE))?;
        let walk = Walk {
            stage,
            namespace: namespace.to_owned(),
            rule: rule.to_owned(),
            data: Filling::new(namespace, DATA, &data, 10.0, 3.0),
            state: Filling::new(namespace, STATE, &state, 1.0, 0.9),
            bound: [
                stage.claim(namespace, DATA).await?.resource_version(),
                stage.claim(namespace, STATE).await?.resource_version(),
            ],
            path: Vec::new(),
        };
        walk.export()?;
        shell.run(&format!("kubectl get pvc -n {namespace} -L app")).await?;
        Ok(walk)
    }

    /// Returns the guide's rule with this walk's name, label and times, as JSON, which is YAML.
    ///
    /// # Errors
    /// When the fixture is no rule.
    pub fn rule_text(&self, kind: &str, approval: bool) -> Result<String> {
        let text = std::fs::read_to_string(checkout(RULE_FILE)).context(RULE_FILE)?;
        let mut rule: Value = serde_saphyr::from_str(&text).context(RULE_FILE)?;
        let pace = self.stage.pace;
        let changes =
            [("/metadata/name", json!(self.rule)), ("/spec/namespaceSelector/matchLabels/type", json!(kind))];
        for (pointer, value) in changes {
            *rule.pointer_mut(pointer).with_context(|| format!("{RULE_FILE}: no {pointer}"))? = value;
        }
        let spec = rule.pointer_mut("/spec").and_then(Value::as_object_mut).context("a rule has a spec")?;
        spec.insert("pollInterval".to_owned(), json!(pace.poll));
        spec.insert("actionsCoolDownPeriod".to_owned(), json!(pace.cool_down));
        if !approval {
            spec.remove("enforcement").with_context(|| format!("{RULE_FILE}: no enforcement"))?;
        }
        let conditions =
            spec.get_mut("conditions").and_then(Value::as_object_mut).context("no conditions")?;
        conditions.insert("for".to_owned(), json!(pace.hold));
        Ok(rule.to_string())
    }

    /// Brings the series up to date.
    ///
    /// # Errors
    /// When a size cannot be read.
    pub fn export(&self) -> Result<()> {
        self.data.export(&self.stage.scene)?;
        self.state.export(&self.stage.scene)
    }

    /// Waits until something is so, while the volumes fill.
    ///
    /// # Errors
    /// When it does not become so: polls and `seconds` and some more are waited for.
    pub async fn until<T, F, R>(&self, what: &str, seconds: u64, mut probe: F) -> Result<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<Option<T>>>,
    {
        self.stage
            .until(what, self.stage.pace.limit(seconds), || {
                let exported = self.export();
                let next = probe();
                async move {
                    exported?;
                    next.await
                }
            })
            .await
    }

    /// Returns what Prometheus says about the two volumes, in percent.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn usage(&self) -> Result<BTreeMap<String, f64>> {
        let prometheus = self.stage.scene.prometheus.as_ref().context("no Prometheus")?;
        let mut usage = BTreeMap::new();
        for sample in prometheus.query(PX_KEY).await? {
            let volume = sample.pointer("/metric/volumename").and_then(Value::as_str).unwrap_or_default();
            let value = sample.pointer("/value/1").and_then(Value::as_str).unwrap_or_default();
            for (name, filling) in [(DATA, &self.data), (STATE, &self.state)] {
                if filling.volume() == volume {
                    usage.insert(name.to_owned(), value.parse()?);
                }
            }
        }
        Ok(usage)
    }

    /// Waits until Prometheus says that `pgbench-data` is so full, in percent, and shows what it says.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until_usage(&self, at_least: f64) -> Result<()> {
        let what = format!("Prometheus to see {DATA} at {at_least} %");
        let usage = self
            .until(&what, 30, async || {
                let usage = self.usage().await?;
                Ok((usage.len() == 2 && usage.get(DATA).is_some_and(|u| *u >= at_least)).then_some(usage))
            })
            .await?;
        let shown: Vec<String> =
            usage.iter().map(|(name, percent)| format!("{name} {percent:.0} %")).collect();
        println!("Prometheus: {}.\n", shown.join(", "));
        Ok(())
    }

    /// Returns the full text of a transition of `pgbench-data`.
    fn transition(&self, step: &str) -> String {
        format!("rule: {}:{} transition from {step}", self.rule, self.data.volume())
    }

    /// Waits until the rule has told these transitions, beyond those before, and no other.
    ///
    /// # Errors
    /// When there are others, or too few.
    pub async fn until_told(&mut self, steps: &[&str], seconds: u64) -> Result<()> {
        self.path.extend(steps.iter().map(|s| (*s).to_owned()));
        let wanted: Vec<String> = self.path.iter().map(|step| self.transition(step)).collect();
        let what = format!("event '{}'", wanted.last().map_or("", String::as_str));
        self.until(&what, seconds, async || {
            let told = self.stage.scene.transitions(&self.rule).await?;
            if !wanted.starts_with(&told) {
                return Ok(Some(Err(told)));
            }
            Ok((told == wanted).then_some(Ok(())))
        })
        .await?
        .map_err(|told| {
            anyhow::anyhow!(
                "events differ\nwanted:\n  {}\ntold:\n  {}",
                wanted.join("\n  "),
                told.join("\n  ")
            )
        })
    }

    /// Shows the events of the rule with the guide's command, and checks them.
    ///
    /// # Errors
    /// When they are not the transitions that were told.
    pub async fn show_events(&self) -> Result<()> {
        let listing = self.stage.shell.run(&self.events_command()).await?;
        let (head, rows) = listing.split_once('\n').unwrap_or_default();
        let head: Vec<&str> = head.split_whitespace().collect();
        ensure!(
            head == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
            "columns of events: {head:?}"
        );
        self.check_events(rows, self.path.len())
    }

    /// Does the same for the last few of them.
    ///
    /// # Errors
    /// When they are not the transitions that were told.
    pub async fn show_last_events(&self, count: usize) -> Result<()> {
        let listing = self.stage.shell.run(&format!("{} | tail -n {count}", self.events_command())).await?;
        self.check_events(&listing, count)
    }

    fn events_command(&self) -> String {
        format!(
            "kubectl get events --field-selector involvedObject.kind=AutopilotRule,involvedObject.name={} -n default",
            self.rule
        )
    }

    fn check_events(&self, rows: &str, count: usize) -> Result<()> {
        let object = format!("autopilotrule/{}", self.rule);
        let mut told = Vec::new();
        for row in rows.lines() {
            let (columns, message) =
                row.split_once("rule: ").with_context(|| format!("not a transition: {row}"))?;
            let columns: Vec<&str> = columns.split_whitespace().skip(1).collect();
            ensure!(columns == ["Normal", "Transition", &object], "not a transition: {row}");
            told.push(format!("rule: {}", message.trim_end()));
        }
        let before = self.path.len().saturating_sub(count);
        let wanted: Vec<String> = self.path.iter().skip(before).map(|step| self.transition(step)).collect();
        ensure!(
            told == wanted,
            "kubectl shows\n  {}\ninstead of\n  {}",
            told.join("\n  "),
            wanted.join("\n  ")
        );
        Ok(())
    }

    /// Shows the approvals of the namespace; name and state of the only one.
    ///
    /// # Errors
    /// When there is not exactly one, or there are other columns.
    pub async fn show_approval(&self, state: &str) -> Result<String> {
        let listing =
            self.stage.shell.run(&format!("kubectl get actionapproval -n {}", self.namespace)).await?;
        let rows: Vec<Vec<&str>> = listing.lines().map(|line| line.split_whitespace().collect()).collect();
        let name = format!("{}-{}", self.rule, self.data.volume());
        let wanted = [vec!["NAME", "APPROVAL-STATE"], vec![&name, state]];
        ensure!(rows == wanted, "kubectl shows {rows:?} instead of {wanted:?}");
        Ok(name)
    }

    /// Shows that no approval is left.
    ///
    /// # Errors
    /// When there is one.
    pub async fn show_no_approval(&self) -> Result<()> {
        let namespace = &self.namespace;
        let listing = self.stage.shell.run(&format!("kubectl get actionapproval -n {namespace}")).await?;
        let wanted = format!("No resources found in {namespace} namespace.");
        ensure!(listing.trim_end() == wanted, "kubectl shows '{listing}' instead of '{wanted}'");
        Ok(())
    }

    /// Waits until the approval is pending and the journal has adopted it.
    ///
    /// # Errors
    /// When it is not.
    pub async fn until_pending(&self) -> Result<ActionApproval> {
        let (scene, volume) = (&self.stage.scene, self.data.volume());
        self.until(&format!("a pending approval of {}", self.rule), self.stage.pace.hold, async || {
            let Some(journal) = scene.journal(&self.namespace, &self.rule, volume).await? else {
                return Ok(None);
            };
            let status = journal.status.unwrap_or_default();
            let approval = scene.approval(&self.namespace, &self.rule, volume).await?;
            Ok(approval.filter(|a| {
                status.state == Some(RuleState::ActionAwaitingApproval)
                    && a.spec.approval_state.as_deref() == Some("pending")
                    && status.approval.as_ref().is_some_and(|r| Some(&r.uid) == a.metadata.uid.as_ref())
                    && a.status.as_ref().is_some_and(|s| s.action_previews.is_some())
            }))
        })
        .await
    }

    /// Waits until the claim requests and has this size, and checks that the storage was asked for each of `sizes` once
    /// and for nothing else.
    ///
    /// # Errors
    /// When that is not so.
    pub async fn until_sizes(&self, sizes: &[&str]) -> Result<()> {
        let last = sizes.last().copied().unwrap_or_default();
        let made = || -> Vec<String> {
            let all = self.stage.scene.csi.resizes().into_iter();
            all.filter(|r| r.namespace == self.namespace && r.name == DATA).map(|r| r.to).collect()
        };
        // The storage notes what it did just after the cluster shows it.
        self.until(&format!("{DATA} to have {last}"), 0, async || {
            let claim = self.stage.claim(&self.namespace, DATA).await?;
            let there = objects::capacity(&claim) == Some(last) && made().len() + 1 >= sizes.len();
            Ok(there.then_some(()))
        })
        .await?;
        let asked = self.stage.scene.csi.requests(&self.namespace, DATA);
        ensure!(asked == sizes, "{DATA} requested {asked:?} instead of {sizes:?}");
        let made = made();
        ensure!(made == sizes[1..], "the storage resized {DATA} to {made:?} instead of {:?}", &sizes[1..]);
        Ok(())
    }

    /// Checks that `pgbench-state`, which has no label, is what it was.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check_untouched(&self) -> Result<()> {
        self.check_one_untouched(STATE, &self.state, self.bound[1].as_ref()).await
    }

    /// Does the same for both claims, where the namespace is not selected.
    ///
    /// # Errors
    /// When one of them is not.
    pub async fn check_both_untouched(&self) -> Result<()> {
        self.check_one_untouched(DATA, &self.data, self.bound[0].as_ref()).await?;
        self.check_untouched().await
    }

    /// Checks that nobody wrote a claim, told of it or asked about it.
    async fn check_one_untouched(&self, name: &str, filling: &Filling, bound: Option<&String>) -> Result<()> {
        let claim = self.stage.claim(&self.namespace, name).await?;
        ensure!(
            claim.resource_version().as_ref() == bound,
            "{name} was written: {}",
            serde_json::to_string(&claim)?
        );
        let (client, volume) = (&self.stage.scene.client, filling.volume());
        let everything = ListParams::default();
        for object in Api::<AutopilotRuleObject>::all(client.clone()).list(&everything).await? {
            ensure!(!object.name_any().contains(volume), "{name} has rule object {}", object.name_any());
        }
        for approval in Api::<ActionApproval>::all(client.clone()).list(&everything).await? {
            ensure!(!approval.name_any().contains(volume), "{name} has approval {}", approval.name_any());
        }
        for event in Api::<Event>::all(client.clone()).list(&everything).await? {
            let message = event.message.unwrap_or_default();
            let object = &event.involved_object;
            let ours = event.source.is_some_and(|s| s.component.as_deref() == Some("autopilot"))
                && object.name.as_deref() == Some(name)
                && object.namespace.as_deref() == Some(&self.namespace);
            ensure!(!ours && !message.contains(volume), "an event about {name}: {message}");
        }
        Ok(())
    }
}
