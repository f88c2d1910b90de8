//! One attempt under a shim, from its start until nobody of it is left.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use tsup_core::clock::Mono;
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::watch::{Bounds, Effect, Event, Finish, Watch};
use tsup_core::tes::attempt::{Cause, End, Enforced, Used};
use tsup_core::untrusted::Untrusted;

use super::super::fence::{Groups, NotStarted, Spare};
use super::super::keep::Keeper;
use super::super::tree;
use super::start::start;
use crate::os::fork::{self, Seen, Signals};

/// A stream of the script.
pub(super) struct Stream {
    pipe: Option<OwnedFd>,
    pub(super) keeper: Keeper,
}

/// An attempt that runs.
pub(super) struct Life {
    shim: ProcId,
    clock: Instant,
    watch: Watch,
    pub(super) streams: [Stream; 2],
    /// The script's own process.
    script: Option<Pid>,
    /// Whether there ever was one.
    started: bool,
    pub(super) groups: Groups,
    /// CPU and largest memory of those that were waited for.
    reaped: (f64, u64),
    looks: u32,
    first: Option<u64>,
    last: Option<u64>,
    peak: u64,
    /// See [`super::Shim`].
    pub(super) kills: tree::Kills,
    /// What looking bounds it to.
    most_memory: Option<u64>,
    /// When the tree is looked at next.
    look_at: Mono,
    /// Whether the shim was told to end.
    pub(super) terminated: bool,
}

