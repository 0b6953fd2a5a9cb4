//! Plays what a CSI driver does around a claim: provisions its volume, and resizes it as external-resizer and kubelet would,
//! or does not.

mod behaviour;
mod driver;
mod resize;
mod volume;

pub use behaviour::{Behaviour, Resize};
pub use driver::CsiDriver;
pub use volume::DRIVER;
