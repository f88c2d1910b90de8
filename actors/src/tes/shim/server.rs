//! The shim server: forks shims, gives them orders, and tells of the ends of attempts.
//!
//! It speaks over the stream on its standard input, in frames: [`Order`]s come, [`News`] go. A shim that has run its
//! attempt waits for the next one for a while, since a fork costs as much as a small script. Attempts begin about in the order
//! in which they came, each when there is room for it: so the next one may be ordered before another has ended. When the other
//! end of the stream goes, what waits for room is dropped, shims end with the attempts that they run, and the server ends with
//! the last of them: whoever comes then watches the locks.
//!
//! - `server/after.rs`: what a shim is handed before its turn
//! - `server/ends.rs`: ends of shims, and what they leave
//! - `server/stream.rs`: orders as they come, news as they go

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::tes::sandbox::Group;

use super::desk::{self, Desk, Heard, Report};
use super::{fence, run, tree};
use crate::os::fork::{self, Fork, Signals};
use crate::os::namespace;

mod after;
mod ends;
mod stream;

use after::After;

/// Serves until the other end of `stream` is gone and no shim is left. Must be called in a process of one
/// thread, before anything else.
pub fn serve(stream: OwnedFd) -> io::Result<u8> {
    let _ = rustix::process::setsid();
    // What a killed shim leaves behind comes here.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::io::ioctl_fionbio(&stream, true)?;
    let signals = Signals::hold()?;
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&ready, &stream, STREAM, epoll::EventFlags::IN)?;
    epoll::add(&ready, signals.as_fd(), SIGNALS, epoll::EventFlags::IN)?;
    let mut server = Server {
        ready,
        stream: Some(stream),
        tools: run::Tools { signals, network: None },
        read: Vec::new(),
        write: Vec::new(),
        gathers: None,
        waits_to_write: false,
        waiting: VecDeque::new(),
        taken: 0,
        within: 0,
        elsewhere: 0,
        shims: HashMap::new(),
        handed: 0,
        wishes: Vec::new(),
        idle: VecDeque::new(),
        orphans: false,
        groups: Vec::new(),
    };
    loop {
        if let Turn::Shim(plan, desk) = server.turn()? {
            let tools = server.into_tools();
            return Ok(run::live(plan, desk, &tools));
        }
        if server.stream.is_none() && server.shims.is_empty() {
            return Ok(0);
        }
    }
}

/// What the stream and the signals are known by; a shim is by its pid.
const STREAM: epoll::EventData = epoll::EventData::new_u64(u64::MAX);
const SIGNALS: epoll::EventData = epoll::EventData::new_u64(u64::MAX - 1);

/// Which process goes on.
enum Turn {
    /// The server.
    Server,
    /// A shim, with its first attempt.
    Shim(Box<Plan>, Desk),
}

/// A shim, as the server knows it.
struct Shim {
    /// `None` when nothing more is wanted of it.
    desk: Option<Desk>,
    /// The attempt that it runs.
    runs: Option<Run>,
    /// The one that it begins when that one has ended.
    after: Option<After>,
    /// How many it was given.
    given: u64,
    /// Whether it is gone and had not begun what it was to run.
    left: bool,
    /// Whether it has an empty network to share.
    network: bool,
}

/// An attempt that a shim runs.
#[derive(Debug, Clone, Copy)]
struct Run {
    id: AttemptId,
    slots: u16,
    since: Instant,
    /// Which of its shim's orders it is.
    number: u64,
}

impl Run {
    fn of(plan: &Plan, number: u64) -> Self {
        Run { id: plan.id, slots: plan.slots, since: Instant::now(), number }
    }
}

struct Server {
    ready: OwnedFd,
    stream: Option<OwnedFd>,
    tools: run::Tools,
    read: Vec<u8>,
    write: Vec<u8>,
    /// Since when news wait to be told that may gather.
    gathers: Option<Instant>,
    /// Whether it is told when the stream takes more.
    waits_to_write: bool,
    /// Orders that wait for room, with their frames.
    waiting: VecDeque<(Box<Plan>, Vec<u8>)>,
    /// Slots of the attempts that shims run.
    taken: u32,
    /// Slots that there are, by the last order.
    within: u32,
    /// Slots of attempts that run, and were ordered from another server.
    elsewhere: u32,
    shims: HashMap<Pid, Shim>,
    /// How many of them have one to begin after the one that they run.
    handed: usize,
    /// Attempts that are to end, and the shims that are to be asked.
    wishes: Vec<(Pid, AttemptId)>,
    /// Shims that wait for an attempt, since when; the one that waits longest first.
    idle: VecDeque<(Pid, Instant)>,
    /// Whether orphans are being ended: a process that forks while it is killed leaves another one.
    orphans: bool,
    /// Where shims make control groups: those of killed ones are taken away from there.
    groups: Vec<Group>,
}

