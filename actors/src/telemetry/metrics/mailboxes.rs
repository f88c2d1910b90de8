//! The metrics `mailbox.*`: gates are asked when somebody reads, so that sending pays nothing for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use tsup_core::telemetry::metric;
use tsup_core::wire::doc::MailboxDoc;

use super::{Counter, Gauge, Metrics, Table};
use crate::gate::Gate;

type Probe = Arc<dyn Fn() -> MailboxDoc + Send + Sync>;

/// The gates that are watched, by the label that they count under.
#[derive(Default)]
pub(super) struct Mailboxes {
    groups: BTreeMap<String, Group>,
    last_id: u64,
}

struct Group {
    depth: Gauge,
    refused: Counter,
    dropped: Counter,
    watched: BTreeMap<u64, (Probe, MailboxDoc)>,
}

/// Keeps a mailbox watched. Dropping it ends that; what was counted stays.
#[derive(Debug)]
#[must_use = "a watch that is dropped ends"]
pub struct MailboxWatch {
    table: Weak<Table>,
    label: String,
    id: u64,
}

impl MailboxWatch {
    /// Watches for as long as the table lives.
    pub fn keep(mut self) {
        self.table = Weak::new();
    }
}

impl Drop for MailboxWatch {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            let mut mailboxes = table.mailboxes.lock();
            if let Some(group) = mailboxes.groups.get_mut(&self.label) {
                group.read();
                group.watched.remove(&self.id);
                group.read();
            }
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table")
    }
}

impl Metrics {
    /// Counts the mailbox of a long-lived actor under its path.
    pub fn watch_gate<M: Send + 'static>(&self, gate: &Gate<M>) -> MailboxWatch {
        self.watch_gate_as(gate.path().as_str(), gate)
    }

    /// Counts a mailbox under `label`, together with all others under it: for many short-lived actors of
    /// one kind.
    pub fn watch_gate_as<M: Send + 'static>(&self, label: &str, gate: &Gate<M>) -> MailboxWatch {
        let gate = gate.clone();
        let probe: Probe = Arc::new(move || gate.mailbox());
        let labels = [("actor", label)];
        let group = || Group {
            depth: self.gauge(metric::MAILBOX_DEPTH, &labels),
            refused: self.counter(metric::MAILBOX_REFUSED, &labels),
            dropped: self.counter(metric::MAILBOX_DROPPED, &labels),
            watched: BTreeMap::new(),
        };
        let mut mailboxes = self.table.mailboxes.lock();
        mailboxes.last_id += 1;
        let id = mailboxes.last_id;
        let group = mailboxes.groups.entry(label.to_owned()).or_insert_with(group);
        group.watched.insert(id, (probe, MailboxDoc::default()));
        MailboxWatch { table: Arc::downgrade(&self.table), label: label.to_owned(), id }
    }

    /// Brings `mailbox.*` up to date.
    pub fn read_mailboxes(&self) {
        for group in self.table.mailboxes.lock().groups.values_mut() {
            group.read();
        }
    }
}

impl Group {
    fn read(&mut self) {
        let mut depth = 0;
        for (probe, before) in self.watched.values_mut() {
            let now = probe();
            depth += now.depth;
            self.refused.add(now.refused.saturating_sub(before.refused));
            self.dropped.add(now.dropped.saturating_sub(before.dropped));
            *before = now;
        }
        self.depth.set(depth as f64);
    }
}
