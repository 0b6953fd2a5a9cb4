//! Filters: words, `!word`, `column=value`, `age>1h`, `ns=pg*`, `usage>80`; and fuzzy ones.

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::clock::parse_age;
use crate::rows::{Column, ColumnKind, ColumnSpec, Row};
use crate::text::glob;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// With what.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Globs(Vec<String>),
    Number(f64),
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Word { word: String, not: bool },
    Column { column: &'static ColumnSpec, operator: Operator, value: Value },
}

/// A filter that has been understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    terms: Vec<Term>,
    fuzzy: Option<String>,
}

/// An error in a filter.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FilterError {
    /// No such column here.
    #[error("no column {0:?} here: {1}")]
    NoColumn(String, String),
    /// Not a number, a size or an age.
    #[error("{0:?} is no {1}")]
    NoValue(String, &'static str),
    /// Texts have no greater and smaller.
    #[error("{0} is text: use = or !=")]
    NotOrdered(&'static str),
}

const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::IsNot),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Is),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl Filter {
    /// Understands a filter for a table with these columns.
    ///
    /// # Errors
    /// When a term is not understood; an unfinished term (`age>`) is ignored.
    pub(crate) fn parse(text: &str, columns: &'static [ColumnSpec]) -> Result<Filter, FilterError> {
        let mut terms = Vec::new();
        for token in text.split_whitespace() {
            let place = OPERATORS
                .iter()
                .filter_map(|(sign, operator)| Some((token.find(sign)?, *sign, *operator)))
                .filter(|(at, ..)| *at > 0)
                .min_by_key(|(at, sign, _)| (*at, 3 - sign.len()));
            match place {
                Some((at, sign, operator)) => {
                    let (name, value) = (&token[..at], &token[at + sign.len()..]);
                    if let Some(term) = column_term(name, operator, value, columns)? {
                        terms.push(term);
                    }
                }
                None => {
                    let (not, word) = match token.strip_prefix('!') {
                        Some(word) => (true, word),
                        None => (false, token),
                    };
                    if !word.is_empty() {
                        terms.push(Term::Word { word: word.to_ascii_lowercase(), not });
                    }
                }
            }
        }
        Ok(Filter { terms, fuzzy: None })
    }

    /// Letters in this order.
    pub(crate) fn fuzzy(text: &str) -> Filter {
        let text = text.trim();
        Filter { terms: Vec::new(), fuzzy: (!text.is_empty()).then(|| text.to_owned()) }
    }

    /// `true` if it lets everything through.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.fuzzy.is_none()
    }

    /// `true` if what it lets through changes with time alone.
    pub(crate) fn depends_on_time(&self) -> bool {
        self.terms.iter().any(|t| matches!(t, Term::Column { column, .. } if column.kind == ColumnKind::Age))
    }

    /// `true` if a row passes; fuzzy filters pass everything here, see [`Scorer`].
    pub(crate) fn passes<R: Row>(&self, row: &R, now: Timestamp) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Word { word, not } => {
                let found = match row.lower() {
                    Some(lower) => memchr::memmem::find(lower.as_bytes(), word.as_bytes()).is_some(),
                    None => row.any_text(&mut |text| contains(text, word)),
                };
                found != *not
            }
            Term::Column { column, operator, value } => {
                R::Column::of(column).is_some_and(|column| compare(row, column, *operator, value, now))
            }
        })
    }
}

/// Scores rows of a fuzzy filter.
pub(crate) struct Scorer {
    pattern: Pattern,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").finish_non_exhaustive()
    }
}

