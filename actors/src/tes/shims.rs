//! Owns: the shim server's process, and who waits for which attempt.
//! Receives: orders of the jobs, the server's news.
//! Sends: news to the jobs whose attempts they are about.
//! Bounded by: limits::ORDERS_PENDING_MAX orders that wait for the server.
//! Restart: permanent; starts another server. The old one ends with its shims; its jobs watch these themselves.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tsup_core::ids::Generation;
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};

use super::{Shared, job};
use crate::actor::{Actor, Cx, Failure};
use crate::gate::{Gate, Lane};
use crate::heirloom::Held;
use crate::os::{pidfd, proc};

/// Who waits for which attempt, and which slots are taken. It passes from one incarnation to the next, so that
/// everybody hears of the end of the server that took their order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    gates: HashMap<AttemptId, (u16, Gate<job::Msg>)>,
    /// Slots of attempts that a server before this one ordered, or another supervisor: the server of now runs none of them, and is
    /// told how many.
    elsewhere: HashMap<AttemptId, u16>,
}

/// What the actor receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// Run an attempt, and tell its actor of the end. The plan is `None` once taken.
    Start(Option<Box<Plan>>, Gate<job::Msg>),
    /// Tell another actor of an attempt's end: the one that ordered it crashed. It takes so many slots.
    Follow(AttemptId, u16, Gate<job::Msg>),
    /// An attempt has ended that may have been followed.
    Over(AttemptId),
    /// End one.
    Stop(AttemptId),
    /// Let those that wait for room come back.
    Recall,
    /// What the server of that number told.
    News(u64, Vec<News>),
    /// That server is gone.
    Gone(u64),
    /// Time to start another one.
    Again,
}

/// The actor.
pub(super) struct Shims {
    shared: Shared,
    waiting: Held<Waiting>,
    /// The server that takes orders.
    server: u64,
    orders: Option<mpsc::Sender<Vec<u8>>>,
    /// Whether the last server has told anything: one that has not may be of no use, and its successor neither.
    works: bool,
    /// Slots taken elsewhere, as the server knows them.
    told: u32,
    /// Orders that came while there was no server: one for each that may run at most.
    held: VecDeque<Box<Plan>>,
}

impl Shims {
    pub(super) fn new(shared: Shared) -> Self {
        let waiting = shared.waiting.reach();
        Shims { shared, waiting, server: 0, orders: None, works: true, told: 0, held: VecDeque::new() }
    }

    /// Hands an order over. It fails when the server is gone or takes nothing more: who ordered is told then.
    fn order(&mut self, order: &Order) -> bool {
        let Some(orders) = &self.orders else { return false };
        match frame::encode(Kind::Request, order) {
            Ok(bytes) => orders.try_send(bytes).is_ok(),
            Err(e) => {
                tracing::error!(error = %e, "an order to the shim server cannot be written");
                false
            }
        }
    }

    /// Orders an attempt that somebody waits for.
    fn start(&mut self, plan: Box<Plan>) {
        let id = plan.id;
        self.tell_elsewhere();
        if !self.order(&Order::Start(plan)) {
            self.tell(id, job::Msg::NotStarted(rustix::io::Errno::AGAIN.raw_os_error()));
        }
    }

    /// Lets the server know what is taken elsewhere, where that has changed.
    fn tell_elsewhere(&mut self) {
        let now = self.waiting.elsewhere.values().map(|slots| u32::from(*slots)).sum();
        // What finds no room is told with the next change, or the next start.
        if self.told != now && self.order(&Order::Elsewhere(now)) {
            self.told = now;
        }
    }

    fn tell(&mut self, id: AttemptId, message: job::Msg) {
        let Some((_, gate)) = self.waiting.gates.remove(&id) else { return };
        if gate.control(message).is_err() {
            tracing::error!(job = %id.job, "an attempt's end could not be told: its actor is overloaded");
        }
    }

    /// Starts a server. One that cannot be started is tried again; orders meanwhile are told as not begun.
    fn serve(&mut self, cx: &mut Cx<Self>) {
        self.server += 1;
        match start(&self.shared.exe) {
            Ok((child, stream)) => {
                let (reader, writer) = stream.into_split();
                let (orders, outbox) = mpsc::channel(limits::ORDERS_PENDING_MAX);
                self.orders = Some(orders);
                (self.works, self.told) = (false, 0);
                cx.spawn(write(writer, outbox));
                cx.spawn(read(reader, child, cx.gate().clone(), self.server));
                while let Some(plan) = self.held.pop_front() {
                    self.start(plan);
                }
            }
            Err(e) => {
                self.works = false;
                tracing::error!(error = %e, "the shim server cannot be started");
                let errno = e.raw_os_error().unwrap_or(rustix::io::Errno::AGAIN.raw_os_error());
                for plan in std::mem::take(&mut self.held) {
                    self.tell(plan.id, job::Msg::NotStarted(errno));
                }
                cx.after(limits::ATTEMPT_BEGIN_AGAIN, Lane::Control, Msg::Again).detach();
            }
        }
    }

    fn everybody(&mut self) {
        let Waiting { gates, elsewhere } = &mut *self.waiting;
        for (id, (slots, gate)) in gates.drain() {
            elsewhere.insert(id, slots);
            // Whoever has ended has nobody behind the gate; that is as well.
            let _ = gate.control(job::Msg::ServerGone);
        }
    }
}

