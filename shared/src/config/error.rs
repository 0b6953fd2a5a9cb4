//! Problems of a configuration.

/// The reason why a text is no configuration. The message names the field and what would be right, and never holds the
/// value of a password or token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is no YAML, or not of the right shape.
    #[error("line {line}, column {column}: {problem}")]
    Yaml {
        /// Counted from 1; 0 if it is not known.
        line: u64,
        /// Counted from 1; 0 if it is not known.
        column: u64,
        /// Problem, without quoting values.
        problem: String,
    },
    /// A value that does not make sense.
    #[error("{field}: {problem}")]
    Field {
        /// Path of the field, for instance `providers[0].params.timeout`.
        field: String,
        /// Problem, and what would be right.
        problem: String,
    },
}
