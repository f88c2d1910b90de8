//! A control-mode client: a `tmux -C` process with a pipe each way.
//!
//! Its input is closed first when it is to end: tmux then lets it go in order. Killing control clients
//! has crashed servers up to 3.6a, so SIGTERM comes only when that did not help, and SIGKILL never.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot, watch};
use tsup_core::limits::{CLIENT_END_GRACE, CLIENT_READ_BYTES, CLIENT_STACK_BYTES, CLIENT_WRITES_WAITING};
use tsup_core::tmux::protocol::{Event, Parser};

use crate::os::child::{Leash, end_with_parent};

/// The end of a client that the gateway holds. Dropping it closes the client's input.
#[derive(Debug)]
pub(super) struct Client {
    writes: mpsc::Sender<Vec<u8>>,
    end: watch::Receiver<bool>,
    leash: Arc<OnceLock<Leash>>,
}

impl Client {
    /// Hands text to the client's pipe. False when the pipe is full or closed.
    pub(super) fn write(&self, text: Vec<u8>) -> bool {
        self.writes.try_send(text).is_ok()
    }

    /// Closes the client's input and waits for its end, asking a second time after a while.
    pub(super) async fn end(self) {
        let Client { writes, mut end, leash } = self;
        drop(writes);
        let ended = async move { end.wait_for(|ended| *ended).await.is_ok() };
        tokio::pin!(ended);
        if tokio::time::timeout(CLIENT_END_GRACE, &mut ended).await.is_err() {
            if let Some(leash) = leash.get() {
                leash.terminate();
            }
            let _ = tokio::time::timeout(CLIENT_END_GRACE / 2, &mut ended).await;
        }
    }
}

/// Starts a client. The future does its reading and writing and ends with it; `hear` gets what each read
/// completed and may wait, which holds up the reading and so the pipe.
pub(super) fn start<H, F>(command: Command, mut hear: H) -> (Client, impl Future<Output = ()> + Send)
where
    H: FnMut(Vec<Event>) -> F + Send,
    F: Future<Output = ()> + Send,
{
    let (writes, to_write) = mpsc::channel(CLIENT_WRITES_WAITING);
    let (ended, end) = watch::channel(false);
    let leash = Arc::new(OnceLock::new());
    let (pipes, started) = oneshot::channel();
    let spawned =
        std::thread::Builder::new().name("tmux-client".into()).stack_size(CLIENT_STACK_BYTES).spawn({
            let leash = Arc::clone(&leash);
            move || run(command, pipes, &leash, &ended)
        });
    if let Err(e) = spawned {
        tracing::error!(error = %e, "no thread for a tmux client");
    }
    let talk = async move {
        let Ok((input, output)) = started.await else { return };
        let ends = (pipe::Sender::from_owned_fd(input), pipe::Receiver::from_owned_fd(output));
        let (Ok(input), Ok(mut output)) = ends else { return };
        let reading = async {
            let mut parser = Parser::new();
            let mut buffer = vec![0; CLIENT_READ_BYTES];
            while let Ok(n @ 1..) = output.read(&mut buffer).await {
                let mut events = Vec::new();
                parser.feed(&buffer[..n], |e| events.push(e));
                if !events.is_empty() {
                    hear(events).await;
                }
            }
        };
        // The reading decides when it is over: after its input is closed, tmux still says goodbye.
        let writing = async {
            write_all(input, to_write).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    };
    (Client { writes, end, leash }, talk)
}

async fn write_all(mut input: pipe::Sender, mut writes: mpsc::Receiver<Vec<u8>>) {
    while let Some(text) = writes.recv().await {
        if input.write_all(&text).await.is_err() {
            return;
        }
    }
}

type Pipes = (OwnedFd, OwnedFd);

/// The client's own thread. The kernel ties the client to the thread that starts it, so this one stays
/// until the client has ended.
fn run(
    mut command: Command,
    pipes: oneshot::Sender<Pipes>,
    leash: &OnceLock<Leash>,
    ended: &watch::Sender<bool>,
) {
    end_with_parent(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    match command.spawn() {
        Ok(mut child) => {
            leash.get_or_init(|| Leash::of(&child));
            if let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
                // When nobody takes them, the pipes close here and the client ends.
                let _ = pipes.send((input.into(), output.into()));
            }
            let _ = child.wait();
        }
        Err(e) => tracing::warn!(error = %e, "tmux client not started"),
    }
    ended.send_replace(true);
}
