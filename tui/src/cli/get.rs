//! `get`: lists, as columns or as the cluster has them.

use jiff::Timestamp;
use serde_json::Value;

use crate::cli::args::{Output, Resource};
use crate::cli::exit_code::{DENIED, FAILED, NOTHING, OK, USAGE};
use crate::clock::Now;
use crate::cluster::error::classify;
use crate::cluster::{Session, fetch};
use crate::config::Settings;
use crate::connection::Trouble;
use crate::content::table_layout::print_table;
use crate::filter::Filter;
use crate::rows::{
    Approval, ApprovalColumn, CellContext, Column as _, Names, ObjectColumn, ObjectRow, Row, RuleColumn,
    RuleRow, wire,
};
use crate::text::{Safe, escape};

/// Columns of the approvals without `-o wide`.
const APPROVALS: [ApprovalColumn; 7] = [
    ApprovalColumn::State,
    ApprovalColumn::Namespace,
    ApprovalColumn::Object,
    ApprovalColumn::Change,
    ApprovalColumn::Measured,
    ApprovalColumn::Waits,
    ApprovalColumn::PullRequest,
];
/// The same of the objects.
const OBJECTS: [ObjectColumn; 5] = [
    ObjectColumn::State,
    ObjectColumn::Namespace,
    ObjectColumn::Object,
    ObjectColumn::Rule,
    ObjectColumn::Since,
];
/// The same of the rules.
const RULES: [RuleColumn; 5] =
    [RuleColumn::Rule, RuleColumn::Ready, RuleColumn::Data, RuleColumn::Asks, RuleColumn::Objects];

/// A list to print.
#[derive(Debug)]
pub struct ListRequest<'a> {
    /// Its kind.
    pub resource: Resource,
    /// Only this one.
    pub name: Option<String>,
    /// Format.
    pub output: Option<Output>,
    /// Filter.
    pub filter: Option<String>,
    /// Namespace; all if none.
    pub namespace: Option<&'a str>,
}

/// Prints a list.
///
/// # Errors
/// When it cannot be printed.
pub async fn get(session: &Session, request: &ListRequest<'_>, settings: &Settings) -> anyhow::Result<u8> {
    match request.resource {
        Resource::Approvals => {
            let read = |v: &Value| read_row(wire::Object::read(v), Approval::from_wire);
            rows(session, request, settings, "actionapprovals", &APPROVALS, read).await
        }
        Resource::Objects => {
            let read = |v: &Value| read_row(wire::Object::read(v), ObjectRow::from_wire);
            rows(session, request, settings, "autopilotruleobjects", &OBJECTS, read).await
        }
        Resource::Rules => {
            let read = |v: &Value| read_row(wire::Object::read(v), RuleRow::from_wire);
            rows(session, request, settings, "autopilotrules", &RULES, read).await
        }
    }
}

/// Returns a row. Prints an error if the object could not be read whole.
fn read_row<S, T, R>(object: wire::Object<S, T>, row: impl Fn(wire::Object<S, T>, &mut Names) -> R) -> R {
    if let Some(why) = &object.unreadable {
        let wire::Meta { namespace, name, .. } = &object.metadata;
        let what = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
        eprintln!("autopilot: {} cannot be read: {}", Safe::new(&what), Safe::new(why));
    }
    row(object, &mut Names::default())
}

/// Returns a list as text in which nothing hides. YAML that would have to hide something is written as JSON, which is YAML,
/// too.
fn text(list: &Value, output: Output) -> anyhow::Result<String> {
    if output == Output::Yaml {
        let yaml = serde_saphyr::to_string(list)?;
        if escape(&yaml) == yaml {
            return Ok(yaml);
        }
    }
    Ok(escape(&serde_json::to_string_pretty(list)?))
}

