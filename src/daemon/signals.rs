//! Signals as wishes: end, hurry, abort, read the configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tsup_core::error::Exit;

/// What a person or the service manager wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGHUP: read the configuration again.
    Reload,
    /// The first SIGTERM or SIGINT: end in order.
    Drain,
    /// The second: end soon.
    Hurry,
    /// The third: end now.
    Abort,
}

/// The signals of this process. While it exists none of them ends the process by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    asked: u32,
}

impl Signals {
    /// Takes the signals. Must be called within the runtime.
    pub fn new() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            asked: 0,
        })
    }

    /// The next wish. May be dropped while it waits; nothing is lost.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => self.end(),
            _ = self.interrupt.recv() => self.end(),
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// Counts a wish to end, however it came.
    pub fn end(&mut self) -> Wish {
        self.asked += 1;
        match self.asked {
            1 => Wish::Drain,
            2 => Wish::Hurry,
            _ => Wish::Abort,
        }
    }
}

/// Ends the process at once. What was acknowledged is durable already; agents live elsewhere.
#[expect(clippy::exit, reason = "this is what a third signal asks for")]
pub fn abort() -> ! {
    tracing::error!("told to end for the third time: ending at once");
    std::process::exit(i32::from(Exit::Failed.code()))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn wishes_grow_more_urgent() {
        let mut signals = Signals::new().unwrap();
        for (signal, wish) in [
            (Signal::HUP, Wish::Reload),
            (Signal::TERM, Wish::Drain),
            (Signal::INT, Wish::Hurry),
            (Signal::TERM, Wish::Abort),
        ] {
            kill_process(getpid(), signal).unwrap();
            assert_eq!(signals.next().await, wish);
        }
    }
}
