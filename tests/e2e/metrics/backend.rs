//! The source of a case's metrics, and its faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use autopilot_stack::{
    Action, Exporter, FaultProxy, Match, Prometheus, PrometheusOptions, StubAnswer, StubPrometheus,
    StubRequest, free_port, lock,
};
use autopilot_tests::GIB;

/// A fault of the metrics.
pub(crate) enum Fault {
    /// The case's own Prometheus is killed.
    Stopped,
    /// The case's own Prometheus stands still: connections are taken and nothing is answered.
    Frozen,
    /// One of the targets of the case's own Prometheus is down.
    TargetDown,
    /// A proxy before the real Prometheus does this with every question.
    Proxied(Action),
    /// A scripted Prometheus says this to every question.
    Says(StubAnswer),
    /// The real Prometheus scrapes series that are not what they should be.
    Series(Spoilt),
}

/// A fault of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// There are none.
    Gone,
    /// Their value is NaN.
    NaN,
    /// The capacity is zero, so that the share is infinite.
    Infinite,
    /// They lack the label that says whose they are.
    Unlabelled,
    /// A second node reports the capacity, which the key does not expect.
    Doubled,
}

/// Gibibytes used and capacity, by volume.
pub(crate) type Usage = BTreeMap<String, (f64, f64)>;

enum Server {
    Own(Prometheus),
    Scraping(Prometheus),
    Proxy(FaultProxy, Action),
    Stub(StubPrometheus, StubAnswer),
    Shared(String, Spoilt),
}

/// The metrics of a case.
pub(crate) struct Backend {
    used: String,
    capacity: String,
    server: Server,
    usage: Arc<Mutex<Usage>>,
}

impl Backend {
    /// Starts what the fault needs. `origin` is the url of the real Prometheus that all share.
    pub(crate) async fn start(case: &str, fault: Fault, origin: &str, exporter: &Exporter) -> Result<Self> {
        let usage = Arc::<Mutex<Usage>>::default();
        let own = Prometheus::start(PrometheusOptions {
            targets: vec![exporter.target()],
            scrape_interval: Duration::from_secs(1),
            ..PrometheusOptions::default()
        });
        let server = match fault {
            Fault::Stopped | Fault::Frozen => Server::Own(own.await?),
            Fault::TargetDown => Server::Scraping(own.await?),
            Fault::Proxied(action) => Server::Proxy(FaultProxy::to_plain(origin)?, action),
            Fault::Says(answer) => Server::Stub(StubPrometheus::start(healthy(&usage))?, answer),
            Fault::Series(spoilt) => Server::Shared(origin.to_owned(), spoilt),
        };
        let name = case.replace('-', "_");
        Ok(Backend { used: format!("used_{name}"), capacity: format!("capacity_{name}"), server, usage })
    }

    /// Returns the key of the rules: percent used. One capacity per volume is expected.
    pub(crate) fn key(&self) -> String {
        format!("100 * ({} / on (volumename) {})", self.used, self.capacity)
    }

