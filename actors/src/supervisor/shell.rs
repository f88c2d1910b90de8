//! The supervisor's actor: decodes what happened, lets the planner decide, performs.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits::{CHILD_SHUTDOWN, LAST_ERROR_BYTES_MAX, MESSAGES_PER_WAKE, REQUESTS_WAITING_MAX};
use tsup_core::supervision::{
    ChildId, Command, Effect, End, Event, Exit, Planner, Refusal, Shutdown, Ticket, Timer, TimerKind,
};
use tsup_core::untrusted::Untrusted;

use crate::actor::{Failure, Start, StartFn};
use crate::clock::now_mono;
use crate::gate::{Gate, Reply, Wake};
use crate::supervisor::handle::{Answer, Msg};
use crate::supervisor::spec::{ChildSpec, Core, SupervisorSpec};
use crate::supervisor::tree::Escalated;
use crate::supervisor::view::Status;

/// How to start incarnations of a supervisor.
pub(crate) fn starter(spec: Arc<SupervisorSpec>) -> StartFn {
    Arc::new(move |start: Start| {
        let spec = Arc::clone(&spec);
        Box::pin(async move {
            ractor::Actor::spawn_linked(None, Supervisor, (spec, start.generation), start.supervisor)
                .await
                .map(|(actor, _)| actor.get_cell())
                .map_err(|e| Failure(e.to_string()))
        })
    })
}

/// The reason with which a child is asked to stop, and by which its end is known as ordered.
pub(crate) const SHUTDOWN: &str = "shutdown";

/// The ractor actor; everything it has is in its [`Shell`].
pub(super) struct Supervisor;

/// A child under this incarnation.
pub(super) struct Slot {
    pub(super) spec: ChildSpec,
    pub(super) path: ActorPath,
    pub(super) cell: Option<ActorCell>,
    /// Whether we killed this incarnation.
    pub(super) killed: bool,
    pub(super) status: watch::Sender<Status>,
}

/// One incarnation of a supervisor.
pub(super) struct Shell {
    pub(super) spec: Arc<SupervisorSpec>,
    pub(super) me: ActorCell,
    /// Which incarnation of the supervisor itself this is.
    incarnation: Generation,
    pub(super) planner: Planner,
    pub(super) slots: HashMap<ChildId, Slot>,
    pub(super) by_actor: HashMap<ActorId, (ChildId, Generation)>,
    pub(super) timers: HashMap<Timer, AbortHandle>,
    /// The timers' tasks: they end with this incarnation.
    pub(super) tasks: JoinSet<()>,
    /// Children to be added whose turn has not come.
    pub(super) incoming: Vec<(Ticket, ChildSpec)>,
    pub(super) replies: HashMap<Ticket, Reply<Answer>>,
    pub(super) last_ticket: u64,
    /// Events that follow from what was performed.
    pub(super) next: VecDeque<Event>,
    pub(super) end: Option<End>,
}

impl Shell {
    fn new(spec: Arc<SupervisorSpec>, incarnation: Generation, me: ActorCell) -> Result<Self, Failure> {
        let children = spec.children.iter().map(|c| (c.id.clone(), c.policy));
        let last = Generation(spec.core.generations.load(Ordering::Relaxed));
        // Two supervisors must not draw the same delays.
        let seed = RandomState::new().build_hasher().finish();
        let planner = Planner::new(spec.policy.clone(), children, last, seed)
            .map_err(|e| Failure(format!("{}: {e}", spec.core.path)))?;
        let mut shell = Shell {
            me,
            incarnation,
            planner,
            slots: HashMap::new(),
            by_actor: HashMap::new(),
            timers: HashMap::new(),
            tasks: JoinSet::new(),
            incoming: Vec::new(),
            replies: HashMap::new(),
            last_ticket: 0,
            next: VecDeque::new(),
            end: None,
            spec,
        };
        shell.core().members.send_replace(Vec::new());
        for child in shell.spec.children.clone() {
            shell.seat(child);
        }
        Ok(shell)
    }

    pub(super) fn core(&self) -> &Core {
        &self.spec.core
    }

    /// Steps until nothing follows any more.
    pub(super) async fn drive(&mut self, event: Event) {
        let mut out: Vec<Effect> = Vec::new();
        self.next.push_back(event);
        while let Some(event) = self.next.pop_front() {
            self.planner.step(event, now_mono(), &mut out);
            for effect in out.drain(..) {
                self.perform(effect).await;
            }
        }
    }

