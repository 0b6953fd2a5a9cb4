//! A Prometheus that knows three questions about the fleet, and counts what it answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use autopilot_stack::fetch::form_value;
use autopilot_stack::http_server::Server;
use autopilot_stack::lock;
use hyper::Request;
use hyper::body::{Bytes, Incoming};

use super::answers::{Answer, json, read, serve};
use super::fleet::Fleet;

/// The answers of one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Questions.
    pub(crate) queries: usize,
    /// Bytes of the bodies.
    pub(crate) bytes: usize,
    /// Questions for everybody who has data.
    pub(crate) scans: usize,
}

#[derive(Debug)]
struct PrometheusState {
    present: Bytes,
    count: Bytes,
    fleet: Fleet,
    /// Bodies of a pass are the same for all rules; they are made once.
    matching: Mutex<HashMap<String, Bytes>>,
    passes: Mutex<BTreeMap<String, Asked>>,
}

/// The server.
#[derive(Debug)]
pub(crate) struct PrometheusStub {
    server: Server,
    shared: Arc<PrometheusState>,
}

impl PrometheusStub {
    /// Starts it.
    pub(crate) fn start(fleet: Fleet) -> Result<PrometheusStub> {
        let shared = Arc::new(PrometheusState {
            present: fleet.present().into(),
            count: fleet.count().into(),
            fleet,
            matching: Mutex::default(),
            passes: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let server = serve(move |request| answer(Arc::clone(&served), request))?;
        Ok(PrometheusStub { server, shared })
    }

    /// Returns its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Returns what was asked so far, pass by pass. The queries of a pass carry the same `time`.
    pub(crate) fn passes(&self) -> Vec<Asked> {
        lock(&self.shared.passes).values().copied().collect()
    }
}

async fn answer(shared: Arc<PrometheusState>, request: Request<Incoming>) -> Result<Answer> {
    let body = read(request.into_body()).await?;
    let form = String::from_utf8_lossy(&body);
    let (Some(query), Some(time)) = (form_value(&form, "query"), form_value(&form, "time")) else {
        return json(
            400,
            r#"{"status":"error","errorType":"bad_data","error":"the stub wants query and time"}"#,
        );
    };
    let scan = query.starts_with("max by");
    let body = if scan {
        shared.present.clone()
    } else if query.starts_with("count") {
        shared.count.clone()
    } else if query.ends_with(") > 80") {
        shared.matching(&time)
    } else {
        return json(
            400,
            r#"{"status":"error","errorType":"bad_data","error":"the stub does not know this query"}"#,
        );
    };
    {
        let mut passes = lock(&shared.passes);
        let asked = passes.entry(time).or_default();
        asked.queries += 1;
        asked.bytes += body.len();
        asked.scans += usize::from(scan);
    }
    json(200, body)
}

impl PrometheusState {
    fn matching(&self, time: &str) -> Bytes {
        let mut made = lock(&self.matching);
        if let Some(body) = made.get(time) {
            return body.clone();
        }
        let pass = made.len() as u64;
        if made.len() > 3 {
            made.clear();
        }
        let body = Bytes::from(self.fleet.matching(pass));
        made.insert(time.to_owned(), body.clone());
        body
    }
}
