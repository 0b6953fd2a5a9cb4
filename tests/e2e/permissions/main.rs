//! The permissions of the controller, those that it uses, and its end.

mod granted;
mod leaving;
mod serving;
