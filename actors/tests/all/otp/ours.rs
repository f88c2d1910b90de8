//! The same scenarios through our supervisor, with real actors under paused time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ractor::{ActorCell, ActorProcessingErr, ActorRef};
use tsup_actors::actor::{Failure, Start, StartFn};
use tsup_actors::supervisor::{ChildError, ChildSpec, Handle, SupervisorSpec, Tree, spawn};
use tsup_core::ids::ActorPath;
use tsup_core::supervision::{End, Exit, Notice, Refusal, Restart};

use super::scenario::{Kid, Manner, Scenario, Step};

/// What the scenario knows besides the supervisor.
#[derive(Default)]
struct World {
    trace: Vec<String>,
    alive: HashMap<&'static str, ActorCell>,
    fails: HashMap<&'static str, u64>,
}

type Shared = Arc<Mutex<World>>;

/// A child: ends as told, and takes being asked according to its manner.
struct Player(Manner);

struct Asked {
    told: bool,
}

impl ractor::Actor for Player {
    type Msg = &'static str;
    type State = Asked;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<&'static str>, (): ()) -> Result<Asked, ActorProcessingErr> {
        Ok(Asked { told: false })
    }

    async fn handle(
        &self,
        me: ActorRef<&'static str>,
        how: &'static str,
        state: &mut Asked,
    ) -> Result<(), ActorProcessingErr> {
        state.told = true;
        match how {
            "normal" => me.stop(None),
            "shutdown" => me.stop(Some("shutdown".into())),
            _ => return Err(how.into()),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<&'static str>,
        state: &mut Asked,
    ) -> Result<(), ActorProcessingErr> {
        match self.0 {
            Manner::Takes(ms) if !state.told => tokio::time::sleep(Duration::from_millis(ms)).await,
            Manner::Refuses if !state.told => std::future::pending().await,
            _ => {}
        }
        Ok(())
    }
}

fn child(kid: &Kid, world: &Shared) -> ChildSpec {
    let (name, manner, world) = (kid.name, kid.manner, Arc::clone(world));
    let start: StartFn = Arc::new(move |start: Start| {
        let world = Arc::clone(&world);
        Box::pin(async move {
            if let Some(left @ 1..) = world.lock().fails.get_mut(name) {
                *left -= 1;
                return Err(Failure::new("no"));
            }
            let (actor, _) = ractor::Actor::spawn_linked(None, Player(manner), (), start.supervisor)
                .await
                .map_err(|e| Failure::new(e.to_string()))?;
            world.lock().alive.insert(name, actor.get_cell());
            Ok(actor.get_cell())
        })
    });
    let mut spec = ChildSpec::new(name, start, Default::default);
    spec = match kid.restart {
        Restart::Permanent => spec,
        Restart::Transient => spec.transient(),
        Restart::Temporary => spec.temporary(),
    };
    if kid.significant {
        spec = spec.significant();
    }
    match kid.grace_ms {
        None => spec.brutal_kill(),
        Some(ms) => spec.shutdown(Duration::from_millis(ms)),
    }
}

fn told(notice: &Notice, world: &Shared) {
    let line = match notice {
        Notice::Started(id, _) | Notice::Restarted { id, .. } => format!("start {id}"),
        Notice::StartFailed(id, _) => format!("fail {id}"),
        Notice::Exited(id, _, exit) => {
            world.lock().alive.remove(id.as_str());
            let why = match exit {
                Exit::Normal => "normal",
                Exit::Shutdown => "shutdown",
                Exit::Killed => "killed",
                Exit::Crashed(why) => why,
            };
            format!("end {id} {why}")
        }
        _ => return,
    };
    world.lock().trace.push(line);
}

/// Virtual time in which everything that follows a step has happened.
const REST: Duration = Duration::from_secs(60);

/// Runs a scenario and tells what was seen of it.
pub(super) fn run(scenario: &Scenario) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(act(scenario))
}

async fn act(scenario: &Scenario) -> String {
    let world = Shared::default();
    // Rests are virtual, so windows are wide: a wait is longer than the short one, all rests are shorter.
    let period = Duration::from_secs(if scenario.short_window { 3_000 } else { 3_000_000 });
    let observed = Arc::clone(&world);
    let mut spec = SupervisorSpec::new(ActorPath::root(), scenario.strategy)
        .intensity(scenario.intensity, period)
        .auto_shutdown(scenario.auto_shutdown)
        .observe(move |notice| told(notice, &observed));
    for kid in &scenario.kids {
        spec = spec.child(child(kid, &world));
    }
    let initial = scenario.steps.iter().take_while(|s| matches!(s, Step::Fail(..))).count();
    let (before, steps) = scenario.steps.split_at(initial);
    for step in before {
        let Step::Fail(name, times) = step else { continue };
        world.lock().fails.insert(name, *times);
    }
    match spawn(spec).await {
        Ok(tree) => play(tree, steps, &world).await,
        Err(_) => world.lock().trace.push("not started".into()),
    }
    std::mem::take(&mut world.lock().trace).join(", ")
}

async fn play(mut tree: Tree, steps: &[Step], world: &Shared) {
    for step in steps {
        if let Some(end) = over(&tree) {
            world.lock().trace.push(end);
            return;
        }
        perform(step, tree.handle(), world).await;
        tokio::time::sleep(REST).await;
    }
    if let Some(end) = over(&tree) {
        world.lock().trace.push(end);
        return;
    }
    tree.stop();
    assert_eq!(tree.ended().await, Some(End::Shutdown));
    world.lock().trace.push("stopped".into());
}

/// How the supervisor ended, in OTP's words: both give-up and automatic shutdown are a `shutdown` there.
fn over(tree: &Tree) -> Option<String> {
    tree.has_ended().map(|end| match end {
        End::Escalated { .. } | End::AutoShutdown(_) => "over shutdown".to_owned(),
        other => format!("over {other}"),
    })
}

async fn perform(step: &Step, handle: &Handle, world: &Shared) {
    let (what, name, answer) = match step {
        Step::Wait => return tokio::time::sleep(Duration::from_secs(4_000)).await,
        Step::Fail(name, times) => {
            world.lock().fails.insert(name, *times);
            return;
        }
        Step::Exit(name, why) => {
            let cell = world.lock().alive.get(name).cloned();
            return cell.into_iter().for_each(|cell| end(&cell, why));
        }
        Step::Terminate(name) => ("terminate", *name, handle.terminate_child(name).await),
        Step::Restart(name) => ("restart", *name, handle.restart_child(name).await),
        Step::Delete(name) => ("delete", *name, handle.delete_child(name).await),
        Step::Add(kid) => ("add", kid.name, handle.start_child(child(kid, world)).await),
    };
    let answer = match answer {
        Ok(()) => "ok",
        Err(ChildError::Refused(refusal)) => match refusal {
            Refusal::AlreadyStarted(_) => "already_started",
            Refusal::AlreadyPresent(_) => "already_present",
            Refusal::NotFound(_) => "not_found",
            Refusal::Running(_) => "running",
            Refusal::Restarting(_) => "restarting",
            Refusal::StartFailed(..) => "failed",
            other => panic!("{other}"),
        },
        Err(other) => panic!("{other}"),
    };
    world.lock().trace.push(format!("{what} {name}: {answer}"));
}

fn end(cell: &ActorCell, why: &'static str) {
    if why == "killed" {
        cell.kill();
    } else {
        cell.send_message(why).expect("the child lives");
    }
}
