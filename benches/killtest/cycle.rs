//! One life of a supervisor, and the ways in which it ends.

use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tsup::ctl::client::Client;
use tsup_actors::os::proc;
use tsup_core::ids::ProcId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Verb};

use crate::procs;
use crate::rng::Rng;
use crate::run::Run;
use crate::world::{World, is_ready};

/// How a supervisor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// kill -9 at a random time after it is ready.
    Kill,
    /// kill -9 before or while it finds out what was.
    KillInRecovery,
    /// kill -9 at a certain system call of one of its threads, its shims or their jobs.
    KillAtCall,
    /// In order.
    Terminate,
}

/// System calls at which a process is killed, and how many of them are counted at most.
const CALLS: [(&str, u64); 12] = [
    ("fdatasync,fsync", 40),
    ("write", 120),
    ("pwrite64", 120),
    ("sendto,sendmsg", 60),
    ("openat", 120),
    ("rename,renameat,renameat2", 4),
    ("flock", 4),
    ("fork,vfork,clone,clone3", 12),
    ("read,recvfrom", 150),
    ("mkdir,mkdirat", 6),
    ("futex", 60),
    ("close", 120),
];

/// A supervisor must be ready, and show progress, within this time.
const WITHIN: Duration = Duration::from_secs(5);
/// The same under strace.
const WITHIN_TRACED: Duration = Duration::from_secs(20);

impl Run {
    /// Starts a supervisor, lets the clients work, and ends it.
    pub(crate) fn cycle(&mut self, number: u32) -> Result<(), String> {
        let mut rng = self.rng.part(u64::from(number));
        let end = match rng.below(100) {
            0..18 if self.strace => End::KillAtCall,
            0..68 => End::Kill,
            68..86 => End::KillInRecovery,
            _ => End::Terminate,
        };
        *self.ends.entry(end).or_insert(0) += 1;
        let mut life = Life::start(self, end, &mut rng)?;
        let enough = AtomicBool::new(false);
        let (world, drivers, prober) = (&self.world, &mut self.drivers, &mut self.prober);
        let outcome = std::thread::scope(|scope| {
            for driver in drivers.iter_mut() {
                let enough = &enough;
                scope.spawn(move || driver.work(world, enough));
            }
            let outcome = life.live(world, prober, &mut rng);
            enough.store(true, Ordering::Relaxed);
            outcome
        });
        self.slowest_ready = self.slowest_ready.max(life.ready_after);
        self.slowest_progress = self.slowest_progress.max(life.progress_after);
        self.shims_killed += life.shims_killed;
        self.servers_killed += life.servers_killed;
        self.servers.extend(life.servers);
        self.tracers.extend(life.tracer);
        self.tracers.retain_mut(|tracer| matches!(tracer.try_wait(), Ok(None)));
        outcome?;
        let broken =
            self.drivers.iter_mut().chain([&mut self.prober]).find_map(|driver| driver.broken.take());
        broken.map_or(Ok(()), Err)
    }
}

/// A supervisor under test.
struct Life {
    end: End,
    began: Instant,
    child: Option<Child>,
    tracer: Option<Child>,
    pid: u32,
    servers: Vec<ProcId>,
    ready_after: Duration,
    progress_after: Duration,
    shims_killed: u64,
    servers_killed: u64,
}

impl Life {
    fn start(run: &Run, end: End, rng: &mut Rng) -> Result<Life, String> {
        let mut command = run.command();
        let began = Instant::now();
        let (mut child, mut tracer, mut pid) = (None, None, 0);
        if end == End::KillAtCall {
            let (calls, most) = *rng.pick(&CALLS).unwrap();
            let when = 1 + rng.below(most);
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e"]);
            strace
                .arg(format!("trace={calls}"))
                .arg("-e")
                .arg(format!("inject={calls}:signal=KILL:when={when}"));
            strace.arg(command.get_program()).args(command.get_args());
            run.surround(&mut strace);
            let traced = strace.spawn().map_err(|e| format!("strace: {e}"))?;
            let deadline = began + WITHIN_TRACED;
            while pid == 0 && Instant::now() < deadline {
                let all = proc::scan().unwrap_or_default();
                // Before its execution it still is a copy of strace.
                let found = all.iter().find(|s| s.parent == traced.id() && s.comm != "strace");
                pid = found.map_or(0, |stat| stat.id.pid);
                if proc::stat(traced.id()).is_ok_and(|stat| stat.is_zombie()) {
                    break;
                }
            }
            tracer = Some(traced);
        } else {
            let started = command.spawn().map_err(|e| format!("the supervisor cannot be started: {e}"))?;
            pid = started.id();
            child = Some(started);
        }
        let zero = Duration::ZERO;
        Ok(Life {
            end,
            began,
            child,
            tracer,
            pid,
            servers: Vec::new(),
            ready_after: zero,
            progress_after: zero,
            shims_killed: 0,
            servers_killed: 0,
        })
    }

