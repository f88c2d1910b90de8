//! From arguments to a running tree and back: configuration → home → lock → log → root → wait → drain.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tsup_actors::edge::ctl::desk::Admin;
use tsup_actors::root::{self, Next, RootConfig, RunningRoot};
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{DRAIN_TIMEOUT, HURRY_TIMEOUT, WORKER_THREADS_MAX};
use tsup_core::settings::Settings;
use tsup_core::settings::diff::{diff, taken};

use super::home::Held;
use super::lock::{self, Identity, Lock};
use super::log::{self, LogGuard};
use super::notify::{Report, Starter, service_manager, watchdog_interval};
use super::signals::{Signals, Wish, abort};
use super::{limits, panic, profiles};
use crate::cli::doctor::tmux;
use crate::cli::{Cx, Fail, Outcome};
use crate::config::paths::{Paths, open_private};
use crate::config::{self, Loaded, plain};

/// In the home: what a daemon wrote to standard error.
pub(super) const STDERR_FILE: &str = "daemon.err";

/// Runs a supervisor to its end. `as_daemon` leaves the terminal and tells the starter at the other end
/// of standard output how it went.
pub fn run(cx: &Cx, as_daemon: bool) -> Outcome {
    let mut starter = if as_daemon { become_daemon()? } else { Starter::nobody() };
    let outcome = supervise(cx, as_daemon, &mut starter);
    match outcome {
        // The starter tells the person; standard error belongs to whoever holds the home.
        Err(Fail::User(error)) if starter.waits() => {
            let exit = error.exit;
            starter.tell(&Report::Failed(error));
            Ok(exit)
        }
        outcome => outcome,
    }
}

/// Leaves the terminal and its session. The process was made for this, so nothing must be forked.
fn become_daemon() -> Result<Starter, UserError> {
    let fail =
        |e: std::io::Error| UserError::new(Exit::Failed, format!("cannot become a daemon: {}", plain(&e)));
    // It fails for the leader of a session, which is what this is for.
    let _ = rustix::process::setsid();
    Starter::on_stdout().map_err(fail)
}

/// Keeps what the daemon, or the system on its behalf, writes to standard error from now on. Only who has
/// the lock may do this.
fn own_stderr(paths: &Paths) -> Result<(), UserError> {
    let path = paths.home.join(STDERR_FILE);
    let fail = |e: std::io::Error| {
        UserError::new(Exit::Failed, format!("cannot write {}: {}", path.display(), plain(&e)))
    };
    let file = open_private(&path).map_err(fail)?;
    file.set_len(0).map_err(fail)?;
    rustix::stdio::dup2_stderr(&file).map_err(|e| fail(e.into()))
}

fn supervise(cx: &Cx, as_daemon: bool, starter: &mut Starter) -> Outcome {
    let file = config::find(cx.global.config.as_deref())?;
    let loaded = config::load(file.as_deref())?;
    let paths = cx.global.paths()?;
    paths.create()?;
    let identity = Identity::own(loaded.file.clone(), paths.socket.clone());
    let lock = lock::take(&paths, &identity)?;
    paths.claim_socket()?;
    tmux::require()?;
    let log_folder = paths.log_folder(loaded.settings.log.dir.as_deref())?;
    let _log = start_log(cx, as_daemon, &log_folder, &loaded.settings)?;
    panic::log_panics();
    if as_daemon {
        own_stderr(&paths)?;
        // A daemon keeps no folder busy; everything it names is absolute.
        let _ = std::env::set_current_dir("/");
    }
    let open_files = limits::raise_open_files();
    tracing::info!(
        version = identity.version,
        pid = identity.pid,
        home = %paths.home.display(),
        config = loaded.file.as_ref().map(|f| f.display().to_string()),
        open_files,
        "the supervisor starts"
    );
    let runtime = runtime()?;
    let outcome = runtime.block_on(live(loaded, (&paths, &lock), log_folder, &identity, starter));
    // Blocking work that is still under way must not keep a supervisor that has drained.
    runtime.shutdown_timeout(Duration::from_millis(200));
    tracing::info!("the supervisor has ended");
    drop(lock);
    outcome
}

