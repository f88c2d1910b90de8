//! The thread that owns the connection: it gathers writes into one transaction, and answers after it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::watch;
use tsup_core::limits;

use super::StoreError;
use super::db::Db;
use super::op::{Loaded, Op};
use crate::gate::Reply;
use crate::os::proc::boot_id;

/// What the thread is given.
pub(super) enum Job {
    /// Somebody waits for it.
    Write(Op, Reply<Result<(), StoreError>>),
    /// Nobody waits for it.
    WriteLazily(Op),
    /// A read of everything.
    Load(Reply<Result<Loaded, StoreError>>),
}

/// The way to the thread.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

type Health = Arc<watch::Sender<Option<StoreError>>>;

impl Writer {
    /// Starts the thread; `ended` is told when it ends for another reason than [`Writer::finish`].
    pub(super) fn start(
        path: &Path,
        health: Health,
        ended: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(limits::STORE_QUEUE);
        let path: PathBuf = path.into();
        let thread = std::thread::Builder::new()
            .name("tsup-store".into())
            .stack_size(limits::STORE_STACK_BYTES)
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| run(&path, &queue, &health)));
                let why = match outcome {
                    Ok(Ok(())) => return,
                    Ok(Err(e)) => e,
                    Err(_) => StoreError::Unavailable("its writer panicked".into()),
                };
                health.send_replace(Some(why.clone()));
                ended(why.to_string());
            })?;
        Ok(Writer { jobs, thread })
    }

    /// Hands a job over, or answers it at once when it cannot be.
    pub(super) fn send(&self, job: Job) {
        let (why, job) = match self.jobs.try_send(job) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => ("too many writes wait", job),
            Err(TrySendError::Disconnected(job)) => ("its writer has ended", job),
        };
        let error = StoreError::Unavailable(why.into());
        match job {
            Job::Write(_, mut reply) => reply.send(Err(error)),
            Job::Load(mut reply) => reply.send(Err(error)),
            Job::WriteLazily(_) => tracing::warn!(%error, "history entry not stored"),
        }
    }

    /// Lets the thread write what waits, and waits for its end.
    pub(super) fn finish(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

/// Runs until nobody can send any more. An error is one after which nothing may be written.
fn run(path: &Path, queue: &Receiver<Job>, health: &Health) -> Result<(), StoreError> {
    let mut db = None;
    while let Ok(first) = queue.recv() {
        let (batch, loads) = gather(first, queue);
        // A database that could not be opened is tried again with each batch: the cause may be gone.
        if db.is_none() {
            match Db::open(path) {
                Ok(open) => db = Some(open),
                Err(e) => {
                    note(health, Some(e.clone()));
                    refuse(batch, loads, &e);
                    continue;
                }
            }
        }
        let open = db.as_mut().expect("opened above");
        let written = open.write(batch.iter().map(|(op, _)| op));
        note(health, written.clone().err());
        let fatal = written.clone().err().filter(|e| matches!(e, StoreError::Sync { .. }));
        for (_, reply) in batch {
            if let Some(mut reply) = reply {
                reply.send(written.clone());
            }
        }
        for mut reply in loads {
            reply.send(open.load(&boot_id().unwrap_or_default()));
        }
        if let Some(e) = fatal {
            return Err(e);
        }
    }
    Ok(())
}

type Batch = Vec<(Op, Option<Reply<Result<(), StoreError>>>)>;
type Loads = Vec<Reply<Result<Loaded, StoreError>>>;

/// Gathers jobs for one transaction: for a moment when somebody waits, for longer when nobody does. A read
/// ends the gathering, so that it sees what was written before it.
fn gather(first: Job, queue: &Receiver<Job>) -> (Batch, Loads) {
    let (mut batch, mut loads) = (Batch::new(), Loads::new());
    let start = Instant::now();
    let mut until = start + limits::STORE_LAZY;
    let mut next = Some(first);
    loop {
        match next.take() {
            Some(Job::Write(op, reply)) => {
                until = until.min(Instant::now() + limits::STORE_GATHER);
                batch.push((op, Some(reply)));
            }
            Some(Job::WriteLazily(op)) => batch.push((op, None)),
            Some(Job::Load(reply)) => {
                loads.push(reply);
                return (batch, loads);
            }
            None => {}
        }
        if batch.len() >= limits::STORE_BATCH_ROWS {
            return (batch, loads);
        }
        let left = until.saturating_duration_since(Instant::now());
        match queue.recv_timeout(left) {
            Ok(job) => next = Some(job),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (batch, loads),
        }
    }
}

fn refuse(batch: Batch, loads: Loads, e: &StoreError) {
    for (_, reply) in batch {
        if let Some(mut reply) = reply {
            reply.send(Err(e.clone()));
        }
    }
    for mut reply in loads {
        reply.send(Err(e.clone()));
    }
}

/// Tells a change of health once.
fn note(health: &Health, now: Option<StoreError>) {
    health.send_if_modified(|before| {
        let changed = *before != now;
        match (&now, changed) {
            (Some(e), true) => tracing::error!(error = %e, "the store does not work"),
            (None, true) => tracing::info!("the store works again"),
            (_, false) => {}
        }
        *before = now;
        changed
    });
}
