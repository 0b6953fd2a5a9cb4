//! The engine without servers: what is reported to it goes in, what it would write is looked at.

mod announced;
mod vanished;
