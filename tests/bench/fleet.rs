//! The generated cluster of the stubs: PVCs, their namespaces, rules, and what Prometheus says of them.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Namespaces that the PVCs are spread over.
pub(crate) const NAMESPACES: usize = 100;
/// Every so many PVCs one is above the threshold of all rules.
const EVERY: usize = 100;
/// Seconds between two passes: the shortest that the default configuration allows.
pub(crate) const INTERVAL: u64 = 5;

/// A generated cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fleet {
    /// PVCs, all selected by all rules.
    pub(crate) claims: usize,
    /// Rules.
    pub(crate) rules: usize,
}

fn namespace(i: usize) -> String {
    format!("team-{:03}", i % NAMESPACES)
}

fn uid(kind: u16, i: usize) -> String {
    // Spread, as random UIDs are.
    let spread = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-{kind:04x}-4{:03x}-a{:03x}-{:012x}", spread >> 32, i & 0xfff, spread & 0xfff, i)
}

impl Fleet {
    /// Returns a PVC as the API server would list it: bound, with the fields and managers that real ones have (1.7 kB).
    pub(crate) fn claim(i: usize) -> String {
        let (namespace, uid) = (namespace(i), uid(1, i));
        let app = i % 50;
        format!(
            concat!(
                r#"{{"metadata":{{"name":"data-postgres-{app}-{i:06}","namespace":"{namespace}","uid":"{uid}","#,
                r#""resourceVersion":"{version}","creationTimestamp":"2025-03-01T10:00:00Z","#,
                r#""labels":{{"app":"postgres","app.kubernetes.io/instance":"db-{app}","tier":"db"}},"#,
                r#""annotations":{{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes","#,
                r#""volume.beta.kubernetes.io/storage-provisioner":"ebs.csi.aws.com","#,
                r#""volume.kubernetes.io/storage-provisioner":"ebs.csi.aws.com"}},"#,
                r#""finalizers":["kubernetes.io/pvc-protection"],"managedFields":[{{"manager":"kube-controller-manager","#,
                r#""operation":"Update","apiVersion":"v1","time":"2025-03-01T10:00:02Z","fieldsType":"FieldsV1","#,
                r#""fieldsV1":{{"f:metadata":{{"f:annotations":{{".":{{}},"f:pv.kubernetes.io/bind-completed":{{}},"#,
                r#""f:pv.kubernetes.io/bound-by-controller":{{}},"f:volume.kubernetes.io/storage-provisioner":{{}}}},"#,
                r#""f:labels":{{".":{{}},"f:app":{{}},"f:app.kubernetes.io/instance":{{}},"f:tier":{{}}}}}},"#,
                r#""f:spec":{{"f:accessModes":{{}},"f:resources":{{"f:requests":{{".":{{}},"f:storage":{{}}}}}},"#,
                r#""f:storageClassName":{{}},"f:volumeMode":{{}},"f:volumeName":{{}}}}}}}},{{"#,
                r#""manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","#,
                r#""time":"2025-03-01T10:00:02Z","fieldsType":"FieldsV1","fieldsV1":{{"f:status":{{"#,
                r#""f:accessModes":{{}},"f:capacity":{{".":{{}},"f:storage":{{}}}},"f:phase":{{}}}}}},"#,
                r#""subresource":"status"}}]}},"spec":{{"accessModes":["ReadWriteOnce"],"#,
                r#""resources":{{"requests":{{"storage":"10Gi"}}}},"volumeName":"pvc-{uid}","storageClassName":"fast","#,
                r#""volumeMode":"Filesystem"}},"status":{{"phase":"Bound","accessModes":["ReadWriteOnce"],"#,
                r#""capacity":{{"storage":"10Gi"}}}}}}"#
            ),
            app = app,
            i = i,
            namespace = namespace,
            uid = uid,
            version = 1000 + i,
        )
    }

    /// Returns a namespace.
    pub(crate) fn namespace(i: usize) -> Value {
        let name = namespace(i);
        json!({ "metadata": {
            "name": name, "uid": uid(2, i), "resourceVersion": (10 + i).to_string(),
            "labels": { "kubernetes.io/metadata.name": name, "type": "db" },
        } })
    }

    /// Returns the StorageClass.
    pub(crate) fn class() -> Value {
        json!({
            "metadata": { "name": "fast", "uid": uid(3, 0), "resourceVersion": "5" },
            "provisioner": "ebs.csi.aws.com", "allowVolumeExpansion": true,
        })
    }

