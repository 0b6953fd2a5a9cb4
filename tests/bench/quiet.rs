//! Rows 1, 2, 3 and 7: the controller among stubs, when nothing new happens.
//!
//! One percent of the PVCs is above the threshold of every rule. The rules' `for` is a year, so these stay Triggered,
//! each with its journal: of all states in which nothing is to be done it is the one that the engine looks at most, since
//! any pass could be the one that proposes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_stack::{Controller, ControllerCommand, TempDir};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::api::ApiStub;
use super::fleet::{Fleet, INTERVAL};
use super::progress::progress;
use super::prometheus::{Asked, PrometheusStub};
use super::usage;
use crate::table::{Row, percentile};

/// The longest time until the controller has seen everything and written what it has to say about it.
const SETTLE: Duration = Duration::from_secs(15 * 60);
/// The intervals without a write that count as quiet.
const CALM: u64 = 3;
/// Passes that are measured.
const PASSES: u64 = 8;
/// The variable of a person who wants the ten minutes of the target.
const FULL: &str = "BENCH_FULL";

/// The figures of one run.
#[derive(Clone, Debug)]
struct Figures {
    /// CPU time of the measured passes, in milliseconds.
    cpu: Vec<f64>,
    /// Resident bytes at the end.
    memory: u64,
    /// The most that ever were.
    peak: u64,
    /// The queries of the first pass.
    first: Asked,
    /// The queries of the measured passes.
    steady: Vec<Asked>,
    /// Writes while it was measured, and the last of them.
    writes: usize,
    written: Vec<String>,
    /// The time that was measured.
    window: Duration,
    /// Until it was quiet.
    settled: Duration,
}

/// Runs of the fleets, each done once for all rows that need it.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    done: BTreeMap<(Fleet, u64), Figures>,
}

impl Quiet {
    async fn run(&mut self, claims: usize, rules: usize, passes: u64) -> Result<Figures> {
        let fleet = Fleet { claims, rules };
        if let Some(figures) = self.done.get(&(fleet, passes)) {
            return Ok(figures.clone());
        }
        let what = format!("{claims} PVCs, {rules} rules");
        progress(&format!("{what}: starts"));
        let figures = run(fleet, passes).await.with_context(|| what.clone())?;
        progress(&format!(
            "{what}: quiet after {:.0} s; CPU a pass {:.1?} ms; {:.1} MB, at most {:.1} MB; first pass {:?}",
            figures.settled.as_secs_f64(),
            figures.cpu,
            megabytes(figures.memory),
            megabytes(figures.peak),
            figures.first,
        ));
        self.done.insert((fleet, passes), figures.clone());
        Ok(figures)
    }

    /// Measures row 1.
    pub(crate) async fn cpu(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (claims, target) in [(10_000, 50.0), (100_000, 300.0)] {
            let row = match self.run(claims, 100, PASSES).await {
                Ok(figures) => cpu_row(claims, target, &figures),
                Err(error) => Row::failed(1, &error),
            };
            rows.push(row);
        }
        Ok(rows)
    }

    /// Measures row 2.
    pub(crate) async fn memory(&mut self) -> Result<Vec<Row>> {
        let small = self.run(10_000, 1, PASSES).await?;
        let large = self.run(100_000, 1, PASSES).await?;
        let row = |what: &str, figure: String, target: &str, met: bool| Row {
            number: 2,
            what: what.to_owned(),
            figure,
            target: target.to_owned(),
            met,
            note: format!(
                "resident set of the process after {PASSES} quiet passes with one rule, as in the comparison; before \
                 that, while it started, {:.1} MB at 10k and {:.1} MB at 100k at most.",
                megabytes(small.peak),
                megabytes(large.peak)
            ),
        };
        #[expect(clippy::cast_precision_loss, reason = "a few million bytes")]
        let each = (large.memory as f64 - small.memory as f64) / 90_000.0;
        let whole = |figures: &Figures| format!("{:.1} MB", megabytes(figures.memory));
        Ok(vec![
            row("memory per PVC, marginal, at 100k", format!("{each:.0} B"), "<= 300 B", each <= 300.0),
            row(
                "memory of the process, 10k PVCs",
                whole(&small),
                "<= 30 MB",
                megabytes(small.memory) <= 30.0,
            ),
            row(
                "memory of the process, 100k PVCs",
                whole(&large),
                "<= 80 MB",
                megabytes(large.memory) <= 80.0,
            ),
        ])
    }