    /// Returns the address for the configuration.
    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Own(prometheus) | Server::Scraping(prometheus) => prometheus.url().to_owned(),
            Server::Proxy(proxy, _) => proxy.url(),
            Server::Stub(stub, _) => stub.url(),
            Server::Shared(url, _) => url.clone(),
        }
    }

    /// Returns the proxy in front of the metrics. `None` if there is none.
    pub(crate) fn proxy(&self) -> Option<&FaultProxy> {
        match &self.server {
            Server::Proxy(proxy, _) => Some(proxy),
            _ => None,
        }
    }

    /// Sets a volume's usage, in gibibytes.
    pub(crate) fn set(&self, exporter: &Exporter, volume: &str, used: f64, capacity: f64) {
        lock(&self.usage).insert(volume.to_owned(), (used, capacity));
        let labels = [("volumename", volume)];
        exporter.set_all([
            (self.used.as_str(), &labels[..], used * GIB),
            (self.capacity.as_str(), &labels[..], capacity * GIB),
        ]);
    }

    /// Begins the fault.
    pub(crate) async fn break_it(&self, exporter: &Exporter, frozen: bool) -> Result<()> {
        match &self.server {
            Server::Own(prometheus) if frozen => prometheus.freeze().await?,
            Server::Own(prometheus) => prometheus.stop().await,
            Server::Scraping(prometheus) => {
                let nobody = format!("127.0.0.1:{}", free_port()?);
                prometheus.set_targets(&[exporter.target(), nobody]).await?;
            }
            Server::Proxy(proxy, action) => {
                proxy.rule(Match::any(), action.clone());
            }
            Server::Stub(stub, answer) => {
                let answer = answer.clone();
                stub.set(move |_| answer.clone());
            }
            Server::Shared(_, spoilt) => self.spoil(exporter, *spoilt),
        }
        Ok(())
    }

    fn spoil(&self, exporter: &Exporter, spoilt: Spoilt) {
        for volume in lock(&self.usage).keys() {
            let labels = [("volumename", volume.as_str())];
            let other = [("volumename", volume.as_str()), ("node", "b")];
            match spoilt {
                Spoilt::Gone => {
                    exporter.remove(&self.used, &labels);
                    exporter.remove(&self.capacity, &labels);
                }
                Spoilt::NaN => exporter.set(&self.used, &labels, f64::NAN),
                Spoilt::Infinite => exporter.set(&self.capacity, &labels, 0.0),
                Spoilt::Unlabelled => {
                    exporter.remove(&self.used, &labels);
                    exporter.remove(&self.capacity, &labels);
                    exporter.set(&self.used, &[], 9.0 * GIB);
                    exporter.set(&self.capacity, &[], 10.0 * GIB);
                }
                Spoilt::Doubled => exporter.set(&self.capacity, &other, 10.0 * GIB),
            }
        }
    }

    /// Ends the fault.
    pub(crate) async fn mend(&self, exporter: &Exporter, frozen: bool) -> Result<()> {
        match &self.server {
            Server::Own(prometheus) if frozen => prometheus.thaw().await?,
            Server::Own(prometheus) => prometheus.restart().await?,
            Server::Scraping(prometheus) => prometheus.set_targets(&[exporter.target()]).await?,
            Server::Proxy(proxy, _) => proxy.clear_rules(),
            Server::Stub(stub, _) => stub.set(healthy(&self.usage)),
            Server::Shared(..) => {
                exporter.remove(&self.used, &[]);
                exporter.remove(&self.capacity, &[]);
                for volume in lock(&self.usage).keys() {
                    exporter.remove(&self.capacity, &[("volumename", volume), ("node", "b")]);
                }
            }
        }
        let usage = lock(&self.usage).clone();
        for (volume, (used, capacity)) in usage {
            self.set(exporter, &volume, used, capacity);
        }
        Ok(())
    }
}

/// Answers the three queries about a key as Prometheus would: how many, who has data, who is over 50.
pub(crate) fn healthy(
    usage: &Arc<Mutex<Usage>>,
) -> impl Fn(&StubRequest) -> StubAnswer + Send + Sync + 'static {
    let usage = Arc::clone(usage);
    move |request| {
        let usage = lock(&usage).clone();
        let query = request.query();
        if query.starts_with("count(") {
            #[expect(clippy::cast_precision_loss, reason = "a handful of volumes")]
            return StubAnswer::vector(&[(&[], usage.len() as f64)]);
        }
        let matching = query.ends_with("> 50");
        let percent = |(used, capacity): &(f64, f64)| 100.0 * used / capacity;
        let labels: Vec<_> = usage
            .iter()
            .filter(|(_, values)| !matching || percent(values) > 50.0)
            .map(|(volume, values)| ([("volumename", volume.as_str())], percent(values)))
            .collect();
        let samples: Vec<(&[(&str, &str)], f64)> = labels.iter().map(|(l, v)| (&l[..], *v)).collect();
        StubAnswer::vector(&samples)
    }
}
