//! Label selectors, as Kubernetes reads them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// A label selector; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(Vec<(String, Requirement)>);

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    Is(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Understands a selector.
    ///
    /// # Errors
    /// The path inside the selector, and what is wrong there.
    pub fn parse(raw: &LabelSelector) -> Result<Self, (String, String)> {
        let mut all: Vec<(String, Requirement)> = raw
            .match_labels
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), Requirement::Is(value.clone())))
            .collect();
        for (i, e) in raw.match_expressions.iter().flatten().enumerate() {
            let values = e.values.clone().unwrap_or_default();
            let at = |field: &str| format!("matchExpressions[{i}].{field}");
            let requirement = match (e.operator.as_str(), values.is_empty()) {
                ("In", false) => Requirement::In(values),
                ("NotIn", false) => Requirement::NotIn(values),
                ("In" | "NotIn", true) => {
                    return Err((at("values"), format!("{} takes at least 1 value", e.operator)));
                }
                ("Exists", true) => Requirement::Exists,
                ("DoesNotExist", true) => Requirement::DoesNotExist,
                ("Exists" | "DoesNotExist", false) => {
                    return Err((at("values"), format!("{} takes no values", e.operator)));
                }
                (other, _) => {
                    return Err((
                        at("operator"),
                        format!("{other:?} is unknown; use In, NotIn, Exists or DoesNotExist"),
                    ));
                }
            };
            all.push((e.key.clone(), requirement));
        }
        Ok(Selector(all))
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these labels are selected. A missing label passes `NotIn`, as in Kubernetes.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, requirement)| match (requirement, labels.get(key)) {
            (Requirement::Is(wanted), Some(value)) => wanted == value,
            (Requirement::In(list), Some(value)) => list.contains(value),
            (Requirement::NotIn(list), Some(value)) => !list.contains(value),
            (Requirement::Exists, Some(_)) => true,
            (Requirement::NotIn(_) | Requirement::DoesNotExist, None) => true,
            (Requirement::Is(_) | Requirement::In(_) | Requirement::Exists, None) => false,
            (Requirement::DoesNotExist, Some(_)) => false,
        })
    }
}
