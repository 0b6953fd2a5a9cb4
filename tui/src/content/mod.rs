//! What is on the screen, as lines and extents: pure, and without a frame. [`crate::update`] measures with it,
//! [`crate::view`] paints it. Never imports either.

pub mod detail;
pub mod dialog;
pub mod footer;
pub mod header;
pub mod limits;
pub mod size;
pub mod table_layout;