    /// Measures row 3.
    pub(crate) async fn bytes(&mut self) -> Result<Vec<Row>> {
        let figures = self.run(10_000, 1, PASSES).await?;
        ensure!(!figures.steady.is_empty(), "no pass was seen");
        let kilobytes = |bytes: usize| bytes.div_ceil(1000);
        let all: usize = figures.steady.iter().map(|asked| asked.bytes).sum();
        let each = all / figures.steady.len();
        Ok(vec![Row {
            number: 3,
            what: "bytes from Prometheus a pass, 10k PVCs, 1 % hits".to_owned(),
            figure: format!("{} kB", kilobytes(each)),
            target: "<= 200 kB unpacked".to_owned(),
            met: each <= 200_000,
            note: format!(
                "mean of {} passes of one rule; the first pass, which also asks who has data at all (again every ten \
                 minutes and when the number of series changes), took {} kB.",
                figures.steady.len(),
                kilobytes(figures.first.bytes),
            ),
        }])
    }

    /// Measures row 7.
    pub(crate) async fn writes(&mut self) -> Result<Vec<Row>> {
        let full = std::env::var_os(FULL).is_some_and(|value| !value.is_empty() && value != "0");
        let passes = if full { 600 } else { 60 } / INTERVAL;
        let figures = self.run(10_000, 10, passes).await?;
        let seconds = figures.window.as_secs();
        Ok(vec![Row {
            number: 7,
            what: format!("API writes in {seconds} quiet seconds (lease aside)"),
            figure: figures.writes.to_string(),
            target: "0".to_owned(),
            met: figures.writes == 0,
            note: format!(
                "10k PVCs, 10 rules, 1 % Triggered; {}{}",
                if full { "the whole ten minutes." } else { "BENCH_FULL=1 measures ten minutes." },
                match figures.written.as_slice() {
                    _ if figures.writes == 0 => String::new(),
                    written => format!(" The last writes: {}", written.join(", ")),
                }
            ),
        }])
    }
}

