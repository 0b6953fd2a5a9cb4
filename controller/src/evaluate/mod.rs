//! From samples to verdicts (pure).

pub mod verdict;
