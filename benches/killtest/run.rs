//! All cycles, and what is told of them.

use std::collections::BTreeMap;
use std::fmt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::ids::{JobId, ProcId};
use tsup_core::tes::job::JobState;

use crate::check::Book;
use crate::cycle::{End, tail};
use crate::driver::Driver;
use crate::procs;
use crate::rng::Rng;
use crate::world::{Supervisor, World};

/// Clients at the same time.
const CLIENTS: usize = 3;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) cycles: u32,
    pub(crate) seed: u64,
    /// After so many cycles everything is waited for and looked at.
    pub(crate) every: u32,
    /// Whether some supervisors are killed at a system call.
    pub(crate) strace: bool,
    pub(crate) planted: Option<&'static str>,
}

/// The state of all cycles.
pub(crate) struct Run {
    pub(crate) world: World,
    planted: Option<&'static str>,
    pub(crate) rng: Rng,
    pub(crate) strace: bool,
    pub(crate) drivers: Vec<Driver>,
    pub(crate) prober: Driver,
    book: Book,
    pub(crate) ends: BTreeMap<End, u32>,
    pub(crate) servers: Vec<ProcId>,
    pub(crate) tracers: Vec<Child>,
    pub(crate) shims_killed: u64,
    pub(crate) servers_killed: u64,
    pub(crate) slowest_ready: Duration,
    pub(crate) slowest_progress: Duration,
}

/// What was found out when nothing was broken.
pub(crate) struct Report {
    seed: u64,
    cycles: u32,
    took: Duration,
    ends: BTreeMap<End, u32>,
    jobs: usize,
    states: BTreeMap<JobState, u64>,
    attempts: usize,
    effects: usize,
    cancelled: u64,
    shims_killed: u64,
    servers_killed: u64,
    slowest_ready: Duration,
    slowest_progress: Duration,
}

/// A promise that was broken.
pub(crate) struct Broken {
    pub(crate) cycle: u32,
    pub(crate) what: String,
    plan: Plan,
    folder: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "BROKEN in cycle {} with seed {}: {}", self.cycle, self.plan.seed, self.what)?;
        writeln!(f, "what it left: {}", self.folder)?;
        let Plan { seed, every, strace, .. } = self.plan;
        write!(
            f,
            "again: make killtest SEED={seed} CYCLES={} EVERY={every} STRACE={}",
            self.cycle + 1,
            u8::from(strace)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "killtest: seed {}, {} cycles in {:.0} s",
            self.seed,
            self.cycles,
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "ends of the supervisor: {:?}; shims killed {}, shim servers killed {}",
            self.ends, self.shims_killed, self.servers_killed
        )?;
        writeln!(
            f,
            "{} jobs, {} attempts, {} of them ran: {:?}; {} wishes to end one granted",
            self.jobs, self.attempts, self.effects, self.states, self.cancelled
        )?;
        writeln!(
            f,
            "slowest start to ready {:.0} ms, slowest probe to its end {:.0} ms",
            self.slowest_ready.as_secs_f64() * 1e3,
            self.slowest_progress.as_secs_f64() * 1e3
        )?;
        write!(f, "0 lost, 0 doubled, 0 stray processes, 0 held locks")
    }
}

/// Runs all cycles, until something is broken.
pub(crate) fn run(plan: &Plan) -> Result<Report, Box<Broken>> {
    let began = Instant::now();
    let mut run = Run::new(plan);
    for cycle in 0..plan.cycles {
        let last = cycle + 1 == plan.cycles;
        if let Err(what) = run.step(cycle, cycle % plan.every == plan.every - 1, last) {
            run.world.keep = plan.planted.is_none();
            let folder = if run.world.keep { run.world.dir.display().to_string() } else { String::new() };
            return Err(Box::new(Broken { cycle, what, plan: plan.clone(), folder }));
        }
    }
    let (states, attempts, effects) = run.book.counts();
    Ok(Report {
        seed: plan.seed,
        cycles: plan.cycles,
        took: began.elapsed(),
        ends: run.ends.clone(),
        jobs: run.book.len(),
        states,
        attempts,
        effects,
        cancelled: run.drivers.iter().map(|d| d.cancelled).sum(),
        shims_killed: run.shims_killed,
        servers_killed: run.servers_killed,
        slowest_ready: run.slowest_ready,
        slowest_progress: run.slowest_progress,
    })
}

