//! What a forge sees, field by field and against hostile names.

use autopilot_controller::pull_requests::text::marker::Marker;
use autopilot_controller::pull_requests::text::{body, comment, file};
use autopilot_shared::api::{ActionApproval, Decision, Execution, Outcome, Proposal};
use proptest::prelude::*;
use serde_json::{Value, json};

/// As the original writes it, with what is ours: annotations, `proposal`.
const RESIZE: &str = r#"apiVersion: autopilot.libopenstorage.org/v1alpha1
kind: ActionApproval
metadata:
  annotations:
    argocd.argoproj.io/sync-options: Prune=false
    kustomize.toolkit.fluxcd.io/prune: disabled
    kustomize.toolkit.fluxcd.io/substitute: disabled
  creationTimestamp: null
  labels:
    object: pvc-0a1b
    rule: grow
  name: grow-pvc-0a1b
  namespace: shop
spec:
  actions:
  - name: resize
    params:
      maxsize: 1Ti
      scalepercentage: "50"
    proposal: 00112233445566aa
  approvalState: approved
status:
  Rule:
    Name: grow
    Namespace: ""
  actionPreviews:
  - action:
      name: resize
      params:
        maxsize: 1Ti
        scalepercentage: "50"
    expectedResult:
      Message: PVC will resize from 10Gi to 15Gi
    involvedObjects:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      name: orders
      namespace: shop
      ownerReferences:
      - apiVersion: apps/v1
        blockOwnerDeletion: true
        controller: true
        kind: ReplicaSet
        name: orders-5c
        uid: rs-uid
      uid: pvc-0a1b
  lastProcessTimestamp: "2026-11-22T10:11:12Z"
"#;

fn approval() -> ActionApproval {
    let params = json!({ "scalepercentage": "50", "maxsize": "1Ti" });
    serde_json::from_value(json!({
        "metadata": {
            "name": "grow-pvc-0a1b", "namespace": "shop", "uid": "aa-uid", "resourceVersion": "7",
            "finalizers": ["autopilot.libopenstorage.org/delete"],
            "labels": { "rule": "grow", "object": "pvc-0a1b", "other": "x" },
            "annotations": { "autopilot.libopenstorage.org/proposal": "00112233445566aa" },
        },
        "spec": {
            "approvalState": "pending",
            "actions": [{ "name": "resize", "params": params, "proposal": "00112233445566aa" }],
        },
        "status": {
            "Rule": { "Name": "grow", "Namespace": "" },
            "lastProcessTimestamp": "2026-11-22T10:20:00Z",
            "actionPreviews": [{
                "action": { "name": "resize", "params": params },
                "expectedResult": { "Message": "PVC will resize from 10Gi to 15Gi" },
                "involvedObjects": [{
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "orders", "namespace": "shop",
                    "uid": "pvc-0a1b",
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true,
                        "kind": "ReplicaSet", "name": "orders-5c", "uid": "rs-uid",
                    }],
                }],
            }],
            "proposal": {
                "id": "1", "digest": "00112233445566aa", "action": "resize", "params": params, "from": "10Gi",
                "to": "15Gi", "pvcUID": "pvc-uid", "ruleHash": "h", "at": "2026-11-22T10:11:12.345678Z",
                "measured": [{ "key": "usage > on\n50", "operator": "Gt", "values": ["80"], "value": "83.5" }],
            },
        },
    }))
    .unwrap()
}

fn proposal(approval: &ActionApproval) -> &Proposal {
    approval.status.as_ref().unwrap().proposal.as_ref().unwrap()
}

fn marker() -> Marker {
    Marker {
        cluster: "c".into(),
        namespace: "shop".into(),
        name: "grow-pvc-0a1b".into(),
        uid: "aa-uid".into(),
        digest: "00112233445566aa".into(),
        head: "abc".into(),
    }
}

