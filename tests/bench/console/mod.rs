//! Rows 11 to 18: the release console in a terminal, on a real API server with ten thousand approvals.
//!
//! The peers' figures were taken in the same way, on two cores that the servers share with what is measured.

mod inside;
mod seed;
mod timed_console;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::{Cluster, ClusterOptions, FaultProxy};
use autopilot_tests::install;
use futures::{AsyncBufReadExt as _, StreamExt as _};
use kube::Client;
use tokio::time::sleep;

pub(crate) use inside::{frame_and_filter, program};
use seed::{APPROVALS, EVENTS, Updates};
use timed_console::TimedConsole;

use crate::progress::progress;
use crate::table::{Row, p50_p99};
use crate::usage;

/// The time for which a console at rest is looked at.
const MINUTE: Duration = Duration::from_secs(60);
/// The time for which changes are looked at, after some seconds in which they get going.
const STORM: Duration = Duration::from_secs(30);
const WARM: Duration = Duration::from_secs(5);
/// Keys for a percentile.
const KEYS: usize = 300;
/// Filters for a median.
const FILTERS: usize = 21;
/// Changes a second.
const FEW: u32 = 100;
const MANY: u32 = 300;

/// The cluster, made once for all rows.
#[derive(Default)]
pub(crate) struct Consoles {
    site: Option<ConsoleSite>,
}

struct ConsoleSite {
    client: Client,
    cluster: Cluster,
    events: bool,
}

impl Consoles {
    async fn site(&mut self) -> Result<&mut ConsoleSite> {
        if self.site.is_none() {
            let options = ClusterOptions::without_binder();
            let cluster = Cluster::start(options).await?;
            install::crds(&cluster).await?;
            let client = cluster.admin_client().await?;
            let began = Instant::now();
            seed::approvals(&cluster, &client).await?;
            progress(&format!("{APPROVALS} approvals made in {:.0} s", began.elapsed().as_secs_f64()));
            // The server has still to compact and to collect what it made.
            sleep(WARM).await;
            self.site = Some(ConsoleSite { client, cluster, events: false });
        }
        self.site.as_mut().context("no cluster")
    }

    /// Measures row 11.
    pub(crate) async fn start(&mut self) -> Result<Vec<Row>> {
        const TIMES: usize = 7;
        let site = self.site().await?;
        let (mut first, mut all, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let mut console = site.console()?;
            let began = console.started();
            let shown = console.until("row", |screen| screen.contents().contains("data-postgres-"))?;
            first.push(shown.duration_since(began).as_secs_f64());
            all.push(whole(&mut console)?.duration_since(began).as_secs_f64());
            cpu.push(usage::cpu(console.pid())?.as_secs_f64());
        }
        // The same objects in one piece, of which nobody makes anything: what the server alone takes.
        let began = Instant::now();
        let path = "/apis/autopilot.libopenstorage.org/v1alpha1/actionapprovals?resourceVersion=0";
        let list = site.client.request_text(http::Request::get(path).body(Vec::new())?).await?;
        let plain = format!(
            "A plain list of {:.1} MB, read and dropped, took {:.2} s; as the beginning of a watch, {:.2} s. CPU of the console: {:.2} s.",
            list.len() as f64 / 1e6,
            began.elapsed().as_secs_f64(),
            site.watch_list().await?.as_secs_f64(),
            p50_p99(cpu).0,
        );
        let row = |what: &str, values: Vec<f64>, limit: f64| {
            let (median, worst) = p50_p99(values);
            Row {
                number: 11,
                what: what.to_owned(),
                figure: format!("p50 {median:.3} s, worst {worst:.3} s"),
                target: format!("<= {limit} s"),
                met: median <= limit,
                note: format!("{TIMES} starts; the median counts. {plain} {}", load()),
            }
        };
        Ok(vec![row("console: start -> first rows", first, 0.15), row("console: start -> all 10k", all, 1.0)])
    }

