//! Reading the answer to an instant query.
//!
//! An answer has up to a hundred thousand samples of which a few labels matter, so it is read in one walk over the
//! bytes: labels nobody needs are skipped without a copy and no tree is built in between.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Longest text that is taken over from a server, in characters: it ends in logs, events and statuses.
const TEXT: usize = 300;
/// Most warnings that are kept, and most infos. Prometheus itself stops at ten.
const NOTES: usize = 10;

/// The samples of one instant query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In the server's order. Several may belong to one object.
    pub samples: Vec<Sample>,
    /// Warnings of the server, such as a store that did not answer. The samples may be incomplete then.
    pub warnings: Vec<String>,
    /// Remarks of the server about the query.
    pub infos: Vec<String>,
    /// Size of the body, unpacked, in bytes.
    pub bytes: usize,
    /// Native histograms, which have no single value and are left out.
    pub histograms: usize,
}

/// One series' value at the time asked for, and the labels that say whose it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Label `volumename`.
    pub volume: Option<Box<str>>,
    /// Label `namespace`.
    pub namespace: Option<Box<str>>,
    /// Label `persistentvolumeclaim`.
    pub claim: Option<Box<str>>,
    /// Label `pv`, else `persistentvolume`.
    pub pv: Option<Box<str>>,
    /// Label `pool`.
    pub pool: Option<Box<str>>,
    /// The value; NaN and infinities as the server sent them.
    pub value: f64,
    /// The value as the server wrote it, to show.
    pub text: Box<str>,
}

/// Why a body is no [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The query works, but yields a scalar, a string or a range.
    #[error("yields a {kind} instead of an instant vector")]
    NotAVector {
        /// `scalar`, `string`, `matrix`.
        kind: String,
    },
    /// The server says that it failed.
    #[error("{error_type}: {text}")]
    Failed {
        /// Prometheus' word: `bad_data`, `execution`, `timeout`, …
        error_type: String,
        /// At most 300 characters, no control characters.
        text: String,
    },
    /// Not the JSON of an answer.
    #[error("{detail}")]
    Malformed {
        /// The fault and its place.
        detail: String,
    },
}

fn malformed(detail: impl Into<String>) -> AnswerError {
    AnswerError::Malformed { detail: detail.into() }
}

/// Reads the body of an answer to `/api/v1/query`, of success or failure.
///
/// # Errors
/// See [`AnswerError`].
pub fn parse(body: &[u8]) -> Result<Answer, AnswerError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| {
        let start: String = String::from_utf8_lossy(body.get(..60).unwrap_or(body)).into_owned();
        malformed(match start.trim() {
            "" => "the body is empty".to_owned(),
            // Only where the body was no JSON from the start is its start worth showing.
            start if !start.starts_with('{') => {
                format!("the body is no JSON, it starts with {:?}", clean(start))
            }
            _ if error.is_eof() => "the body ends in the middle".to_owned(),
            _ => clean(&error.to_string()),
        })
    })?;
    match envelope.status.as_str() {
        "success" => {}
        "error" => {
            return Err(AnswerError::Failed {
                error_type: clean(&envelope.error_type.unwrap_or_else(|| "unknown".to_owned())),
                text: clean(&envelope.error.unwrap_or_default()),
            });
        }
        other => return Err(malformed(format!("its status is {:?}", clean(other)))),
    }
    let Some(Data { result_type, result }) = envelope.data else {
        return Err(malformed("it says success but has no data"));
    };
    if result_type != "vector" {
        return Err(AnswerError::NotAVector { kind: clean(&result_type) });
    }
    if result.odd > 0 {
        return Err(malformed(format!("{} elements of its vector are no samples", result.odd)));
    }
    Ok(Answer {
        samples: result.samples,
        warnings: notes(envelope.warnings),
        infos: notes(envelope.infos),
        bytes: body.len(),
        histograms: result.histograms,
    })
}

/// Text of a server made fit to be shown: without control characters, at most [`TEXT`] characters.
pub(crate) fn clean(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(TEXT + 1)
        .collect();
    if let Some((end, _)) = shown.char_indices().nth(TEXT) {
        shown.truncate(end);
        shown.pop();
        shown.push('…');
    }
    shown
}