/// Names of files lie in repositories and tell whose a file is: one of each value of the bits that the variant
/// replaces.
#[test]
fn the_uuid_of_a_file_is_the_same_in_every_version() {
    for (digest, uuid) in [
        ("002ffffffffffffd", "ac9e231f-cfdf-8a61-8a14-e29cbeadca10"),
        ("0000000000000000", "8f13921a-7baa-8b16-9a1d-6305765c4e7d"),
        ("000ddddddddddddd", "2eb62e74-7752-8f84-a04e-b3e284b48199"),
        ("0002222222222222", "0d040d6c-d63d-87d5-b0df-8181288510d8"),
        ("0003333333333333", "81bfadf9-98ed-838e-8ea5-84df0b100629"),
        ("000aaaaaaaaaaaaa", "adecabd2-7ca5-8cee-9e39-967552e2185b"),
        ("0001111111111111", "1321986c-3812-8c8e-a669-1fab764bfb0c"),
        ("0004444444444444", "8cdd6e7e-fd5f-8b91-b473-5d6205662ae9"),
        ("0011111111111110", "831b8490-83dd-8342-8203-55684a645476"),
        ("002bbbbbbbbbbbb9", "a12953f9-d446-8318-96ea-2fe335359f01"),
        ("0006666666666666", "0a9260ba-0ebe-8f88-ab24-f9e5334589f5"),
        ("000ccccccccccccc", "e92de782-8f2e-8fc8-badc-b955d2ceebb3"),
        ("0005555555555555", "72f64e01-e398-8327-8ac8-64ca681aa22b"),
        ("0018888888888887", "2cc8e94d-3172-8bff-92aa-d3d7749bdd3b"),
        ("003bbbbbbbbbbbb8", "139dbdee-2ab5-8021-ac15-681c11e395fc"),
        ("0028888888888886", "814e098d-9fc5-899b-bec7-278e1a8a33f0"),
    ] {
        assert_eq!(file::uuid("c", digest), uuid);
    }
}

#[test]
fn the_file_is_what_the_original_writes_and_what_is_ours() {
    let approval = approval();
    assert_eq!(file::content(&approval, proposal(&approval)).unwrap(), RESIZE);
    let path = file::path("clusters/prod", "grow-pvc-0a1b", "c", "00112233445566aa");
    let uuid = path.strip_prefix("clusters/prod/grow-pvc-0a1b-").unwrap().strip_suffix(".yaml").unwrap();
    assert_eq!(uuid, file::uuid("c", "00112233445566aa"));
    assert_ne!(uuid, file::uuid("d", "00112233445566aa"));
    assert_eq!(file::uuid_of(&path, "grow-pvc-0a1b"), Some(uuid));
    assert_eq!(file::uuid_of(&path, "grow-pvc-0a"), None);
    let of_the_original = "x/grow-pvc-0a1b-1fd2a9b5-6f0c-4d1c-9a5e-0d6cf3f0a001.yaml";
    assert!(file::uuid_of(of_the_original, "grow-pvc-0a1b").is_some());
}

#[test]
fn a_digest_that_looks_like_a_number_stays_a_text() {
    for digest in [
        "863393028e459016",
        "1234567890123456",
        "0012345678901234",
        "0000000000000000",
        "12345678e1234567",
        "1e00000000000000",
        "1234567890123e10",
    ] {
        let mut approval = approval();
        let status = approval.status.as_mut().unwrap();
        digest.clone_into(&mut status.proposal.as_mut().unwrap().digest);
        let text = file::content(&approval, proposal(&approval)).unwrap();
        assert!(text.contains(&format!("proposal: \"{digest}\"\n")), "{text}");
        assert_eq!(file::read("a.yaml", "c", &text).unwrap().digest, digest);
    }
}

#[test]
fn absent_parameters_and_long_texts_stay_what_they_are() {
    let mut approval = approval();
    let message = "Job summary:\n    -> balanced         0 B done\n\n# no comment\n--- \nkey: on\n";
    let status = approval.status.as_mut().unwrap();
    let previews = status.action_previews.as_mut().unwrap();
    previews[0].expected_result.message = message.to_owned();
    previews[0].action.params = None;
    status.proposal.as_mut().unwrap().params = None;
    let text = file::content(&approval, proposal(&approval)).unwrap();
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(read["spec"]["actions"][0]["params"], Value::Null);
    assert!(text.contains("    params: null\n    proposal:"), "{text}");
    assert!(text.contains("      params: null\n    expectedResult:"), "{text}");
    assert_eq!(read["status"]["actionPreviews"][0]["expectedResult"]["Message"], message);
    assert_eq!(read["metadata"].as_object().unwrap().len(), 5);
}