impl Actor for Shims {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.waiting.filled().await;
        self.everybody();
        let Generation(generation) = cx.generation();
        self.server = generation << 32;
        self.serve(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Start(plan, gate) => {
                let Some(plan) = plan.take() else { return Ok(()) };
                self.waiting.elsewhere.remove(&plan.id);
                self.waiting.gates.insert(plan.id, (plan.slots, gate.clone()));
                if self.orders.is_none() && self.works {
                    self.held.push_back(plan);
                } else {
                    self.start(plan);
                }
            }
            Msg::Follow(id, slots, gate) => {
                if let Some((_, told)) = self.waiting.gates.get_mut(id) {
                    *told = gate.clone();
                } else {
                    // What no server runs for this one is watched by its shim.
                    self.waiting.elsewhere.insert(*id, *slots);
                    self.tell_elsewhere();
                }
            }
            Msg::Over(id) => {
                self.waiting.elsewhere.remove(id);
                self.tell_elsewhere();
            }
            // A server that is gone has given back what waited.
            Msg::Recall => drop(self.order(&Order::Recall)),
            Msg::Stop(id) => {
                // One that waits for a server is not started.
                if self.held.iter().any(|plan| plan.id == *id) {
                    self.held.retain(|plan| plan.id != *id);
                    self.tell(*id, job::Msg::NotStarted(rustix::io::Errno::CANCELED.raw_os_error()));
                    return Ok(());
                }
                // A server that is gone has told so: the job looks for its shim itself. One that takes nothing
                // more just now is waited for.
                if !self.order(&Order::Stop(*id)) && self.orders.is_some() {
                    let id = *id;
                    cx.after(limits::SHIMS_AGAIN, Lane::Work, Msg::Stop(id)).detach();
                }
            }
            Msg::News(whose, news) if *whose == self.server => {
                self.works = true;
                for one in std::mem::take(news) {
                    match one {
                        News::Ended(id) => self.tell(id, job::Msg::ShimEnded),
                        News::NotStarted(id, errno) => self.tell(id, job::Msg::NotStarted(errno)),
                        News::Done(record) => self.tell(record.id, job::Msg::Done(Some(record))),
                        News::Died(id) => self.tell(id, job::Msg::ShimDied),
                    }
                }
            }
            Msg::Gone(whose) if *whose == self.server => {
                tracing::warn!("the shim server ended; another one is started");
                self.orders = None;
                self.everybody();
                cx.after(limits::SHIMS_AGAIN, Lane::Control, Msg::Again).detach();
            }
            Msg::Again => self.serve(cx),
            Msg::News(..) | Msg::Gone(_) => {}
        }
        Ok(())
    }
}

/// Starts a server: this very program, also when another one was put in its file's place.
fn start(exe: &std::path::Path) -> std::io::Result<(Child, UnixStream)> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let itself = PathBuf::from("/proc/self/exe");
    let program = if itself.exists() { itself } else { exe.to_path_buf() };
    let mut command = Command::new(program);
    command.arg("shims").current_dir("/").env_clear();
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

async fn write(mut writer: OwnedWriteHalf, mut outbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut bytes) = outbox.recv().await {
        while let Ok(more) = outbox.try_recv() {
            bytes.extend(more);
        }
        // What cannot be written is told by the reading half.
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Reads news until the server is gone, and takes its end.
async fn read(mut reader: OwnedReadHalf, mut child: Child, gate: Gate<Msg>, server: u64) {
    let mut buffer = Vec::new();
    let number = child.id();
    let died = async move {
        match proc::identify(number) {
            Ok(server) => drop(pidfd::died(server).await),
            // Its stream tells.
            Err(_) => std::future::pending().await,
        }
    };
    let mut died = std::pin::pin!(died);
    let mut look = tokio::time::interval(limits::SHIM_SERVER_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Somebody else may hold the other end of the stream still: what there is to read from a server that died comes first.
        let came = tokio::select! {
            biased;
            came = reader.read_buf(&mut buffer) => came,
            () = &mut died => Ok(0),
            _ = look.tick() => {
                go_on(number);
                continue;
            }
        };
        if !matches!(came, Ok(1..)) {
            break;
        }
        let Some(news) = parse(&mut buffer) else {
            tracing::error!("the shim server told something that is not understood");
            break;
        };
        if !news.is_empty() {
            gate.insist(Lane::Control, Msg::News(server, news)).await;
        }
    }
    // It may live on for its shims; its end is taken when it comes, so that no zombie stays.
    let taken = std::thread::Builder::new().name("tsup-shims".into()).spawn(move || child.wait());
    if let Err(e) = taken {
        tracing::warn!(error = %e, "a shim server's end will not be taken");
    }
    gate.insist(Lane::Control, Msg::Gone(server)).await;
}

/// Lets a server go on that was stopped, which has not been waited for: a script may reach it, and whoever stops it stops all jobs.
fn go_on(server: u32) {
    if proc::stat(server).is_ok_and(|stat| stat.is_stopped())
        && let Some(pid) = Pid::from_raw(server.cast_signed())
    {
        tracing::warn!("the shim server was stopped; it goes on");
        let _ = rustix::process::kill_process(pid, Signal::CONT);
    }
}

/// Takes the whole frames out; `None` when they are not what a server of this version writes.
fn parse(buffer: &mut Vec<u8>) -> Option<Vec<News>> {
    let mut news = Vec::new();
    let mut at = 0;
    while let Some(head) = buffer.get(at..at + HEADER_BYTES) {
        let header = Header::parse(head.try_into().ok()?, limits::ORDER_BYTES_MAX).ok()?;
        let end = at + HEADER_BYTES + header.len as usize;
        let Some(payload) = buffer.get(at + HEADER_BYTES..end) else { break };
        news.push(frame::decode(header, Kind::Response, payload).ok()?);
        at = end;
    }
    buffer.drain(..at);
    Some(news)
}
