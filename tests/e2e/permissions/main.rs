//! What the controller may do, what it does of that, and how it leaves.

mod granted;
mod leaving;
mod serving;
