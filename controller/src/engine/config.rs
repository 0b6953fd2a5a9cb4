//! The configuration: taken into force when it is valid, complained about when it is not.

use autopilot_shared::config::Config;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use tracing::{error, info, warn};

use super::active_config::InForce;
use super::{Engine, Report};
use crate::decide::{Effect, EventDraft, ForgeSettings, Regarding};
use crate::observe::{self, Seen};

/// Where the ConfigMap has the text.
const CONFIG_KEY: &str = "config.yaml";
/// Pause before an event about the configuration is told again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

impl Engine {
    pub(crate) fn config_map(&mut self, seen: Seen<Box<ConfigMap>>) {
        match seen {
            Seen::Is(map) => {
                let text = map.data.as_ref().and_then(|d| d.get(CONFIG_KEY)).cloned();
                let version = map.resource_version().unwrap_or_default();
                self.config_is(text, Some(&version));
            }
            Seen::Done => {
                if !self.config_seen {
                    info!("there is no ConfigMap {}; the defaults are in force", observe::CONFIG_MAP);
                    self.config_is(Some(String::new()), None);
                }
            }
            Seen::Gone(_) if self.force.settings.unknown => {
                info!("ConfigMap {} was deleted; the defaults are in force", observe::CONFIG_MAP);
                self.config_is(Some(String::new()), None);
            }
            Seen::Gone(_) => {
                warn!("ConfigMap {} was deleted; the last configuration stays in force", observe::CONFIG_MAP);
            }
            Seen::Start => {}
        }
    }

    pub(crate) fn config_file(&mut self, text: Option<String>) {
        match text {
            // Emptied, and about to be written anew.
            Some(text) if text.trim().is_empty() && self.config_seen => {
                warn!("the configuration file is empty; nothing changes until something is written there");
            }
            Some(text) => self.config_is(Some(text), None),
            None => self.parts.config_file = None,
        }
    }

    /// Takes in a configuration; without a text the ConfigMap lacks the key. One that was seen just before is no news.
    fn config_is(&mut self, text: Option<String>, version: Option<&str>) {
        let news = Some(text);
        if self.config_text == news {
            return;
        }
        self.config_text = news;
        let parsed = match self.config_text.as_ref().and_then(Option::as_deref) {
            Some(text) => Config::parse(text).map_err(|problem| problem.to_string()),
            None => Err(format!(
                "key {CONFIG_KEY} is missing; write the configuration there, or nothing for the defaults"
            )),
        };
        match parsed {
            Ok(config) => {
                self.config_seen = true;
                self.config_trouble = None;
                self.parts.metrics.set_config_valid(true);
                if self.force.config == config && !self.force.settings.unknown {
                    return;
                }
                info!("a new configuration is in force");
                self.force = InForce::new(config, Some(&self.force));
                self.parts.metrics.retain_providers(|name| self.force.has_provider(name));
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
                let kept = if self.config_seen && !self.force.settings.unknown {
                    "the last good one stays in force"
                } else {
                    // Nobody knows what was meant: better to wait than to act on what nobody wrote.
                    self.force.settings.unknown = true;
                    // Nor whether there is a forge: what it would have to end is not let go.
                    self.force.settings.forge = Some(ForgeSettings::default());
                    "until it is, nothing is started, answered or taken back"
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
                    seed: vec!["config".to_owned(), version.to_owned(), kept.to_owned()],
                    warning: true,
                    reason: "InvalidConfiguration",
                    message: format!("{problem}; {kept}"),
                });
            }
        }
    }

    /// Tells what is wrong with the configuration, once, when this process leads.
    pub(crate) fn tell_config_trouble(&mut self) {
        let Some(event) = self.config_trouble.clone().filter(|_| !self.config_telling) else { return };
        self.config_telling = true;
        let actor = self.parts.actor.clone();
        self.spawn_write(async move {
            let told = actor.perform(Effect::EmitEvents { events: vec![event.clone()], told: 0 }, None).await;
            if told.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            Report::ConfigTold(Box::new(event), Box::new(told))
        });
    }
}
