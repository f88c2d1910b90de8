//! The life of one shim, from its fork to its record.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};
use tsup_core::clock::{Mono, Wall};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::watch::{Bounds, Effect, Event, Finish, Watch};
use tsup_core::tes::attempt::{Claim, End, Enforced, FILES_VERSION, Record, Used};
use tsup_core::untrusted::Untrusted;

use super::fence::{self, Groups, NotStarted};
use super::keep::Keeper;
use super::{files, tree};
use crate::os::child;
use crate::os::fork::{self, Seen, Signals};
use crate::os::proc;

/// Runs an attempt to its end. Called in a process that was forked for it; returns its exit code.
///
/// What counts is in the files. The code is that of an error before there is a claim: then nothing ran. `network` is
/// an empty one that attempts may share.
pub(super) fn run(plan: &Plan, signals: &Signals, network: Option<&OwnedFd>) -> u8 {
    let claimed = match claim(plan) {
        Ok(claimed) => claimed,
        Err(e) => return e.raw_os_error().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX),
    };
    if let Some((shim, _lock)) = claimed {
        // An error here leaves a claim without a record, which says all that can be known.
        let _ = attempt(plan, shim, signals, network);
    }
    0
}

/// Makes the attempt this process's own. The lock is held until this process ends, so that its record is there
/// when the lock is free. `None` when another one claimed it before.
fn claim(plan: &Plan) -> io::Result<Option<(ProcId, File)>> {
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let folder = Path::new(&plan.folder);
    let shim = proc::identify(std::process::id())?;
    let lock = files::lock(folder)?;
    let claim = Claim { version: FILES_VERSION, id: plan.id, shim, boot_id: plan.boot_id.clone() };
    Ok(files::claim(folder, &claim)?.then_some((shim, lock)))
}

fn attempt(plan: &Plan, shim: ProcId, signals: &Signals, network: Option<&OwnedFd>) -> io::Result<()> {
    let folder = Path::new(&plan.folder);
    let started_at = wall();
    let clock = Instant::now();
    let mut life = Life::begin(plan, shim, clock, network)?;
    let finish = life.watch(signals)?;
    let used = life.used();
    life.groups.remove();
    for stream in &mut life.streams {
        stream.keeper.finish();
    }
    let [out, err] = &life.streams;
    let record = Record {
        version: FILES_VERSION,
        id: plan.id,
        boot_id: plan.boot_id.clone(),
        started_at,
        ended_at: wall(),
        wall_seconds: clock.elapsed().as_secs_f64(),
        end: finish.end,
        cause: finish.cause,
        left_behind: finish.left_behind,
        stdout_bytes: out.keeper.came,
        stderr_bytes: err.keeper.came,
        truncated: out.keeper.is_cut() || err.keeper.is_cut(),
        used,
        enforced: life.enforced(plan),
    };
    store(folder, &record)?;
    if fence::is_wanted(plan) {
        fence::remove_tmp(folder);
    }
    Ok(())
}

/// Writes the record. While the disk is full the shim holds it: the attempt has ended, and must be told so.
fn store(folder: &Path, record: &Record) -> io::Result<()> {
    loop {
        match files::record(folder, record) {
            Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                // Nothing tells of space on a disk: looking again is all there is.
                let pause = Timespec::try_from(limits::RECORD_RETRY).unwrap_or_default();
                let _ = poll(&mut [], Some(&pause));
            }
            other => return other,
        }
    }
}

/// A stream of the script.
struct Stream {
    pipe: Option<OwnedFd>,
    keeper: Keeper,
}

/// An attempt that runs.
struct Life {
    shim: ProcId,
    clock: Instant,
    watch: Watch,
    streams: [Stream; 2],
    /// The script's own process.
    script: Option<Pid>,
    /// Whether there ever was one.
    started: bool,
    groups: Groups,
    looks: u32,
    first: u64,
    last: u64,
    peak: u64,
    /// When the tree is looked at next.
    look_at: Mono,
}

