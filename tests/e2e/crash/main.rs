//! Crash and doubt: whatever is killed, lost, cut, frozen or stale, and however many controllers run, an approval leads
//! to one resize and a transition to one event. The tests share clusters: real API servers, each behind a fault proxy.

mod case;
mod checks;
mod cluster;
mod every_write;
mod peers;
mod refused;
mod server;
mod stale;
mod watches;
mod writes;