impl Server {
    /// What a shim needs of it. The rest is closed: whoever is at the other ends must see when the server is gone.
    fn into_tools(self) -> run::Tools {
        self.tools
    }

    fn turn(&mut self) -> io::Result<Turn> {
        for pid in self.wait()? {
            let _ = self.hear(pid);
        }
        while self.tools.signals.next().is_some() {}
        self.reap();
        self.lose_patience();
        self.receive();
        while let Some(order) = self.order() {
            match order {
                Ok((Order::Start(plan), frame)) => self.waiting.push_back((plan, frame)),
                Ok((Order::Stop(id), _)) => self.stop(id),
                Ok((Order::Recall, _)) => self.call_back(|_| true),
                Ok((Order::Elsewhere(slots), _)) => {
                    self.elsewhere = slots;
                    // For those that were handed out there may be no room any more.
                    self.take_back(|_, _| true);
                }
                // Another program, or another version: there is nothing to say to it.
                Err(_) => self.stream = None,
            }
        }
        if self.stream.is_none() {
            // Whoever comes next finds no trace of them.
            self.take_back(|_, _| true);
            self.waiting.clear();
        }
        self.fill();
        while let Some((plan, frame)) = self.next() {
            if let Turn::Shim(plan, desk) = self.start(plan, &frame) {
                return Ok(Turn::Shim(plan, desk));
            }
        }
        self.hand_out();
        self.ask();
        self.send();
        self.dismiss();
        Ok(Turn::Server)
    }

