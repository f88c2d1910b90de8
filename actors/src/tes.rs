//! The Tool Execution Service: runs registered scripts as jobs.
//!
//! `registry` reads which scripts there are; `queue` owns every job that has not ended, and decides what starts;
//! for each attempt that runs there is a `job` actor, which has `shims` start it and reads what it leaves.
//! [`Tes`] is what the rest of the house sees.
//!
//! - `tes/ops.rs`: what people ask, by the names they use
//! - `tes/tell.rs`: what is told of jobs: metrics and the execution log
//! - `tes/places.rs`: whether the places that all attempts share can be used
//! - `tes/shim/`: the processes that run attempts

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tsup_core::error::UserError;
use tsup_core::ids::ActorPath;
use tsup_core::limits;
use tsup_core::settings::Settings;
use tsup_core::supervision::{Notice, Strategy};
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::JobState;
use tsup_core::tes::queue::Caps;
use tsup_core::tes::sandbox::Host;
use tsup_core::tes::script::Script;
use tsup_core::wire::doc::schedules::SchedulesDoc;

use crate::bus::Bus;
use crate::gate::{Gate, Lane};
use crate::heirloom::Heirloom;
use crate::os::proc::boot_id;
use crate::store::JobStore;
use crate::supervisor::{ChildSpec, SupervisorSpec, child, supervise};
use crate::telemetry::journal::JournalMsg;
use crate::telemetry::{JobMetrics, Metrics};
use crate::tmux::Place;

mod job;
mod ops;
mod places;
mod queue;
mod registry;
mod schedules;
pub mod shim;
mod shims;
mod tell;

pub use ops::{Listing, Origin};
use registry::shelf::Source;
pub use registry::{Entry, Shelf};

/// Why a submission was not taken in.
#[derive(Debug, Clone, PartialEq)]
pub enum NotSubmitted {
    /// What was asked for does not fit what is registered.
    Misfit(Box<Failure>),
    /// Anything else: no such job to wait for, no room, no store.
    Error(UserError),
}

impl From<UserError> for NotSubmitted {
    fn from(e: UserError) -> Self {
        NotSubmitted::Error(e)
    }
}

/// What the jobs' domain is made of.
pub struct Plan {
    /// The place of its supervisor, `root/system/tes`.
    pub path: ActorPath,
    /// The home directory.
    pub home: PathBuf,
    /// This program, which forks shims too.
    pub exe: PathBuf,
    /// Sockets that jobs must not reach: of the supervisor.
    pub sockets: Vec<PathBuf>,
    /// The configuration, followed as it changes.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What keeps the jobs.
    pub store: Arc<dyn JobStore>,
    /// Where events go.
    pub bus: Bus,
    /// Where it counts.
    pub metrics: JobMetrics,
    /// The execution log.
    pub journal: Gate<JournalMsg>,
}

/// What all actors of the domain share.
struct Common {
    path: ActorPath,
    home: PathBuf,
    exe: PathBuf,
    jobs_folder: PathBuf,
    /// The file with the traces of attempts.
    traces: PathBuf,
    boot_id: Arc<str>,
    settings: watch::Receiver<Arc<Settings>>,
    store: Arc<dyn JobStore>,
    /// Turns of people who ask the store.
    asking: Semaphore,
    /// Turns of those who tell the queue what they wait for.
    entering: Semaphore,
    bus: Bus,
    metrics: JobMetrics,
    journal: Gate<JournalMsg>,
    /// The supervisor's environment, as it was when it started.
    own_env: Vec<(String, String)>,
    user_home: String,
    tmux_folders: Vec<String>,
    sockets: Vec<String>,
    host: OnceLock<Host>,
    /// The scripts; `None` until the registries were read.
    shelf: watch::Sender<Option<Arc<Shelf>>>,
    /// Whether the queue has what the store had.
    loaded: watch::Sender<bool>,
    /// Whether somebody drains: until that is ended, or the supervisor is.
    draining: watch::Sender<bool>,
    /// Why nothing is started.
    closed: watch::Sender<Option<String>>,
    /// Why attempts cannot begin, after some in a row.
    troubled: watch::Sender<Option<String>>,
    /// What scripts left that cannot be removed.
    left: watch::Sender<places::Left>,
    counts: watch::Sender<[u64; JobState::ALL.len()]>,
    /// Had by whoever removes files of jobs: a queue that begins anew waits for what the one before had begun.
    removing: Arc<tokio::sync::Semaphore>,
    queue: Gate<queue::Msg>,
    shims: Gate<shims::Msg>,
    registry: Gate<registry::Msg>,
    waiting: Heirloom<shims::Waiting>,
    schedules: schedules::Place,
}

