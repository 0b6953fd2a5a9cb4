//! An endpoint with the volumes' metrics, whose series the test sets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use hyper::Response;

use crate::http_server::{Server, full};
use crate::lock::lock;

/// Name and labels of a series.
type Series = (String, BTreeMap<String, String>);

/// An HTTP server at `/metrics` (any path) in Prometheus' text format.
#[derive(Debug)]
pub struct Exporter {
    server: Server,
    series: Arc<Mutex<BTreeMap<Series, f64>>>,
}

impl Exporter {
    /// Starts it, without series.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> Result<Self> {
        let series = Arc::<Mutex<BTreeMap<Series, f64>>>::default();
        let shown = Arc::clone(&series);
        let server = Server::start(move |_| {
            let text = render(&lock(&shown));
            async move {
                Ok(Response::builder()
                    .header("content-type", "text/plain; version=0.0.4")
                    .body(full(text))?)
            }
        })?;
        Ok(Self { server, series })
    }

    /// Returns `host:port`, as a scrape configuration wants it.
    #[must_use]
    pub fn target(&self) -> String {
        self.server.address().to_string()
    }

    /// Sets a series; the next scrape sees it.
    pub fn set(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        lock(&self.series).insert(key(name, labels), value);
    }

    /// Sets several series at once: a scrape sees all or none.
    pub fn set_all<'a>(&self, samples: impl IntoIterator<Item = (&'a str, &'a [(&'a str, &'a str)], f64)>) {
        let mut series = lock(&self.series);
        for (name, labels, value) in samples {
            series.insert(key(name, labels), value);
        }
    }

    /// Takes a series away; Prometheus marks it stale at the next scrape.
    pub fn remove(&self, name: &str, labels: &[(&str, &str)]) {
        lock(&self.series).remove(&key(name, labels));
    }

    /// Takes all series away.
    pub fn clear(&self) {
        lock(&self.series).clear();
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> Series {
    (
        name.to_owned(),
        labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
    )
}

fn render(series: &BTreeMap<Series, f64>) -> String {
    let mut text = String::new();
    for ((name, labels), value) in series {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("{label}=\"{value}\"")
            })
            .collect();
        // Rust writes 'inf' where the format says '+Inf'.
        let value = if value.is_infinite() {
            if *value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
        } else {
            value.to_string()
        };
        let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
    }
    text
}
