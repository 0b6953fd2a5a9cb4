//! `Quantity` against the real API server: what it stores is what we say that it stores.
//!
//! The texts travel as capacities of devices in a ResourceSlice: a typed field for which every quantity is valid, and one
//! request holds 4096 of them.

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_shared::Quantity;
use autopilot_shared::quantity::Format;
use autopilot_stack::{Cluster, ClusterOptions};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Most values of a device, and most devices of a slice.
const VALUES: usize = 32;
const DEVICES: usize = 128;
/// Requests with random texts.
const BATCHES: usize = 6;

/// Texts that were wrong somewhere, once, or are at an edge.
#[rustfmt::skip]
const EDGES: &[&str] = &[
    "0", "-0", "+0", "00", "0.0", "0Ki", "0e0", "-0Gi", "1", "+1", "-1", "007", "1.", ".5", "-.5", "+.5",
    "10Gi", "10240Mi", "1.5Gi", "1.1Gi", "0.1Ki", "0.5Ki", "-0.5Ki", "1023", "1024", "1000", "1024Ki", "1023Ki", "1000Ki",
    "5G", "5.5G", "1500m", "1000m", "0.1m", "1u", "999u", "1n", "0.1n", "0.0000000001", "1.0000000001", "-1.0000000001",
    "1e3", "1E3", "1e+3", "1e-3", "1e-9", "1e-10", "1.5e3", "12e6", "1e18", "123e2", "1e0", "0.001e3", "1E", "1e1", "10e2",
    "9223372036854775807", "-9223372036854775807", "9223372036854775808", "9223372036854775807n", "8Ei", "7Ei", "-8Ei",
    "7.999Ei", "99999Ei", "999P", "999E", "1048576Ti", "100Ti", "1Pi", "1.25Pi", "0.000000001", "1.001k", "1.000k", "1.500",
];

/// Texts that are no quantity, for the server and for us.
#[rustfmt::skip]
const NOT_ONE: &[&str] = &[
    "ten", "10 Gi", "10GB", "10gi", "10ki", "10KI", "10K", "1,5Gi", "1_000", "1..5", "1.5.5", "--1", "+-1", "1-", "1e", "1e+",
    "1e1.5", "0x10", "1Zi", "1mi", "NaN", "Inf", "١٠", "1e3Gi", "1Gie3",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_stores_every_quantity_as_we_say() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::without_binder()).await?;
    let client = cluster.admin_client().await?;

    // The edges, kept for real and read again.
    let edges: Vec<String> = EDGES.iter().map(|text| (*text).to_owned()).collect();
    let stored = send(&client, "edges", &edges, false).await?;
    ensure!(stored == read(&client, "edges", edges.len()).await?, "a dry run would answer as the store does");
    let mut wrong = differences(&edges, &stored);

    // As many random ones as fit, and what we make of them.
    let mut runner = TestRunner::deterministic();
    for batch in 0..BATCHES {
        let mut texts = Vec::with_capacity(DEVICES * VALUES);
        while texts.len() < DEVICES * VALUES {
            let Ok(tree) = text().new_tree(&mut runner) else { bail!("the generator has no more texts") };
            let text = tree.current();
            let Ok(quantity) = text.parse::<Quantity>() else { continue };
            // Documented: there the server loses the suffix.
            if quantity.format() == Format::DecimalSI && quantity.bytes().is_none() && digits(&quantity) > 21
            {
                continue;
            }
            texts.push(quantity.to_string());
            texts.push(text);
        }
        texts.truncate(DEVICES * VALUES);
        let stored = send(&client, &format!("batch-{batch}"), &texts, true).await?;
        wrong.extend(differences(&texts, &stored));
    }
    ensure!(
        wrong.is_empty(),
        "{} texts; the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );

    // What is none for the server is none for us.
    for text in NOT_ONE {
        let answer = send(&client, "none", &[(*text).to_owned()], true).await;
        ensure!(answer.is_err(), "the server takes {text:?}: {answer:?}");
        ensure!(text.parse::<Quantity>().is_err(), "we take {text:?}");
        ensure!(Quantity::as_stored(text).is_err(), "we would store {text:?}");
    }
    // Where we are stricter, on purpose: a text without a digit is zero for the server, and it skips white space.
    for (text, taken) in [("Gi", "0"), ("+", "0"), ("-", "0"), (".", "0"), ("1Gi ", "1Gi"), (" 1", "1")] {
        let stored = send(&client, "lax", &[text.to_owned()], true).await?;
        ensure!(stored == [taken], "the server makes {stored:?} of {text:?}");
        ensure!(text.parse::<Quantity>().is_err(), "we take {text:?}");
    }
    Ok(())
}