#[test]
fn the_body_tells_everything() {
    let approval = approval();
    let text = body::body("prod", &approval, proposal(&approval), &marker());
    for part in [
        "- Cluster: `prod`",
        "- Object: `PersistentVolumeClaim` `shop/orders`, volume `pvc-0a1b`",
        "- Used by: `ReplicaSet` `orders-5c`",
        "- Rule: `grow`",
        "- Measured: `usage > on 50` is `83.5`; the rule acts when it is above `80`",
        "- Size now: `10Gi`",
        "- Size after: `15Gi` (+50 %)",
        "- Proposal: `00112233445566aa`",
        "`kubectl delete actionapproval -n shop grow-pvc-0a1b`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(Marker::read(&text), Some(marker()));
    assert_eq!(body::title(&approval), "[Autopilot] approval for rule shop/grow-pvc-0a1b rule: grow");
    assert_eq!(body::deletion(&["a/b.yaml".to_owned()], &[]), "[Autopilot] deleting file: a/b.yaml");
    let others = [("a/b-others-0.yaml".to_owned(), String::new())];
    let kept = body::deletion(&["a/b.yaml".to_owned()], &others);
    assert!(
        kept.starts_with("[Autopilot] deleting file: a/b.yaml\n\n") && kept.ends_with(": a/b-others-0.yaml"),
        "{kept}"
    );
}

/// What a hostile text could be.
fn hostile() -> impl Strategy<Value = String> {
    let vector = prop::sample::select(vec![
        "@org/all",
        "fixes #1",
        "<!-- autopilot-approval a b c d e f -->",
        "<!-- autopilot-said done 00112233445566aa -->",
        "-->",
        "`",
        "``````",
        "</details>",
        "![x](https://e.test/x.png)",
        "https://e.test",
        "\n---\n",
        "\r\n\r\n",
        "${SECRET}",
        "!!binary x",
        "*a: &a",
        "[skip ci]",
        "\nCo-authored-by: x <y@e.test>",
        "on",
        "1e3",
        "0x10",
        "null",
        "\u{202e}",
        "\u{feff}",
        "\u{1b}[2J",
        "\t",
        "|",
        "ß\u{1f600}",
        "# x",
        "{{x}}",
    ]);
    prop::collection::vec(prop_oneof![vector.prop_map(str::to_owned), "\\PC{0,12}"], 0..8)
        .prop_map(|parts| parts.concat())
}

fn poisoned(text: &str, again: usize) -> ActionApproval {
    let mut approval = approval();
    let text = text.repeat(again);
    approval.metadata.labels =
        Some([("rule".to_owned(), text.clone()), ("object".to_owned(), text.clone())].into());
    let status = approval.status.as_mut().unwrap();
    status.rule.as_mut().unwrap().name.clone_from(&text);
    for preview in status.action_previews.iter_mut().flatten() {
        preview.expected_result.message.clone_from(&text);
        preview.action.params.get_or_insert_default().insert(text.clone(), text.clone());
        let object = preview.involved_objects[0].clone();
        preview.involved_objects = vec![object; again];
        for object in &mut preview.involved_objects {
            object.name.clone_from(&text);
            object.kind.clone_from(&text);
            object.owner_references.as_mut().unwrap()[0].name.clone_from(&text);
        }
    }
    let proposal = status.proposal.as_mut().unwrap();
    proposal.params.get_or_insert_default().insert(text.clone(), text.clone());
    proposal.from.clone_from(&text);
    proposal.to.clone_from(&text);
    let measured = proposal.measured[0].clone();
    proposal.measured = vec![measured; again];
    for measured in &mut proposal.measured {
        measured.key.clone_from(&text);
        measured.value.clone_from(&text);
        measured.operator.clone_from(&text);
    }
    approval
}

/// The text without its code spans: what markdown is made from.
fn outside(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            out.push_str(&rest[..start]);
            let fence = rest[start..].len() - rest[start..].trim_start_matches('`').len();
            let mut at = start + fence;
            loop {
                let next = rest[at..].find('`').expect("every span ends in its line");
                let from = at + next;
                let run = rest[from..].len() - rest[from..].trim_start_matches('`').len();
                at = from + run;
                if run == fence {
                    break;
                }
            }
            rest = &rest[at..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

proptest! {
    #[test]
    fn a_hostile_text_stays_inside_its_place(text in hostile(), again in 1..40_usize) {
        let approval = poisoned(&text, again);
        let body = body::body("prod", &approval, proposal(&approval), &marker());
        prop_assert!(body.chars().count() <= body::LONGEST_BODY);
        prop_assert_eq!(Marker::read(&body), Some(marker()));
        let visible = outside(body.rsplit_once("<!--").unwrap().0);
        prop_assert!(!visible.contains(['@', '<', '\u{1b}', '\u{202e}']), "{}", visible);
        prop_assert!(!visible.contains("fixes") && !visible.contains("e.test"), "{}", visible);
        let message = body::message(&approval);
        prop_assert!(message.chars().all(|c| c.is_ascii_graphic() || c == ' '));
        prop_assert!(!message.contains("[skip ci]"));
        prop_assert!(body::title(&approval).chars().count() <= 256);
    }

    #[test]
    fn a_hostile_text_comes_back_from_the_file_as_it_was(text in hostile()) {
        let approval = poisoned(&text, 1);
        let written = match file::content(&approval, proposal(&approval)) {
            Ok(written) => written,
            // Posted in a condition, and not written.
            Err(_) => return Ok(()),
        };
        let read: Value = serde_saphyr::from_str(&written).unwrap();
        prop_assert_eq!(&read["status"]["actionPreviews"][0]["expectedResult"]["Message"], &json!(text));
        prop_assert_eq!(&read["metadata"]["labels"]["rule"], &json!(text));
        let content = file::read("a.yaml", "c", &written).unwrap();
        prop_assert!(content.is("shop", "grow-pvc-0a1b", proposal(&approval)));
    }

    #[test]
    fn a_comment_says_one_outcome_whatever_the_reason(text in hostile()) {
        let approval = approval();
        let decision = Decision {
            outcome: Outcome::Declined, by: text.clone(), via: text.clone(), reason: text.clone(),
            ..Decision::default()
        };
        let execution = Execution { outcome: "failed".into(), message: text.clone(), at: None };
        let comments = [
            comment::Comment::Decided(&decision),
            comment::Comment::Canceled(&decision),
            comment::Comment::NotSynced(&text),
            comment::Comment::Ended(&execution),
            comment::Comment::Declined { by: &text, branch_gone: true },
        ];
        for comment in comments {
            let said = comment.text(Some(&approval), "d1");
            let found: Vec<String> =
                autopilot_controller::pull_requests::text::marker::outcomes(&said).map(str::to_owned).collect();
            prop_assert_eq!(found, [format!("{} d1", comment.word())]);
            let visible = outside(said.rsplit_once("<!--").unwrap().0);
            prop_assert!(!visible.contains(['@', '<', '\u{1b}', '#']), "{}", visible);
        }
    }

    #[test]
    fn every_name_gives_a_path_that_a_file_system_takes(
        name in "[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?){0,3}",
        digest in "[0-9a-f]{16}",
    ) {
        let path = file::path("", &name, "cluster", &digest);
        prop_assert!(path.len() <= 255 && !path.contains('/'));
        prop_assert_eq!(file::uuid_of(&path, &name), file::any_uuid(&path));
        let uuid = file::uuid("cluster", &digest);
        prop_assert_eq!(file::any_uuid(&path), Some(uuid.as_str()));
    }
}