impl Life {
    pub(super) fn begin(
        plan: &Plan,
        shim: ProcId,
        clock: Instant,
        network: Option<&OwnedFd>,
        spare: &mut Spare,
    ) -> io::Result<Self> {
        let folder = Path::new(&plan.folder);
        let now = Mono::from_origin(clock.elapsed());
        let (started, groups) = match Groups::make(&plan.fence, plan.id, spare) {
            Ok(groups) => (start(plan, &groups, network), groups),
            Err(e) => (Err(e), Groups::default()),
        };
        let bounds = bounds(plan, &groups);
        let mut watch = Watch::new(bounds, now);
        let (script, pipes) = match started {
            Ok((script, pipes)) => {
                for pipe in &pipes {
                    rustix::io::ioctl_fionbio(pipe, true)?;
                }
                (Some(script), pipes.map(Some))
            }
            Err(NotStarted { step, error }) => {
                let end = End::NotStarted {
                    step: step.into(),
                    errno: error.raw_os_error().unwrap_or(0),
                    message: Untrusted::new(error.to_string()),
                };
                watch.step(Event::Ended { end, left: 0 }, now);
                watch.step(Event::Empty, now);
                (None, [None, None])
            }
        };
        let [out, err] = pipes;
        let stream = |pipe, name| Stream { pipe, keeper: Keeper::new(folder.join(name), plan.keep_bytes) };
        Ok(Life {
            shim,
            clock,
            watch,
            streams: [stream(out, "stdout"), stream(err, "stderr")],
            script,
            started: script.is_some(),
            groups,
            reaped: (0.0, 0),
            looks: 0,
            first: None,
            last: None,
            peak: 0,
            kills: tree::Kills::default(),
            most_memory: bounds.memory_bytes,
            look_at: now + first_look(plan),
            terminated: false,
        })
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.clock.elapsed())
    }

    /// Watches until nobody is left. A wish to end counts when it bears this attempt's `key`.
    pub(super) fn watch(&mut self, signals: &Signals, key: u64, buffer: &mut [u8]) -> Finish {
        loop {
            self.reap();
            self.drain(buffer);
            if let Some(finish) = self.watch.finish() {
                // What was written before the end is in the pipes still.
                self.drain(buffer);
                return finish;
            }
            self.wait(signals);
            while let Some(seen) = signals.next() {
                match seen {
                    Seen::Asked(of) if of == key => self.step(Event::Cancel),
                    Seen::Terminate => {
                        self.terminated = true;
                        self.step(Event::Terminate);
                    }
                    Seen::Asked(_) | Seen::Child => {}
                }
            }
            if self.now() >= self.look_at {
                self.look();
            }
            self.step(Event::Tick);
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        let now = self.now();
        match self.watch.step(event, now) {
            // A stopped process sees no TERM.
            Some(Effect::Terminate) => tree::signal(self.shim, &[Signal::TERM, Signal::CONT]),
            Some(Effect::Kill) => {
                self.groups.close();
                tree::signal(self.shim, &[Signal::KILL]);
            }
            None => {}
        }
    }

    /// Waits for output, a signal, or the next thing that is due.
    fn wait(&self, signals: &Signals) {
        let due = self.watch.next_due().into_iter().chain([self.look_at]).min().unwrap_or(self.look_at);
        let timeout = Timespec::try_from(due.since(self.now())).unwrap_or_default();
        let signals = signals.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        let pipes = self.streams.iter().filter_map(|s| s.pipe.as_ref());
        fds.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // The kernel has no memory for it now; the tree is watched all the same.
            Err(_) => std::thread::park_timeout(limits::TREE_LOOK_FIRST),
        }
    }

    /// Takes what was printed. A stream is read for so long only: a flood must not hide the end.
    fn drain(&mut self, buffer: &mut [u8]) {
        let mut printed = false;
        for stream in &mut self.streams {
            for _ in 0..limits::OUTPUT_READS {
                let Some(pipe) = &stream.pipe else { break };
                match rustix::io::read(pipe, &mut *buffer) {
                    Ok(0) => stream.pipe = None,
                    Ok(n) => {
                        printed = true;
                        stream.keeper.take(&buffer[..n]);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => break,
                }
            }
        }
        if printed {
            self.step(Event::Printed);
        }
    }

    /// Takes the ends of all children: the script's own, and those that lost their parents.
    fn reap(&mut self) {
        let mut ended = None;
        let empty = loop {
            match fork::reap() {
                Ok(Some(one)) => {
                    self.reaped.0 += one.cpu_seconds;
                    self.reaped.1 = self.reaped.1.max(one.largest);
                    if Some(one.pid) == self.script {
                        self.script = None;
                        ended = Some(end(ExitStatus::from_raw(one.status)));
                    }
                }
                Ok(None) => break false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // No child is left, so nobody of the tree is: whoever loses its parent becomes one.
                Err(_) => break true,
            }
        };
        if let Some(end) = ended {
            self.met();
            // A shell tells so of what it ran.
            if matches!(end, End::Signalled(libc::SIGKILL) | End::Exited(SHELL_KILLED)) && self.kills.recent()
            {
                self.step(Event::Met(Cause::Memory));
            }
            if empty {
                // First, so that nobody is looked for who could be asked to end.
                self.step(Event::Empty);
            }
            let left = if empty { 0 } else { tree::count(self.shim) };
            self.step(Event::Ended { end, left });
        } else if empty {
            self.step(Event::Empty);
        }
    }

    fn look(&mut self) {
        let counted = self.groups.memory_bytes();
        // What is no more than it was, and no more than it may be, need not be known better.
        let trusted =
            if counted.is_some() { u64::MAX } else { self.peak.min(self.most_memory.unwrap_or(u64::MAX)) };
        let mut seen = tree::usage(self.shim, trusted);
        seen.memory_bytes = counted.unwrap_or(seen.memory_bytes);
        self.looks += 1;
        // Who has none has just ended, and is yet to be waited for.
        if seen.memory_bytes > 0 {
            self.first.get_or_insert(seen.memory_bytes);
            self.last = Some(seen.memory_bytes);
        }
        self.peak = self.peak.max(seen.memory_bytes);
        self.look_at = self.now() + pause(self.looks);
        self.kills.recent();
        self.step(Event::Sampled { memory_bytes: seen.memory_bytes, processes: seen.processes });
        self.met();
    }

    /// Tells of a bound that the kernel holds, if the tree met one.
    fn met(&mut self) {
        if let Some(cause) = self.groups.met() {
            self.step(Event::Met(cause));
        }
    }

    pub(super) fn used(&self) -> Used {
        let (cpu_seconds, largest) = self.reaped;
        let cpu_seconds = self.groups.cpu_seconds().unwrap_or(cpu_seconds);
        let sampled = self.looks > 0;
        let peak = if sampled { self.peak.max(largest) } else { largest };
        let (peak, source) = match self.groups.memory_peak() {
            Some(peak) => (peak, "cgroup"),
            None if sampled => (peak, "sampled"),
            None => (peak, "rusage"),
        };
        Used {
            cpu_seconds,
            peak_memory_bytes: peak,
            start_memory_bytes: self.first,
            end_memory_bytes: self.last,
            memory_source: source.into(),
        }
    }

    pub(super) fn enforced(&self, plan: &Plan) -> Enforced {
        if !self.started {
            return Enforced::default();
        }
        plan.fence.enforced(self.groups.bound_memory(), self.groups.bound_processes(), plan.cpu.is_some())
    }
}

/// What is left to looking: the bounds that no group holds.
fn bounds(plan: &Plan, groups: &Groups) -> Bounds {
    let mut bounds = plan.bounds;
    if let Some(bound) = &plan.fence.memory {
        bounds.memory_bytes = (!groups.bound_memory()).then_some(bound.max);
    }
    if let Some(bound) = &plan.fence.processes {
        let max = u32::try_from(bound.max).unwrap_or(u32::MAX);
        bounds.processes = (!groups.bound_processes()).then_some(max);
    }
    bounds
}

/// When the tree is looked at first. Where looking is all that bounds it, that is soon.
fn first_look(plan: &Plan) -> Duration {
    let is_bound = plan.bounds.memory_bytes.is_some() || plan.bounds.processes.is_some();
    if is_bound { limits::TREE_LOOK_FIRST } else { limits::TREE_LOOK_FIRST_UNBOUND }
}

/// Between two looks at a tree: young trees change fast.
fn pause(looks: u32) -> Duration {
    (limits::TREE_LOOK_FIRST * looks.min(50)).min(limits::TREE_LOOK_LAST)
}

/// With this code a shell ends whose last program was killed.
const SHELL_KILLED: i32 = 128 + libc::SIGKILL;

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}