/// See [`Common`].
type Shared = Arc<Common>;

impl Common {
    /// Tells of each change of the configuration and of the registries.
    async fn follow<M: Send + 'static>(self: Arc<Self>, gate: Gate<M>, message: fn() -> M) {
        let (mut settings, mut shelf) = (self.settings.clone(), self.shelf.subscribe());
        loop {
            let changed = tokio::select! {
                changed = settings.changed() => changed,
                changed = shelf.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            gate.insist(Lane::Control, message()).await;
        }
    }
}

impl Common {
    /// A registered script.
    fn entry(&self, script: &str) -> Option<Entry> {
        self.shelf.borrow().as_ref()?.scripts.get(script).cloned()
    }

    /// A script, or what is left of one that is not registered any more.
    fn script(&self, id: &str) -> Arc<Script> {
        self.entry(id).map_or_else(|| Arc::new(Script::bare(id)), |entry| entry.script)
    }

    /// The registries' files as they are configured.
    fn registries(&self) -> Vec<Source> {
        let settings = self.settings.borrow();
        let registries = &settings.tes.registries;
        let sources =
            registries.files.iter().map(|file| Source { path: file.into(), wanted: registries.named });
        sources.collect()
    }

    /// What limits the starts, by the configuration and the registries.
    fn caps(&self) -> Caps {
        let settings = self.settings.borrow();
        let named =
            |caps: &BTreeMap<String, u32>| caps.iter().map(|(n, cap)| (Arc::from(&**n), *cap)).collect();
        let shelf = self.shelf.borrow();
        let scripts = shelf.iter().flat_map(|shelf| shelf.scripts.values());
        Caps {
            slots: settings.tes.slots,
            scripts: scripts.filter_map(|e| Some((Arc::clone(&e.script.id), e.script.max_slots?))).collect(),
            specialists: named(&settings.tes.specialists),
            groups: named(&settings.tes.groups),
            session: settings.tes.session_slots,
            ahead: limits::AHEAD_MAX,
        }
    }

    /// What the host can; found out by trying, which may take a moment, and kept once everything could be tried.
    ///
    /// # Errors
    /// The system lacks something for the trial just now.
    fn host(&self) -> std::io::Result<&Host> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let found = shim::fence::host()?;
        Ok(self.host.get_or_init(|| found))
    }
}

/// Restarts of the domain's actors after which it begins anew.
const INTENSITY: (u32, Duration) = (10, Duration::from_secs(60));

/// The way to the jobs. Cheap to clone.
#[derive(Clone)]
pub struct Tes {
    shared: Shared,
}