    /// Measures row 16.
    pub(crate) async fn memory(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (what, limit) in [("10k approvals", 60.0), ("10k approvals, 50k events", 80.0)] {
            let site = self.site().await?;
            if limit > 60.0 {
                site.make_events().await?;
            }
            let mut console = site.console()?;
            whole(&mut console)?;
            if limit > 60.0 {
                console.until("events", |screen| screen.contents().contains("2 Events 10000"))?;
            }
            sleep(MINUTE).await;
            #[expect(clippy::cast_precision_loss, reason = "some million bytes")]
            let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
            let (now, peak) = (mib(usage::memory(console.pid())?), mib(usage::peak_memory(console.pid())?));
            rows.push(Row {
                number: 16,
                what: format!("console: RSS after a minute, {what}"),
                figure: format!("{now:.1} MiB (at most {peak:.1})"),
                target: format!("<= {limit:.0} MiB"),
                met: now <= limit,
                note: String::new(),
            });
        }
        Ok(rows)
    }

    /// Measures row 12: one console as it is, and one whose requests are counted.
    pub(crate) async fn rest(&mut self) -> Result<Vec<Row>> {
        let site = self.site().await?;
        let proxy = FaultProxy::to_cluster(&site.cluster)?;
        let mut counted = TimedConsole::start(&site.cluster.kubeconfig(ADMIN_TOKEN, Some(&proxy.url()))?)?;
        let mut console = site.console()?;
        whole(&mut counted)?;
        whole(&mut console)?;
        sleep(WARM).await;
        proxy.clear_log();
        let spent = Spent::since(&mut console)?;
        sleep(MINUTE).await;
        let spent = spent.until(&mut console)?;
        let requests = proxy.requests();
        let is_watch = |path: &str| path.contains("watch=true");
        let lists = requests.iter().filter(|r| r.path.contains('?') && !is_watch(&r.path)).count();
        let probes = requests.iter().filter(|r| !r.path.contains('?')).count();
        // Rules: there are none, and so no ages.
        console.keys("4")?;
        console.until("the rules", |screen| screen.contents().contains("There are no rules"))?;
        sleep(Duration::from_secs(2)).await;
        let before = console.bytes();
        sleep(MINUTE / 3).await;
        let still = console.bytes() - before;
        let note = format!("a minute; ages up to 30 h, shown to the minute. {}", load());
        let row = |what: &str, figure: String, target: &str, met: bool| Row {
            number: 12,
            what: format!("console at rest: {what}"),
            figure,
            target: target.to_owned(),
            met,
            note: note.clone(),
        };
        Ok(vec![
            row("CPU", format!("{:.2} %", spent.cpu), "<= 0.1 %", spent.cpu <= 0.1),
            row("bytes to the terminal", format!("{:.0}/s", spent.bytes), "<= 14/s", spent.bytes <= 14.0),
            row("bytes while no shown age changes", format!("{still}"), "0", still == 0),
            row("wake-ups", format!("{:.1}/s", spent.wakes), "<= 2/s", spent.wakes <= 2.0),
            row("full lists", format!("{lists}/min"), "0", lists == 0),
            row("probes", format!("{probes}/min"), "<= 4/min", probes <= 4),
        ])
    }

    /// Measures row 13.
    pub(crate) async fn storm(&mut self) -> Result<Vec<Row>> {
        let site = self.site().await?;
        let mut console = site.console()?;
        whole(&mut console)?;
        let mut rows = Vec::new();
        for (rate, limit) in [(FEW, 5.0), (MANY, 10.0)] {
            let updates = Updates::start(&site.client, rate);
            sleep(WARM).await;
            let (spent, before, began) = (Spent::since(&mut console)?, updates.done(), Instant::now());
            sleep(STORM).await;
            let spent = spent.until(&mut console)?;
            let note =
                format!("{:.0} changes a second came about. {}", rate_of(&updates, before, began), load());
            rows.push(Row {
                number: 13,
                what: format!("console: CPU at {rate} updates/s"),
                figure: format!("{:.1} %", spent.cpu),
                target: format!("<= {limit:.0} %"),
                met: spent.cpu <= limit,
                note: note.clone(),
            });
            if rate == FEW {
                rows.push(Row {
                    number: 13,
                    what: format!("console: bytes to the terminal at {rate} updates/s"),
                    figure: format!("{:.0}/s", spent.bytes),
                    target: "follows what is visible (<= 91/s, k9s)".to_owned(),
                    met: spent.bytes <= 91.0,
                    note,
                });
            }
        }
        Ok(rows)
    }