    /// Waits until there is something to do, and says which shims told something.
    fn wait(&mut self) -> io::Result<Vec<Pid>> {
        let is_full = !self.write.is_empty() && self.gathers.is_none();
        if let Some(stream) = &self.stream
            && self.waits_to_write != is_full
        {
            self.waits_to_write = is_full;
            let out = if self.waits_to_write { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            epoll::modify(&self.ready, stream, STREAM, epoll::EventFlags::IN | out)?;
        }
        let idle = self.idle.front().map(|(_, since)| limits::SHIM_IDLE.saturating_sub(since.elapsed()));
        let gathers = self.gathers.map(|since| limits::NEWS_GATHER.saturating_sub(since.elapsed()));
        let until = idle
            .into_iter()
            .chain(gathers)
            .chain(self.patience())
            .chain((!self.wishes.is_empty()).then_some(limits::AHEAD_PATIENCE))
            .min()
            .and_then(|left| Timespec::try_from(left).ok());
        let mut events = Vec::with_capacity(64);
        match epoll::wait(&self.ready, spare_capacity(&mut events), until.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let pid = |event: &epoll::Event| Pid::from_raw(i32::try_from(event.data.u64()).ok()?);
        Ok(events.iter().filter_map(pid).collect())
    }

    /// Takes what a shim tells, and says whether it told of an attempt's end.
    fn hear(&mut self, pid: Pid) -> bool {
        let Some(shim) = self.shims.get_mut(&pid) else { return false };
        match shim.desk.as_ref().map(Desk::hear) {
            Some(Heard::Report(report)) => {
                let Some(run) = shim.runs.take() else { return false };
                self.taken -= u32::from(run.slots);
                if let Some(after) = shim.after.take() {
                    self.handed -= 1;
                    self.taken += u32::from(after.plan.slots);
                    shim.runs = Some(Run::of(&after.plan, after.number));
                    if after.unwanted {
                        self.wishes.push((pid, after.plan.id));
                    }
                } else if shim.given < limits::SHIM_ATTEMPTS_MAX
                    && self.stream.is_some()
                    && self.idle.len() < self.within as usize
                {
                    self.idle.push_back((pid, Instant::now()));
                } else {
                    shim.desk = None;
                }
                match report {
                    Report::Ended => self.tell(&News::Ended(run.id)),
                    Report::NotBegun(errno) => self.tell(&News::NotStarted(run.id, errno)),
                    Report::Done(record) => {
                        let gathers = if self.write.is_empty() { Some(Instant::now()) } else { self.gathers };
                        self.tell(&News::Done(record));
                        self.gathers = gathers;
                    }
                }
                return true;
            }
            Some(Heard::Nothing) | None => {}
            // Its end is taken when the signal tells of it.
            Some(Heard::Gone) => {
                let desk = shim.desk.take();
                shim.left = desk.zip(shim.runs).is_some_and(|(desk, run)| desk.call_off(run.number));
            }
        }
        false
    }

    /// The attempt that came first, when there is room for it.
    fn next(&mut self) -> Option<(Box<Plan>, Vec<u8>)> {
        let (plan, _) = self.waiting.front()?;
        let used = self.taken.saturating_add(self.elsewhere);
        let has_room = self.taken == 0 || used.saturating_add(plan.slots.into()) <= plan.within;
        if has_room { self.waiting.pop_front() } else { None }
    }

    /// Gives an attempt to a shim that waits, or to a new one.
    fn start(&mut self, plan: Box<Plan>, frame: &[u8]) -> Turn {
        let id = plan.id;
        self.within = plan.within;
        for group in plan.fence.groups() {
            if !self.groups.contains(group) {
                // A server before this one may have been killed together with its shims.
                fence::sweep(group);
                self.groups.push(group.clone());
            }
        }
        let wants_network = fence::may_share_network(&plan.fence);
        if wants_network && self.tools.network.is_none() {
            self.tools.network = namespace::empty_network().ok();
        }
        let network = self.tools.network.is_some();
        // The one that waits for the shortest time has the most in the processor's caches.
        let fits = |shims: &HashMap<Pid, Shim>, pid: &Pid| {
            shims.get(pid).is_some_and(|shim| shim.fits(frame, wants_network, network))
        };
        while let Some(at) = self.idle.iter().rposition(|(pid, _)| fits(&self.shims, pid)) {
            let shim = self.idle.remove(at).and_then(|(pid, _)| self.shims.get_mut(&pid));
            let Some(shim) = shim else { continue };
            if let Some(number) = shim.hand(frame) {
                shim.runs = Some(Run::of(&plan, number));
                self.taken += u32::from(plan.slots);
                return Turn::Server;
            }
            // One that takes nothing now is let go.
            shim.desk = None;
        }
        match desk::pair().and_then(|desks| Ok((desks, fork::fork()?))) {
            Ok(((_, desk), Fork::Child)) => return Turn::Shim(plan, desk),
            Ok(((desk, _), Fork::Parent { child })) => {
                let Some(pid) = Pid::from_raw(child.cast_signed()) else { return Turn::Server };
                let known = epoll::EventData::new_u64(child.into());
                let heard = epoll::add(&self.ready, &desk, known, epoll::EventFlags::IN).is_ok();
                // One that cannot be heard is closed: it ends with this attempt, and a signal tells of that.
                let desk = heard.then_some(desk);
                self.taken += u32::from(plan.slots);
                let runs = Some(Run::of(&plan, desk::FIRST));
                self.shims
                    .insert(pid, Shim { desk, runs, after: None, given: desk::FIRST, left: false, network });
            }
            Err(e) => self.tell(&News::NotStarted(id, e.raw_os_error().unwrap_or(0))),
        }
        Turn::Server
    }

    /// A shim that is asked to end an attempt ends its tree first.
    fn stop(&mut self, id: AttemptId) {
        self.call_back(|waiting| waiting == id);
        self.afters().filter(|after| after.plan.id == id).for_each(|after| after.unwanted = true);
        let runs_it = |shim: &Shim| shim.runs.is_some_and(|run| run.id == id);
        self.wishes.retain(|(_, wish)| *wish != id);
        self.wishes.extend(self.shims.iter().filter(|(_, shim)| runs_it(shim)).map(|(pid, _)| (*pid, id)));
    }

    /// Gives back what waits for room, of those that are `meant`.
    fn call_back(&mut self, meant: impl Fn(AttemptId) -> bool) {
        self.take_back(|after, _| meant(after.plan.id));
        self.afters().filter(|after| meant(after.plan.id)).for_each(|after| after.called = true);
        let (back, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(plan, _)| meant(plan.id));
        self.waiting = waiting;
        for (plan, _) in back {
            self.tell(&News::NotStarted(plan.id, libc::ECANCELED));
        }
    }

    /// Asks shims for the ends of attempts. One that cannot be asked now, since too many signals wait, is asked again.
    fn ask(&mut self) {
        let Server { wishes, shims, .. } = self;
        wishes.retain(|(pid, id)| {
            // Who is here was not waited for, so its number is its own.
            let runs_it = shims.get(pid).is_some_and(|shim| shim.runs.is_some_and(|run| run.id == *id));
            let Some(shim) = pidfd_open(*pid, PidfdFlags::empty()).ok().filter(|_| runs_it) else {
                return false;
            };
            let asked = fork::ask_own(&shim, id.key());
            // One that was stopped hears nothing.
            let _ = pidfd_send_signal(&shim, Signal::CONT);
            asked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        });
    }
}