impl Tes {
    /// The domain; [`Tes::child`] starts it.
    pub fn new(plan: Plan) -> Self {
        let own_env: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let user_home = own_env.iter().find(|(n, _)| n == "HOME").map(|(_, v)| v.clone()).unwrap_or_default();
        let place = Place::from_env();
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let (mut tmux_folders, mut sockets) =
            (Vec::new(), plan.sockets.iter().map(|s| shown(s)).collect::<Vec<_>>());
        for socket in &plan.settings.borrow().tmux.sockets {
            let path = place.socket_path(socket);
            match path.parent().filter(|_| !socket.is_path()) {
                Some(folder) => tmux_folders.push(shown(folder)),
                None => sockets.push(shown(&path)),
            }
        }
        // Where a server stands that nobody configured, too.
        let usual = shim::fence::Ground::tmux_folders(std::env::var_os("TMUX_TMPDIR"));
        tmux_folders.extend(usual.iter().map(|folder| shown(folder)));
        tmux_folders.sort();
        tmux_folders.dedup();
        let path = plan.path;
        Tes {
            shared: Arc::new(Common {
                jobs_folder: plan.home.join("jobs"),
                traces: plan.home.join("attempts"),
                home: plan.home,
                exe: plan.exe,
                boot_id: boot_id().unwrap_or_default().into(),
                settings: plan.settings,
                store: plan.store,
                asking: Semaphore::new(limits::JOB_ASKS),
                entering: Semaphore::new(limits::JOB_WAITS_ENTER),
                bus: plan.bus,
                metrics: plan.metrics,
                journal: plan.journal,
                own_env,
                user_home,
                tmux_folders,
                sockets,
                host: OnceLock::new(),
                shelf: watch::Sender::new(None),
                loaded: watch::Sender::new(false),
                draining: watch::Sender::new(false),
                closed: watch::Sender::new(None),
                troubled: watch::Sender::new(None),
                left: watch::Sender::default(),
                counts: watch::Sender::new([0; JobState::ALL.len()]),
                removing: Arc::new(tokio::sync::Semaphore::new(1)),
                queue: Gate::with_capacity(path.child("queue"), queue::CAPACITY),
                shims: Gate::with_capacity(path.child("shims"), queue::CAPACITY),
                registry: Gate::new(path.child("registry")),
                waiting: Heirloom::new(shims::Waiting::default()),
                schedules: schedules::Place::new(&path),
                path,
            }),
        }
    }

    /// Everything, under one supervisor. The queue begins anew with whatever it stands on: it meets the attempts that
    /// run by what these leave on disk.
    pub fn child(&self) -> ChildSpec {
        let shared = &self.shared;
        let (restarts, period) = INTENSITY;
        let told = shared.queue.clone();
        let jobs = SupervisorSpec::new(shared.path.child("jobs"), Strategy::OneForOne).unlimited().observe(
            move |notice| {
                if let Notice::Exited(id, _, exit) = notice
                    && !exit.is_normal()
                {
                    let _ = told.control(queue::Msg::Crashed(id.as_str().into()));
                }
            },
        );
        let handle = jobs.handle();
        let (for_registry, for_shims, for_queue) = (shared.clone(), shared.clone(), shared.clone());
        let for_schedules = shared.clone();
        let spec = SupervisorSpec::new(shared.path.clone(), Strategy::RestForOne)
            .intensity(restarts, period)
            .bus(&shared.bus)
            .child(child("registry", shared.registry.clone(), move || {
                registry::Registry::new(for_registry.clone())
            }))
            .child(child("shims", shared.shims.clone(), move || shims::Shims::new(for_shims.clone())))
            .child(supervise("jobs", jobs))
            .child(child("queue", shared.queue.clone(), move || {
                queue::QueueActor::new(for_queue.clone(), handle.clone())
            }))
            .child(child("schedules", shared.schedules.gate.clone(), move || {
                schedules::SchedulesActor::new(for_schedules.clone())
            }));
        supervise("tes", spec)
    }

    /// The gates whose depth is counted.
    pub fn watch(&self, metrics: &Metrics) {
        metrics.watch_gate(&self.shared.queue).keep();
        metrics.watch_gate(&self.shared.shims).keep();
        metrics.watch_gate(&self.shared.registry).keep();
        metrics.watch_gate(&self.shared.schedules.gate).keep();
    }

    /// Whether jobs of before are known: then the queue takes others.
    pub fn loaded(&self) -> watch::Receiver<bool> {
        self.shared.loaded.subscribe()
    }

    /// Jobs by state, for `status`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = *self.shared.counts.borrow();
        let known = JobState::ALL.iter().zip(counts).filter(|(_, n)| *n > 0);
        known.map(|(state, n)| (state.as_str().to_owned(), n)).collect()
    }

    /// What does not work as it should.
    pub fn complaints(&self) -> Vec<String> {
        let shelf = self.shared.shelf.borrow();
        let problems = shelf.iter().flat_map(|shelf| shelf.problems.iter().cloned());
        let schedules = self.shared.schedules.complaints();
        let (closed, troubled) = (self.shared.closed.borrow().clone(), self.shared.troubled.borrow().clone());
        let left = self.shared.left.borrow().1.clone();
        problems.chain(closed).chain(troubled).chain(left).chain(schedules).collect()
    }

    /// The scripts that run at times.
    pub fn schedules(&self) -> SchedulesDoc {
        self.shared.schedules.doc()
    }
}
