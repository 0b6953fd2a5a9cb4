//! The two kinds of patches that the controller sends.

use serde_json::{Value, json};

/// Why a JSON patch did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// A `test` does not hold.
    Test,
    /// An operation that the stub does not know.
    Unknown,
}

/// Applies a JSON merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            if let Some(target) = target.as_object_mut() {
                target.remove(key);
            }
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

/// Applies a JSON patch (RFC 6902) of `test`s, and of `add`, `replace` and `remove` for members of objects.
pub(crate) fn apply(target: &mut Value, operations: &[Value]) -> Result<(), Failed> {
    let mut patched = target.clone();
    for operation in operations {
        let text = |key: &str| operation[key].as_str().ok_or(Failed::Unknown);
        let path = text("path")?;
        match text("op")? {
            "test" if patched.pointer(path) == operation.get("value") => {}
            "test" => return Err(Failed::Test),
            op @ ("add" | "replace" | "remove") => {
                let (parent, member) = path.rsplit_once('/').ok_or(Failed::Unknown)?;
                let parent =
                    patched.pointer_mut(parent).and_then(Value::as_object_mut).ok_or(Failed::Unknown)?;
                match op {
                    "remove" => drop(parent.remove(member)),
                    _ => drop(parent.insert(member.to_owned(), operation["value"].clone())),
                }
            }
            _ => return Err(Failed::Unknown),
        }
    }
    *target = patched;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_replaces_lists_and_removes_nulls() {
        let mut object = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        merge(&mut object, &json!({ "a": { "c": [3], "e": { "f": 1 } }, "d": null }));
        assert_eq!(object, json!({ "a": { "b": 1, "c": [3], "e": { "f": 1 } } }));
    }

    #[test]
    fn a_json_patch_is_applied_whole_or_not_at_all() {
        let mut object = json!({ "metadata": { "resourceVersion": "5" } });
        let patch = |version: &str| {
            [
                json!({ "op": "add", "path": "/status", "value": { "state": "Normal" } }),
                json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }),
            ]
        };
        assert_eq!(apply(&mut object, &patch("4")), Err(Failed::Test));
        assert_eq!(object, json!({ "metadata": { "resourceVersion": "5" } }));
        assert_eq!(apply(&mut object, &patch("5")), Ok(()));
        assert_eq!(object["status"]["state"], "Normal");
        assert_eq!(apply(&mut object, &[json!({ "op": "move", "path": "/a" })]), Err(Failed::Unknown));
    }
}
