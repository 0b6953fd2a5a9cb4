//! Kubernetes quantities, exact. Grammar, rounding, formats and canonical text follow
//! `k8s.io/apimachinery/pkg/api/resource` (`quantity.go`, `suffix.go`); where this module differs, it says
//! so.

mod number;
mod parse;
mod size;
#[cfg(test)]
mod tests;
mod wire;

pub use number::{Format, Quantity, QuantityError};
pub use size::{Grown, MaxSizeError, Size, grow, parse_maxsize};
