//! The supervisor's shell: real actors, paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tsup_actors::actor::{Failure, StartFn};
use tsup_actors::bus::Bus;
use tsup_actors::gate::{Lane, Reply};
use tsup_actors::supervisor::{ChildError, ChildSpec, SupervisorSpec, Tree, spawn, supervise};
use tsup_core::event::Event;
use tsup_core::ids::ActorPath;
use tsup_core::supervision::{AutoShutdown, Backoff, ChildId, End, Refusal, Strategy};
use tsup_core::wire::doc::{NodeKind, NodeState};

use super::kit::{Do, LONG, Log, probe, probe_that_stops_in, root, until, who};

const ONE: Strategy = Strategy::OneForOne;

fn id(name: &str) -> ChildId {
    ChildId::from(name)
}

async fn end(mut tree: Tree) -> Option<End> {
    tree.stop();
    tokio::time::timeout(LONG, tree.ended()).await.expect("it ends")
}

#[tokio::test(start_paused = true)]
async fn children_start_forward_and_stop_in_reverse_each_waited_for() {
    let (log, at) = (Log::default(), ActorPath::root());
    let mut spec = root(ONE);
    for (name, secs) in [("a", 0), ("b", 4), ("c", 1)] {
        spec = spec.child(probe_that_stops_in(&at, name, &log, Duration::from_secs(secs)).1);
    }
    let tree = spawn(spec).await.unwrap();
    log.wait_for("start c").await;
    assert_eq!(log.take(), ["start a", "start b", "start c"]);
    assert_eq!(end(tree).await, Some(End::Shutdown));
    assert_eq!(log.take(), ["stop c", "end c", "stop b", "end b", "stop a", "end a"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_stop_is_killed_after_its_time() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, a_spec) = probe(&at, "a", &log);
    let (_, b_spec) = probe_that_stops_in(&at, "b", &log, LONG);
    let (_, c_spec) = probe(&at, "c", &log);
    let spec = root(ONE).child(a_spec.shutdown(Duration::from_secs(2))).child(b_spec).child(c_spec);
    let tree = spawn(spec).await.unwrap();
    log.wait_for("start c").await;
    a.control(Do::Hang).unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(end(tree).await, Some(End::Shutdown));
    assert_eq!(began.elapsed().as_secs(), 7, "five for b, two for a");
    assert_eq!(log.take()[3..], ["stop c", "end c", "end b", "end a"], "the killed do not come to stop");
}

#[tokio::test(start_paused = true)]
async fn a_hurry_cuts_the_waits_short() {
    let (log, at) = (Log::default(), ActorPath::root());
    let spec = root(ONE)
        .child(probe(&at, "a", &log).1)
        .child(probe_that_stops_in(&at, "b", &log, LONG).1.shutdown(LONG));
    let mut tree = spawn(spec).await.unwrap();
    log.wait_for("start b").await;
    let began = tokio::time::Instant::now();
    tree.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    tree.hurry();
    assert_eq!(tree.ended().await, Some(End::Shutdown));
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_gate_of_a_child_survives_its_restarts() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, spec) = probe(&at, "a", &log);
    let tree = spawn(root(ONE).child(spec)).await.unwrap();
    let (first, _) = who(&a).await;
    a.work(Do::Fail).unwrap();
    // Delivered again to the second incarnation, it ends that one too.
    let (third, _) = who(&a).await;
    assert_eq!(third.0, first.0 + 2);
    assert_eq!(a.mailbox().dropped, 1, "and is then set aside");
    let node = &tree.view().node().children[0];
    assert_eq!((node.restarts, node.restarts_in_window, node.state), (2, 2, NodeState::Running));
    assert_eq!(node.last_error.as_deref(), Some("a fails"));
    assert_eq!(node.mailbox.dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_at_most_the_message_in_hand() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, spec) = probe(&at, "a", &log);
    let tree = spawn(root(ONE).child(spec)).await.unwrap();
    let (go, wait) = tokio::sync::oneshot::channel();
    let (held, is_held) = Reply::channel();
    a.control(Do::Hold(held, wait)).unwrap();
    is_held.await.unwrap();
    a.work(Do::Panic).unwrap();
    for n in 0..500 {
        a.work(Do::Note(n)).unwrap();
    }
    go.send(()).unwrap();
    let (_, notes) = who(&a).await;
    assert_eq!(notes, (0..500).collect::<Vec<_>>(), "what waited is all there, in order");
    assert_eq!(a.mailbox().dropped, 1);
    let last = tree.view().node().children[0].last_error.clone();
    assert_eq!(last.as_deref(), Some("a panics"));
}