    /// Measures row 14.
    pub(crate) async fn moves(&mut self) -> Result<Vec<Row>> {
        let site = self.site().await?;
        let mut console = site.console()?;
        whole(&mut console)?;
        let mut rows = vec![move_row(&mut console, "at rest", 2.0, String::new()).await?];
        let updates = Updates::start(&site.client, MANY);
        sleep(WARM).await;
        let (before, began) = (updates.done(), Instant::now());
        let mut row = move_row(&mut console, "at 300 updates/s", 30.0, String::new()).await?;
        row.note = format!("{:.0} changes a second came about. {}", rate_of(&updates, before, began), load());
        rows.push(row);
        Ok(rows)
    }

    /// Measures row 15.
    pub(crate) async fn filters(&mut self) -> Result<Vec<Row>> {
        let site = self.site().await?;
        let mut console = site.console()?;
        whole(&mut console)?;
        let calm = Filtered::measure(&mut console).await?;
        let updates = Updates::start(&site.client, MANY);
        sleep(WARM).await;
        let (before, began) = (updates.done(), Instant::now());
        let busy = Filtered::measure(&mut console).await?;
        let rate = rate_of(&updates, before, began);
        let row = |what: &str, values: &[f64], limit: f64, note: &str| {
            let (median, worst) = p50_p99(values.to_vec());
            Row {
                number: 15,
                what: format!("console: filter, {what}"),
                figure: format!("p50 {median:.1} ms, worst {worst:.1} ms"),
                target: format!("<= {limit:.0} ms"),
                met: median <= limit,
                note: note.to_owned(),
            }
        };
        let note = format!("{FILTERS} times; the median counts. {}", load());
        let storm = format!("{rate:.0} changes a second came about. {note}");
        Ok(vec![
            row("key -> echo", &calm.echo, 9.0, &note),
            row("13 characters -> result", &calm.result, 30.0, &note),
            row("cleared", &calm.cleared, 10.0, &note),
            row("13 characters -> result, at 300 updates/s", &busy.result, 60.0, &storm),
        ])
    }
}

impl ConsoleSite {
    fn console(&self) -> Result<TimedConsole> {
        TimedConsole::start(&self.cluster.kubeconfig(ADMIN_TOKEN, None)?)
    }

    /// Returns how long the server takes for a list at the beginning of a watch.
    async fn watch_list(&self) -> Result<Duration> {
        let began = Instant::now();
        let path = "/apis/autopilot.libopenstorage.org/v1alpha1/actionapprovals?watch=true&resourceVersion=0\
                    &resourceVersionMatch=NotOlderThan&sendInitialEvents=true&allowWatchBookmarks=true";
        let stream = self.client.request_stream(http::Request::get(path).body(Vec::new())?).await?;
        let mut lines = std::pin::pin!(stream.lines());
        while let Some(line) = lines.next().await {
            if line?.contains("initial-events-end") {
                break;
            }
        }
        Ok(began.elapsed())
    }

    async fn make_events(&mut self) -> Result<()> {
        if !self.events {
            let began = Instant::now();
            seed::events(&self.client).await?;
            progress(&format!("{EVENTS} events made in {:.0} s", began.elapsed().as_secs_f64()));
            self.events = true;
        }
        Ok(())
    }
}

/// Waits until all approvals are there. Returns when they were.
fn whole(console: &mut TimedConsole) -> Result<Instant> {
    console.until("all approvals", |screen| {
        let text = screen.contents();
        text.contains("1 Approvals 10000") && text.contains(" live") && text.contains("data-postgres-")
    })
}

fn rate_of(updates: &Updates, before: u64, began: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let made = (updates.done() - before) as f64;
    made / began.elapsed().as_secs_f64()
}

/// Returns how busy the machine is, whoever else is on it.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("Load {}.", text.split(' ').next().unwrap_or_default())
}

