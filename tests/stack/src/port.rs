//! Free loopback ports.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex};

use anyhow::{Result, bail};

use crate::lock::lock;

/// Below the kernel's ephemeral range (32768..): a server that is killed and started again must find its port free, and an
/// outgoing connection must not have taken it meanwhile.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Returns a port of 127.0.0.1 that nobody listens on and that this process has not handed out before.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<u16> {
    let random = RandomState::new();
    let mut taken = lock(&TAKEN);
    for attempt in 0..200_u32 {
        let offset = random.hash_one((std::process::id(), attempt)) % u64::from(COUNT);
        let port = FIRST + u16::try_from(offset)?;
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {FIRST} and {}", FIRST + COUNT);
}
