//! Owns: the execution log, `HOME/log/executions-YYYY-MM-DD.jsonl`, one file a day in UTC, and its rotation.
//! Receives: one entry for each start, retry and end of a job, and each submission that was refused.
//! Sends: what is wrong with the files, to a view that `status` reads; counts into the table of metrics.
//! Bounded by: limits::JOURNAL_PENDING_BYTES of entries that wait for the disk; more are lost, and counted.
//! Restart: permanent; entries that wait pass on as an heirloom.

use std::path::PathBuf;

use tokio::sync::{oneshot, watch};
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits;
use tsup_core::settings::LogSettings;
use tsup_core::telemetry::metric;
use tsup_core::telemetry::record::Entry;

use super::metrics::{Counter, Metrics};
use crate::actor::{Actor, Cx, Failure, blocking};
use crate::clock::now_wall;
use crate::gate::{Capacity, Gate, Lane};
use crate::heirloom::{Heirloom, Held};

mod file;

use file::Files;

/// What the journal receives.
#[derive(Debug)]
pub enum JournalMsg {
    /// Write this.
    Append(Box<Entry>),
    /// A batch is written, or cannot be, for the incarnation that sent it.
    Written(Generation),
    /// What could not be written is tried again.
    Again(Generation),
}

/// The gate of the journal. Who finds it full has lost the entry, which the gate counts.
pub fn gate(path: ActorPath) -> Gate<JournalMsg> {
    Gate::with_capacity(path, Capacity { work: limits::JOURNAL_QUEUE, ..Capacity::default() })
}

/// Makes the incarnations of the journal.
#[derive(Debug, Clone)]
pub struct JournalPlan {
    health: watch::Sender<Option<String>>,
    lost: Counter,
    pending: Heirloom<Pending>,
    writer: Heirloom<Writer>,
}

/// Entries that wait for the writer.
#[derive(Debug, Default)]
struct Pending {
    entries: Vec<Entry>,
    bytes: usize,
    /// Entries that found no room, since the last time that everything was written.
    lost: u64,
}

/// The files, and what is being written to them. While a thread writes, it has this in hand: a next incarnation
/// waits for it, so that lines keep their order and none is written twice.
#[derive(Debug)]
struct Writer {
    files: Files,
    /// What is not written yet.
    batch: Vec<Entry>,
    wrong: Option<String>,
    lines: Counter,
    mended: Counter,
}

impl Writer {
    fn write(&mut self) {
        let (done, result) = self.files.append(&self.batch, now_wall());
        self.batch.drain(..done);
        self.lines.add(done as u64);
        self.wrong = match result {
            Ok(mended) => {
                self.mended.add(mended);
                None
            }
            Err(e) => Some(format!("{}: {e}", self.files.folder().display())),
        };
    }
}

impl JournalPlan {
    /// A journal that writes to `folder`, which exists, and tells `health` what is wrong while something is.
    pub fn new(
        folder: PathBuf,
        settings: &LogSettings,
        health: watch::Sender<Option<String>>,
        metrics: &Metrics,
    ) -> Self {
        let writer = Writer {
            files: Files::new(folder, settings.rotate_mb << 20, settings.retention_days),
            batch: Vec::new(),
            wrong: None,
            lines: metrics.counter(metric::JOURNAL_LINES, &[]),
            mended: metrics.counter(metric::JOURNAL_MENDED, &[]),
        };
        JournalPlan {
            health,
            lost: metrics.counter(metric::JOURNAL_LOST, &[]),
            pending: Heirloom::new(Pending::default()),
            writer: Heirloom::new(writer),
        }
    }

    /// The next incarnation.
    pub fn make(&self) -> Journal {
        Journal {
            health: self.health.clone(),
            lost: self.lost.clone(),
            pending: self.pending.reach(),
            writer: Some(self.writer.reach()),
            away: None,
            under_way: 0,
            resting: false,
        }
    }
}