fn two_levels(log: &Log, middle_allows: u32) -> (tsup_actors::gate::Gate<Do>, SupervisorSpec) {
    let at = ActorPath::root().child("mid");
    let (leaf, leaf_spec) = probe(&at, "leaf", log);
    let middle = SupervisorSpec::new(at.clone(), ONE)
        .intensity(middle_allows, Duration::from_secs(60))
        .child(leaf_spec)
        .child(probe(&at, "sibling", log).1);
    (leaf, root(ONE).intensity(1, Duration::from_secs(60)).child(supervise("mid", middle)))
}

#[tokio::test(start_paused = true)]
async fn escalation_goes_up_level_by_level_and_keeps_its_reason() {
    let log = Log::default();
    let (leaf, spec) = two_levels(&log, 0);
    let mut tree = spawn(spec).await.unwrap();
    log.wait_for("start sibling").await;
    log.take();
    leaf.control(Do::Panic).unwrap();
    // The message is delivered once more to the leaf of the next middle, which escalates again.
    let Some(End::Escalated { child, why }) = tree.ended().await else { panic!("no escalation") };
    assert_eq!(child, id("mid"));
    assert_eq!(&*why, "root/mid: too many restarts, last of leaf: leaf panics");
    let all = log.take();
    let round = ["end leaf", "stop sibling", "end sibling"];
    assert_eq!(all.iter().filter(|l| round.contains(&l.as_str())).count(), 6, "stopped in order: {all:?}");
    assert_eq!(tree.view().node().children[0].state, NodeState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_transient_supervisor_that_gives_up_is_started_again() {
    let (log, at) = (Log::default(), ActorPath::root().child("mid"));
    let (leaf, leaf_spec) = probe(&at, "leaf", &log);
    let middle = SupervisorSpec::new(at, ONE).intensity(0, LONG).child(leaf_spec);
    let tree = spawn(root(ONE).child(supervise("mid", middle).transient())).await.unwrap();
    let (before, _) = who(&leaf).await;
    tree.view().find("root/mid").unwrap().handle().unwrap().crash("leaf").await.unwrap();
    while who(&leaf).await.0 == before {}
    let middle = &tree.view().node().children[0];
    assert_eq!((middle.restarts, middle.state), (1, NodeState::Running));
    let why = middle.last_error.clone().unwrap();
    assert_eq!(why, "root/mid: too many restarts, last of leaf: killed");
    end(tree).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_meant_for_an_incarnation_that_died_does_not_stop_the_next() {
    let log = Log::default();
    let (leaf, spec) = two_levels(&log, 3);
    let tree = spawn(spec).await.unwrap();
    let middle = tree.view().find("root/mid").unwrap().handle().unwrap();
    // A start that hangs keeps the middle from reading that it is to stop, until it is killed.
    let hung = AtomicBool::new(false);
    let hangs_once: StartFn = Arc::new(move |_| {
        let first = !hung.swap(true, Ordering::Relaxed);
        Box::pin(async move {
            if first {
                std::future::pending::<()>().await;
            }
            Err(Failure::new("no"))
        })
    });
    let add = tokio::spawn(async move {
        middle.start_child(ChildSpec::new("hangs", hangs_once, Default::default)).await
    });
    who(&leaf).await;
    tree.handle().terminate_child("mid").await.unwrap();
    tree.handle().restart_child("mid").await.unwrap();
    assert!(add.await.unwrap().is_err(), "the question died with the one who was asked");
    who(&leaf).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let middle = &tree.view().node().children[0];
    assert_eq!((middle.state, middle.restarts), (NodeState::Running, 0));
    end(tree).await;
}

#[tokio::test(start_paused = true)]
async fn the_death_of_a_supervisor_takes_its_subtree_along_and_all_come_back() {
    let log = Log::default();
    let (leaf, spec) = two_levels(&log, 3);
    let tree = spawn(spec).await.unwrap();
    let (before, _) = who(&leaf).await;
    log.wait_for("start sibling").await;
    log.take();
    tree.handle().crash("mid").await.unwrap();
    log.wait_for("start sibling").await;
    let (after, _) = who(&leaf).await;
    assert!(after > before, "generations are not given twice: {before:?} {after:?}");
    let lines = log.take();
    assert!(lines.contains(&"end leaf".into()) && lines.contains(&"end sibling".into()));
    assert!(!lines.iter().any(|l| l.starts_with("stop")), "killed, not asked: {lines:?}");
    let middle = &tree.view().node().children[0];
    assert_eq!((middle.restarts, middle.last_error.as_deref()), (1, Some("killed")));
    end(tree).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_child_lives_twice_even_when_its_supervisor_dies() {
    let log = Log::default();
    let (leaf, spec) = two_levels(&log, 3);
    let tree = spawn(spec).await.unwrap();
    let (in_handler, is_in_handler) = Reply::channel();
    let (go, wait) = std::sync::mpsc::sync_channel(1);
    // The leaf blocks its thread: a kill reaches it only when it comes back.
    leaf.control(Do::Block(in_handler, wait)).unwrap();
    is_in_handler.await.unwrap();
    log.take();
    tree.handle().crash("mid").await.unwrap();
    log.wait_for("end sibling").await;
    go.send(()).unwrap();
    log.wait_for("start leaf").await;
    let lines = log.take();
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {lines:?}"));
    assert!(at("end leaf") < at("start leaf"), "{lines:?}");
    end(tree).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_from_above_stops_the_levels_below_in_order() {
    let log = Log::default();
    let (_, spec) = two_levels(&log, 3);
    let spec = spec.child(probe(&ActorPath::root(), "last", &log).1);
    let tree = spawn(spec).await.unwrap();
    log.wait_for("start last").await;
    log.take();
    assert_eq!(end(tree).await, Some(End::Shutdown));
    let order = ["stop last", "end last", "stop sibling", "end sibling", "stop leaf", "end leaf"];
    assert_eq!(log.take(), order);
}

#[tokio::test(start_paused = true)]
async fn an_initial_child_that_does_not_start_takes_the_others_down_in_order() {
    let (log, at) = (Log::default(), ActorPath::root());
    let broken =
        ChildSpec::new("x", Arc::new(|_| Box::pin(async { Err(Failure::new("no luck")) })), Default::default);
    let spec = root(ONE).child(probe(&at, "a", &log).1).child(probe(&at, "b", &log).1).child(broken);
    let failure = spawn(spec).await.unwrap_err();
    assert!(failure.0.contains("child x did not start: no luck"), "{failure}");
    log.wait_for("end a").await;
    let stops: Vec<_> = log.take().into_iter().filter(|l| l.starts_with("stop")).collect();
    assert_eq!(stops, ["stop b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn quarantine_is_seen_told_and_over_after_its_time() {
    let (log, at, bus) = (Log::default(), ActorPath::root(), Bus::new());
    let mut events = bus.subscribe();
    let (a, a_spec) = probe(&at, "a", &log);
    let spec = root(ONE).intensity(1, Duration::from_secs(60)).quarantine(Duration::from_secs(300));
    let tree = spawn(spec.bus(&bus).child(a_spec).child(probe(&at, "b", &log).1)).await.unwrap();
    a.control(Do::Panic).unwrap();
    until(tree.view(), "root/a", NodeState::Quarantined).await;
    let node = &tree.view().node().children[0];
    assert!(node.next_restart_in_seconds.unwrap() > 299.0);
    assert_eq!(tree.view().node().children[1].restarts, 0, "the other one is left alone");
    assert_eq!(tree.handle().restart_child("a").await, Err(Refusal::Restarting(id("a")).into()));
    until(tree.view(), "root/a", NodeState::Running).await;
    who(&a).await;
    let first = events.next().await.unwrap();
    let Event::ActorRestarted { path, reason, restarts } = &first.event else { panic!("{first:?}") };
    assert_eq!((path.as_str(), reason.as_str(), *restarts), ("root/a", "a panics", 1));
    let second = events.next().await.unwrap();
    assert!(matches!(&second.event, Event::ActorQuarantined { restarts: 1, .. }), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pending_restart_is_seen_and_can_be_called_off() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, a_spec) = probe(&at, "a", &log);
    let slow = Backoff::exponential(Duration::from_hours(1), Duration::from_hours(1));
    let tree = spawn(root(ONE).child(a_spec.backoff(slow))).await.unwrap();
    a.control(Do::Fail).unwrap();
    until(tree.view(), "root/a", NodeState::BackingOff).await;
    tree.handle().terminate_child("a").await.unwrap();
    assert_eq!(tree.view().node().children[0].state, NodeState::Failed);
    assert_eq!(tree.view().node().children[0].next_restart_in_seconds, None);
    tree.handle().restart_child("a").await.unwrap();
    who(&a).await;
}

#[tokio::test(start_paused = true)]
async fn children_come_and_go_at_run_time() {
    let (log, at) = (Log::default(), ActorPath::root());
    let tree = spawn(root(ONE).children_max(2)).await.unwrap();
    let handle = tree.handle();
    let (a, a_spec) = probe(&at, "a", &log);
    let (_, b_spec) = probe(&at, "b", &log);
    handle.start_child(a_spec.clone()).await.unwrap();
    handle.start_child(b_spec.temporary()).await.unwrap();
    assert_eq!(handle.start_child(a_spec).await, Err(Refusal::AlreadyStarted(id("a")).into()));
    let refused = handle.start_child(probe(&at, "c", &log).1).await.unwrap_err();
    assert_eq!(refused.to_string(), "more than 2 children");
    who(&a).await;
    handle.terminate_child("b").await.unwrap();
    assert_eq!(handle.members().len(), 1, "a temporary child is forgotten");
    assert_eq!(handle.delete_child("a").await, Err(ChildError::Refused(Refusal::Running(id("a")))));
    handle.terminate_child("a").await.unwrap();
    handle.delete_child("a").await.unwrap();
    assert!(tree.view().node().children.is_empty());
    assert_eq!(handle.crash("a").await, Err(Refusal::NotFound(id("a")).into()));
}

#[tokio::test(start_paused = true)]
async fn one_slow_stop_holds_up_nobody_else() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (b, b_spec) = probe(&at, "b", &log);
    let slow = probe_that_stops_in(&at, "a", &log, LONG).1.shutdown(Duration::from_secs(60));
    let tree = spawn(root(ONE).child(slow).child(b_spec)).await.unwrap();
    log.wait_for("start b").await;
    let handle = tree.handle().clone();
    let stop = tokio::spawn(async move { handle.terminate_child("a").await });
    until(tree.view(), "root/a", NodeState::Stopping).await;
    let began = tokio::time::Instant::now();
    let (before, _) = who(&b).await;
    tree.handle().crash("b").await.unwrap();
    while who(&b).await.0 == before {}
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(stop.await.unwrap(), Ok(()));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_significant_child_that_ends_takes_the_supervisor_along_in_order() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (pm, pm_spec) = probe(&at, "pm", &log);
    let spec = root(ONE)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(pm_spec.transient().significant())
        .child(probe(&at, "watcher", &log).1);
    let mut tree = spawn(spec).await.unwrap();
    log.wait_for("start watcher").await;
    pm.control(Do::Stop).unwrap();
    assert_eq!(tree.ended().await, Some(End::AutoShutdown(id("pm"))));
    assert!(log.take().contains(&"stop watcher".into()));
}

#[tokio::test(start_paused = true)]
async fn ready_makes_the_backoff_begin_anew() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, a_spec) = probe(&at, "a", &log);
    let backoff = Backoff::exponential(Duration::from_millis(1), Duration::from_hours(10));
    let tree = spawn(root(ONE).unlimited().child(a_spec.backoff(backoff))).await.unwrap();
    for _ in 0..25 {
        who(&a).await;
        a.control(Do::Ready).unwrap();
        tree.handle().crash("a").await.unwrap();
        until(tree.view(), "root/a", NodeState::BackingOff).await;
        let wait = tree.view().node().children[0].next_restart_in_seconds.unwrap();
        assert!(wait <= 0.001, "{wait}");
        until(tree.view(), "root/a", NodeState::Running).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_tree_is_read_without_asking_anybody() {
    let log = Log::default();
    let (leaf, spec) = two_levels(&log, 3);
    let tree = spawn(spec).await.unwrap();
    let (go, wait) = tokio::sync::oneshot::channel();
    let (held, is_held) = Reply::channel();
    leaf.control(Do::Hold(held, wait)).unwrap();
    is_held.await.unwrap();
    leaf.work(Do::Note(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    // The leaf is stuck in its handler, and the tree is there all the same.
    let node = tree.view().node();
    assert_eq!(
        (node.path.as_str(), node.kind, node.state),
        ("root", NodeKind::Supervisor, NodeState::Running)
    );
    let middle = &node.children[0];
    assert_eq!((middle.path.as_str(), middle.strategy.as_deref()), ("root/mid", Some("one_for_one")));
    let paths: Vec<_> = middle.children.iter().map(|n| n.path.as_str()).collect();
    assert_eq!(paths, ["root/mid/leaf", "root/mid/sibling"]);
    assert_eq!((middle.children[0].kind, middle.children[0].mailbox.depth), (NodeKind::Actor, 1));
    assert!((middle.children[0].uptime_seconds - 90.0).abs() < 1.0);
    assert!(tree.view().find("root/mid/leaf").is_some() && tree.view().find("root/middle").is_none());
    let handle = tree.view().find("root/mid").unwrap().handle().unwrap();
    assert_eq!(handle.path().as_str(), "root/mid");
    go.send(()).unwrap();
    assert_eq!(leaf.call(Lane::Work, LONG, Do::Who).await.unwrap().1, [1]);
}
