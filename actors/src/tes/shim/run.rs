//! The life of one shim, from its fork through the attempts that it runs, one after the other.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use tsup_core::clock::{Mono, Wall};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::watch::{Bounds, Effect, Event, Finish, Watch};
use tsup_core::tes::attempt::{Cause, Claim, End, Enforced, FILES_VERSION, Record, Used};
use tsup_core::untrusted::Untrusted;

use super::desk::{Desk, Report};
use super::fence::{self, Groups, NotStarted};
use super::keep::Keeper;
use super::traces::{Claimed, Traces};
use super::{files, tree};
use crate::os::fork::{self, Seen, Signals};
use crate::os::proc;

/// What a shim has besides its attempts.
pub(super) struct Tools {
    /// Signals, held.
    pub(super) signals: Signals,
    /// An empty network that attempts may share, where there is one.
    pub(super) network: Option<OwnedFd>,
}

/// Runs attempts, `first` before those that come over `desk`, until the server wants no more of them. Called in a
/// process that was forked for it; returns its exit code.
///
/// What counts is in the traces. What is reported says when to look at them. A shim that ends without a report was
/// killed, as far as anybody can tell, and the server ends what it leaves behind.
pub(super) fn live(first: Box<Plan>, desk: &Desk, tools: &Tools) -> u8 {
    let me = match settle() {
        Ok(me) => me,
        Err(e) => {
            desk.report(&Report::NotBegun(e.raw_os_error().unwrap_or(libc::EIO)));
            return 1;
        }
    };
    let mut shim = Shim {
        me,
        kills: tree::Kills::new(),
        tools,
        traces: None,
        buffer: vec![0; limits::OUTPUT_READ_BYTES],
    };
    let mut next = Some(first);
    while let Some(plan) = next {
        // A defect in here is this attempt's alone: the server does the rest.
        let Ok(Some(report)) = catch_unwind(AssertUnwindSafe(|| shim.run(&plan))) else { return 1 };
        desk.report(&report);
        next = desk.next(&tools.signals);
    }
    0
}

/// Makes this process a reaper with a session of its own.
fn settle() -> io::Result<ProcId> {
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    proc::identify(std::process::id())
}

struct Shim<'a> {
    me: ProcId,
    /// What the kernel killed for want of memory.
    kills: tree::Kills,
    tools: &'a Tools,
    /// The file with the traces, and its name.
    traces: Option<(String, Traces)>,
    buffer: Vec<u8>,
}

impl Shim<'_> {
    /// Runs an attempt to its end. `None` when something is left of it that this process cannot end.
    fn run(&mut self, plan: &Plan) -> Option<Report> {
        match self.claim(plan) {
            Ok(Claimed::Now) => {}
            Ok(Claimed::Before) => return Some(Report::Ended),
            Ok(Claimed::Taken) => return Some(Report::NotBegun(libc::EBUSY)),
            Err(e) => return Some(Report::NotBegun(e.raw_os_error().unwrap_or(libc::EIO))),
        }
        // An error here leaves a claim without a record, which says all that can be known.
        let done = self.attempt(plan);
        let (_, traces) = self.traces.as_ref()?;
        let record = done.ok()?;
        traces.release(plan.slot);
        Some(Report::Done(Box::new(record)))
    }

    /// Makes the attempt this process's own. Its slot is locked until the attempt has ended, so that its record is
    /// there when the lock is free.
    fn claim(&mut self, plan: &Plan) -> io::Result<Claimed> {
        files::may_be_made(Path::new(&plan.folder))?;
        let path = Path::new(&plan.traces);
        // Another file may have taken its place: what is reserved stands in that.
        if self.traces.as_ref().is_none_or(|(name, open)| *name != plan.traces || !open.is_at(path)) {
            self.traces = Some((plan.traces.clone(), Traces::make(path)?));
        }
        let Some((_, traces)) = &self.traces else { return Ok(Claimed::Taken) };
        let claim = Claim {
            version: FILES_VERSION,
            id: plan.id,
            order: plan.order,
            shim: self.me,
            boot_id: plan.boot_id.clone(),
        };
        traces.claim(plan.slot, &claim)
    }

    fn attempt(&mut self, plan: &Plan) -> io::Result<Record> {
        let started_at = wall();
        let clock = Instant::now();
        let mut life = Life::begin(plan, self.me, clock, self.tools.network.as_ref())?;
        life.kills = self.kills;
        let finish = life.watch(&self.tools.signals, plan.id.key(), &mut self.buffer);
        self.kills = life.kills;
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
        // What cannot be taken away now is when the next one comes.
        let _ = files::empty_tmp(Path::new(&plan.tmp));
        self.store(plan.slot, &record)?;
        Ok(record)
    }

    /// Writes the record. While that cannot be done the shim holds it: the attempt has ended, and must be told so.
    /// Nothing tells that it can be done again, so it is tried from time to time.
    fn store(&self, slot: u32, record: &Record) -> io::Result<()> {
        let Some((_, traces)) = &self.traces else { return Ok(()) };
        let mut tries = 0;
        loop {
            match traces.record(slot, record) {
                // The record itself has no place.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(e),
                Err(e) if is_disk_full(&e) || tries < limits::RECORD_TRIES => tries += 1,
                other => return other,
            }
            std::thread::park_timeout(limits::RECORD_RETRY);
        }
    }
}