    /// A ticket for whoever asks; `None` when too many wait already, which is answered.
    fn ticket(&mut self, mut reply: Reply<Answer>) -> Option<Ticket> {
        if self.replies.len() >= REQUESTS_WAITING_MAX {
            reply.send(Err(Refusal::Overloaded));
            return None;
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.replies.insert(ticket, reply);
        Some(ticket)
    }

    async fn receive(&mut self, message: &mut Msg) {
        let event = match message {
            Msg::Start(spec, reply) => {
                let Some(spec) = spec.take() else { return };
                let Some(ticket) = self.ticket(reply.take()) else { return };
                let command = Command::Start(spec.id.clone(), spec.policy);
                self.incoming.push((ticket, spec));
                Event::Asked(command, ticket)
            }
            Msg::Ask(command, reply) => {
                let Some(command) = command.take() else { return };
                let Some(ticket) = self.ticket(reply.take()) else { return };
                Event::Asked(command, ticket)
            }
            // One that was meant for an incarnation before this one came too late.
            Msg::Stop { incarnation: Some(which), .. } if *which != self.incarnation => return,
            Msg::Stop { hurry, .. } => Event::Stop { hurry: *hurry },
            Msg::Ready(id, generation) => Event::Ready(id.clone(), *generation),
            Msg::Fired(timer) => {
                self.timers.remove(timer);
                Event::Fired(timer.clone())
            }
        };
        self.drive(event).await;
    }

    /// Ends the incarnation once the planner is done. An error is how an escalation travels.
    fn conclude(&mut self) -> Result<(), ActorProcessingErr> {
        match self.end.take() {
            None => Ok(()),
            Some(End::Shutdown | End::AutoShutdown(_)) => {
                self.me.stop(Some(SHUTDOWN.to_owned()));
                Ok(())
            }
            Some(end) => Err(Box::new(Escalated { path: self.core().path.clone(), end })),
        }
    }

    /// Performs an ordered stop while ractor delivers no events to us: before we run, and when we are
    /// stopped other than by a message. Waits for each child in turn.
    async fn wind_down(&mut self) {
        while let Some((id, generation)) = self.planner.awaited() {
            let slot = self.slots.get(&id).expect("a child that is stopped has its place");
            let cell = slot.cell.clone().expect("a child that is stopped was started");
            let (grace, exit) = match slot.spec.policy.shutdown {
                _ if slot.killed => (None, Exit::Killed),
                Shutdown::After(time) => (Some(time), Exit::Shutdown),
                _ => (None, Exit::Shutdown),
            };
            let event = match cell.wait(grace).await {
                Ok(()) => Event::Exited(id, generation, exit),
                Err(_) => Event::Fired(Timer { id, generation, kind: TimerKind::Grace }),
            };
            self.drive(event).await;
        }
    }
}

impl ractor::Actor for Supervisor {
    type Msg = Wake;
    type State = Shell;
    type Arguments = (Arc<SupervisorSpec>, Generation);

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        (spec, incarnation): Self::Arguments,
    ) -> Result<Shell, ActorProcessingErr> {
        spec.core.end.send_replace(None);
        bury(&spec.core).await;
        let mut shell = Shell::new(spec, incarnation, myself.get_cell())?;
        shell.drive(Event::Begin).await;
        shell.wind_down().await;
        match shell.end.take() {
            None => Ok(shell),
            Some(end) => Err(Box::new(Escalated { path: shell.core().path.clone(), end })),
        }
    }

    async fn post_start(&self, myself: ActorRef<Wake>, shell: &mut Shell) -> Result<(), ActorProcessingErr> {
        shell.core().gate.attach(myself);
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Wake>, _: Wake, shell: &mut Shell) -> Result<(), ActorProcessingErr> {
        let gate: Gate<Msg> = shell.core().gate.clone();
        gate.begin_drain();
        for _ in 0..MESSAGES_PER_WAKE {
            let Some(envelope) = gate.next() else { return Ok(()) };
            let mut in_hand = gate.hold(envelope);
            shell.receive(in_hand.message()).await;
            in_hand.done();
            shell.conclude()?;
        }
        if !gate.is_empty() {
            gate.wake();
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Wake>,
        event: SupervisionEvent,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, exit) = match event {
            SupervisionEvent::ActorTerminated(cell, state, reason) => {
                // What a killed child held must be free before its successor starts.
                drop(state);
                (cell, ended(reason.as_deref()))
            }
            SupervisionEvent::ActorFailed(cell, error) => (cell, Exit::Crashed(words(&error.to_string()))),
            _ => return Ok(()),
        };
        if let Some((id, generation)) = shell.by_actor.remove(&cell.get_id()) {
            shell.core().alive.lock().remove(&cell.get_id());
            shell.drive(Event::Exited(id, generation, exit)).await;
            shell.conclude()?;
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Wake>, shell: &mut Shell) -> Result<(), ActorProcessingErr> {
        if !shell.planner.ended() {
            shell.drive(Event::Stop { hurry: false }).await;
            shell.wind_down().await;
        }
        match shell.end.take() {
            None | Some(End::Shutdown | End::AutoShutdown(_)) => Ok(()),
            Some(end) => Err(Box::new(Escalated { path: shell.core().path.clone(), end })),
        }
    }
}

/// Waits for the children of an incarnation that died, so that no child lives twice.
async fn bury(core: &Core) {
    let left: Vec<ActorCell> = std::mem::take(&mut *core.alive.lock()).into_values().collect();
    left.iter().for_each(ActorCell::kill);
    let end = now_mono() + CHILD_SHUTDOWN;
    for cell in left {
        // All die at the same time, so they have one deadline together.
        if cell.wait(Some(end.since(now_mono()))).await.is_err() {
            tracing::error!(actor = %core.path, "a child of a dead supervisor does not end");
        }
    }
}

/// The words ractor gives a kill, and a task that its runtime dropped.
const KILLED: &str = "killed";
const CANCELLED: &str = "actor_task_cancelled";

fn ended(reason: Option<&str>) -> Exit {
    match reason {
        Some(SHUTDOWN) => Exit::Shutdown,
        Some(KILLED) => Exit::Killed,
        Some(CANCELLED) => Exit::Crashed(words("its task was dropped")),
        _ => Exit::Normal,
    }
}

/// Words of an end, bounded.
pub(super) fn words(text: &str) -> Arc<str> {
    Untrusted::bounded(text, LAST_ERROR_BYTES_MAX).raw().into()
}