fn start_log(
    cx: &Cx,
    as_daemon: bool,
    folder: &std::path::Path,
    settings: &Settings,
) -> Result<LogGuard, UserError> {
    if as_daemon { log::to_file(folder, &settings.log) } else { Ok(log::to_stderr(cx.out.look.color)) }
}

fn runtime() -> Result<Runtime, UserError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKER_THREADS_MAX))
        .thread_name("tsup")
        .enable_all()
        .build()
        .map_err(|e| {
            UserError::new(Exit::Failed, format!("cannot start the runtime: {}", plain(&e)))
                .hint("see `tsup doctor`: limits of processes and open files")
        })
}

fn own_path(what: &str, found: std::io::Result<PathBuf>) -> Result<PathBuf, UserError> {
    found.map_err(|e| {
        UserError::new(Exit::Failed, format!("cannot {what}: {}", plain(&e)))
            .hint("start it by its full path, from a directory that exists")
    })
}

/// Starts the tree, tells that it is ready, and lets it live until somebody wants it to end.
async fn live(
    loaded: Loaded,
    (paths, lock): (&Paths, &Lock),
    log_dir: PathBuf,
    identity: &Identity,
    starter: &mut Starter,
) -> Outcome {
    let mut signals = Signals::new()
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot take signals: {}", plain(&e))))?;
    let configuration = Configuration::new(loaded);
    let followed = profiles::follow(configuration.settings.subscribe(), paths.profiles.clone()).await;
    let mut root = root::start(RootConfig {
        settings: configuration.settings.subscribe(),
        home: paths.home.clone(),
        socket: paths.socket.clone(),
        hook_socket: paths.hook.clone(),
        log_dir,
        exe: own_path("find its own program", std::env::current_exe())?,
        cwd: own_path("find its working directory", std::env::current_dir())?,
        profiles: followed.profiles,
        profile_complaints: followed.complaints,
        version: identity.version.clone(),
    })
    .await?;
    let mut ready = root.ready();
    let mut watchdog = watchdog_interval().map(tokio::time::interval);
    let mut is_ready = false;
    let mut lost = Box::pin(held(paths, lock, &root)?.lost());
    let mut why = None;
    loop {
        let wish = tokio::select! {
            _ = ready.wait_for(|up| *up), if !is_ready => {
                is_ready = true;
                tell_ready(identity.pid, starter);
                continue;
            }
            () = tick(&mut watchdog) => {
                service_manager(&[NotifyState::Watchdog]);
                continue;
            }
            next = root.next() => match next {
                Next::Ended(end) => return gave_up(end),
                Next::Asked(Admin::Reload(mut reply)) => {
                    reply.send(configuration.reload().await);
                    continue;
                }
                Next::Asked(Admin::Shutdown) => signals.end(),
            },
            wish = signals.next() => wish,
            error = &mut lost => {
                tracing::error!(error = %error, "the home is not the one that this supervisor holds; it ends");
                why = Some(error);
                Wish::Drain
            }
        };
        if wish != Wish::Reload {
            break;
        }
        // Who sent a signal reads the log.
        match configuration.reload().await {
            Ok(changes) => tracing::info!(changes, "the configuration was read again"),
            Err(e) => {
                tracing::error!(error = %e, hint = e.hint, "the configuration was not taken; the old one holds");
            }
        }
    }
    let drained = drain(root, &mut signals, watchdog).await?;
    why.map_or(Ok(drained), |error| Err(error.into()))
}

/// What must stay as it is for as long as the supervisor runs.
fn held(paths: &Paths, lock: &Lock, root: &RunningRoot) -> Result<Held, UserError> {
    let named = lock.name().map_err(|e| {
        UserError::new(Exit::Failed, format!("cannot look at {}: {}", paths.lock.display(), plain(&e)))
    })?;
    Ok(Held {
        lock: (paths.lock.clone(), named),
        database: (paths.home.join("tsup.db"), root.store().open_file()),
        health: root.store().health(),
    })
}