    fn is_alive(&self) -> bool {
        self.pid != 0 && proc::stat(self.pid).is_ok_and(|stat| !stat.is_zombie())
    }

    fn live(
        &mut self,
        world: &World,
        prober: &mut crate::driver::Driver,
        rng: &mut Rng,
    ) -> Result<(), String> {
        if self.end == End::KillInRecovery {
            std::thread::park_timeout(Duration::from_micros(rng.below(40_000)));
            return self.kill(world, rng);
        }
        let within = if self.tracer.is_some() { WITHIN_TRACED } else { WITHIN };
        while !is_ready(&world.socket()) {
            if !self.is_alive() {
                return self.gone();
            }
            if self.began.elapsed() > within {
                let log = world.log();
                let _ = self.kill(world, rng);
                return Err(format!("not ready within {} s:\n{}", within.as_secs(), tail(&log)));
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if self.tracer.is_none() {
            self.ready_after = self.began.elapsed();
        }
        self.servers = procs::servers(self.pid);
        if self.tracer.is_none() && rng.percent(50) {
            let asked = Instant::now();
            if let Err(stuck) = prober.prove(world, WITHIN) {
                let _ = self.kill(world, rng);
                return Err(stuck);
            }
            self.progress_after = asked.elapsed();
        }
        if self.tracer.is_some() {
            let deadline = Instant::now() + Duration::from_millis(600);
            while self.is_alive() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(2));
            }
        } else {
            std::thread::park_timeout(Duration::from_micros(rng.below(150_000)));
        }
        self.kill(world, rng)
    }

    /// Ends it, and in some cases what runs under it, in any order.
    fn kill(&mut self, world: &World, rng: &mut Rng) -> Result<(), String> {
        let (mut shims, mut servers) = (Vec::new(), Vec::new());
        let fate = rng.below(100);
        if fate < 7 {
            shims = running(world).into_iter().take(1 + rng.below(2) as usize).collect();
        }
        if (5..10).contains(&fate) {
            servers = procs::servers(self.pid);
        }
        let first = rng.percent(50);
        if first {
            self.kill_others(&shims, &servers);
            std::thread::park_timeout(Duration::from_micros(rng.below(4_000)));
        }
        self.kill_supervisor()?;
        if !first {
            std::thread::park_timeout(Duration::from_micros(rng.below(4_000)));
            self.kill_others(&shims, &servers);
        }
        Ok(())
    }

    fn kill_others(&mut self, shims: &[ProcId], servers: &[ProcId]) {
        self.shims_killed += shims.iter().filter(|shim| procs::kill(**shim)).count() as u64;
        self.servers_killed += servers.iter().filter(|server| procs::kill(**server)).count() as u64;
    }

    fn kill_supervisor(&mut self) -> Result<(), String> {
        let Some(pid) = Pid::from_raw(self.pid.cast_signed()) else { return self.gone() };
        if let Some(child) = &mut self.child {
            let signal = if self.end == End::Terminate { Signal::TERM } else { Signal::KILL };
            let _ = kill_process(pid, signal);
            let status = wait(child, Duration::from_secs(15))?;
            if self.end == End::Terminate && !status.success() {
                return Err(format!("asked to end, it ended with {status}"));
            }
            return Ok(());
        }
        // Below strace: its child for as long as it is there.
        if self.is_alive() {
            let _ = kill_process(pid, Signal::KILL);
        }
        self.gone()
    }

    /// Waits until it is gone, by whoever killed it.
    fn gone(&mut self) -> Result<(), String> {
        if let Some(child) = &mut self.child {
            let status = wait(child, Duration::from_secs(1))?;
            return Err(format!("nobody killed it, and it ended with {status}"));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.is_alive() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }
}

fn wait(child: &mut Child, at_most: Duration) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + at_most;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", at_most.as_secs()));
            }
            Ok(None) => std::thread::park_timeout(Duration::from_millis(1)),
            Err(e) => return Err(e.to_string()),
        }
    }
}

/// Shims of jobs that run now.
fn running(world: &World) -> Vec<ProcId> {
    let verb = Verb::Jobs { states: vec![JobState::Running], script: None, limit: Some(10) };
    let Ok(Body::Jobs(doc)) = Client::connect(&world.socket()).and_then(|mut client| client.ask(verb)) else {
        return Vec::new();
    };
    let home = world.home();
    doc.jobs.iter().filter_map(|job| procs::shim(&home, &job.id.to_string(), job.attempt)).collect()
}

pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
