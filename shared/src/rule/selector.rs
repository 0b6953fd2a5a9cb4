//! Label selectors, as Kubernetes reads them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Expression, SelectorExt as _};

/// A label selector; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(kube::core::Selector);

impl Selector {
    /// Parses a selector. Stricter than kube, which takes an empty list of values, and values where there must be none.
    ///
    /// # Errors
    /// The path inside the selector, and what is wrong there.
    pub fn parse(raw: &LabelSelector) -> Result<Self, (String, String)> {
        let equal = |(key, value): (&String, &String)| Expression::Equal(key.clone(), value.clone());
        let labels = raw.match_labels.iter().flatten().map(|label| Ok(equal(label)));
        let requirements = raw.match_expressions.iter().flatten().enumerate();
        let all = labels.chain(requirements.map(|(i, requirement)| expression(i, requirement)));
        Ok(Selector(all.collect::<Result<_, _>>()?))
    }

    /// Returns whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.0.selects_all()
    }

    /// Returns whether these labels are selected. A missing label passes `NotIn`, as in Kubernetes.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

fn expression(i: usize, raw: &LabelSelectorRequirement) -> Result<Expression, (String, String)> {
    let values = raw.values.as_deref().unwrap_or_default();
    let set = || values.iter().cloned().collect();
    let at = |field: &str| format!("matchExpressions[{i}].{field}");
    match (raw.operator.as_str(), values.is_empty()) {
        ("In", false) => Ok(Expression::In(raw.key.clone(), set())),
        ("NotIn", false) => Ok(Expression::NotIn(raw.key.clone(), set())),
        ("In" | "NotIn", true) => Err((at("values"), format!("{} takes at least 1 value", raw.operator))),
        ("Exists", true) => Ok(Expression::Exists(raw.key.clone())),
        ("DoesNotExist", true) => Ok(Expression::DoesNotExist(raw.key.clone())),
        ("Exists" | "DoesNotExist", false) => {
            Err((at("values"), format!("{} takes no values", raw.operator)))
        }
        (other, _) => {
            Err((at("operator"), format!("{other:?} is unknown; use In, NotIn, Exists or DoesNotExist")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(json: Value) -> Result<Selector, (String, String)> {
        Selector::parse(&serde_json::from_value(json).unwrap())
    }

    fn one(operator: &str, values: &Value) -> Value {
        json!({ "matchExpressions": [{ "key": "app", "operator": operator, "values": values }] })
    }

    #[test]
    fn labels_are_selected_as_kubernetes_does() {
        let db = BTreeMap::from([("app".to_owned(), "db".to_owned())]);
        let web = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "1".to_owned())]);
        let bare = BTreeMap::new();
        let table = [
            (json!({}), [true, true, true]),
            (json!({ "matchLabels": { "app": "db" } }), [true, false, false]),
            (json!({ "matchLabels": { "app": "web", "tier": "1" } }), [false, true, false]),
            (one("In", &json!(["db", "other"])), [true, false, false]),
            (one("NotIn", &json!(["db", "other"])), [false, true, true]),
            (one("Exists", &json!([])), [true, true, false]),
            (one("DoesNotExist", &Value::Null), [false, false, true]),
            (
                json!({
                    "matchLabels": { "app": "web" },
                    "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["1"] }],
                }),
                [false, false, false],
            ),
        ];
        for (raw, expected) in table {
            let selector = parse(raw.clone()).unwrap();
            assert_eq!([&db, &web, &bare].map(|labels| selector.matches(labels)), expected, "{raw}");
            assert_eq!(selector.is_empty(), raw == json!({}), "{raw}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        for (raw, field, problem) in [
            (one("In", &json!([])), "values", "In takes at least 1 value"),
            (one("NotIn", &Value::Null), "values", "NotIn takes at least 1 value"),
            (one("Exists", &json!(["a"])), "values", "Exists takes no values"),
            (one("DoesNotExist", &json!(["a"])), "values", "DoesNotExist takes no values"),
            (one("Is", &json!([])), "operator", "\"Is\" is unknown; use In, NotIn, Exists or DoesNotExist"),
        ] {
            let expected = (format!("matchExpressions[0].{field}"), problem.to_owned());
            assert_eq!(parse(raw).unwrap_err(), expected);
        }
    }
}