/// The actor.
#[derive(Debug)]
pub struct Journal {
    health: watch::Sender<Option<String>>,
    lost: Counter,
    pending: Held<Pending>,
    /// In a thread's hand while that writes.
    writer: Option<Held<Writer>>,
    /// Where it comes back from there.
    away: Option<oneshot::Receiver<Held<Writer>>>,
    /// Bytes of what the writer has.
    under_way: usize,
    /// Whether the last batch failed, and the next one waits for its time.
    resting: bool,
}

impl Journal {
    fn append(&mut self, entry: Entry) {
        let (pending, bytes) = (&mut *self.pending, entry.bytes());
        if self.under_way + pending.bytes + bytes > limits::JOURNAL_PENDING_BYTES {
            pending.lost += 1;
            self.lost.inc();
            return;
        }
        pending.bytes += bytes;
        pending.entries.push(entry);
    }

    /// Gives the writer all that waits.
    fn load(&mut self) -> Option<Held<Writer>> {
        let pending = &mut *self.pending;
        let mut writer = self.writer.take()?;
        writer.batch.append(&mut pending.entries);
        self.under_way += std::mem::take(&mut pending.bytes);
        Some(writer)
    }

    /// Hands what waits to a thread that may block; the next batch waits for this one.
    fn flush(&mut self, cx: &mut Cx<Self>) {
        let nothing = self.pending.entries.is_empty() && self.under_way == 0;
        if self.resting || nothing {
            return;
        }
        let Some(mut writer) = self.load() else { return };
        let (done, away) = oneshot::channel();
        self.away = Some(away);
        let generation = cx.generation();
        let work = move || {
            writer.write();
            drop(done.send(writer));
        };
        cx.offload(work, move |()| JournalMsg::Written(generation));
    }

    /// The writer is back.
    fn written(&mut self, writer: Held<Writer>, cx: &mut Cx<Self>) {
        self.under_way = writer.batch.iter().map(Entry::bytes).sum();
        let waiting = writer.batch.len() + self.pending.entries.len();
        if let Some(why) = &writer.wrong {
            tracing::error!(error = %why, waiting, "execution log cannot be written");
            self.resting = true;
            cx.after(limits::JOURNAL_AGAIN, Lane::Control, JournalMsg::Again(cx.generation())).detach();
        } else {
            self.pending.lost = 0;
        }
        let lost = self.pending.lost;
        let shown = writer.wrong.as_ref().map(|why| {
            format!("the execution log cannot be written: {why}; {waiting} entries wait, {lost} are lost")
        });
        self.health.send_if_modified(|before| std::mem::replace(before, shown.clone()) != shown);
        self.writer = Some(writer);
    }
}

impl Actor for Journal {
    type Msg = JournalMsg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.pending.filled().await;
        if let Some(writer) = &mut self.writer {
            writer.filled().await;
            self.under_way = writer.batch.iter().map(Entry::bytes).sum();
        }
        self.flush(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut JournalMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            JournalMsg::Append(entry) => self.append(std::mem::take(&mut **entry)),
            JournalMsg::Written(by) if *by == cx.generation() => {
                let back = self.away.take().and_then(|mut away| away.try_recv().ok());
                let writer = back.ok_or_else(|| Failure::new("the writer of the log did not come back"))?;
                self.written(writer, cx);
            }
            JournalMsg::Again(by) if *by == cx.generation() => self.resting = false,
            // They are of an incarnation before, which is gone.
            JournalMsg::Written(_) | JournalMsg::Again(_) => {}
        }
        self.flush(cx);
        Ok(())
    }

    async fn stopping(&mut self, cx: &mut Cx<Self>) {
        // The last entries of an ordered stop may still be in the gate, and the batch before them on its way.
        while let Some(envelope) = cx.gate().next() {
            if let JournalMsg::Append(entry) = envelope.message {
                self.append(*entry);
            }
        }
        if let Some(away) = self.away.take() {
            self.writer = away.await.ok();
        }
        let Some(mut writer) = self.load() else { return };
        let write = move || {
            writer.write();
            (writer.batch.len(), writer.wrong.clone())
        };
        if let Some((lost, Some(why))) = blocking(write).await {
            tracing::error!(error = %why, lost, "the last lines of the execution log are lost");
        }
    }
}
