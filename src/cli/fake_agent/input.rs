//! What reaches the fake from its terminal, read beside the painting: lines, and news of another size.

use std::io::{self, BufRead as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::signal::unix::{SignalKind, signal};

/// One thing that reached it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line was typed.
    Line(String),
    /// The terminal has another size.
    Resized,
}

/// Inputs that wait to be looked at; who types more waits.
const WAITING_MAX: usize = 16;

/// Reads the terminal for as long as the fake lives.
pub(super) fn listen() -> Receiver<Input> {
    let (tx, rx) = sync_channel(WAITING_MAX);
    let sizes = tx.clone();
    std::thread::spawn(move || lines(&tx));
    std::thread::spawn(move || resizes(&sizes));
    rx
}

fn lines(tx: &SyncSender<Input>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if tx.send(Input::Line(line)).is_err() {
            return;
        }
    }
    // The end of input is not the end of the agent: keep the channel open.
    loop {
        std::thread::park();
    }
}

/// The real programs paint anew as soon as the terminal tells them.
fn resizes(tx: &SyncSender<Input>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let Ok(mut told) = signal(SignalKind::window_change()) else { return };
        while told.recv().await.is_some() {
            // One that waits already stands for all that come meanwhile.
            let _ = tx.try_send(Input::Resized);
        }
    });
}