impl Run {
    fn new(plan: &Plan) -> Run {
        let mut world = World::new("kill");
        crate::scripts::register(&mut world);
        world.configure("slots = 6");
        let rng = Rng::seeded(plan.seed);
        let strace =
            plan.strace && Command::new("strace").arg("-V").output().is_ok_and(|o| o.status.success());
        if plan.strace && !strace {
            println!("strace is not there: nobody is killed at a system call");
        }
        Run {
            world,
            planted: plan.planted,
            strace,
            drivers: (0..CLIENTS).map(|n| Driver::new(n, rng.part(1 << 40 | n as u64))).collect(),
            prober: Driver::new(CLIENTS, rng.part(1 << 41)),
            rng,
            book: Book::default(),
            ends: BTreeMap::new(),
            servers: Vec::new(),
            tracers: Vec::new(),
            shims_killed: 0,
            servers_killed: 0,
            slowest_ready: Duration::ZERO,
            slowest_progress: Duration::ZERO,
        }
    }

    /// The command line of the supervisor under test.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.world.command();
        command.envs(self.planted.map(|bug| ("TSUP_PLANTED", bug)));
        command
    }

    /// What a command that starts it needs of this world.
    pub(crate) fn surround(&self, command: &mut Command) {
        self.world.surround(command);
        command.envs(self.planted.map(|bug| ("TSUP_PLANTED", bug)));
    }

    fn step(&mut self, cycle: u32, look: bool, last: bool) -> Result<(), String> {
        self.cycle(cycle)?;
        let drivers = self.drivers.iter().chain([&self.prober]);
        self.book.after_a_kill(&self.world, drivers.flat_map(|driver| &driver.answered))?;
        if look || last {
            self.look(last)?;
        }
        Ok(())
    }

    /// A supervisor that nobody kills ends everything that was submitted.
    fn look(&mut self, last: bool) -> Result<(), String> {
        let supervisor = self.peace()?;
        let mut client = Client::connect(&self.world.socket()).map_err(|e| e.to_string())?;
        for driver in self.drivers.iter_mut().chain([&mut self.prober]) {
            driver.send_again(&mut client).map_err(|e| format!("what was not answered is refused: {e}"))?;
            if let Some(broken) = driver.broken.take() {
                return Err(broken);
            }
            if let Some(key) = driver.unanswered.keys().next() {
                return Err(format!("{key} is refused by a supervisor that is ready"));
            }
        }
        let all = self.drivers.iter().chain([&self.prober]).flat_map(|driver| &driver.answered);
        let answered: Vec<(String, JobId)> = all.map(|(key, job)| (key.clone(), *job)).collect();
        self.book.settle(&self.world, &mut client, &answered)?;
        self.book.count(&self.world)?;
        if !last {
            return Ok(());
        }
        self.book.close(&self.world, &mut client)?;
        drop(supervisor);
        self.nobody_is_left()
    }

    fn peace(&mut self) -> Result<Supervisor, String> {
        let began = Instant::now();
        let supervisor = self.world.start_with(self.command());
        let Some(supervisor) = supervisor else {
            return Err(format!("not ready:\n{}", tail(&self.world.log())));
        };
        self.slowest_ready = self.slowest_ready.max(began.elapsed());
        self.servers.extend(procs::servers(supervisor.pid()));
        Ok(supervisor)
    }

    /// Every shim server that was ever seen has ended, with every process that followed them.
    fn nobody_is_left(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            self.tracers.retain_mut(|tracer| matches!(tracer.try_wait(), Ok(None)));
            let servers = self.servers.iter().filter(|server| procs::is_alive(**server)).count();
            let strays = procs::strays(&self.world.dir).len();
            if servers + strays + self.tracers.len() == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("stray: {servers} shim servers and {strays} processes of jobs are left"));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
