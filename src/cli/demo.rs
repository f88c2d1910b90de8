//! `tsup demo`: a private tmux server and home, six fake agents in two sessions, a crash and its
//! recovery, jobs that succeed, fail, wait and are tried again, a live view, the StatsD lines. It leaves nothing
//! behind.

mod feed;
mod jobs;
mod show;
mod stage;

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use serde::Serialize;
use tsup_core::error::{Exit, UserError};
use tsup_core::event::{Event, Stamped};
use tsup_core::ids::AgentId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Verb};

use self::feed::Feed;
use self::show::Show;
use self::stage::Stage;
use crate::cli::doctor::tmux;
use crate::cli::{Cx, Outcome};
use crate::config::plain;
use crate::ctl::client::Client;

/// Arguments of `tsup demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long to play
    #[arg(long, value_name = "N", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Print only the summary, as JSON
    #[arg(long)]
    json: bool,
}

/// What was seen.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    version: u32,
    seconds: u64,
    agents_seen: u64,
    /// Who was seen: an agent may be found before or after it is first listed.
    #[serde(skip)]
    seen: HashSet<AgentId>,
    crashes: u64,
    relaunches: u64,
    statsd_lines: u64,
    jobs_succeeded: u64,
    jobs_failed: u64,
    job_retries: u64,
    events: u64,
}

impl Summary {
    fn see(&mut self, agent: AgentId) {
        self.seen.insert(agent);
        self.agents_seen = self.seen.len() as u64;
    }

    fn count(&mut self, event: &Stamped) {
        self.events += 1;
        match &event.event {
            Event::AgentFound(agent) => self.see(agent.id),
            Event::AgentRelaunched { .. } => self.relaunches += 1,
            Event::AgentState { to, .. } if to.as_str() == "crashed" => self.crashes += 1,
            Event::JobState { to: JobState::Succeeded, .. } => self.jobs_succeeded += 1,
            Event::JobState { to: JobState::Failed | JobState::Dead, .. } => self.jobs_failed += 1,
            Event::JobState { to: JobState::Running, attempt: 2.., .. } => self.job_retries += 1,
            _ => {}
        }
    }
}

/// What wakes the demo.
enum Wake {
    Event(Box<Stamped>),
    /// The stream of events ended.
    Cut,
    /// A signal asks for the end.
    Interrupted,
}

/// Time between two pictures.
const PICTURE_EVERY: Duration = Duration::from_millis(500);

/// Plays the demo to its end.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    tmux::require()?;
    let (wakes, inbox) = sync_channel(4096);
    interrupts(wakes.clone())?;
    let feed = Feed::listen()?;
    let stage = Stage::build(&feed)?;
    let played = play(cx, args, &stage, &feed, wakes, &inbox);
    let cleared = stage.clear();
    let mut summary = played?;
    cleared?;
    summary.statsd_lines = feed.lines();
    if args.json {
        cx.out.json(&summary)?;
    } else {
        cx.out.print(&show::summary(&summary))?;
    }
    Ok(Exit::Ok)
}

fn play(
    cx: &Cx,
    args: &Args,
    stage: &Stage,
    feed: &Feed,
    wakes: SyncSender<Wake>,
    inbox: &Receiver<Wake>,
) -> Result<Summary, UserError> {
    let mut summary = Summary { version: 1, ..Summary::default() };
    // The supervisor reports its agents from the moment it is up, so the stream is opened before.
    stage.until_up()?;
    follow(Client::connect(&stage.socket())?, wakes)?;
    let mut desk = Client::connect(&stage.socket())?;
    let mut show = Show::new(cx, args.json);
    let began = Instant::now();
    let end = began + Duration::from_secs(args.seconds);
    let mut next_picture = began;
    let mut submitter = jobs::Submitter::new(began, end);
    loop {
        let now = Instant::now();
        if now >= next_picture {
            submitter.step(&mut desk, now)?;
            let jobs = jobs::shown(&mut desk)?;
            if let Body::Agents(doc) = desk.ask(Verb::Agents)? {
                doc.agents.iter().for_each(|agent| summary.see(agent.id));
                show.picture(&doc, &jobs, &summary, feed, end.saturating_duration_since(now));
            }
            next_picture = now + PICTURE_EVERY;
        }
        if now >= end {
            break;
        }
        match inbox.recv_timeout(next_picture.min(end).saturating_duration_since(now)) {
            Ok(Wake::Event(event)) => {
                summary.count(&event);
                show.event(&event);
            }
            Ok(Wake::Interrupted) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Wake::Cut) => {
                return Err(UserError::new(Exit::Failed, "the demo's supervisor ended too early")
                    .hint("run it again with RUST_LOG=debug and see what it says"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    summary.seconds = began.elapsed().as_secs();
    show.end();
    Ok(summary)
}

/// Hands the events over on a thread of its own; it ends with the supervisor.
fn follow(client: Client, wakes: SyncSender<Wake>) -> Result<(), UserError> {
    let events = client.watch(Vec::new())?;
    std::thread::spawn(move || {
        for event in events {
            let Ok(event) = event else { break };
            if wakes.send(Wake::Event(Box::new(event))).is_err() {
                return;
            }
        }
        let _ = wakes.send(Wake::Cut);
    });
    Ok(())
}

/// The first interrupt ends the demo in order, so that it can clear its stage.
fn interrupts(wakes: SyncSender<Wake>) -> Result<(), UserError> {
    use tokio::signal::unix::{SignalKind, signal};
    let fail =
        |e: std::io::Error| UserError::new(Exit::Failed, format!("cannot listen to signals: {}", plain(&e)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let (mut int, mut term, mut hup) = {
        let _inside = runtime.enter();
        let take = |kind| signal(kind).map_err(fail);
        (take(SignalKind::interrupt())?, take(SignalKind::terminate())?, take(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {}, _ = hup.recv() => {} }
        });
        let _ = wakes.send(Wake::Interrupted);
    });
    Ok(())
}
