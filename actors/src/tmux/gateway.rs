//! Owns: the control client of one tmux socket, its push clients, the watches on its terminals.
//! Receives: asks of the fleet; what tmux says; what was seen at terminals; its own timer.
//! Sends: reports to its listener, answers to whoever asked; nothing else reaches this server.
//! Bounded by: `limits` (tmux): one listing under way, `QUESTIONS_MAX` questions, a deadline for each.
//! Restart: everything is asked anew and begins with a snapshot; clients end with the incarnation.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use tsup_core::clock::Mono;
use tsup_core::ids::{PaneId, ProcId, SocketName};
use tsup_core::limits::{REPORT_RETRY, TMUX_DEADLINE, TTY_PAUSE};
use tsup_core::settings::PushMode;
use tsup_core::telemetry::metric;
use tsup_core::tmux::command::{self, Line, Scope};
use tsup_core::tmux::connection::{self, Connection, Probe};
use tsup_core::tmux::inventory::{self, Inventory};
use tsup_core::tmux::ledger::Ledger;
use tsup_core::tmux::protocol;
use tsup_core::tmux::report::{Answer, Ask, AskError, Launched, LostWhy, Report, ServerFacts};

use super::Listener;
use super::asks::{Asks, Pending};
use super::client::Client;
use super::place::Place;
use super::probe;
use super::pushers::{Pushers, Told};
use super::watch::Ttys;
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::{Gate, Lane, Reply};
use crate::os::tty::Seen;
use crate::telemetry::{self, Counter, Metrics};

mod answers;
mod clients;

pub(super) use answers::screen;

/// What a gateway is to do.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The socket.
    pub socket: SocketName,
    /// How writes are learnt of at once.
    pub push: PushMode,
    /// How tmux is run.
    pub place: Place,
}

/// What a gateway receives.
#[derive(Debug)]
pub enum Msg {
    /// Do something, and answer. The answer comes within `TMUX_DEADLINE` or a little more.
    Ask(Ask, Reply<Result<Answer, AskError>>),
    /// Tell everything again: the listener forgot.
    Resync,
    /// These panes have agents: no others are captured.
    Agents(BTreeSet<PaneId>),
    /// Capture a pane now.
    Look(PaneId),
    /// From the gateway's own tasks.
    Own(Own),
}

/// What a gateway's own tasks tell it. Clients have numbers, so that one that is gone is not heard.
#[derive(Debug)]
pub struct Own(pub(super) Inner);

#[derive(Debug)]
pub(super) enum Inner {
    Tick,
    Probed(Probe),
    Heard(u64, Vec<protocol::Event>),
    ClientEnded(u64),
    Seen(Vec<Seen>),
    Told(u64, Told),
    Resume(u64, PaneId),
    PusherEnded(u64),
    ServerStarted(Pending, Result<Launched, AskError>),
}

/// What a question was asked for. Answers of an earlier epoch are dropped: their state is gone.
#[derive(Debug)]
pub(super) enum About {
    Server,
    List { scope: Scope, epoch: u64 },
    Capture { pane: PaneId, epoch: u64 },
    Ask(Box<Pending>),
}

/// What is counted about tmux.
pub(super) struct Counts {
    commands: Counter,
    errors: Counter,
    latency: telemetry::Timer,
}

impl Counts {
    fn of(metrics: &Metrics) -> Self {
        Counts {
            commands: metrics.counter(metric::TMUX_COMMANDS.name, &[]),
            errors: metrics.counter(metric::TMUX_ERRORS.name, &[]),
            latency: metrics.timer(metric::TMUX_LATENCY.name, &[]),
        }
    }
}

/// The actor. One for each socket.
pub struct Gateway {
    pub(super) settings: GatewaySettings,
    listener: Arc<dyn Listener>,
    counts: Counts,
    pub(super) connection: Connection,
    pub(super) inventory: Inventory,
    ledger: Ledger<About>,
    epoch: u64,
    /// The control client with its number.
    client: Option<(u64, Client)>,
    clients_made: u64,
    /// What is to be written in one piece, so that tmux wakes once.
    outbox: Vec<u8>,
    server: Option<ServerFacts>,
    program_known: bool,
    /// A loss that the listener had no room for.
    untold: Option<LostWhy>,
    /// The loss that was told last, until the server is there again; told anew to who asks for everything.
    loss: Option<LostWhy>,
    ttys: Ttys,
    pushers: Pushers,
    pub(super) asks: Asks,
    timer: Option<(Mono, Timer)>,
}