fn notes(list: Option<Vec<String>>) -> Vec<String> {
    list.unwrap_or_default().iter().take(NOTES).map(|note| clean(note)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Elements,
}

/// The content of `result`. It is read without knowing `resultType`, which need not come first.
#[derive(Default)]
struct Elements {
    samples: Vec<Sample>,
    histograms: usize,
    /// Series of a range, the two parts of a scalar, or anything else that is no sample.
    odd: usize,
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementsVisitor;
        impl<'de> Visitor<'de> for ElementsVisitor {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of samples")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Elements, E> {
                Ok(Elements::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements, A::Error> {
                let mut found = Elements::default();
                while let Some(element) = seq.next_element()? {
                    match element {
                        Element::Sample(sample) => found.samples.push(sample),
                        Element::Histogram => found.histograms += 1,
                        Element::Odd => found.odd += 1,
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(ElementsVisitor)
    }
}

enum Element {
    Sample(Sample),
    Histogram,
    Odd,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Part {
    Metric,
    Value,
    Histogram,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementVisitor;
        impl<'de> Visitor<'de> for ElementVisitor {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sample")
            }

            // A scalar's or a string's time and text.
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Element, E> {
                Ok(Element::Odd)
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Element, E> {
                Ok(Element::Odd)
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Element, E> {
                Ok(Element::Odd)
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Element, E> {
                Ok(Element::Odd)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
                let mut labels = MetricLabels::default();
                let mut point = None;
                let mut histogram = false;
                while let Some(part) = map.next_key()? {
                    match part {
                        Part::Metric => labels = map.next_value()?,
                        Part::Value => point = Some(map.next_value::<Point>()?),
                        Part::Histogram => {
                            map.next_value::<IgnoredAny>()?;
                            histogram = true;
                        }
                        Part::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(match point {
                    Some(Point { value, text }) => Element::Sample(Sample {
                        volume: labels.volume,
                        namespace: labels.namespace,
                        claim: labels.claim,
                        pv: labels.pv.or(labels.persistent_volume),
                        pool: labels.pool,
                        value,
                        text,
                    }),
                    None if histogram => Element::Histogram,
                    None => Element::Odd,
                })
            }
        }
        deserializer.deserialize_any(ElementVisitor)
    }
}

#[derive(Default)]
struct MetricLabels {
    volume: Option<Box<str>>,
    namespace: Option<Box<str>>,
    claim: Option<Box<str>>,
    pv: Option<Box<str>>,
    persistent_volume: Option<Box<str>>,
    pool: Option<Box<str>>,
}

/// The labels that identify an object; see `pushdown::IDENTITY`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Label {
    VolumeName,
    Namespace,
    PersistentVolumeClaim,
    Pv,
    PersistentVolume,
    Pool,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for MetricLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;
        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = MetricLabels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetricLabels, A::Error> {
                let mut labels = MetricLabels::default();
                while let Some(label) = map.next_key()? {
                    let kept = match label {
                        Label::VolumeName => &mut labels.volume,
                        Label::Namespace => &mut labels.namespace,
                        Label::PersistentVolumeClaim => &mut labels.claim,
                        Label::Pv => &mut labels.pv,
                        Label::PersistentVolume => &mut labels.persistent_volume,
                        Label::Pool => &mut labels.pool,
                        Label::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    // To Prometheus an empty label and none are the same.
                    *kept = Some(map.next_value::<Box<str>>()?).filter(|text| !text.is_empty());
                }
                Ok(labels)
            }
        }
        deserializer.deserialize_map(LabelsVisitor)
    }
}

/// `[time, "value"]`.
struct Point {
    value: f64,
    text: Box<str>,
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (_, text) = <(IgnoredAny, Box<str>)>::deserialize(deserializer)?;
        // Rust reads every form that Go writes: `1e+06`, `NaN`, `+Inf`.
        let value = text
            .parse()
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a sample's value"))?;
        Ok(Point { value, text })
    }
}

#[cfg(test)]
mod tests;
