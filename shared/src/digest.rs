//! The digest that binds an approval to a proposal: a hash over everything that was proposed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::hash::sha256_hex;

/// All that makes a proposal this proposal and no other.
#[derive(Clone, Debug)]
pub struct Proposed<'a> {
    /// Random id, journalled before the digest is shown to anybody.
    pub id: &'a str,
    /// UID of the rule.
    pub rule_uid: &'a str,
    /// Hash of the rule's spec, from [`of_json`].
    pub rule_hash: &'a str,
    /// UID of the PVC.
    pub pvc_uid: &'a str,
    /// Short name of the action.
    pub action: &'a str,
    /// Parameters of the action.
    pub params: Option<&'a BTreeMap<String, String>>,
    /// Size before, canonical.
    pub from: &'a str,
    /// Size after, canonical.
    pub to: &'a str,
}

impl Proposed<'_> {
    /// Returns 16 hex digits: the first quarter of SHA-256 over canonical JSON.
    pub fn digest(&self) -> String {
        of_json(&serde_json::json!({
            "id": self.id,
            "rule": { "uid": self.rule_uid, "spec": self.rule_hash },
            "pvc": self.pvc_uid,
            "action": { "name": self.action, "params": self.params },
            "from": self.from,
            "to": self.to,
        }))
    }
}

/// Returns the first 16 hex digits of SHA-256 over the canonical form of a JSON value: no white space, keys sorted.
pub fn of_json(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    hex(text.as_bytes(), 16)
}

/// Returns the first `digits` hex digits of SHA-256.
pub fn hex(bytes: &[u8], digits: usize) -> String {
    sha256_hex([bytes], digits)
}

/// Appends the canonical form. Sorted by hand: whether `serde_json` sorts depends on features that any dependency may
/// turn on.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push('{');
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed() -> Proposed<'static> {
        Proposed {
            id: "1",
            rule_uid: "r",
            rule_hash: "h",
            pvc_uid: "p",
            action: "resize",
            params: None,
            from: "10Gi",
            to: "20Gi",
        }
    }

    /// Digests lie in journals and approvals of clusters, hashes in names of branches and files: another byte would
    /// void what was approved. Calculated with Python's `hashlib` over JSON with sorted keys and no white space.
    #[test]
    fn digests_are_the_ones_that_lie_in_clusters() {
        assert_eq!(proposed().digest(), "535d36102b38c002");
        let params = ["maxsize", "scalepercentage"].map(str::to_owned);
        let params: BTreeMap<String, String> =
            params.into_iter().zip(["400Gi", "100"].map(str::to_owned)).collect();
        let real = Proposed {
            id: "0f0e0d0c0b0a09080706050403020100",
            rule_uid: "8b6b2a0e-57a3-4a5e-9d0c-3f6a0f4f9a11",
            rule_hash: "a1b2c3d4e5f60718",
            pvc_uid: "ec475444-e2d6-4533-863b-03263da7b04c",
            params: Some(&params),
            ..proposed()
        };
        assert_eq!(real.digest(), "474c106e52b9e9b6");
        let odd = serde_json::json!({
            "b": 1, "a": { "d": [1, 2], "c": null }, "é\"\n": "ü\\\u{1}", "x": [true, -7, 1.5, {}, []],
        });
        assert_eq!(of_json(&odd), "acd38cca38ddd794");
        assert_eq!(hex(b"", 64), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(b"abc", 10), "ba7816bf8f");
    }

    #[test]
    fn any_difference_gives_another_digest() {
        let base = proposed().digest();
        assert_eq!(base.len(), 16);
        assert_eq!(base, proposed().digest());
        let params = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let others = [
            Proposed { id: "2", ..proposed() },
            Proposed { rule_uid: "x", ..proposed() },
            Proposed { rule_hash: "x", ..proposed() },
            Proposed { pvc_uid: "x", ..proposed() },
            Proposed { action: "x", ..proposed() },
            Proposed { params: Some(&params), ..proposed() },
            Proposed { from: "11Gi", ..proposed() },
            Proposed { to: "21Gi", ..proposed() },
        ];
        for other in others {
            assert_ne!(base, other.digest(), "{other:?}");
        }
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let a = serde_json::json!({"b": 1, "a": {"d": [1, 2], "c": null}});
        let b: Value = serde_json::from_str(r#"{"a":{"c":null,"d":[1,2]},"b":1}"#).unwrap();
        assert_eq!(of_json(&a), of_json(&b));
        assert_ne!(of_json(&a), of_json(&serde_json::json!({"b": 1, "a": {"d": [2, 1], "c": null}})));
    }
}
