//! The files in `deploy` that come from code are the ones the code makes, and say what they must.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use std::path::Path;

use serde_json::{Value, json};

mod crds;

fn crd(kind_file: &str) -> Value {
    let (_, content) = crds::files().unwrap().into_iter().find(|(name, _)| *name == kind_file).unwrap();
    serde_saphyr::from_str(&content).unwrap()
}

fn columns(crd: &Value) -> Vec<&str> {
    crd.pointer("/spec/versions/0/additionalPrinterColumns")
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .filter(|column| column.get("priority").is_none_or(|priority| *priority == json!(0)))
        .map(|column| column["name"].as_str().unwrap())
        .collect()
}

#[test]
fn the_crds_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
    let mut expected = Vec::new();
    for (name, content) in crds::files().unwrap() {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(written == content, "deploy/crds/{name} is stale; run `make generate`");
        expected.push(name.to_owned());
    }
    let mut there: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expected.sort();
    there.sort();
    assert_eq!(there, expected, "a file that nothing generates");
}

#[test]
fn the_default_columns_are_the_guides() {
    // kubectl prints NAME before them.
    assert_eq!(columns(&crd("actionapprovals.yaml")), ["Approval-State"]);
    assert_eq!(columns(&crd("autopilotrules.yaml")), ["Age"]);
    assert_eq!(columns(&crd("autopilotruleobjects.yaml")), ["Age"]);
}

#[test]
fn names_scopes_and_subresources_are_the_apis() {
    for (file, plural, short, scope) in [
        ("autopilotrules.yaml", "autopilotrules", "ar", "Cluster"),
        ("autopilotruleobjects.yaml", "autopilotruleobjects", "aro", "Namespaced"),
        ("actionapprovals.yaml", "actionapprovals", "aa", "Namespaced"),
    ] {
        let crd = crd(file);
        assert_eq!(crd.pointer("/spec/names/plural"), Some(&json!(plural)));
        assert_eq!(crd.pointer("/spec/names/shortNames"), Some(&json!([short])));
        assert_eq!(crd.pointer("/spec/scope"), Some(&json!(scope)));
        assert_eq!(crd.pointer("/spec/versions/0/subresources/status"), Some(&json!({})));
    }
}

#[test]
fn an_approval_is_accepted_whatever_it_says() {
    let crd = crd("actionapprovals.yaml");
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    let state = schema.pointer("/properties/spec/properties/approvalState").unwrap();
    assert_eq!(state.get("enum"), None);
    for path in [
        "/properties/spec",
        "/properties/spec/properties/actions/items",
        "/properties/status",
        "/properties/status/properties/Rule",
        "/properties/status/properties/actionPreviews/items/properties/expectedResult",
    ] {
        let kept = schema.pointer(&format!("{path}/x-kubernetes-preserve-unknown-fields"));
        assert_eq!(kept, Some(&json!(true)), "{path}");
    }
}

#[test]
fn the_server_adds_nothing_to_what_is_applied() {
    fn defaults(value: &Value, path: &str, found: &mut Vec<String>) {
        let Value::Object(map) = value else { return };
        if map.contains_key("default") && !path.ends_with("/properties") {
            found.push(path.to_owned());
        }
        for (key, child) in map {
            defaults(child, &format!("{path}/{key}"), found);
        }
    }
    for (name, content) in crds::files().unwrap() {
        let mut found = Vec::new();
        defaults(&serde_saphyr::from_str(&content).unwrap(), name, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