fn is_disk_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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
    /// CPU and largest memory of those that were waited for.
    reaped: (f64, u64),
    looks: u32,
    first: Option<u64>,
    last: Option<u64>,
    peak: u64,
    /// See [`Shim::kills`].
    kills: tree::Kills,
    /// What looking bounds it to.
    most_memory: Option<u64>,
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
        })
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.clock.elapsed())
    }

    /// Watches until nobody is left. A wish to end counts when it bears this attempt's `key`.
    fn watch(&mut self, signals: &Signals, key: u64, buffer: &mut [u8]) -> Finish {
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
                    Seen::Terminate => self.step(Event::Terminate),
                    Seen::Asked(_) | Seen::Child => {}
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
            let left = if empty { 0 } else { tree::count(self.shim) };
            self.step(Event::Ended { end, left });
        }
        if empty {
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
        self.first.get_or_insert(seen.memory_bytes);
        self.looks += 1;
        self.last = Some(seen.memory_bytes);
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

    fn used(&self) -> Used {
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

/// Starts the script: its process, and where its two streams are read.
fn start(plan: &Plan, groups: &Groups, network: Option<&OwnedFd>) -> Result<(Pid, [OwnedFd; 2]), NotStarted> {
    files::make_tmp(Path::new(&plan.tmp)).map_err(NotStarted::at("sandbox: files"))?;
    if plan.fence.is_bounds_only()
        && plan.program.starts_with('/')
        && let Some(started) = quick(plan, groups)?
    {
        return Ok(started);
    }
    let exec = NotStarted::at("exec");
    let stdin = match &plan.stdin {
        None => Stdio::null(),
        Some(text) => Stdio::from(in_memory(text).map_err(NotStarted::at("exec"))?),
    };
    let mut command = Command::new(OsStr::new(&plan.program));
    command.args(&plan.argv).env_clear().envs(plan.env.iter().map(|(k, v)| (k, v))).current_dir(&plan.cwd);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = fence::spawn(command, plan, groups, network)?;
    let pipes = child.stdout.take().map(OwnedFd::from).zip(child.stderr.take().map(OwnedFd::from));
    match (Pid::from_raw(child.id().cast_signed()), pipes) {
        (Some(pid), Some((out, err))) => Ok((pid, [out, err])),
        _ => Err(exec(io::ErrorKind::BrokenPipe.into())),
    }
}

/// The same for a script that is bounded and not shut in, at less cost. `None` when its file is no program by itself,
/// which the shell may take.
fn quick(plan: &Plan, groups: &Groups) -> Result<Option<(Pid, [OwnedFd; 2])>, NotStarted> {
    let exec = NotStarted::at("exec");
    let text = |text: &str| CString::new(text).map_err(|e| NotStarted::at("exec")(e.into()));
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let argv: Vec<CString> =
        std::iter::once(&plan.program).chain(&plan.argv).map(|a| text(a)).collect::<Result<_, _>>()?;
    let env: Vec<CString> =
        plan.env.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect::<Result<_, _>>()?;
    let stdin = match &plan.stdin {
        None => File::open("/dev/null"),
        Some(text) => in_memory(text),
    };
    let (path, cwd) = (text(&plan.program)?, text(&plan.cwd)?);
    let (stdin, (out, to_out), (err, to_err)) = match (stdin, pipe(), pipe()) {
        (Ok(stdin), Ok(out), Ok(err)) => (stdin, out, err),
        (Err(e), ..) => return Err(exec(e)),
        (_, Err(e), _) | (.., Err(e)) => return Err(exec(e.into())),
    };
    let doors = groups.doors().map_err(NotStarted::at("sandbox: control group"))?;
    let doors: Vec<BorrowedFd<'_>> = doors.iter().map(File::as_fd).collect();
    let program = crate::os::exec::Program {
        path: &path,
        argv: &argv,
        env: &env,
        cwd: &cwd,
        streams: [stdin.as_fd(), to_out.as_fd(), to_err.as_fd()],
        limits: &fence::limits_of(plan),
        doors: &doors,
    };
    match crate::os::exec::spawn(&program) {
        Ok(pid) => Ok(Some((pid, [out, err]))),
        Err((crate::os::exec::Step::Exec, e)) if e.raw_os_error() == Some(libc::ENOEXEC) => Ok(None),
        Err((step, e)) => Err(NotStarted::at(match step {
            crate::os::exec::Step::Start => "sandbox: start",
            crate::os::exec::Step::Group => "sandbox: control group",
            crate::os::exec::Step::Limits => "sandbox: limits",
            crate::os::exec::Step::Exec => "exec",
        })(e)),
    }
}

/// A file without a name that holds `text`: whoever reads it need not keep up with a writer.
fn in_memory(text: &str) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// With this code a shell ends whose last program was killed.
const SHELL_KILLED: i32 = 128 + libc::SIGKILL;

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}

fn wall() -> Wall {
    Wall::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}
