//! The thread that owns the connection: what came while one transaction was written shares the next one, and
//! is answered after it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;
use tsup_core::limits;
use tsup_core::tes::kept::{Write, Wrote};

use super::StoreError;
use super::db::{Db, Unit};
use super::jobs::LoadedJobs;
use super::op::{Loaded, Op};
use crate::gate::Reply;
use crate::os::name::{self, Name};
use crate::os::proc::boot_id;

/// What the thread is given.
pub(super) enum Job {
    /// Somebody waits for it.
    Write(Op, Reply<Result<(), StoreError>>),
    /// Nobody waits for it.
    WriteLazily(Op),
    /// Writes of jobs, together.
    Keep(Vec<Write>, Reply<Result<Vec<Wrote>, StoreError>>),
    /// A read of everything about agents.
    Load(Reply<Result<Loaded, StoreError>>),
    /// A read of everything about jobs that have not ended.
    LoadJobs(Reply<Result<LoadedJobs, StoreError>>),
}

/// The way to the thread.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

pub(super) type Health = Arc<watch::Sender<Option<StoreError>>>;

/// Which file is open, while one is.
pub(super) type Open = Arc<watch::Sender<Option<Name>>>;

/// Held by the one thread that writes. The thread of an incarnation that crashed may still have writes in hand;
/// its successor waits for them, so that what it loads has them.
///
/// This is no state that is shared: there is nothing behind the lock. It is the turn of a thread, given back by whatever
/// end the thread takes. The thread's handle would do for an orderly end; it goes with the actor that crashed, and a lock is
/// what is left to wait on. Only threads wait here, never a handler.
pub(super) type Turn = Arc<Mutex<()>>;

/// What a writer needs beside the file.
pub(super) struct Plan {
    /// What is wrong, while something is.
    pub(super) health: Health,
    /// Which file is open.
    pub(super) open: Open,
    /// Whose turn it is to write.
    pub(super) turn: Turn,
    /// Dropped when the file was opened, or could not be.
    pub(super) opened: SyncSender<()>,
}