    /// Returns a rule for all PVCs whose key no other rule has. Its `for` is a year: what is above the threshold stays
    /// Triggered, and nothing follows however often it is measured.
    pub(crate) fn rule(i: usize) -> Value {
        let key = format!(
            "100 * kubelet_volume_stats_used_bytes{{shard!=\"{i}\"}} / \
             kubelet_volume_stats_capacity_bytes{{shard!=\"{i}\"}}"
        );
        json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRule",
            "metadata": {
                "name": format!("rule-{i:03}"), "uid": uid(4, i), "resourceVersion": (500 + i).to_string(),
                "generation": 1, "creationTimestamp": "2025-03-01T09:00:00Z",
            },
            "spec": {
                "enforcement": "approvalRequired", "pollInterval": INTERVAL,
                "selector": { "matchLabels": { "app": "postgres" } },
                "namespaceSelector": { "matchLabels": { "type": "db" } },
                "conditions": {
                    "for": 31_536_000,
                    "expressions": [{ "key": key, "operator": "Gt", "values": ["80"] }],
                },
                "actions": [{
                    "name": "openstorage.io.action.volume/resize",
                    "params": { "scalepercentage": "100", "maxsize": "400Gi" },
                }],
            },
        })
    }

    /// Returns how many objects are above the threshold, per rule.
    pub(crate) fn hits(self) -> usize {
        self.claims.div_ceil(EVERY)
    }

    /// Returns the samples above the threshold, with all labels that a kubelet's series have behind the usual scrape
    /// configuration. The values differ from one pass to the next, as real ones do.
    pub(crate) fn matching(self, pass: u64) -> String {
        let sample = |text: &mut String, i: usize| {
            let value = 81 + i / EVERY % 17;
            let fraction = (pass * 7 + i as u64) % 1000;
            let _ = write!(
                text,
                concat!(
                    r#"{{"metric":{{"endpoint":"https-metrics","instance":"10.42.{node}.7:10250","job":"kubelet","#,
                    r#""metrics_path":"/metrics","namespace":"{namespace}","node":"worker-{node:03}.eu.example.com","#,
                    r#""persistentvolumeclaim":"data-postgres-{app}-{i:06}","service":"kubelet"}},"#,
                    r#""value":[1767225600,"{value}.{fraction:03}"]}}"#
                ),
                node = i % 200,
                namespace = namespace(i),
                app = i % 50,
                i = i,
                value = value,
                fraction = fraction,
            );
        };
        vector((0..self.claims).step_by(EVERY), sample)
    }

    /// Returns one sample per PVC with the labels that identify it.
    pub(crate) fn present(self) -> String {
        let sample = |text: &mut String, i: usize| {
            let _ = write!(
                text,
                r#"{{"metric":{{"namespace":"{}","persistentvolumeclaim":"data-postgres-{}-{i:06}"}},"value":[1767225600,"{}"]}}"#,
                namespace(i),
                i % 50,
                i % 80
            );
        };
        vector(0..self.claims, sample)
    }

    /// Returns the number of series.
    pub(crate) fn count(self) -> String {
        vector(0..1, |text, _| {
            let _ = write!(text, r#"{{"metric":{{}},"value":[1767225600,"{}"]}}"#, self.claims);
        })
    }
}

fn vector(of: impl Iterator<Item = usize>, sample: impl Fn(&mut String, usize)) -> String {
    let mut text = String::from(r#"{"status":"success","data":{"resultType":"vector","result":["#);
    for (n, i) in of.enumerate() {
        if n > 0 {
            text.push(',');
        }
        sample(&mut text, i);
    }
    text.push_str("]}}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use autopilot_shared::api::AutopilotRule;
    use autopilot_shared::rule::Rule;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;

    #[test]
    fn what_is_generated_can_be_read() {
        let claim: PersistentVolumeClaim = serde_json::from_str(&Fleet::claim(12_345)).unwrap();
        assert_eq!(claim.status.unwrap().phase.as_deref(), Some("Bound"));
        assert!((1500..2000).contains(&Fleet::claim(12_345).len()), "{}", Fleet::claim(12_345).len());
        let rule: AutopilotRule = serde_json::from_value(Fleet::rule(7)).unwrap();
        assert!(Rule::parse(&rule).is_ok());
        assert_ne!(Fleet::rule(7)["spec"], Fleet::rule(8)["spec"]);
    }

    #[test]
    fn one_percent_is_above_the_threshold() {
        let fleet = Fleet { claims: 1000, rules: 1 };
        let read = |text: &str| -> usize {
            let value: Value = serde_json::from_str(text).unwrap();
            value.pointer("/data/result").unwrap().as_array().unwrap().len()
        };
        assert_eq!(read(&fleet.matching(3)), 10);
        assert_eq!(fleet.hits(), 10);
        assert_eq!(read(&fleet.present()), 1000);
        assert_eq!(read(&fleet.count()), 1);
    }
}