/// The resources that a console used since a moment; then: percent of a core, bytes and wake-ups a second.
struct Spent {
    at: Instant,
    cpu: f64,
    bytes: f64,
    wakes: f64,
}

impl Spent {
    #[expect(clippy::cast_precision_loss, reason = "some million")]
    fn since(console: &mut TimedConsole) -> Result<Spent> {
        let pid = console.pid();
        let (cpu, wakes) = (usage::cpu(pid)?.as_secs_f64(), usage::switches(pid)? as f64);
        Ok(Spent { at: Instant::now(), cpu, bytes: console.bytes() as f64, wakes })
    }

    fn until(self, console: &mut TimedConsole) -> Result<Spent> {
        let now = Spent::since(console)?;
        let seconds = now.at.duration_since(self.at).as_secs_f64();
        Ok(Spent {
            at: now.at,
            cpu: (now.cpu - self.cpu) / seconds * 100.0,
            bytes: (now.bytes - self.bytes) / seconds,
            wakes: (now.wakes - self.wakes) / seconds,
        })
    }
}

/// Returns the line that is selected.
fn selected(screen: &vt100::Screen) -> Option<u16> {
    (2..timed_console::SIZE.rows).find(|y| screen.cell(*y, 20).is_some_and(vt100::Cell::inverse))
}

async fn move_row(console: &mut TimedConsole, when: &str, limit: f64, note: String) -> Result<Row> {
    const PAGE: usize = 30;
    let mut waits = Vec::new();
    while waits.len() < KEYS {
        let top = {
            console.keys("g")?;
            console.until("the first row", |screen| selected(screen) == Some(3))?;
            3
        };
        for n in 1..=PAGE {
            // Not in step with anything.
            sleep(Duration::from_millis(20 + (waits.len() as u64 * 37) % 41)).await;
            let wanted = top + u16::try_from(n)?;
            ensure!(selected(console.screen()) == Some(wanted - 1), "another row is selected");
            let pressed = console.keys("j")?;
            let shown = console.until("the next row", |screen| selected(screen) == Some(wanted))?;
            waits.push(shown.duration_since(pressed).as_secs_f64() * 1000.0);
        }
    }
    let (median, worst) = p50_p99(waits);
    Ok(Row {
        number: 14,
        what: format!("console: row down -> screen, {when}"),
        figure: format!("p50 {median:.1} ms, p99 {worst:.1} ms"),
        target: format!("p99 <= {limit:.0} ms"),
        met: worst <= limit,
        note,
    })
}

/// Milliseconds.
#[derive(Default)]
struct Filtered {
    echo: Vec<f64>,
    result: Vec<f64>,
    cleared: Vec<f64>,
}

impl Filtered {
    async fn measure(console: &mut TimedConsole) -> Result<Filtered> {
        let mut all = Filtered::default();
        let since = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
        for n in 0..FILTERS {
            sleep(Duration::from_millis(200 + n as u64 * 7)).await;
            console.keys("/")?;
            console.until("the filter", |screen| screen.contents().contains("filter: "))?;
            sleep(Duration::from_millis(200)).await;
            let pressed = console.keys("p")?;
            let shown = console.until("the key", |screen| screen.contents().contains("filter: p"))?;
            all.echo.push(since(pressed, shown));
            console.keys("\u{7f}")?;
            console.until("nothing typed", |screen| !screen.contents().contains("filter: p"))?;
            sleep(Duration::from_millis(200)).await;
            let typed = format!("postgres-{:04}", n * 17);
            let pressed = console.keys(&typed)?;
            let shown = console.until("the result", |screen| {
                let text = screen.contents();
                text.contains(&typed) && text.contains("10 of 10000") && text.matches("data-").count() == 10
            })?;
            all.result.push(since(pressed, shown));
            sleep(Duration::from_millis(200)).await;
            let pressed = console.keys("\u{1b}")?;
            let shown = console.until("all rows again", |screen| {
                let text = screen.contents();
                !text.contains(" of 10000") && text.matches("data-").count() > 40
            })?;
            all.cleared.push(since(pressed, shown));
        }
        Ok(all)
    }
}
