//! The CRDs as files: what the types say, and what they cannot say.

use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject};
use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HEADER: &str = "# Generated from the types in shared/src/api by `make generate`; a test compares.\n";

/// Name and content of each file in `deploy/crds`.
///
/// # Errors
/// When a type changed in a way that a rule below does not fit any more.
pub(crate) fn files() -> Result<Vec<(&'static str, String)>> {
    let mut rule = document(AutopilotRule::crd(), "A rule: which volumes to watch, when to act, and how.")?;
    restrict_rule(schema(&mut rule)?)?;

    let mut object = document(
        AutopilotRuleObject::crd(),
        "A volume under a rule: its state and what happened to it. Written by the controller.",
    )?;
    keep_unknown(at(schema(&mut object)?, "status")?);

    // A file of an older or newer version, with whatever status, must never break the Kustomization it is
    // part of.
    let mut approval = document(
        ActionApproval::crd(),
        "A question to a person: may this action be done? Answered by setting spec.approvalState.",
    )?;
    keep_unknown(at(schema(&mut approval)?, "spec")?);
    keep_unknown(at(schema(&mut approval)?, "status")?);

    [("autopilotrules.yaml", rule), ("autopilotruleobjects.yaml", object), ("actionapprovals.yaml", approval)]
        .into_iter()
        .map(|(name, crd)| Ok((name, format!("{HEADER}{}", serde_saphyr::to_string(&crd)?))))
        .collect()
}

fn document(crd: impl serde::Serialize, description: &str) -> Result<Value> {
    let mut crd = serde_json::to_value(crd)?;
    let root = schema(&mut crd)?;
    clean(root);
    let root = root.as_object_mut().ok_or("the schema is no object")?;
    root.remove("title");
    root.insert("description".to_owned(), json!(description));
    Ok(crd)
}

fn schema(crd: &mut Value) -> Result<&mut Value> {
    crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema").ok_or_else(|| "there is no schema".into())
}

/// The schema of a field; `[]` stands for the entries of a list.
fn at<'a>(schema: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    let pointer: String = path
        .split('.')
        .map(|part| match part {
            "[]" => "/items".to_owned(),
            field => format!("/properties/{field}"),
        })
        .collect();
    schema.pointer_mut(&pointer).ok_or_else(|| format!("the schema has no field {path}").into())
}

fn set(schema: &mut Value, path: &str, additions: Value) -> Result<()> {
    match (at(schema, path)?, additions) {
        (Value::Object(field), Value::Object(additions)) => field.extend(additions),
        _ => return Err(format!("{path} is no schema").into()),
    }
    Ok(())
}

/// What no reader of the API should meet, at every depth.
fn clean(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    // The server would write defaults into the stored object: it would differ from the file it came from. An
    // absent field is an absent field.
    map.remove("default");
    // The server warns about formats that it does not know.
    match map.get("format").and_then(Value::as_str) {
        Some("uint32") => _ = map.insert("format".to_owned(), json!("int64")),
        Some("uint64") => _ = map.insert("format".to_owned(), json!("int64")),
        _ => {}
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) = map.get(bound).and_then(Value::as_f64) {
            map.insert(bound.to_owned(), json!(number as i64));
        }
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        // Links are for rustdoc; `kubectl explain` shows the bare text.
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    for child in children(map) {
        clean(child);
    }
}

/// Objects keep what they do not know, at every depth. Maps have only keys that are known.
fn keep_unknown(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.get("type") == Some(&json!("object")) && !map.contains_key("additionalProperties") {
        map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    }
    for child in children(map) {
        keep_unknown(child);
    }
}

fn children(map: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    map.iter_mut().flat_map(|(key, value)| -> Vec<&mut Value> {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().collect(),
            ("items" | "additionalProperties", value @ Value::Object(_)) => vec![value],
            _ => Vec::new(),
        }
    })
}

/// Refuses what can never be right, with the reason; everything else is accepted and reported on the rule's
/// status. Limits on lists are what the server needs to bound the cost of the rules.
fn restrict_rule(schema: &mut Value) -> Result<()> {
    set(
        schema,
        "spec",
        json!({ "x-kubernetes-validations": [
            {
                "rule": "has(self.conditions) && has(self.conditions.expressions) && \
                         size(self.conditions.expressions) > 0",
                "message": "conditions.expressions needs at least one expression",
            },
            {
                "rule": "has(self.actions) && size(self.actions) > 0",
                "message": "actions needs an action, such as openstorage.io.action.volume/resize",
            },
        ]}),
    )?;
    set(
        schema,
        "spec.conditions",
        json!({ "x-kubernetes-validations": [{
            "rule": "!has(self.requiredMatches) || !has(self.expressions) || \
                     self.requiredMatches <= size(self.expressions)",
            "message": "requiredMatches is greater than the number of expressions",
        }]}),
    )?;
    set(schema, "spec.conditions.expressions", json!({ "maxItems": 100 }))?;
    set(schema, "spec.actions", json!({ "maxItems": 100 }))?;

    // An entry with `expression` belongs to another kind of provider: what else it holds is not ours to
    // judge.
    let other = "has(self.expression)";
    let values = |operators: &str, count: &str, message: &str| {
        json!({
            "rule": format!(
                "{other} || !has(self.operator) || !(self.operator in [{operators}]) || \
                 (has(self.values) ? size(self.values) : 0) {count}"
            ),
            "message": message,
        })
    };
    set(
        schema,
        "spec.conditions.expressions.[]",
        json!({ "x-kubernetes-validations": [
            {
                "rule": format!(
                    "{other} || (has(self.key) && size(self.key) > 0) != \
                     (has(self.keyAlias) && size(self.keyAlias) > 0)"
                ),
                "message": "give either key (PromQL without a comparison) or keyAlias",
            },
            {
                "rule": format!(
                    "{other} || (has(self.operator) && self.operator in ['In', 'NotIn', 'Exists', \
                     'DoesNotExist', 'Gt', 'GtEq', 'Lt', 'LtEq', 'InRange', 'NotInRange'])"
                ),
                "message": "operator must be one of In, NotIn, Exists, DoesNotExist, Gt, GtEq, Lt, LtEq, \
                            InRange, NotInRange",
            },
            values("'Gt', 'GtEq', 'Lt', 'LtEq'", "== 1", "Gt, GtEq, Lt and LtEq take exactly 1 value"),
            values("'InRange', 'NotInRange'", "== 2", "InRange and NotInRange take exactly 2 values"),
            values("'In', 'NotIn'", ">= 1", "In and NotIn take at least 1 value"),
            values("'Exists', 'DoesNotExist'", "== 0", "Exists and DoesNotExist take no values"),
        ]}),
    )?;
    for selector in ["spec.selector", "spec.namespaceSelector"] {
        let entry = format!("{selector}.matchExpressions.[]");
        set(
            schema,
            &entry,
            json!({ "x-kubernetes-validations": [{
                "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : \
                         !has(self.values) || size(self.values) == 0",
                "message": "In and NotIn take at least 1 value, Exists and DoesNotExist none",
            }]}),
        )?;
        set(
            schema,
            &format!("{entry}.operator"),
            json!({ "enum": ["In", "NotIn", "Exists", "DoesNotExist"] }),
        )?;
        set(schema, &format!("{selector}.matchExpressions"), json!({ "maxItems": 100 }))?;
    }
    Ok(())
}