impl Gateway {
    /// A gateway that tells `listener` what it sees, and counts in `metrics`.
    pub fn new(settings: GatewaySettings, listener: Arc<dyn Listener>, metrics: &Metrics) -> Self {
        Gateway {
            inventory: Inventory::new(settings.push),
            settings,
            listener,
            counts: Counts::of(metrics),
            connection: Connection::new(),
            ledger: Ledger::new(nonce()),
            epoch: 0,
            client: None,
            clients_made: 0,
            outbox: Vec::new(),
            server: None,
            program_known: false,
            untold: None,
            loss: None,
            ttys: Ttys::default(),
            pushers: Pushers::default(),
            asks: Asks::default(),
            timer: None,
        }
    }

    pub(super) fn connect(&mut self, event: connection::Event, cx: &mut Cx<Self>) {
        for effect in self.connection.step(event, cx.now()) {
            match effect {
                connection::Effect::Probe => self.probe(cx),
                connection::Effect::Attach(session) => self.attach(session, cx),
                connection::Effect::AskServer => self.ask_server(cx.now()),
                connection::Effect::Detach => self.detach(cx),
                connection::Effect::Up => {
                    self.untold = None;
                    self.loss = None;
                    if let Some(server) = self.server.clone() {
                        self.stock(inventory::Event::Connected(server), cx);
                    }
                }
                connection::Effect::Down => {
                    self.epoch += 1;
                    self.give_up();
                    self.stock(inventory::Event::Disconnected, cx);
                }
                connection::Effect::Lost(why) => self.tell_lost(why),
            }
        }
        self.resolve_asks(cx);
    }

    fn probe(&mut self, cx: &mut Cx<Self>) {
        let (place, socket) = (self.settings.place.clone(), self.settings.socket.clone());
        let (known, gate) = (self.program_known, cx.gate().clone());
        cx.spawn(async move {
            let found = probe::probe(&place, &socket, known).await;
            deliver(&gate, Lane::Control, Inner::Probed(found)).await;
        });
    }

    fn ask_server(&mut self, now: Mono) {
        // A full ledger ends in a late question, which ends the connection.
        let _ = self.question(&[command::server_facts()], About::Server, now);
    }

    /// Puts a question into the outbox. `Err` gives back what it was about.
    pub(super) fn question(&mut self, lines: &[Line], about: About, now: Mono) -> Result<(), About> {
        let mark = command::mark(self.ledger.ask(about, now)?);
        for line in lines.iter().chain([&mark]) {
            self.outbox.extend_from_slice(line.as_str().as_bytes());
            self.outbox.push(b'\n');
        }
        self.counts.commands.inc();
        Ok(())
    }

