//! Reads what an attempt left when it ended: its record with what it printed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::Value;
use tsup_core::limits;
use tsup_core::tes::attempt::outcome::{self, Printed};
use tsup_core::tes::attempt::{Cause, Record};
use tsup_core::tes::retry::Ending;

use super::Task;
use crate::tes::shim::files;
use crate::tes::{Shared, queue};

/// How it ended, by its record and what it printed.
pub(super) fn read(shared: &Shared, task: &Task, folder: &Path, record: Record) -> queue::Ended {
    let script = super::plan::with_settings(&shared.script(&task.script), task, false);
    let stdout = if record.stdout_bytes == 0 { Vec::new() } else { beginning(&folder.join("stdout")) };
    let stderr = if record.stderr_bytes == 0 { Vec::new() } else { end(folder, record.truncated) };
    let printed =
        Printed { stdout: &String::from_utf8_lossy(&stdout), stderr: &String::from_utf8_lossy(&stderr) };
    let (ending, outputs) = outcome::read(&script, &record, printed);
    // A cancel that came too late did not end it: it ended by itself.
    let ending = match (record.cause, ending) {
        (Some(Cause::Cancel), _) => Ending::Cancelled,
        (_, ending) => ending,
    };
    let outputs =
        (ending == Ending::Succeeded && !outputs.is_empty()).then(|| Value::Object(outputs).to_string());
    queue::Ended { id: task.id, ending, record: Some(record), outputs }
}

/// A script may have put something else in the file's place.
fn open(path: &Path) -> io::Result<File> {
    files::open(path)?.ok_or_else(|| io::Error::other("it is not a plain file"))
}

fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read was not printed, as far as anybody can tell.
    let _ = open(path).and_then(|f| f.take(limits::JOB_RESULT_BYTES_MAX as u64).read_to_end(&mut bytes));
    bytes
}

/// The end of stderr: in a file of its own where not all of it was kept.
fn end(folder: &Path, truncated: bool) -> Vec<u8> {
    let last = |path: &Path| -> io::Result<Vec<u8>> {
        let mut file = open(path)?;
        let from = file.metadata()?.len().saturating_sub(limits::OUTPUT_TAIL_BYTES as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(limits::OUTPUT_TAIL_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let tail = if truncated { last(&folder.join("stderr.tail")).ok() } else { None };
    tail.unwrap_or_else(|| last(&folder.join("stderr")).unwrap_or_default())
}