/// Generates a sign, digits with a point somewhere, a suffix.
fn text() -> impl Strategy<Value = String> {
    let sign = prop_oneof![6 => Just(""), 1 => Just("+"), 2 => Just("-")];
    let number = prop_oneof![
        any::<u16>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "0{0,3}[0-9]{1,18}",
        "[1-9][0-9]{0,3}0{0,15}",
        "[0-9]{1,12}\\.[0-9]{0,12}",
        "[0-9]{0,4}\\.[0-9]{1,4}",
        // Multiples of powers of two and of a thousand, where suffixes change.
        (0_u32..60, any::<u8>()).prop_map(|(shift, n)| (u128::from(n) << shift).to_string()),
        (0_u32..6, any::<u16>()).prop_map(|(power, n)| (u128::from(n) * 1000_u128.pow(power)).to_string()),
    ];
    let suffix = prop_oneof![
        3 => Just(String::new()),
        6 => prop_oneof!["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"],
        6 => "[numkMGTPE]",
        3 => "[eE][+-]?[0-9]",
        1 => "[eE][+-]?1[0-9]",
    ];
    (sign, number, suffix).prop_map(|(sign, number, suffix)| format!("{sign}{number}{suffix}"))
}

/// Counts the digits before the point, roughly, of a quantity that does not fit into an `i64`.
fn digits(quantity: &Quantity) -> usize {
    let text = quantity.to_string();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let thousands =
        ["k", "M", "G", "T", "P", "E"].iter().position(|s| text.ends_with(s)).map_or(0, |n| n + 1);
    digits + 3 * thousands
}

fn differences(texts: &[String], stored: &[String]) -> Vec<String> {
    let compare = |(text, stored): (&String, &String)| match Quantity::as_stored(text) {
        Ok(ours) if ours == *stored => {
            // What is stored means the same.
            let same = text.parse::<Quantity>().ok() == stored.parse::<Quantity>().ok();
            (!same).then(|| format!("{text:?} is stored as {stored:?}, which is another number"))
        }
        ours => Some(format!("{text:?} is stored as {stored:?}, we say {ours:?}")),
    };
    texts.iter().zip(stored).filter_map(compare).collect()
}

fn slices(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "resource.k8s.io".into(),
        version: "v1".into(),
        api_version: "resource.k8s.io/v1".into(),
        kind: "ResourceSlice".into(),
        plural: "resourceslices".into(),
    };
    Api::all_with(client.clone(), &resource)
}

/// Sends texts and gives back what the server makes of them, in their order.
async fn send(client: &Client, name: &str, texts: &[String], dry_run: bool) -> Result<Vec<String>> {
    let devices: Vec<Value> = texts
        .chunks(VALUES)
        .enumerate()
        .map(|(i, chunk)| {
            let capacity: serde_json::Map<String, Value> = chunk
                .iter()
                .enumerate()
                .map(|(j, text)| (format!("v{j}"), json!({ "value": text })))
                .collect();
            json!({ "name": format!("device-{i}"), "capacity": capacity })
        })
        .collect();
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": { "name": name },
        "spec": {
            "driver": "quantities.autopilot.test",
            "allNodes": true,
            "pool": { "name": name, "generation": 1, "resourceSliceCount": 1 },
            "devices": devices,
        },
    }))?;
    let params = PostParams { dry_run, ..PostParams::default() };
    values(&slices(client).create(&params, &object).await?, texts.len())
}

async fn read(client: &Client, name: &str, count: usize) -> Result<Vec<String>> {
    values(&slices(client).get(name).await?, count)
}

fn values(slice: &DynamicObject, count: usize) -> Result<Vec<String>> {
    let value = |n: usize| {
        let value =
            &slice.data["spec"]["devices"][n / VALUES]["capacity"][format!("v{}", n % VALUES)]["value"];
        value.as_str().map(str::to_owned).with_context(|| format!("value {n} is {value}"))
    };
    (0..count).map(value).collect()
}
