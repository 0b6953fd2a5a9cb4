//! A console's model, fed by a server.

use std::time::Duration;

use autopilot_tui::clock::Now;
use autopilot_tui::cluster::{ClusterTask, Source, Times};
use autopilot_tui::config::Settings;
use autopilot_tui::connection::ClusterLabel;
use autopilot_tui::message::Msg;
use autopilot_tui::model::Model;
use autopilot_tui::update::update;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// For everything that must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Short times, so that nobody waits for long ones.
pub(crate) fn times() -> Times {
    Times { patience: Duration::from_millis(500), page: Duration::from_secs(2), ..Times::default() }
}

pub(crate) struct Watcher {
    pub model: Model,
    pub task: ClusterTask,
    feed: mpsc::Receiver<Msg>,
    began: Instant,
}

impl Watcher {
    pub(crate) fn start(source: Source) -> Watcher {
        let (out, feed) = mpsc::channel(256);
        let model = Model::new(Settings::default(), ClusterLabel::default(), None, (120, 40));
        Watcher { model, task: ClusterTask::start(source, None, 0, out), feed, began: Instant::now() }
    }

    /// Takes what comes, until the model is so.
    pub(crate) async fn until(&mut self, what: &str, so: impl Fn(&Model) -> bool) {
        let end = Instant::now() + SOON;
        while !so(&self.model) {
            let Ok(msg) = timeout_at(end, self.feed.recv()).await else {
                panic!("not within {SOON:?}: {what}: {:?} {:?}", self.model.link, self.model.cluster)
            };
            let now = Now { mono: self.began.elapsed(), wall: jiff::Timestamp::now() };
            update(&mut self.model, now, msg.expect("the feed ended"));
        }
    }
}

/// Waits for what the server must see.
pub(crate) async fn seen(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
