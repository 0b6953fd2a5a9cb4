//! The screen as lines and extents: pure, and without a frame. [`crate::update`] measures with it,
//! [`crate::view`] paints it. Never imports either.

pub(crate) mod detail;
pub(crate) mod dialog;
pub(crate) mod footer;
pub(crate) mod header;
pub(crate) mod limits;
pub mod size;
pub mod table_layout;