impl Scorer {
    /// Returns a scorer for a text.
    pub(crate) fn new(text: &str) -> Scorer {
        Scorer {
            pattern: Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart),
            matcher: Matcher::new(Config::DEFAULT),
            buffer: Vec::new(),
        }
    }

    /// Returns a scorer for a filter; `None` if it is not fuzzy.
    pub(crate) fn of(filter: &Filter) -> Option<Scorer> {
        filter.fuzzy.as_deref().map(Scorer::new)
    }

    /// Returns how well a text fits; `None` if it does not.
    pub(crate) fn score(&mut self, text: &str) -> Option<u32> {
        self.pattern.score(Utf32Str::new(text, &mut self.buffer), &mut self.matcher)
    }

    /// Returns the best score of any text of a row.
    pub(crate) fn row<R: Row>(&mut self, row: &R) -> Option<u32> {
        let mut best = None;
        row.any_text(&mut |text| {
            best = best.max(self.score(text));
            false
        });
        best
    }
}

fn column_term(
    name: &str,
    operator: Operator,
    value: &str,
    columns: &'static [ColumnSpec],
) -> Result<Option<Term>, FilterError> {
    let lower = name.to_ascii_lowercase();
    let found = columns.iter().find(|c| c.id == lower || c.aliases.contains(&lower.as_str()));
    let Some(column) = found else {
        let known = columns.iter().map(|c| c.id).collect::<Vec<_>>().join(" ");
        return Err(FilterError::NoColumn(name.to_owned(), known));
    };
    if value.is_empty() {
        return Ok(None);
    }
    let kind = column.kind;
    let number = match kind {
        ColumnKind::Age => {
            Some(parse_age(value).ok_or_else(|| FilterError::NoValue(value.to_owned(), "age"))?)
        }
        ColumnKind::Number => {
            Some(value.parse().map_err(|_| FilterError::NoValue(value.to_owned(), "number"))?)
        }
        // A text column may have a number, too: pull requests.
        ColumnKind::Text => value.trim_start_matches('#').parse().ok(),
    };
    let equal = matches!(operator, Operator::Is | Operator::IsNot);
    let value = match number {
        Some(number) if kind != ColumnKind::Text || !equal => Value::Number(number),
        _ if equal => Value::Globs(value.to_ascii_lowercase().split(',').map(str::to_owned).collect()),
        _ => return Err(FilterError::NotOrdered(column.id)),
    };
    Ok(Some(Term::Column { column, operator, value }))
}

fn compare<R: Row>(row: &R, column: R::Column, operator: Operator, value: &Value, now: Timestamp) -> bool {
    match value {
        Value::Globs(globs) => {
            let text = row.text(column);
            // A text column may have a number, too: `pr=42`.
            let number = row.number(column, now);
            let numbered =
                |g: &str| number.is_some() && g.trim_start_matches('#').parse::<f64>().ok() == number;
            globs.iter().any(|g| glob(g, &text) || numbered(g)) == (operator == Operator::Is)
        }
        Value::Number(wanted) => {
            let Some(number) = row.number(column, now) else { return operator == Operator::IsNot };
            match operator {
                Operator::Is => (number - wanted).abs() < f64::EPSILON.max(wanted.abs() * 1e-9),
                Operator::IsNot => (number - wanted).abs() >= f64::EPSILON.max(wanted.abs() * 1e-9),
                Operator::Above => number > *wanted,
                Operator::AtLeast => number >= *wanted,
                Operator::Below => number < *wanted,
                Operator::AtMost => number <= *wanted,
            }
        }
    }
}

/// `true` if a text contains a word, whatever the case of ASCII letters. The word is lower case.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some((&first, rest)) = word.split_first() else { return true };
    if text.len() < word.len() {
        return false;
    }
    let starts = &text[..=text.len() - word.len()];
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), starts)
        .any(|at| text[at + 1..at + word.len()].eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        for (form, text, fits) in [
            ("pg*", "pg-prod", true),
            ("pg*", "a-pg", false),
            ("*pg*", "a-pg-b", true),
            ("pg", "PG", true),
            ("pg", "pg1", false),
            ("a*b*c", "a-b-x-c", true),
            ("a*bb", "ab", false),
        ] {
            assert_eq!(glob(form, text), fits, "{form} {text}");
        }
    }

    #[test]
    fn words_match_whatever_the_case() {
        assert!(contains("Pending", "pend") && contains("xPENd", "pend") && !contains("pen", "pend"));
    }
}