fn cpu_row(claims: usize, target: f64, figures: &Figures) -> Row {
    let mut sorted = figures.cpu.clone();
    sorted.sort_by(f64::total_cmp);
    let (low, median, high) = (percentile(&sorted, 0.0), percentile(&sorted, 0.5), percentile(&sorted, 1.0));
    Row {
        number: 1,
        what: format!("CPU of one pass, {}k PVCs x 100 rules, 1 % hits", claims / 1000),
        figure: format!("{median:.0} ms ({low:.0} to {high:.0})"),
        target: format!("<= {target:.0} ms"),
        met: median <= target,
        note: format!(
            "median (least to most) of {PASSES} intervals of {INTERVAL} s: all threads, all that the process does in \
             that time; 1 % of the PVCs is Triggered under every rule ('for' is a year), with a journal each."
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "to show")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

async fn run(fleet: Fleet, passes: u64) -> Result<Figures> {
    let metrics = PrometheusStub::start(fleet)?;
    let api = ApiStub::start(fleet)?;
    let dir = TempDir::new("bench")?;
    let controller = start(&dir, &api.url(), &metrics.url())?;
    let measured = measure(fleet, passes, &api, &metrics, &controller).await;
    if let Some(hook) = std::env::var_os("BENCH_KEEP_LOG") {
        let _ = std::fs::copy(controller.process().log_path(), hook);
    }
    measured.with_context(|| format!("the controller's log ends:\n{}", controller.tail(8)))
}

/// Starts the release controller between the two stubs.
fn start(dir: &TempDir, api: &str, metrics: &str) -> Result<Controller> {
    let kubeconfig = dir.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "stub",
        "clusters": [{ "name": "stub", "cluster": { "server": api } }],
        "users": [{ "name": "stub", "user": {} }],
        "contexts": [{ "name": "stub", "context": { "cluster": "stub", "user": "stub" } }],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    let settings = dir.join("config.yaml");
    std::fs::write(
        &settings,
        format!("providers:\n- name: default\n  type: prometheus\n  params: url={metrics}\n"),
    )?;
    let args = ["--metrics-addr", "127.0.0.1:0", "--config", &settings.to_string_lossy()].map(str::to_owned);
    Controller::start(ControllerCommand::new(args)?.env("KUBECONFIG", kubeconfig))
}

async fn measure(
    fleet: Fleet,
    passes: u64,
    api: &ApiStub,
    metrics: &PrometheusStub,
    controller: &Controller,
) -> Result<Figures> {
    let pid = controller.process().pid();
    let settled = settle(fleet, api, metrics, controller).await?;
    let mut cpu = Vec::new();
    let writes = api.writes();
    let asked = metrics.passes().len();
    let began = Instant::now();
    before_next_pass().await;
    let mut before = usage::cpu(pid)?;
    for _ in 0..passes {
        before_next_pass().await;
        let now = usage::cpu(pid)?;
        cpu.push(now.saturating_sub(before).as_secs_f64() * 1000.0);
        before = now;
    }
    let all = metrics.passes();
    let steady = all.get(asked..).unwrap_or_default().to_vec();
    // Each pass must have been one, with all rules: else the CPU time is that of something else.
    let whole = steady.iter().filter(|asked| asked.queries >= fleet.rules).count() as u64;
    ensure!(whole >= passes, "only {whole} whole passes in {passes} intervals: {steady:?}");
    Ok(Figures {
        cpu,
        memory: usage::memory(pid)?,
        peak: usage::peak_memory(pid)?,
        first: all.first().copied().unwrap_or_default(),
        steady,
        writes: api.writes() - writes,
        written: api.last_writes(),
        window: began.elapsed(),
        settled,
    })
}

/// Waits until everything above the threshold has its journal and nothing was written for some intervals.
async fn settle(
    fleet: Fleet,
    api: &ApiStub,
    metrics: &PrometheusStub,
    controller: &Controller,
) -> Result<Duration> {
    let began = Instant::now();
    let expected = fleet.hits() * fleet.rules;
    let (mut writes, mut passes, mut since) = (0, 0, Instant::now());
    let mut told = Instant::now();
    loop {
        sleep(Duration::from_millis(200)).await;
        if !controller.is_running()? {
            bail!("the controller ended");
        }
        if let Some(unknown) = api.unknown() {
            bail!("the stub of the API does not know {unknown}");
        }
        if api.writes() != writes {
            (writes, passes, since) = (api.writes(), metrics.passes().len(), Instant::now());
        }
        let calm = since.elapsed() >= Duration::from_secs(CALM * INTERVAL) && metrics.passes().len() > passes;
        if calm && api.objects("autopilotruleobjects") >= expected {
            return Ok(since.duration_since(began));
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let journals = api.objects("autopilotruleobjects");
            progress(&format!(
                "{journals} of {expected} journals, {writes} writes, the last {:?}",
                api.last_writes().last()
            ));
        }
        if began.elapsed() > SETTLE {
            bail!(
                "not quiet after {} s: {} of {expected} journals, {writes} writes, the last {:?}",
                SETTLE.as_secs(),
                api.objects("autopilotruleobjects"),
                api.last_writes()
            );
        }
    }
}

/// Waits for the moment before the next pass. Passes begin at whole intervals since the epoch, and the last one is long
/// over.
async fn before_next_pass() {
    const BEFORE: u128 = 250;
    let interval = u128::from(INTERVAL) * 1000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let rest = interval - (now + BEFORE) % interval;
    // Called just behind that moment, it is the next one that is meant.
    let rest = if rest < 20 { rest + interval } else { rest };
    sleep(Duration::from_millis(u64::try_from(rest).unwrap_or_default())).await;
}
