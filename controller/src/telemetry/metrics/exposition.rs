//! The figures as metric families, in the order in which they appear in the text.

use std::fmt;

use autopilot_shared::RuleState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;

use super::figures::{Figures, Shared, count};

/// Writes the shared figures at each scrape.
#[derive(Debug)]
pub(crate) struct Exposition(Shared);

impl Exposition {
    pub(crate) fn new(figures: Shared) -> Exposition {
        Exposition(figures)
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.0.lock();
        let mut page = Page(encoder);
        page.original(&figures)?;
        page.ours(&figures)
    }
}

/// Labels of one series.
type SeriesLabels<'a, const N: usize> = [(&'static str, &'a str); N];

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// The names of Portworx Autopilot: its dashboard and alert rules ask for them.
    fn original(&mut self, figures: &Figures) -> fmt::Result {
        self.gauge("autopilot_rules_in_system", "AutopilotRules in the cluster.", figures.rules_in_system)?;
        self.gauges(
            "autopilot_objects_total",
            "Objects that a rule matches.",
            figures.rules.iter().map(|(rule, row)| ([("rule_name", rule.as_str())], row.objects)),
        )?;
        self.gauges(
            "autopilot_objects_with_rules_total",
            "Objects that any rule covers.",
            figures.covered.iter().map(|(kind, objects)| ([("object_type", kind.as_str())], *objects)),
        )?;
        self.gauges(
            "autopilot_rule_state_total",
            "Objects of a rule in a state.",
            figures.rules.iter().flat_map(|(rule, row)| {
                RuleState::ALL.into_iter().map(move |state| {
                    let labels = [
                        ("action", row.action.as_str()),
                        ("state", state.as_str()),
                        ("rule_name", rule.as_str()),
                    ];
                    (labels, row.states.get(&state).copied().unwrap_or(0))
                })
            }),
        )?;
        let durations = || {
            figures.durations.iter().map(|((rule, action), (seconds, number))| {
                ([("action", action.as_str()), ("rule_name", rule.as_str())], *seconds, *number)
            })
        };
        // A histogram would add `_bucket` series, and the library has no summary: two families, of unknown
        // type.
        self.values(
            "autopilot_action_duration_sum",
            "Seconds that actions took, in total.",
            MetricType::Unknown,
            durations().map(|(labels, seconds, _)| (labels, seconds)),
        )?;
        self.values(
            "autopilot_action_duration_count",
            "Actions whose duration is in autopilot_action_duration_sum.",
            MetricType::Unknown,
            durations().map(|(labels, _, number)| (labels, number)),
        )?;
        self.counters(
            "autopilot_action_failed",
            "Actions that failed or were declined, by object.",
            figures.failures.iter().map(|((action, object, failure), number)| {
                let labels =
                    [("action", action.as_str()), ("object", object.as_str()), ("state", failure.as_str())];
                (labels, *number)
            }),
        )?;
        self.values(
            "autopilot_action_failed_count",
            "Actions that failed or were declined (the name that the shipped alert rules use).",
            MetricType::Unknown,
            [([("state", "failed")], figures.failed), ([("state", "declined")], figures.declined)]
                .into_iter(),
        )?;
        self.counters(
            "autopilot_action_taken",
            "Actions taken.",
            figures.taken.iter().map(|(rule, number)| ([("rule_name", rule.as_str())], *number)),
        )
    }

    fn ours(&mut self, figures: &Figures) -> fmt::Result {
        self.counters(
            "autopilot_queries",
            "Queries asked of a metrics provider.",
            figures.queries.iter().map(|((provider, outcome), number)| {
                ([("provider", provider.as_str()), ("outcome", *outcome)], *number)
            }),
        )?;
        let mut family = self.0.encode_descriptor(
            "autopilot_query_seconds",
            "Time until a query was answered in full.",
            None,
            MetricType::Histogram,
        )?;
        for (provider, histogram) in &figures.query_seconds {
            let labels: SeriesLabels<'_, 1> = [("provider", provider)];
            histogram.encode(family.encode_family(&labels)?)?;
        }
        self.counters(
            "autopilot_query_answer_bytes",
            "Bytes of the answers to queries, unpacked.",
            figures.answer_bytes.iter().map(|(provider, bytes)| ([("provider", provider.as_str())], *bytes)),
        )?;
        self.gauges(
            "autopilot_no_data_objects",
            "Objects of a rule for which there is no data at present.",
            figures.no_data.iter().map(|(rule, objects)| ([("rule_name", rule.as_str())], *objects)),
        )?;
        self.counters(
            "autopilot_api_writes",
            "Writes to the Kubernetes API, the lease aside.",
            figures.writes.iter().map(|((kind, verb, outcome), number)| {
                ([("kind", *kind), ("verb", *verb), ("outcome", *outcome)], *number)
            }),
        )?;
        self.gauge("autopilot_effects_in_flight", "Effects begun and not finished.", figures.in_flight)?;
        self.gauge(
            "autopilot_leader",
            "1 when this controller is the one that works.",
            figures.leader.into(),
        )?;
        self.gauge(
            "autopilot_config_valid",
            "1 when the configuration read last is valid; if 0, the last valid one is at work.",
            figures.config_valid.into(),
        )?;
        if let Some(forge) = figures.forge {
            self.gauge(
                "autopilot_pull_requests_open",
                "Our pull requests that are open.",
                count(forge.open),
            )?;
            self.gauge(
                "autopilot_pull_requests_waiting",
                "Approvals that want a pull request and have none.",
                count(forge.waiting),
            )?;
            if let Some((left, limit)) = forge.budget {
                let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
                self.gauge(
                    "autopilot_forge_requests_left",
                    "Requests left until the forge's limit is reset.",
                    count(left),
                )?;
                self.gauge(
                    "autopilot_forge_requests_limit",
                    "Requests that the forge allows in an hour.",
                    count(limit),
                )?;
            }
        }
        self.counters(
            "autopilot_watch_errors",
            "Watches on a kind that failed and were started again.",
            figures.watch_errors.iter().map(|(kind, number)| ([("kind", *kind)], *number)),
        )?;
        if let Some(passes) = &figures.passes {
            let family = self.0.encode_descriptor(
                "autopilot_pass_seconds",
                "Time of one pass over the metrics, from the first question to the last answer.",
                None,
                MetricType::Histogram,
            )?;
            passes.encode(family)?;
        }
        self.gauges(
            "autopilot_build_info",
            "Always 1; the version that runs.",
            [([("version", env!("CARGO_PKG_VERSION"))], 1)].into_iter(),
        )
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<'b, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = (SeriesLabels<'b, N>, i64)>,
    ) -> fmt::Result {
        self.values(name, help, MetricType::Gauge, series)
    }

    /// Series under exactly this name, whatever its ending.
    fn values<'b, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        series: impl Iterator<Item = (SeriesLabels<'b, N>, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Series under the name and `_total`, which the library appends to every counter.
    fn counters<'b, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = (SeriesLabels<'b, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_counter::<SeriesLabels<'b, N>, u64, f64>(&value, None)?;
        }
        Ok(())
    }
}
