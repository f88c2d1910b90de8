//! Owns: the audit log, `HOME/log/audit.jsonl`, and its rotation.
//! Receives: one entry for each verb that changed something or tried to.
//! Sends: what is wrong with the file, to a view that `status` reads.
//! Bounded by: [`AUDIT_BYTES_MAX`] a file, one older file kept; [`AUDIT_PENDING_MAX`] entries waiting.
//! Restart: permanent; entries that waited in the gate are written by the next incarnation.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::sync::watch;
use tsup_core::clock::Wall;
use tsup_core::limits::{AUDIT_BYTES_MAX, AUDIT_PENDING_MAX};

use crate::actor::{Actor, Cx, Failure};
use crate::os::own;

/// Who is at the other end of a connection, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Process id, where the system tells it.
    pub pid: Option<i32>,
}

/// One line of the audit log.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// When.
    pub at: Wall,
    /// Who.
    pub peer: Peer,
    /// What.
    pub verb: &'static str,
    /// On what.
    pub target: Option<String>,
    /// `done`, or why not.
    pub outcome: String,
}

/// What the audit log receives.
#[derive(Debug)]
pub enum AuditMsg {
    /// Write this.
    Append(Entry),
    /// A batch is on disk, or failed to get there.
    Written(Result<(), String>),
}

/// The actor.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    /// What is wrong with the file, while something is; the desk shows it as degraded.
    health: watch::Sender<Option<String>>,
    pending: Vec<Entry>,
    writing: bool,
}

impl Audit {
    /// Writes to `path`, whose folder exists, and tells `health` what is wrong while something is.
    pub fn new(path: PathBuf, health: watch::Sender<Option<String>>) -> Self {
        Audit { path, health, pending: Vec::new(), writing: false }
    }

    /// Hands what waits to a thread that may block; the next batch waits for this one, so that lines
    /// keep their order.
    fn flush(&mut self, cx: &mut Cx<Self>) {
        if self.writing || self.pending.is_empty() {
            return;
        }
        self.writing = true;
        let (batch, path) = (std::mem::take(&mut self.pending), self.path.clone());
        cx.offload(move || append(&path, &batch).map_err(|e| e.to_string()), AuditMsg::Written);
    }
}

impl Actor for Audit {
    type Msg = AuditMsg;

    async fn handle(&mut self, message: &mut AuditMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            AuditMsg::Append(entry) if self.pending.len() < AUDIT_PENDING_MAX => {
                self.pending.push(entry.clone());
            }
            AuditMsg::Append(entry) => {
                tracing::error!(verb = entry.verb, outcome = %entry.outcome, "audit line lost: the disk is too slow");
            }
            AuditMsg::Written(result) => {
                self.writing = false;
                let wrong = result.as_ref().err();
                let shown = wrong.map(|why| format!("{}: audit lines are lost: {why}", self.path.display()));
                self.health.send_if_modified(|before| std::mem::replace(before, shown.clone()) != shown);
                if let Err(why) = result {
                    tracing::error!(path = %self.path.display(), error = %why, "audit log cannot be written");
                }
            }
        }
        self.flush(cx);
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        // The last lines of an ordered stop: `shutdown` itself is one of them.
        let (batch, path) = (std::mem::take(&mut self.pending), self.path.clone());
        let _ = tokio::task::spawn_blocking(move || append(&path, &batch)).await;
    }
}

fn append(path: &Path, batch: &[Entry]) -> std::io::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for entry in batch {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
    }
    let mut file = own::append(path)?;
    if file.metadata()?.len() + text.len() as u64 > AUDIT_BYTES_MAX {
        std::fs::rename(path, path.with_extension("jsonl.1"))?;
        file = own::append(path)?;
    }
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_and_the_file_turns_over_at_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let entry = Entry {
            at: Wall::from_unix_ms(0),
            peer: Peer { uid: 1, pid: Some(2) },
            verb: "kill",
            target: Some("web/\x1b[31mdev".into()),
            outcome: "done".into(),
        };
        append(&path, &[entry.clone(), entry.clone()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\x1b'), "control characters are escaped");
        std::fs::write(&path, vec![b' '; usize::try_from(AUDIT_BYTES_MAX).unwrap()]).unwrap();
        append(&path, &[entry]).unwrap();
        assert!(dir.path().join("audit.jsonl.1").exists());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_link_in_the_logs_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, precious) = (dir.path().join("audit.jsonl"), dir.path().join("precious"));
        std::fs::write(&precious, "").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let peer = Peer { uid: 1, pid: None };
        let entry =
            Entry { at: Wall::from_unix_ms(0), peer, verb: "kill", target: None, outcome: "done".into() };
        assert!(append(&path, &[entry]).is_err());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "");
    }
}
