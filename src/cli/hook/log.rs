//! What became of each call, for a person who looks for a missing one: `TSUP_HOOK_LOG=FILE`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use tsup_core::limits::{HOOK_LOG_BYTES_MAX, HOOK_LOG_PAYLOAD_BYTES};
use tsup_core::untrusted::Untrusted;

use crate::config::paths::open_private;

/// The file, when one is wanted.
pub(super) struct Log(Option<PathBuf>);

impl Log {
    /// By the environment.
    pub(super) fn from_env() -> Self {
        Log(std::env::var_os("TSUP_HOOK_LOG").filter(|v| !v.is_empty()).map(PathBuf::from))
    }

    /// Adds one line of JSON, while the file has room.
    pub(super) fn write(&self, cli: &str, outcome: &str, payload: &[u8]) {
        let Some(file) = self.0.as_ref().and_then(|path| open_private(path).ok()) else { return };
        let line = serde_json::json!({
            "at": tsup_actors::clock::now_wall(),
            "cli": cli,
            "outcome": outcome,
            "payload": Untrusted::from_bytes(payload, HOOK_LOG_PAYLOAD_BYTES).raw(),
        });
        append(&file, &format!("{line}\n"));
    }
}

fn append(mut file: &File, line: &str) {
    // Each line goes out in one write at the end, so that calls at the same time do not mix.
    let _ = rustix::fs::fcntl_setfl(file, rustix::fs::OFlags::APPEND);
    if file.metadata().is_ok_and(|file| file.len() < HOOK_LOG_BYTES_MAX) {
        let _ = file.write_all(line.as_bytes());
    }
}
