//! The configuration: taken into force when it is valid, complained about when it is not.

use autopilot_shared::config::Config;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use tracing::{error, info, warn};

use super::engine::{Engine, Report};
use super::settings::InForce;
use crate::decide::{Effect, EventDraft, ForgeSettings, Regarding};
use crate::observe::{self, Seen};

/// Pause before an event about the configuration is told again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

impl Engine {
    pub(super) fn config_map(&mut self, seen: Seen<Box<ConfigMap>>) {
        match seen {
            Seen::Is(map) => {
                let text = map.data.as_ref().and_then(|d| d.get("config.yaml")).cloned().unwrap_or_default();
                let version = map.resource_version().unwrap_or_default();
                self.config_text(&text, Some(&version));
            }
            Seen::Done => {
                if !self.config_seen {
                    info!("there is no ConfigMap {}; the defaults are in force", observe::CONFIG_MAP);
                    self.config_text("", None);
                }
            }
            Seen::Gone(_) => {
                warn!("ConfigMap {} was deleted; the last configuration stays in force", observe::CONFIG_MAP);
            }
            Seen::Start => {}
        }
    }

    pub(super) fn config_file(&mut self, text: Option<String>) {
        match text {
            Some(text) => self.config_text(&text, None),
            None => self.parts.config_file = None,
        }
    }

    pub(super) fn config_text(&mut self, text: &str, version: Option<&str>) {
        if self.config_text.as_deref() == Some(text) {
            return;
        }
        self.config_text = Some(text.to_owned());
        match Config::parse(text) {
            Ok(config) => {
                self.config_seen = true;
                self.config_trouble = None;
                self.parts.metrics.set_config_valid(true);
                if self.force.config == config && !std::mem::take(&mut self.config_unusable) {
                    return;
                }
                info!("a new configuration is in force");
                self.force = InForce::new(config, Some(&self.force));
                let github = self.force.config.github.clone();
                self.parts.actor.name_workloads(github.is_some());
                self.parts.forge.send_if_modified(|known| {
                    let changed = *known != github;
                    *known = github;
                    changed
                });
                let now = self.now();
                for entry in self.rules.values_mut() {
                    entry.next_poll = now;
                }
                self.dirty.extend(self.pairs.keys().cloned());
                self.dirty_rules.extend(self.rules.keys().cloned());
            }
            Err(problem) => {
                let kept = if self.config_seen && !self.config_unusable {
                    "the last good one stays in force"
                } else {
                    // Nobody knows what was meant: better to wait than to act on what nobody wrote.
                    self.config_unusable = true;
                    self.force.settings.suspended = true;
                    // Nor whether there is a forge: what it would have to end is not let go.
                    self.force.settings.forge = Some(ForgeSettings::default());
                    "nothing new is started until it is"
                };
                self.config_seen = true;
                self.parts.metrics.set_config_valid(false);
                error!(%problem, "the configuration is not valid; {kept}");
                self.config_trouble = version.map(|version| EventDraft {
                    regarding: Regarding::ConfigMap {
                        namespace: self.parts.namespace.clone(),
                        name: observe::CONFIG_MAP.to_owned(),
                    },
                    when: self.now(),
                    step: 0,
                    seed: vec!["config".to_owned(), version.to_owned()],
                    warning: true,
                    reason: "InvalidConfiguration",
                    message: format!("{problem}; {kept}"),
                });
            }
        }
    }

    /// Tells what is wrong with the configuration, once, when this process leads.
    pub(super) fn tell_config_trouble(&mut self) {
        let Some(event) = self.config_trouble.clone().filter(|_| !self.config_telling) else { return };
        self.config_telling = true;
        let actor = self.parts.actor.clone();
        self.spawn_write(async move {
            let told = actor.perform(Effect::Tell { events: vec![event.clone()], told: 0 }, None).await;
            if told.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            Report::ConfigTold(Box::new(event), Box::new(told))
        });
    }
}
