//! `tsup start`: runs `tsup run` as a daemon and waits until it is ready.
//!
//! The daemon is a fresh process of this binary, not a fork: it has no threads and no runtime when it
//! begins, and leaves the terminal by itself (`setsid`). Its standard output is the pipe on which it
//! says that it is ready, or why not.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::READY_TIMEOUT;

use super::lifecycle::STDERR_FILE;
use super::notify::Report;
use crate::config::paths::Paths;
use crate::config::plain;

/// Starts a daemon and returns its pid once it is ready.
pub fn start(paths: &Paths, config: Option<&Path>) -> Result<u32, UserError> {
    paths.create()?;
    let mut child = spawn(paths, config)?;
    let pipe = child.stdout.take().map(Into::into);
    let (told, wait) = sync_channel(1);
    std::thread::spawn(move || {
        let _ = told.send(pipe.and_then(Report::read));
    });
    match wait.recv_timeout(READY_TIMEOUT) {
        Ok(Some(Report::Ready { pid })) => Ok(pid),
        Ok(Some(Report::Failed(error))) => {
            let _ = child.wait();
            Err(error)
        }
        Ok(None) => Err(ended(&mut child, paths)),
        Err(_) => Err(UserError::new(
            Exit::TimedOut,
            format!(
                "the supervisor (pid {}) was not ready after {} seconds",
                child.id(),
                READY_TIMEOUT.as_secs()
            ),
        )
        .hint("it goes on starting: see `tsup status` and the log in its home")),
    }
}

fn spawn(paths: &Paths, config: Option<&Path>) -> Result<Child, UserError> {
    let fail =
        |what: &str, e: &std::io::Error| UserError::new(Exit::Failed, format!("cannot {what}: {}", plain(e)));
    let program = std::env::current_exe().map_err(|e| fail("find the program of tsup", &e))?;
    let mut command = Command::new(program);
    command.arg("run").arg("--daemon").arg("--home").arg(&paths.home);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    if paths.socket.parent() != Some(&paths.home) {
        // It may have been relative to this folder.
        command.env("TSUP_SOCKET", &paths.socket);
    }
    // Its standard error is ours until it holds the home, so that nothing it says gets lost.
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().map_err(|e| fail("start the supervisor", &e))
}

/// The supervisor ended without a word.
fn ended(child: &mut Child, paths: &Paths) -> UserError {
    let how = child.wait().map_or_else(|e| plain(&e), |status| status.to_string());
    UserError::new(Exit::Failed, format!("the supervisor ended before it was ready ({how})"))
        .hint(format!("see {} and its log", paths.home.join(STDERR_FILE).display()))
}
