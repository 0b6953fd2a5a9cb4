//! The configuration: the one in force, and what is wrong with one that was read.

use autopilot_shared::config::{Config, Github};
use jiff::Timestamp;

use super::active_config::ActiveConfig;
use super::backoff::given_up;
use crate::act::Failure;
use crate::decide::{EventDraft, ForgeSettings, Regarding};
use crate::observe::CONFIG_MAP;

/// Key of the ConfigMap that has the text.
pub(crate) const CONFIG_KEY: &str = "config.yaml";

/// The text of a configuration, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ConfigText {
    /// Nothing yet.
    #[default]
    Unread,
    /// The ConfigMap has no key [`CONFIG_KEY`].
    KeyMissing,
    /// This text; an empty one stands for the defaults.
    Text(String),
}

/// The effect of a configuration that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Nothing.
    Unchanged,
    /// Another configuration is in force.
    Valid,
    /// It is not valid; a sentence about what stays in force.
    Invalid {
        /// A sentence about the problem.
        problem: String,
        /// A sentence about the configuration in force.
        kept: &'static str,
    },
}

/// The configuration in force, and the complaint about one that is not valid.
#[derive(Debug)]
pub(crate) struct ConfigState {
    active: ActiveConfig,
    /// One was read, valid or not.
    seen: bool,
    text: ConfigText,
    /// That text is valid.
    valid: bool,
    /// The event about one that is not valid.
    complaint: Option<EventDraft>,
    /// The event is being emitted.
    in_flight: bool,
    /// How often in a row it was denied.
    denials: u32,
}

impl ConfigState {
    /// Starts with the defaults in force.
    pub(crate) fn new() -> Self {
        ConfigState {
            active: ActiveConfig::new(Config::default(), None),
            seen: false,
            text: ConfigText::Unread,
            valid: true,
            complaint: None,
            in_flight: false,
            denials: 0,
        }
    }

    pub(crate) fn active(&self) -> &ActiveConfig {
        &self.active
    }

    /// See [`ActiveConfig::renew`].
    pub(crate) fn renew(&mut self) {
        self.active.renew();
    }

    /// Returns whether a configuration was read, valid or not.
    pub(crate) fn seen(&self) -> bool {
        self.seen
    }

    /// Returns whether the text that was read last is valid. `None` if none was read.
    pub(crate) fn valid(&self) -> Option<bool> {
        self.seen.then_some(self.valid)
    }

    /// GitHub, as the configuration in force has it.
    pub(crate) fn github(&self) -> Option<Github> {
        self.active.config().github.clone()
    }

    /// Takes a configuration into force, if it is valid. The same text as before changes nothing. `version`: that of the
    /// ConfigMap it comes from, about which an event is due if it is not valid.
    pub(crate) fn apply(
        &mut self,
        text: ConfigText,
        version: Option<&str>,
        namespace: &str,
        now: Timestamp,
    ) -> Applied {
        if self.text == text {
            return Applied::Unchanged;
        }
        self.text = text;
        let parsed = match &self.text {
            ConfigText::Text(text) => Config::parse(text).map_err(|problem| problem.to_string()),
            ConfigText::KeyMissing | ConfigText::Unread => Err(format!(
                "key {CONFIG_KEY} is missing; write the configuration there, or nothing for the defaults"
            )),
        };
        let problem = match parsed {
            Ok(config) => {
                self.seen = true;
                self.valid = true;
                self.complaint = None;
                if *self.active.config() == config && !self.active.settings().unknown {
                    return Applied::Unchanged;
                }
                self.active = ActiveConfig::new(config, Some(&self.active));
                return Applied::Valid;
            }
            Err(problem) => problem,
        };
        let kept = if self.seen && !self.active.settings().unknown {
            "the last good one stays in force"
        } else {
            // Nobody knows what was meant: better to wait than to act on what nobody wrote. Nor whether there is a forge:
            // what it would have to end is not let go.
            self.active.suspend(ForgeSettings::default());
            "until it is, nothing is started, answered or taken back"
        };
        self.seen = true;
        self.valid = false;
        self.complaint = version.map(|version| EventDraft {
            regarding: Regarding::ConfigMap { namespace: namespace.to_owned(), name: CONFIG_MAP.to_owned() },
            when: now,
            step: 0,
            seed: vec!["config".to_owned(), version.to_owned(), kept.to_owned()],
            warning: true,
            reason: "InvalidConfiguration",
            message: format!("{problem}; {kept}"),
        });
        Applied::Invalid { problem, kept }
    }

    /// Returns the event that is due, which is then under way.
    pub(crate) fn event_due(&mut self) -> Option<EventDraft> {
        let event = self.complaint.clone().filter(|_| !self.in_flight)?;
        self.in_flight = true;
        Some(event)
    }

    /// Notes what came of the event.
    pub(crate) fn event_done(&mut self, event: &EventDraft, result: Result<(), &Failure>) {
        let over = result.err().is_none_or(|failure| given_up(&mut self.denials, failure).is_some());
        if over {
            self.denials = 0;
            // There may be another complaint by now.
            self.complaint.take_if(|complaint| complaint == event);
        }
        self.in_flight = false;
    }
}
