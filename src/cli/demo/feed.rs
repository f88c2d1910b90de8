//! The demo's own StatsD receiver: it counts lines and keeps the last few for the eye.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tsup_core::error::{Exit, UserError};
use tsup_core::untrusted::Untrusted;

use crate::config::plain;

/// Lines about agents kept for the picture.
const KEPT: usize = 4;

/// A receiver on loopback. Its thread ends with the process.
pub(super) struct Feed {
    port: u16,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    lines: AtomicU64,
    /// A leaf: the receiving thread and the painter meet here for one copy.
    last: Mutex<VecDeque<Untrusted>>,
}

impl Feed {
    /// Listens on a free port of the loopback address.
    pub(super) fn listen() -> Result<Feed, UserError> {
        let fail = |e: std::io::Error| {
            UserError::new(Exit::Failed, format!("cannot listen for StatsD: {}", plain(&e)))
        };
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(fail)?;
        let port = socket.local_addr().map_err(fail)?.port();
        let seen = Arc::new(Seen::default());
        let writer = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut packet = vec![0u8; 65_536];
            while let Ok(n) = socket.recv(&mut packet) {
                writer.take(&packet[..n]);
            }
        });
        Ok(Feed { port, seen })
    }

    /// The port it listens on.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Lines received so far.
    pub(super) fn lines(&self) -> u64 {
        self.seen.lines.load(Ordering::Relaxed)
    }

    /// The last lines about agents, oldest first.
    pub(super) fn last(&self) -> Vec<Untrusted> {
        self.seen.last.lock().iter().cloned().collect()
    }
}

impl Seen {
    fn take(&self, packet: &[u8]) {
        let mut last = self.last.lock();
        for line in packet.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            self.lines.fetch_add(1, Ordering::Relaxed);
            // The feed also tells about itself; what a newcomer looks for is the agents.
            if line.windows(5).any(|w| w == b"agent") || line.windows(5).any(|w| w == b"state") {
                last.push_back(Untrusted::from_bytes(line, 256));
                if last.len() > KEPT {
                    last.pop_front();
                }
            }
        }
    }
}
