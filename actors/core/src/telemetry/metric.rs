//! The catalogue: every metric that is counted, with its kind, its unit and its labels.
//!
//! Only these three kinds exist, because every StatsD receiver understands them: an unknown kind is
//! counted as a counter by etsy's server, silently.

/// What kind of series a metric makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A value of now.
    Gauge,
    /// A distribution of durations.
    Timer,
}

impl Kind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Timer => "timer",
        }
    }
}

/// One metric: a name that any number of label values may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name without the prefix, as in `ctl metrics --current`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What one unit of its value is.
    pub unit: &'static str,
    /// Names of the labels that its series carry.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

impl AsRef<str> for Metric {
    fn as_ref(&self) -> &str {
        self.name
    }
}

macro_rules! catalogue {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $unit:literal $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $id: Metric = Metric {
                name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help,
            };
        )*
        /// Every metric there is, but the gauges of [`agents_in`].
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

catalogue! {
    AGENT_RELAUNCHES = Counter "agent.relaunches" [] "relaunches" "processes started again in an agent's pane";
    AGENT_STATE_CHANGES = Counter "agent.state_changes" [] "changes" "changes of an agent's state";
    TIME_IN_STATE = Timer "time_in_state_seconds" ["state"] "seconds" "how long an agent was in the state it left";
    AGENT_INPUT_TOKENS = Counter "agent.input_tokens" ["cli"] "tokens" "tokens sent to models, by agents' transcripts";
    AGENT_OUTPUT_TOKENS = Counter "agent.output_tokens" ["cli"] "tokens" "tokens that models answered with";
    AGENTS_CONTEXT_MAX = Gauge "agents.context_max_percent" [] "percent" "how full the fullest context is";
    TRANSCRIPTS_FOLLOWED = Gauge "transcripts.followed" [] "transcripts" "transcripts that are read";
    TRANSCRIPT_LINES = Counter "transcript.lines" [] "lines" "lines of transcripts that were read";
    TRANSCRIPT_SKIPPED = Counter "transcript.lines_skipped" [] "lines" "lines too long, not UTF-8 or not JSON";
    PROFILE_DRIFT = Gauge "profile.drift" [] "alerts" "signs that the rules of a profile no longer fit its CLI";
    PROFILE_SHADOW = Counter "profile.shadow_disagreements" ["cli"] "screens" "screens that shadow profiles read otherwise";
    ACTOR_RESTARTS = Counter "actor.restarts" [] "restarts" "actors that crashed and run again";
    MAILBOX_DEPTH = Gauge "mailbox.depth" ["actor"] "messages" "messages waiting";
    MAILBOX_REFUSED = Counter "mailbox.refused" ["actor"] "messages" "messages turned away because a lane was full";
    MAILBOX_DROPPED = Counter "mailbox.dropped" ["actor"] "messages" "messages displaced or set aside";
    TMUX_COMMANDS = Counter "tmux.commands" [] "commands" "commands sent to tmux servers";
    TMUX_ERRORS = Counter "tmux.errors" [] "commands" "commands that tmux refused or left unanswered";
    TMUX_LATENCY = Timer "tmux.latency_seconds" [] "seconds" "command sent to its answer";
    SINK_LINES = Counter "sink.lines" ["sink"] "lines" "metric lines that a receiver's socket took";
    SINK_PACKETS = Counter "sink.packets" ["sink"] "packets" "packets that a receiver's socket took";
    SINK_BYTES = Counter "sink.bytes" ["sink"] "bytes" "payload that a receiver's socket took";
    SINK_DROPPED = Counter "sink.dropped" ["sink"] "lines"
        "metric lines lost: bounced after the socket took them, or too long to send";
    SINK_LOST = Counter "sink.lost_increments" ["sink"] "increments"
        "sum of the counter increments in the lines of sink.dropped";
    SINK_DEGRADED = Gauge "sink.degraded" ["sink"] "0 or 1" "whether the receiver cannot be reached";
    HOOKS_RECEIVED = Counter "hooks.received" [] "reports" "calls of agents' hooks that arrived";
    HOOKS_DROPPED = Counter "hooks.dropped" [] "reports"
        "of those, not to be read, of another user, too many of one agent, or without room";
    HOOKS_UNMATCHED = Counter "hooks.unmatched" [] "reports" "of those, about no agent that is known";
    HOOKS_LATE = Counter "hooks.late" [] "reports"
        "of those, of a process that an agent does not run in, or overtaken by a later one";
    EXECUTIONS_TOTAL = Counter "executions.total" [] "jobs" "jobs that ended";
    EXECUTIONS_SUCCESS = Counter "executions.success" [] "jobs" "of those, jobs that succeeded";
    EXECUTIONS_FAILURE = Counter "executions.failure" [] "jobs" "of those, all others";
    EXECUTIONS_RETRIES = Counter "executions.retries" [] "attempts" "attempts that failed and are made again";
    EXECUTIONS_ERRORS = Counter "executions.errors" ["category"] "errors"
        "failures of jobs and of attempts that are made again, by their category";
    EXECUTION_DURATION = Timer "execution.duration_seconds" [] "seconds" "how long attempts took";
    SCRIPT_EXECUTIONS = Counter "script.executions" ["script"] "jobs" "jobs of a script that ended";
    SCRIPT_FAILURES = Counter "script.failures" ["script"] "jobs" "of those, jobs that did not succeed";
    SCRIPT_DURATION = Timer "script.duration_seconds" ["script"] "seconds" "how long attempts of a script took";
    RESOURCE_MEMORY_PEAK = Gauge "resource.memory_peak_mb" [] "MB"
        "most memory that the processes of the last attempt used together";
    RESOURCE_CPU = Timer "resource.cpu_time_seconds" [] "seconds" "CPU that attempts used, all processes together";
    QUEUE_DEPTH = Gauge "queue.depth" ["priority"] "jobs" "jobs that wait for their turn";
    QUEUE_WAIT = Timer "queue.wait_seconds" ["priority"] "seconds" "how long jobs waited for their turn";
    JOURNAL_LINES = Counter "journal.lines" [] "lines" "lines that the execution log took";
    JOURNAL_LOST = Counter "journal.lost" [] "lines" "lines lost while the execution log could not be written";
    JOURNAL_MENDED = Counter "journal.mended" [] "lines" "lines of the execution log that a crash had torn";
    METRICS_REFUSED = Counter "metrics.refused" [] "values"
        "values and series turned away: not a number, too long, too many, two kinds under one name";
    SUPERVISOR_CPU = Gauge "supervisor.cpu_percent" [] "percent of a core" "CPU of the supervisor";
    SUPERVISOR_RSS = Gauge "supervisor.rss_bytes" [] "bytes" "resident memory of the supervisor";
}

/// The gauge that counts the agents in one state, `agents.busy`.
pub fn agents_in(state: crate::fleet::state::AgentState) -> String {
    format!("agents.{state}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_dotted_lower_case_and_unique() {
        let mut seen = HashSet::new();
        for m in ALL {
            assert!(seen.insert(m.name), "{} twice", m.name);
            assert!(m.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_'), "{}", m.name);
            assert_eq!(m.kind == Kind::Timer, m.name.ends_with("_seconds"), "{}", m.name);
        }
    }

    #[test]
    fn the_guide_lists_every_metric_with_its_kind() {
        let guide = include_str!("../../../../docs/metrics.md");
        for m in ALL {
            let row = guide.lines().find(|l| l.starts_with(&format!("| `{}`", m.name)));
            let row = row.unwrap_or_else(|| panic!("docs/metrics.md does not list {}", m.name));
            assert!(row.contains(m.kind.as_str()), "{row}");
            assert!(m.labels.iter().all(|l| row.contains(&format!("`{l}`"))), "{row}");
        }
    }
}