    pub(super) fn stock(&mut self, event: inventory::Event, cx: &mut Cx<Self>) {
        let now = cx.now();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut deaf = false;
            for effect in self.inventory.step(event, now) {
                match effect {
                    inventory::Effect::Report(_) if deaf => {}
                    inventory::Effect::Report(report) => {
                        deaf = self.listener.hear(&self.settings.socket, report).is_err();
                    }
                    inventory::Effect::List(scope) => events.extend(self.list(scope, now)),
                    inventory::Effect::Capture(panes) => events.extend(self.capture(&panes, now)),
                    inventory::Effect::Watch { pane, tty } => {
                        let ok = self.ttys.add(pane, &tty);
                        events.push(inventory::Event::Watched { pane, ok });
                    }
                    inventory::Effect::Unwatch(pane) => self.ttys.remove(pane),
                    inventory::Effect::Push(sessions) => self.push(&sessions, cx),
                }
            }
            if deaf {
                events.push(inventory::Event::Refused);
            }
        }
    }

    fn list(&mut self, scope: Scope, now: Mono) -> Option<inventory::Event> {
        let panes = command::list_panes(scope);
        let about = About::List { scope, epoch: self.epoch };
        let asked = match scope {
            Scope::All => self.question(&[command::list_sessions(), panes], about, now),
            Scope::Since(_) => self.question(&[panes], about, now),
        };
        asked.is_err().then_some(inventory::Event::ListFailed)
    }

    fn capture(&mut self, panes: &[PaneId], now: Mono) -> Vec<inventory::Event> {
        let mut failed = Vec::new();
        for &pane in panes {
            let about = About::Capture { pane, epoch: self.epoch };
            if self.question(&command::look(pane), about, now).is_err() {
                failed.push(inventory::Event::Captured { pane, shown: None });
            }
        }
        failed
    }

    fn tell_lost(&mut self, why: LostWhy) {
        self.loss = Some(why.clone());
        let refused = self.listener.hear(&self.settings.socket, Report::Lost { why: why.clone() }).is_err();
        self.untold = refused.then_some(why);
    }

    /// After each message: what is due is done, what is to be written is written, the timer is set.
    fn settle(&mut self, cx: &mut Cx<Self>) {
        let now = cx.now();
        if self.connection.is_up() && self.ledger.oldest().is_some_and(|at| now.since(at) >= TMUX_DEADLINE) {
            self.counts.errors.inc();
            self.connect(connection::Event::Late, cx);
        }
        if let (Some((_, client)), false) = (&self.client, self.outbox.is_empty()) {
            // A pipe that takes nothing more shows in questions that are late.
            client.write(std::mem::take(&mut self.outbox));
        }
        self.outbox.clear();
        let late =
            self.connection.is_up().then(|| self.ledger.oldest()).flatten().map(|at| at + TMUX_DEADLINE);
        let untold = self.untold.is_some().then(|| now + REPORT_RETRY);
        let next = [self.connection.deadline(), self.inventory.deadline(), late, untold];
        let Some(next) = next.into_iter().flatten().min() else { return };
        // A timer that comes too early costs less than setting it anew with every message.
        if self.timer.as_ref().is_none_or(|(at, _)| *at > next) {
            let timer = cx.after(next.since(now), Lane::Control, Msg::Own(Own(Inner::Tick)));
            self.timer = Some((next, timer));
        }
    }

    fn tick(&mut self, cx: &mut Cx<Self>) {
        self.timer = None;
        if let Some(why) = self.untold.take() {
            self.tell_lost(why);
        }
        self.expire_asks(cx.now());
        self.connect(connection::Event::Tick, cx);
        self.stock(inventory::Event::Tick, cx);
    }
}

/// Sends to the gateway itself; waits while there is no room, which holds up whatever it comes from.
async fn deliver(gate: &Gate<Msg>, lane: Lane, inner: Inner) {
    let mut message = Msg::Own(Own(inner));
    while let Err(full) = gate.send(lane, message) {
        message = full.message;
        tokio::time::sleep(full.retry_after).await;
    }
}

/// Tells that a server was started, or was not.
pub(super) async fn deliver_started(gate: &Gate<Msg>, pending: Pending, result: Result<Launched, AskError>) {
    deliver(gate, Lane::Control, Inner::ServerStarted(pending, result)).await;
}

/// A number that nobody can guess: the marks of a connection are made of it.
fn nonce() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Actor for Gateway {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        if matches!(self.settings.push, PushMode::Auto | PushMode::Tty)
            && let Some(watch) = self.ttys.open()
        {
            let gate = cx.gate().clone();
            cx.spawn(async move {
                let mut seen = Vec::new();
                while watch.seen(|s| seen.push(s)).await.is_ok() {
                    seen.sort_unstable();
                    seen.dedup();
                    deliver(&gate, Lane::Work, Inner::Seen(std::mem::take(&mut seen))).await;
                    tokio::time::sleep(TTY_PAUSE).await;
                }
            });
        }
        cx.ready();
        self.connect(connection::Event::Tick, cx);
        self.settle(cx);
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            // An ask that nobody waits for was begun before a crash, or given up: it is not done twice.
            Msg::Ask(_, reply) if !reply.is_wanted() => {}
            Msg::Ask(ask, reply) => self.take_ask(Pending::new(ask.clone(), reply.take(), cx.now()), cx),
            Msg::Resync => {
                if let Some(why) = self.loss.clone() {
                    self.tell_lost(why);
                }
                self.stock(inventory::Event::Resync, cx);
            }
            Msg::Agents(panes) => self.stock(inventory::Event::Agents(std::mem::take(panes)), cx),
            Msg::Look(pane) => self.stock(inventory::Event::Look(*pane), cx),
            Msg::Own(Own(inner)) => self.own(inner, cx),
        }
        self.settle(cx);
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        let mut ends = tokio::task::JoinSet::new();
        for client in self.pushers.drain().chain(self.client.take().map(|(_, client)| client)) {
            ends.spawn(client.end());
        }
        while ends.join_next().await.is_some() {}
    }
}

fn identify(pid: u32) -> ProcId {
    crate::os::proc::identify(pid).unwrap_or(ProcId { pid, start_ticks: 0 })
}
