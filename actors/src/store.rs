//! Owns: `HOME/tsup.db`, as its one writer, on a thread of its own.
//! Receives: [`Msg`]: writes, loads at start-up, questions about jobs for a thread that only reads.
//! Sends: answers, only after the transaction that holds them is durable.
//! Bounded by: [`limits::STORE_QUEUE`] writes and [`limits::STORE_ASKS`] questions waiting, [`limits::STORE_BATCH_ROWS`] in one transaction.
//! Restart: permanent; opens the file again. What was not answered may or may not have been written.
//!
//! A database that cannot be used does not stop the fleet: each write is answered with its error, and
//! [`Store::health`] says what is wrong. A database of a newer tsup is left untouched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits;
use tsup_core::tes::kept::{Write, Wrote};

use crate::actor::{Actor, Cx, Failure};
use crate::gate::{CallError, Gate, Lane, Reply};
use crate::os::name::Name;

mod agents;
mod db;
pub mod jobs;
mod op;
mod reader;
mod schema;
mod upkeep;
mod writer;

pub use db::check;
pub use jobs::{Answer, JobStore, LoadedJobs};
pub use op::{AgentRecord, Loaded, Op, Paused};
pub use schema::SCHEMA;

/// Why something was not written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A newer tsup wrote the file. It was not touched.
    #[error("{path} has schema {found}, this tsup knows up to {known}: use the newer tsup, or another home")]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is damaged or is no database.
    #[error("{path} is damaged ({what}): move it and {path}-wal aside, and tsup starts with an empty one")]
    Corrupt {
        /// The file.
        path: String,
        /// What SQLite found.
        what: String,
    },
    /// The disk is full.
    #[error("no space left for {path}")]
    Full {
        /// The file.
        path: String,
    },
    /// Reading or writing failed.
    #[error("{path}: {what}")]
    Io {
        /// The file.
        path: String,
        /// What SQLite or the system said.
        what: String,
    },
    /// The disk did not confirm a write. What it holds is not known any more, so this is not tried again.
    #[error("{path}: the disk did not confirm a write ({what})")]
    Sync {
        /// The file.
        path: String,
        /// What SQLite said.
        what: String,
    },
    /// Too many writes wait, or the store is not there; whether it was written is not known.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

impl From<CallError> for StoreError {
    fn from(e: CallError) -> Self {
        StoreError::Unavailable(e.to_string())
    }
}

/// What the store is asked.
pub enum Msg {
    /// Write; the answer comes once it is durable.
    Write(Op, Reply<Result<(), StoreError>>),
    /// Write soon; nobody waits, and a kill -9 within [`limits::STORE_LAZY`] may lose it.
    WriteLazily(Op),
    /// Read everything that the fleet begins with.
    Load(Reply<Result<Loaded, StoreError>>),
    /// Keep these writes of jobs together; see [`JobStore::keep`].
    Keep(Vec<Write>, Reply<Result<Vec<Wrote>, StoreError>>),
    /// Read everything that the queue begins with.
    LoadJobs(Reply<Result<LoadedJobs, StoreError>>),
    /// Read about jobs, beside the writer.
    Ask(jobs::Ask),
    /// The thread of this incarnation's writer has ended, and why. The news of an earlier one's is old: its
    /// incarnation is gone already, and this one has a thread of its own.
    WriterEnded(Generation, String),
}

/// The way to the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    gate: Gate<Msg>,
    path: Arc<Path>,
    health: writer::Health,
    open: writer::Open,
    turn: writer::Turn,
}

impl Store {
    /// The store of the database file at `path`, as the child `id` of `parent`.
    pub fn new(parent: &ActorPath, id: &str, path: PathBuf) -> Self {
        Store {
            gate: Gate::new(parent.child(id)),
            path: path.into(),
            health: Arc::new(watch::Sender::new(None)),
            open: Arc::new(watch::Sender::new(None)),
            turn: writer::Turn::default(),
        }
    }

    /// Its gate, to start it under a supervisor.
    pub fn gate(&self) -> Gate<Msg> {
        self.gate.clone()
    }

    /// The actor; one incarnation at a time.
    pub fn actor(&self) -> StoreActor {
        StoreActor { store: self.clone(), threads: None }
    }

    /// Writes durably.
    pub async fn write(&self, op: Op) -> Result<(), StoreError> {
        self.gate.call(Lane::Control, limits::CALL_TIMEOUT, |reply| Msg::Write(op, reply)).await?
    }

    /// Writes soon, without waiting.
    pub fn write_lazily(&self, op: Op) {
        if self.gate.work(Msg::WriteLazily(op)).is_err() {
            tracing::warn!("history entry not stored: the store is overloaded");
        }
    }

    /// Reads what the fleet begins with.
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        self.gate.call(Lane::Work, limits::STORE_LOAD_TIMEOUT, Msg::Load).await?
    }

    /// Which file it has open, while it has one.
    pub fn open_file(&self) -> watch::Receiver<Option<Name>> {
        self.open.subscribe()
    }

    /// What is wrong, while something is.
    pub fn health(&self) -> watch::Receiver<Option<StoreError>> {
        self.health.subscribe()
    }
}

/// The actor: hands writes to the thread that owns the connection, and questions to the one that reads.
pub struct StoreActor {
    store: Store,
    threads: Option<(writer::Writer, reader::Reader)>,
}

impl Actor for StoreActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let (gate, generation) = (cx.gate().clone(), cx.generation());
        let ended = move |why: String| {
            // Nothing is lost with the message: a writer that is gone refuses each write as well.
            let _ = gate.control(Msg::WriterEnded(generation, why));
        };
        let (opened, when_opened) = std::sync::mpsc::sync_channel(0);
        let (health, turn) = (Arc::clone(&self.store.health), Arc::clone(&self.store.turn));
        let open = Arc::clone(&self.store.open);
        let start = || {
            let path = &self.store.path;
            let writer = writer::Writer::start(path, writer::Plan { health, open, turn, opened }, ended)?;
            Ok((writer, reader::Reader::start(path, when_opened)?))
        };
        let threads =
            start().map_err(|e: std::io::Error| Failure::new(format!("no thread for the store: {e}")));
        self.threads = Some(threads?);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let (writer, reader) = self.threads.as_ref().expect("a started store has its threads");
        match message {
            Msg::Write(op, reply) => writer.send(writer::Job::Write(op.take(), reply.take())),
            Msg::WriteLazily(op) => writer.send(writer::Job::WriteLazily(op.take())),
            Msg::Load(reply) => writer.send(writer::Job::Load(reply.take())),
            Msg::Keep(writes, reply) => writer.send(writer::Job::Keep(std::mem::take(writes), reply.take())),
            Msg::LoadJobs(reply) => writer.send(writer::Job::LoadJobs(reply.take())),
            Msg::Ask(ask) => reader.send(ask.take()),
            Msg::WriterEnded(whose, why) if *whose == cx.generation() => {
                return Err(Failure::new(why.clone()));
            }
            Msg::WriterEnded(..) => {}
        }
        Ok(())
    }

    /// What waits is written before the end.
    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        if let Some((writer, _reader)) = self.threads.take() {
            let ended = tokio::task::spawn_blocking(move || writer.finish());
            // A disk that hangs must not hang the stop; the supervisor's deadline is longer.
            let _ = tokio::time::timeout(limits::STORE_LAST_WRITE, ended).await;
        }
    }
}

#[cfg(test)]
mod tests;