impl Life {
    fn begin(plan: &Plan, shim: ProcId, clock: Instant, network: Option<&OwnedFd>) -> io::Result<Self> {
        let folder = Path::new(&plan.folder);
        let now = Mono::from_origin(clock.elapsed());
        let (started, groups) = match Groups::make(&plan.fence, plan.id) {
            Ok(groups) => (start(plan, &groups, network), groups),
            Err(e) => (Err(e), Groups::default()),
        };
        let mut watch = Watch::new(bounds(plan, &groups), now);
        let (script, pipes) = match started {
            Ok(mut child) => {
                let out = child.stdout.take().map(OwnedFd::from);
                let err = child.stderr.take().map(OwnedFd::from);
                for pipe in [&out, &err].into_iter().flatten() {
                    rustix::io::ioctl_fionbio(pipe, true)?;
                }
                (Pid::from_raw(child.id().cast_signed()), [out, err])
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
            looks: 0,
            first: 0,
            last: 0,
            peak: 0,
            look_at: now + first_look(plan),
        })
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.clock.elapsed())
    }

    /// Watches until nobody is left.
    fn watch(&mut self, signals: &Signals) -> io::Result<Finish> {
        let mut buffer = vec![0; limits::OUTPUT_READ_BYTES];
        loop {
            self.reap();
            self.drain(&mut buffer);
            if let Some(finish) = self.watch.finish() {
                // What was written before the end is in the pipes still.
                self.drain(&mut buffer);
                return Ok(finish);
            }
            self.wait(signals)?;
            while let Some(seen) = signals.next() {
                if seen == Seen::Terminate {
                    self.step(Event::Cancel);
                }
            }
            if self.now() >= self.look_at {
                self.look();
            }
            self.step(Event::Tick);
        }
    }

    fn step(&mut self, event: Event) {
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
    fn wait(&self, signals: &Signals) -> io::Result<()> {
        let due = self.watch.next_due().into_iter().chain([self.look_at]).min().unwrap_or(self.look_at);
        let timeout = Timespec::try_from(due.since(self.now())).unwrap_or_default();
        let signals = signals.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        let pipes = self.streams.iter().filter_map(|s| s.pipe.as_ref());
        fds.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
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
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == self.script => {
                    self.script = None;
                    ended = Some(end(ExitStatus::from_raw(status.as_raw())));
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break false,
                // No child is left, so nobody of the tree is: whoever loses its parent becomes one.
                Err(_) => break true,
            }
        };
        if let Some(end) = ended {
            self.met();
            let left = if empty { 0 } else { tree::usage(self.shim).processes };
            self.step(Event::Ended { end, left });
        }
        if empty {
            self.step(Event::Empty);
        }
    }

    fn look(&mut self) {
        let mut seen = tree::usage(self.shim);
        if let Some(bytes) = self.groups.memory_bytes() {
            seen.memory_bytes = bytes;
        }
        if self.looks == 0 {
            self.first = seen.memory_bytes;
        }
        self.looks += 1;
        self.last = seen.memory_bytes;
        self.peak = self.peak.max(seen.memory_bytes);
        self.look_at = self.now() + pause(self.looks);
        self.step(Event::Sampled { memory_bytes: seen.memory_bytes, processes: seen.processes });
        self.met();
    }

    /// Tells of a bound that the kernel holds, if the tree met one.
    fn met(&mut self) {
        if let Some(cause) = self.groups.met() {
            self.step(Event::Met(cause));
        }
    }

    fn used(&self) -> Used {
        let (cpu_seconds, largest) = fork::children_used();
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
            start_memory_bytes: if sampled { self.first } else { peak },
            end_memory_bytes: if sampled { self.last } else { peak },
            memory_source: source.into(),
        }
    }

    fn enforced(&self, plan: &Plan) -> Enforced {
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

fn start(plan: &Plan, groups: &Groups, network: Option<&OwnedFd>) -> Result<Child, NotStarted> {
    let exec = |error| NotStarted { step: "exec", error };
    let stdin = match &plan.stdin {
        None => Stdio::null(),
        Some(text) => Stdio::from(in_memory(text).map_err(exec)?),
    };
    let mut command = Command::new(OsStr::new(&plan.program));
    command.args(&plan.argv).env_clear().envs(plan.env.iter().map(|(k, v)| (k, v))).current_dir(&plan.cwd);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    child::before_exec(&mut command, fork::let_go).map_err(exec)?;
    if fence::is_wanted(plan) {
        fence::make_tmp(Path::new(&plan.folder))?;
        return fence::spawn(command, plan, groups, network);
    }
    command.process_group(0);
    command.spawn().map_err(exec)
}

/// A file without a name that holds `text`: whoever reads it need not keep up with a writer.
fn in_memory(text: &str) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}

fn wall() -> Wall {
    Wall::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}