/// The configuration that runs.
struct Configuration {
    file: Option<PathBuf>,
    base: PathBuf,
    settings: watch::Sender<Arc<Settings>>,
}

impl Configuration {
    fn new(loaded: Loaded) -> Self {
        Configuration {
            file: loaded.file,
            base: loaded.base,
            settings: watch::Sender::new(Arc::new(loaded.settings)),
        }
    }

    /// Reads the file again and hands what takes effect at once to the tree; says what that was, and what
    /// waits for a restart. An error leaves everything as it was.
    async fn reload(&self) -> Result<String, UserError> {
        let (file, base) = (self.file.clone(), self.base.clone());
        let read =
            tokio::task::spawn_blocking(move || config::load_under(file.as_deref(), &base))
                .await
                .map_err(|e| UserError::new(Exit::Bug, format!("reading the configuration failed: {e}")))??;
        let running = Arc::clone(&self.settings.borrow());
        let changes = diff(&running, &read.settings);
        if !changes.live.is_empty() {
            self.settings.send_replace(Arc::new(taken(&running, read.settings)));
        }
        if self.file.is_none() {
            // Where to look depends on the folder in which somebody starts, which is not known here.
            return Ok(format!("{changes}: it started without a file; `tsup restart` looks for one"));
        }
        Ok(changes.to_string())
    }
}

fn tell_ready(pid: u32, starter: &mut Starter) {
    tracing::info!("the supervisor is ready");
    service_manager(&[NotifyState::Ready, NotifyState::Status("ready")]);
    starter.tell(&Report::Ready { pid });
}

/// The tree ended without having been told to: the process ends with a failure, for whoever watches it.
fn gave_up(end: Result<(), UserError>) -> Outcome {
    let error = end.err().unwrap_or_else(|| UserError::new(Exit::Failed, "the supervision tree ended"));
    tracing::error!(error = %error, "the supervision tree gave up");
    Err(error.into())
}

/// The next tick; never where there is no watchdog.
async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Ends the tree in order; hurries when told to or when it takes too long.
async fn drain(
    mut root: RunningRoot,
    signals: &mut Signals,
    mut watchdog: Option<tokio::time::Interval>,
) -> Outcome {
    tracing::info!("the supervisor drains");
    service_manager(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    root.drain();
    let mut deadline = Box::pin(tokio::time::sleep(DRAIN_TIMEOUT));
    let mut hurries = false;
    loop {
        let wish = tokio::select! {
            next = root.next() => match next {
                Next::Ended(Ok(())) => return Ok(Exit::Ok),
                Next::Ended(end) => return gave_up(end),
                Next::Asked(Admin::Shutdown) => signals.end(),
                Next::Asked(Admin::Reload(mut reply)) => {
                    reply.send(Err(UserError::new(Exit::Refused, "the supervisor is going down")));
                    continue;
                }
            },
            () = tick(&mut watchdog) => {
                service_manager(&[NotifyState::Watchdog]);
                continue;
            }
            () = &mut deadline => {
                if hurries {
                    tracing::error!("the supervision tree does not end");
                    let error = UserError::new(Exit::TimedOut, "the supervision tree did not end in time");
                    return Err(error.into());
                }
                tracing::warn!("draining takes too long");
                Wish::Hurry
            }
            wish = signals.next() => wish,
        };
        match wish {
            Wish::Abort => abort(),
            Wish::Drain | Wish::Hurry if !hurries => {
                hurries = true;
                tracing::warn!("the supervisor hurries");
                root.hurry();
                deadline = Box::pin(tokio::time::sleep(HURRY_TIMEOUT));
            }
            Wish::Drain | Wish::Hurry | Wish::Reload => {}
        }
    }
}