impl Writer {
    /// Starts the thread; `ended` is told when it ends for another reason than [`Writer::finish`].
    pub(super) fn start(
        path: &Path,
        plan: Plan,
        ended: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(limits::STORE_QUEUE);
        let path: PathBuf = path.into();
        let thread = std::thread::Builder::new()
            .name("tsup-store".into())
            .stack_size(limits::STORE_STACK_BYTES)
            .spawn(move || {
                let Plan { health, open, turn, opened } = plan;
                let _turn = turn.lock();
                let outcome = catch_unwind(AssertUnwindSafe(|| run(&path, &queue, (&health, &open), opened)));
                open.send_replace(None);
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
            Job::Keep(_, mut reply) => reply.send(Err(error)),
            Job::Load(mut reply) => reply.send(Err(error)),
            Job::LoadJobs(mut reply) => reply.send(Err(error)),
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
fn run(
    path: &Path,
    queue: &Receiver<Job>,
    (health, file): (&Health, &Open),
    opened: SyncSender<()>,
) -> Result<(), StoreError> {
    let open = |health: &Health| {
        let later = Arc::clone(health);
        let open = Db::open(path, move |e| note(&later, Some(e)));
        note(health, open.as_ref().err().cloned());
        file.send_replace(open.as_ref().ok().and_then(|_| name::of(path).ok()));
        open
    };
    let mut db = open(health).ok();
    drop(opened);
    while let Ok(first) = queue.recv() {
        let (batch, read) = gather(first, queue);
        // A database that could not be opened is tried again with each batch: the cause may be gone.
        if db.is_none() {
            match open(health) {
                Ok(open) => db = Some(open),
                Err(e) => {
                    refuse(batch, read, &e);
                    continue;
                }
            }
        }
        let open = db.as_mut().expect("opened above");
        if let Err(e) = write(open, batch, health) {
            if let Some(read) = read {
                read.refuse(&e);
            }
            return Err(e);
        }
        match read {
            Some(Read::Agents(mut reply)) => reply.send(open.load(&boot_id().unwrap_or_default())),
            Some(Read::Jobs(mut reply)) => reply.send(open.load_jobs()),
            None => {}
        }
    }
    db.map_or(Ok(()), Db::finish)
}

/// Writes a batch and answers it. The error is one after which nothing may be written.
fn write(db: &mut Db, batch: Vec<Item>, health: &Health) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let units: Vec<Unit<'_>> = batch.iter().map(Item::unit).collect();
    let answers = db.write(&units);
    let worst = answers.iter().find_map(|a| a.as_ref().err());
    let fatal =
        answers.iter().filter_map(|a| a.as_ref().err()).find(|e| matches!(e, StoreError::Sync { .. }));
    let fatal = fatal.cloned();
    note(health, worst.cloned().or_else(|| db.damage()));
    let rows = batch.iter().map(Item::rows).sum();
    for (item, answer) in batch.into_iter().zip(answers) {
        item.answer(answer);
    }
    fatal.map_or_else(|| db.look_after_log(rows), Err)
}

/// One part of a batch, with whoever waits for it.
enum Item {
    Op(Op, Option<Reply<Result<(), StoreError>>>),
    Keep(Vec<Write>, Reply<Result<Vec<Wrote>, StoreError>>),
}

impl Item {
    fn unit(&self) -> Unit<'_> {
        match self {
            Item::Op(op, _) => Unit::Op(op),
            Item::Keep(writes, _) => Unit::Jobs(writes),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Item::Op(..) => 1,
            Item::Keep(writes, _) => writes.len(),
        }
    }

    fn answer(self, answer: Result<Vec<Wrote>, StoreError>) {
        match self {
            Item::Op(_, Some(mut reply)) => reply.send(answer.map(|_| ())),
            Item::Op(_, None) => {}
            Item::Keep(_, mut reply) => reply.send(answer),
        }
    }
}

/// A read that ends a batch, so that it sees what was written before it.
enum Read {
    Agents(Reply<Result<Loaded, StoreError>>),
    Jobs(Reply<Result<LoadedJobs, StoreError>>),
}

impl Read {
    fn refuse(self, e: &StoreError) {
        match self {
            Read::Agents(mut reply) => reply.send(Err(e.clone())),
            Read::Jobs(mut reply) => reply.send(Err(e.clone())),
        }
    }
}

/// Gathers what waits for one transaction. When somebody waits for a part of it, only what is there already
/// comes along: the sync that is paid now is the time in which the next batch gathers. When nobody waits, more
/// may come for [`limits::STORE_LAZY`].
fn gather(first: Job, queue: &Receiver<Job>) -> (Vec<Item>, Option<Read>) {
    let (mut batch, mut rows, mut waited_for) = (Vec::new(), 0, false);
    let until = Instant::now() + limits::STORE_LAZY;
    let mut next = first;
    loop {
        let item = match next {
            Job::Load(reply) => return (batch, Some(Read::Agents(reply))),
            Job::LoadJobs(reply) => return (batch, Some(Read::Jobs(reply))),
            Job::Write(op, reply) => Item::Op(op, Some(reply)),
            Job::WriteLazily(op) => Item::Op(op, None),
            Job::Keep(writes, reply) => Item::Keep(writes, reply),
        };
        rows += item.rows();
        waited_for |= !matches!(item, Item::Op(_, None));
        batch.push(item);
        if rows >= limits::STORE_BATCH_ROWS {
            return (batch, None);
        }
        next = match queue.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => return (batch, None),
            Err(TryRecvError::Empty) if waited_for => return (batch, None),
            Err(TryRecvError::Empty) => {
                let left = until.saturating_duration_since(Instant::now());
                match queue.recv_timeout(left) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (batch, None),
                }
            }
        };
    }
}

fn refuse(batch: Vec<Item>, read: Option<Read>, e: &StoreError) {
    for item in batch {
        item.answer(Err(e.clone()));
    }
    if let Some(read) = read {
        read.refuse(e);
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
