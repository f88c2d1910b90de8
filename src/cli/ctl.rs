//! `tsup ctl VERB`: what can be asked of the running supervisor.

mod jobs;
mod many;
pub mod submit;

use std::time::Duration;

use clap::Subcommand;
use tsup_core::error::{Exit, UserError};
use tsup_core::settings::check::is_name;
use tsup_core::wire::verb::{Spawn, Verb};

use super::{Cx, Outcome, duration, status};
use crate::config::plain;
use crate::ctl::client::Client;
use crate::ctl::{agents, metrics, record, schedules, sessions, supervisor, tree, watch};

/// Arguments of `tsup ctl`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    ask: Ask,
}

/// `--json`, on every verb that shows something.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Json {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// How the supervisor is
    Status(Json),
    /// The supervision tree
    Tree(Json),
    /// Events as they happen, one JSON object a line
    Watch {
        /// Only this kind; may be repeated
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
        /// Events are JSON anyway
        #[arg(long, hide = true)]
        json: bool,
    },
    /// A drill: end one actor the hard way and see it restarted
    Crash {
        /// Its path, as `tsup ctl tree --json` says it
        path: String,
        #[command(flatten)]
        json: Json,
    },
    /// The sessions
    Sessions(Json),
    /// The agents
    Agents(Json),
    /// What an agent's pane shows now
    Capture {
        /// Id, SESSION/NAME or %pane
        agent: String,
        #[command(flatten)]
        json: Json,
    },
    /// Why an agent is in its state: what every rule saw, how old that is, and its states before
    Explain {
        /// Id, SESSION/NAME or %pane
        agent: String,
        #[command(flatten)]
        json: Json,
    },
    /// Keep what is seen of an agent in a file, for `tsup replay`; prints its path
    Record {
        /// Id, SESSION/NAME or %pane
        agent: String,
        /// For how long, like 90s, 15m, 2h; 10 minutes when left out
        #[arg(long = "for", value_name = "DUR", allow_hyphen_values = true, value_parser = duration::parse)]
        for_: Option<Duration>,
        #[command(flatten)]
        json: Json,
    },
    /// Start an agent in a session of tsup's own
    Spawn(SpawnArgs),
    /// End an agent that tsup owns
    Kill(One),
    /// End an agent that tsup owns and start it again
    Restart(One),
    /// Leave an agent, or all of a session, alone: no relaunch
    Pause {
        /// Agent or session
        target: String,
        /// For how long, like 90s, 15m, 2h; until `resume` when left out
        #[arg(long = "for", value_name = "DUR", allow_hyphen_values = true, value_parser = duration::parse)]
        for_: Option<Duration>,
        #[command(flatten)]
        json: Json,
    },
    /// End a pause
    Resume {
        /// Agent or session
        target: String,
        #[command(flatten)]
        json: Json,
    },
    /// All metrics as they stand
    Metrics {
        /// Totals and last values; what is shown when nothing is said
        #[arg(long)]
        current: bool,
        #[command(flatten)]
        json: Json,
    },
    /// The scripts that run at times: when next, and what became of the last run
    Schedules(Json),
    #[command(flatten)]
    Jobs(jobs::Ask),
    /// Let the supervisor read its configuration again
    Reload(Json),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Id, SESSION/NAME or %pane
    agent: String,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
struct SpawnArgs {
    /// SESSION/NAME of the agent; the session is made when it is not there
    #[arg(value_name = "SESSION/NAME")]
    place: String,
    /// The profile by which its state is told
    #[arg(long, value_name = "CLI")]
    agent: String,
    /// Its role, any word
    #[arg(long)]
    role: Option<String>,
    /// Its working directory [default: this one]
    #[arg(long, value_name = "DIR")]
    cwd: Option<std::path::PathBuf>,
    #[command(flatten)]
    json: Json,
    /// Program and arguments, literal; the profile's own when left out
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Asks and shows. What is wrong with a question is said before the supervisor is sought.
pub fn run(cx: &Cx, args: Args) -> Outcome {
    let client = || Client::connect(&cx.global.paths()?.socket);
    let show = |verb: Verb, json: Json| agents::show(cx, &mut client()?, verb, json.json);
    match args.ask {
        Ask::Status(j) => status::answer(cx, j.json),
        Ask::Tree(j) => tree::show(cx, &mut client()?, j.json),
        Ask::Watch { kinds, json: _ } => {
            watch::check(&kinds)?;
            watch::follow(cx, client()?, kinds)
        }
        Ask::Crash { path, json } => tree::crash(cx, &mut client()?, path, json.json),
        Ask::Sessions(j) => sessions::show(cx, &mut client()?, j.json),
        Ask::Agents(j) => show(Verb::Agents, j),
        Ask::Capture { agent, json } => agents::capture(cx, &mut client()?, agent, json.json),
        Ask::Explain { agent, json } => agents::explain(cx, &mut client()?, agent, json.json),
        Ask::Record { agent, for_, json } => {
            let for_ms = for_.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            record::begin(cx, &mut client()?, agent, for_ms, json.json)
        }
        Ask::Spawn(spawn) => show(spawn.verb()?, spawn.json),
        Ask::Kill(one) => show(Verb::Kill { agent: one.agent }, one.json),
        Ask::Restart(one) => show(Verb::Restart { agent: one.agent }, one.json),
        Ask::Pause { target, for_, json } => {
            let for_ms = for_.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            show(Verb::Pause { target, for_ms }, json)
        }
        Ask::Resume { target, json } => show(Verb::Resume { target }, json),
        Ask::Metrics { current: _, json } => metrics::current(cx, &mut client()?, json.json),
        Ask::Schedules(j) => schedules::show(cx, &mut client()?, j.json),
        Ask::Jobs(ask) => jobs::run(cx, ask),
        Ask::Reload(j) => supervisor::reload(cx, &mut client()?, j.json),
    }
}

impl SpawnArgs {
    /// The verb, with names checked and the working directory made absolute.
    fn verb(&self) -> Result<Verb, UserError> {
        let usage = |what: String| UserError::new(Exit::Usage, what);
        let (session, name) = self
            .place
            .split_once('/')
            .ok_or_else(|| usage(format!("`{}` is not SESSION/NAME", self.place)))?;
        for text in [Some(session), Some(name), Some(self.agent.as_str()), self.role.as_deref()] {
            if text.is_some_and(|t| !is_name(t)) {
                return Err(usage(format!("`{}` is not a name", text.unwrap_or_default()))
                    .hint("names are 1 to 64 letters, digits, `_` and `-`, not beginning with `-`"));
            }
        }
        let here = std::env::current_dir();
        let cwd = match (&self.cwd, here) {
            (Some(dir), _) => std::path::absolute(dir),
            (None, here) => here,
        }
        .map_err(|e| usage(format!("there is no working directory: {}", plain(&e))))?;
        if !cwd.is_dir() {
            return Err(usage(format!("{} is not a directory", cwd.display())));
        }
        let shown = cwd.display().to_string();
        let cwd = cwd
            .into_os_string()
            .into_string()
            .map_err(|_| usage(format!("{shown} has a name that is not UTF-8, which tmux cannot take")))?;
        Ok(Verb::Spawn(Spawn {
            session: session.into(),
            name: name.into(),
            agent: self.agent.clone(),
            role: self.role.clone(),
            cwd: Some(cwd),
            command: self.command.clone(),
        }))
    }
}
