//! A comparison of a rule: a PromQL key and a numeric test.

use crate::api::RuleExpression;

/// A PromQL key and the test of its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// PromQL without a comparison; aliases are resolved.
    pub key: String,
    /// Test of the value.
    pub test: Test,
    /// Operator as the rule spells it, to show.
    pub operator: String,
    /// Values as the rule spells them, to show.
    pub values: Vec<String>,
}

/// A test on a sample's value. All numbers are finite; ranges are inclusive and ordered.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these.
    In(Vec<f64>),
    /// None of these.
    NotIn(Vec<f64>),
    /// A series is there.
    Exists,
    /// No series is there.
    DoesNotExist,
    /// Greater.
    Gt(f64),
    /// Greater or equal.
    GtEq(f64),
    /// Less.
    Lt(f64),
    /// Less or equal.
    LtEq(f64),
    /// Inside, bounds included.
    InRange(f64, f64),
    /// Outside, bounds excluded.
    NotInRange(f64, f64),
}

impl Test {
    /// Returns whether a value passes. A value that is not finite never does: it is no data. [`Test::DoesNotExist`] passes
    /// no value, since it is about there being none.
    pub fn holds(&self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Test::In(list) => list.contains(&value),
                Test::NotIn(list) => !list.contains(&value),
                Test::Exists => true,
                Test::DoesNotExist => false,
                Test::Gt(v) => value > *v,
                Test::GtEq(v) => value >= *v,
                Test::Lt(v) => value < *v,
                Test::LtEq(v) => value <= *v,
                Test::InRange(low, high) => value >= *low && value <= *high,
                Test::NotInRange(low, high) => value < *low || value > *high,
            }
    }
}

/// The reason why an expression cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ExpressionError {
    /// Path of the field inside the expression: `key`, `operator`, `values[1]`, …
    pub field: String,
    /// Problem, and what would be right.
    pub problem: String,
}

/// PromQL behind the named keys.
pub struct Aliases;

impl Aliases {
    /// Returns the query of an alias, `None` if there is none of that name. The original does not publish its
    /// queries; these follow its description: the percentage by which a pool's provisioned or used share deviates
    /// from the mean over all pools.
    pub fn resolve(alias: &str) -> Option<String> {
        let series = match alias {
            "PoolProvDeviationPerc" => "px_pool_stats_provisioned_bytes",
            "PoolUsageDeviationPerc" => "px_pool_stats_used_bytes",
            _ => return None,
        };
        let share = format!("(100 * {series} / px_pool_stats_total_bytes)");
        Some(format!("100 * ({share} - scalar(avg({share}))) / scalar(avg({share}))"))
    }
}

fn error(field: impl Into<String>, problem: impl Into<String>) -> ExpressionError {
    ExpressionError { field: field.into(), problem: problem.into() }
}

impl Expression {
    /// Parses one expression.
    ///
    /// # Errors
    /// Names the field and what would be right: no key or two, an unknown alias or operator, the wrong number of
    /// values, a value that is no finite number, a range whose bounds are in the wrong order.
    pub fn parse(raw: &RuleExpression) -> Result<Self, ExpressionError> {
        let key = match (text(raw.key.as_ref()), text(raw.key_alias.as_ref())) {
            (Some(key), None) => key.to_owned(),
            (None, Some(alias)) => Aliases::resolve(alias).ok_or_else(|| {
                error(
                    "keyAlias",
                    format!(
                        "{alias:?} is unknown; use PoolProvDeviationPerc or PoolUsageDeviationPerc, or a key"
                    ),
                )
            })?,
            (Some(_), Some(_)) => return Err(error("keyAlias", "give key or keyAlias, not both")),
            (None, None) if raw.expression.is_some() => {
                return Err(error(
                    "expression",
                    "expressions of other providers are not supported; use key with PromQL",
                ));
            }
            (None, None) => return Err(error("key", "missing; give a PromQL expression")),
        };
        let values = raw.values.clone().unwrap_or_default();
        let numbers = || -> Result<Vec<f64>, ExpressionError> {
            values.iter().enumerate().map(|(i, v)| number(i, v)).collect()
        };
        let one = || -> Result<f64, ExpressionError> {
            match numbers()?[..] {
                [v] => Ok(v),
                _ => Err(error(
                    "values",
                    format!("{} takes exactly 1 number, here are {}", raw.operator, values.len()),
                )),
            }
        };
        let range = || -> Result<(f64, f64), ExpressionError> {
            match numbers()?[..] {
                [low, high] if low <= high => Ok((low, high)),
                [low, high] => {
                    Err(error("values", format!("the range starts at {low} and ends before it, at {high}")))
                }
                _ => Err(error(
                    "values",
                    format!("{} takes exactly 2 numbers, here are {}", raw.operator, values.len()),
                )),
            }
        };
        let some = || -> Result<Vec<f64>, ExpressionError> {
            let list = numbers()?;
            if list.is_empty() {
                return Err(error("values", format!("{} takes at least 1 number", raw.operator)));
            }
            Ok(list)
        };
        let none = |test: Test| -> Result<Test, ExpressionError> {
            if values.is_empty() {
                return Ok(test);
            }
            Err(error("values", format!("{} takes no values, here are {}", raw.operator, values.len())))
        };
        let test = match raw.operator.as_str() {
            "In" => Test::In(some()?),
            "NotIn" => Test::NotIn(some()?),
            "Exists" => none(Test::Exists)?,
            "DoesNotExist" => none(Test::DoesNotExist)?,
            "Gt" => Test::Gt(one()?),
            "GtEq" => Test::GtEq(one()?),
            "Lt" => Test::Lt(one()?),
            "LtEq" => Test::LtEq(one()?),
            "InRange" => range().map(|(low, high)| Test::InRange(low, high))?,
            "NotInRange" => range().map(|(low, high)| Test::NotInRange(low, high))?,
            "" => return Err(error("operator", "missing")),
            other => {
                return Err(error(
                    "operator",
                    format!(
                        "{other:?} is unknown; use In, NotIn, Exists, DoesNotExist, Gt, GtEq, Lt, LtEq, InRange or NotInRange"
                    ),
                ));
            }
        };
        Ok(Expression { key, test, operator: raw.operator.clone(), values })
    }
}

fn text(value: Option<&String>) -> Option<&str> {
    value.map(|v| v.trim()).filter(|v| !v.is_empty())
}

fn number(index: usize, value: &str) -> Result<f64, ExpressionError> {
    match value.trim().parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(error(format!("values[{index}]"), format!("{value:?} is no number"))),
    }
}
