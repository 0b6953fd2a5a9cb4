//! All texts that a forge sees, made from an approval. Pure: the same for the same proposal.

pub mod body;
pub(crate) mod branch;
pub mod comment;
pub mod file;
pub mod marker;
pub(crate) mod safe;