async fn rows<R: Row>(
    session: &Session,
    request: &ListRequest<'_>,
    settings: &Settings,
    plural: &str,
    short: &[R::Column],
    read: impl Fn(&Value) -> R,
) -> anyhow::Result<u8> {
    let namespace = if request.resource == Resource::Rules { None } else { request.namespace };
    let filter = match Filter::parse(request.filter.as_deref().unwrap_or_default(), R::Column::SPECS) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("autopilot: {error}");
            return Ok(USAGE);
        }
    };
    let items: Vec<Value> = match fetch::list(session, plural, namespace).await {
        Ok(items) => items,
        Err(error) => {
            let (trouble, text) = classify(&error);
            eprintln!("autopilot: listing {plural}: {text}");
            return Ok(if trouble == Trouble::Forbidden { DENIED } else { FAILED });
        }
    };
    let now = Timestamp::now();
    let mut found: Vec<(R, Value)> = items
        .into_iter()
        .filter(|v| request.name.as_deref().is_none_or(|name| v["metadata"]["name"] == *name))
        .map(|v| (read(&v), v))
        .filter(|(row, _)| filter.passes(row, now))
        .collect();
    if let Some(first) = R::Column::ALL.first() {
        found.sort_by(|a, b| a.0.compare(&b.0, *first));
    }
    if let Some(output @ (Output::Json | Output::Yaml)) = request.output {
        let items: Vec<Value> = found
            .into_iter()
            .map(|(_, mut value)| {
                if let Some(meta) = value["metadata"].as_object_mut() {
                    meta.remove("managedFields");
                }
                value
            })
            .collect();
        let none = items.is_empty();
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
        outln!("{}", text(&list, output)?.trim_end());
        return Ok(if none && request.name.is_some() { NOTHING } else { OK });
    }
    let context =
        CellContext { now: Now { mono: std::time::Duration::ZERO, wall: now }, glyphs: settings.glyphs };
    let columns = if request.output == Some(Output::Wide) { R::Column::ALL } else { short };
    if found.is_empty() {
        let what = request.name.as_deref().map(Safe::new);
        eprintln!("autopilot: no {}{}", plural, what.map(|n| format!(" named {n}")).unwrap_or_default());
        return Ok(if request.name.is_some() { NOTHING } else { OK });
    }
    for line in print_table(found.iter().map(|(row, _)| row), &context, columns) {
        outln!("{line}");
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Glyphs;

    #[test]
    fn columns_are_these_and_in_this_order() {
        fn head<R: Row>(columns: &[R::Column]) -> String {
            let context = CellContext { now: Now::default(), glyphs: Glyphs::UNICODE };
            print_table(std::iter::empty::<&R>(), &context, columns).concat()
        }
        assert_eq!(
            [head::<Approval>(&APPROVALS), head::<ObjectRow>(&OBJECTS), head::<RuleRow>(&RULES)],
            [
                "STATE   NAMESPACE   OBJECT   CHANGE   MEASURED   WAITS   PULL REQ",
                "STATE   NAMESPACE   OBJECT   RULE   SINCE",
                "RULE   READY   DATA   ASKS   OBJECTS",
            ]
        );
        assert_eq!(
            [
                head::<Approval>(ApprovalColumn::ALL),
                head::<ObjectRow>(ObjectColumn::ALL),
                head::<RuleRow>(RuleColumn::ALL),
            ],
            [
                "STATE   NAMESPACE   OBJECT   RULE   CHANGE   MEASURED   WAITS   PULL REQ   DECISION   PROPOSAL",
                "STATE   NAMESPACE   OBJECT   RULE   SINCE   WHY   N",
                "RULE   READY   DATA   ASKS   OBJECTS   STATES   AGE",
            ]
        );
    }

    #[test]
    fn json_and_yaml_hide_nothing_and_lose_nothing() {
        let raw = "a\u{202e}b\u{9b}2Jc\u{200b}d\u{7f}e\u{e0041}f\u{1b}[1mg\nh\ti";
        let list = serde_json::json!({ "items": [{ raw: raw, "plain": "größe" }] });
        for output in [Output::Json, Output::Yaml] {
            let text = text(&list, output).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !Safe::new(&c.to_string()).sanitized()), "{text:?}");
            assert!(text.contains("\\u202e") && text.contains("größe"), "{text}");
            assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), list);
            if output == Output::Json {
                assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), list);
            }
        }
        let plain = serde_json::json!({ "kind": "List" });
        assert_eq!(text(&plain, Output::Yaml).unwrap(), "kind: List\n");
    }
}
