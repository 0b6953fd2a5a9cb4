//! Every view and dialog, by name.

use autopilot_tui::config::Settings;
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::Trouble;
use autopilot_tui::decision::{Ending, Written};
use autopilot_tui::message::Yaml;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::text::Safe;
use crossterm::event::KeyCode;
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json};

/// A scene: its name, and how it comes about.
pub(crate) type Scene = (&'static str, fn(Settings, (u16, u16)) -> Stage);

fn with(settings: Settings, size: (u16, u16), play: impl FnOnce(&mut Stage)) -> Stage {
    let mut stage = Stage::busy(settings, size);
    play(&mut stage);
    stage.settle();
    stage
}

/// All of them.
pub(crate) const SCENES: &[Scene] = &[
    ("approvals", |s, z| with(s, z, |_| {})),
    ("approvals-empty", Stage::calm),
    ("events", |s, z| with(s, z, |t| t.keys("2"))),
    ("objects", |s, z| with(s, z, |t| t.keys("3"))),
    ("rules", |s, z| with(s, z, |t| t.keys("4"))),
    ("approval", |s, z| with(s, z, |t| t.press(KeyCode::Enter))),
    ("event", |s, z| {
        with(s, z, |t| {
            t.keys("2");
            t.press(KeyCode::Enter);
        })
    }),
    ("object", |s, z| {
        with(s, z, |t| {
            t.keys("3");
            t.press(KeyCode::Enter);
        })
    }),
    ("rule", |s, z| with(s, z, |t| t.keys("r"))),
    ("yaml", |s, z| {
        with(s, z, |t| {
            t.keys("y");
            let text = "apiVersion: autopilot.libopenstorage.org/v1alpha1\nkind: ActionApproval\nspec:\n  approvalState: pending\n";
            let of = autopilot_tui::rows::Subject::Approval("uid-2".into());
            t.msg(Msg::Yaml(of, Yaml::Lines(Safe::lines(text))));
        })
    }),
    ("related", |s, z| with(s, z, |t| t.keys("re"))),
    ("approve", |s, z| {
        with(s, z, |t| {
            t.keys("a");
            t.wait(400);
        })
    }),
    ("approve-bulk", |s, z| {
        with(s, z, |t| {
            t.keys("  a");
            t.wait(400);
            t.keys("2");
        })
    }),
    ("decline-bulk-production", |s, z| {
        with(s, z, |t| {
            t.model.cluster.production = true;
            t.keys("*x");
            t.wait(400);
            t.press(KeyCode::PageDown);
        })
    }),
    ("approve-production", |s, z| {
        with(s, z, |t| {
            t.model.cluster.production = true;
            t.keys("a");
            t.wait(400);
        })
    }),
    ("approve-stale", |s, z| {
        with(s, z, |t| {
            t.feed(ClusterEvent::Trouble(Trouble::Silent, Safe::own("Connection refused (os error 111)")));
            t.wait(41_000);
            t.keys("a");
            t.wait(400);
        })
    }),
    ("decline", |s, z| {
        with(s, z, |t| {
            t.keys("x");
            t.wait(400);
            t.keys("the cleanup job runs at six");
        })
    }),
    ("delete", |s, z| {
        with(s, z, |t| {
            t.keys("D");
            t.wait(400);
            t.keys("volume-res");
        })
    }),
    ("approve-merged", |s, z| {
        with(s, z, |t| {
            let mut json = approval_json(2, "payments", "ledger-data-ledger-0", "97.25", 47);
            json["status"]["pullRequest"] = json!({ "number": 482, "url": "https://github.com/example/gitops/pull/482", "state": "merged" });
            t.feed(ClusterEvent::Approvals(vec![approval(json)]));
            t.keys("a");
            t.wait(400);
        })
    }),
    ("held", |s, z| {
        with(s, z, |t| {
            t.keys("a");
            t.wait(400);
            t.keys("y");
            t.wait(1500);
        })
    }),
    ("leave", |s, z| {
        with(s, z, |t| {
            t.keys("a");
            t.wait(400);
            t.keys("yq");
        })
    }),
    ("held-and-asked", |s, z| {
        with(s, z, |t| {
            for _ in 0..4 {
                t.keys("a");
                t.wait(400);
                t.keys("yj");
            }
            t.keys("GD");
            t.wait(400);
        })
    }),
    ("leave-sending", |s, z| {
        with(s, z, |t| {
            t.keys("a");
            t.wait(400);
            t.keys("y");
            t.wait(5100);
            t.keys("q");
        })
    }),
    ("withdrawn", |s, z| {
        with(s, z, |t| {
            t.keys("x");
            t.wait(400);
            t.keys("it was ");
            t.feed(ClusterEvent::Gone(KindName::Approvals, "uid-2".into()));
            t.keys("already done");
            t.wait(400);
        })
    }),
    ("filter", |s, z| with(s, z, |t| t.keys("/ns=p* usage>60"))),
    ("selected-gone", |s, z| with(s, z, |t| t.feed(ClusterEvent::Gone(KindName::Approvals, "uid-2".into())))),
    ("not-done", |s, z| {
        with(s, z, |t| {
            t.keys("  a");
            t.wait(400);
            t.keys("2");
            t.press(KeyCode::BackTab);
            t.press(KeyCode::Enter);
            t.wait(5100);
            let sending = t.model.sending.clone();
            for (sending, ending) in sending.into_iter().zip([
                Ending::Changed(Safe::own("its proposal changed")),
                Ending::Unknown(Safe::own("the server does not answer")),
            ]) {
                let written = Written { at: t.now.wall, write: sending.write, ending };
                t.msg(Msg::Sent(Box::new(written)));
            }
        })
    }),
    ("decisions", |s, z| {
        with(s, z, |t| {
            t.keys("x");
            t.wait(400);
            t.keys("the cleanup job runs at six");
            t.press(KeyCode::BackTab);
            t.press(KeyCode::Enter);
            t.wait(5100);
            for sending in t.model.sending.clone() {
                let written = Written { at: t.now.wall, write: sending.write, ending: Ending::Done };
                t.msg(Msg::Sent(Box::new(written)));
            }
            t.keys("w");
        })
    }),
    ("filter-wrong", |s, z| with(s, z, |t| t.keys("/colour=red"))),
    ("palette", |s, z| with(s, z, |t| t.keys(":pull"))),
    ("sort", |s, z| with(s, z, |t| t.keys(":sort w"))),
    ("context", |s, z| {
        with(s, z, |t| {
            t.model.contexts = ["prod-eu", "staging"].map(Safe::from).to_vec();
            t.keys("C");
        })
    }),
    ("namespace", |s, z| with(s, z, |t| t.keys("n"))),
    ("help", |s, z| with(s, z, |t| t.keys("?"))),
    ("marked", |s, z| with(s, z, |t| t.keys("  "))),
    ("read-only", |s, z| {
        with(s, z, |t| {
            t.model.read_only = true;
            t.keys("a");
        })
    }),
    ("stale", |s, z| {
        with(s, z, |t| {
            t.feed(ClusterEvent::Trouble(
                Trouble::Silent,
                Safe::own("the server accepts connections and does not answer"),
            ));
            t.wait(41_000);
        })
    }),
    ("connecting", |s, z| {
        let mut stage = Stage::empty(s, z);
        stage.wait(7000);
        stage
    }),
    ("denied", |s, z| {
        let mut stage = Stage::empty(s, z);
        stage.feed(ClusterEvent::Contact);
        let text = "actionapprovals is forbidden: User \"maria\" cannot list resource at the cluster scope";
        stage.feed(ClusterEvent::Denied(KindName::Approvals, Trouble::Forbidden, Safe::new(text)));
        stage
    }),
    ("events-denied", |s, z| {
        with(s, z, |t| {
            let text =
                "events is forbidden: User \"maria\" cannot list resource in the namespace \"default\"";
            t.feed(ClusterEvent::Denied(KindName::Events, Trouble::Forbidden, Safe::new(text)));
            t.wait(120_000);
            t.keys("2");
        })
    }),
    ("no-kinds", |s, z| {
        let mut stage = Stage::empty(s, z);
        stage.feed(ClusterEvent::Contact);
        let text = Safe::own("the server could not find the requested resource");
        stage.feed(ClusterEvent::Denied(KindName::Approvals, Trouble::NoKinds, text));
        stage.wait(120_000);
        stage
    }),
    ("no-cluster", |s, z| {
        let mut stage = Stage::empty(s, z);
        stage.feed(ClusterEvent::Trouble(
            Trouble::NoCluster,
            Safe::own("the kubeconfig has no current context"),
        ));
        stage
    }),
    ("altered", |s, z| {
        with(s, z, |t| {
            let mut json = approval_json(9, "shop", "data-\u{202e}tsop\u{2066}", "99", 1);
            json["status"]["pullRequest"] =
                json!({ "number": 7, "url": "https://evil.example\u{1b}]0;x\u{7}/", "state": "open" });
            t.feed(ClusterEvent::Approvals(vec![approval(json)]));
        })
    }),
];
