//! What transcripts add to the table of metrics: sums over the fleet, no series for each agent.

use std::collections::HashMap;
use std::sync::Arc;

use tsup_core::fleet::transcript::{Counts, Heard};
use tsup_core::telemetry::metric;

use crate::telemetry::metrics::{Counter, Gauge, Metrics};

/// The series.
pub(super) struct Figures {
    metrics: Metrics,
    lines: Counter,
    skipped: Counter,
    followed: Gauge,
    fullest: Gauge,
    tokens: HashMap<Arc<str>, (Counter, Counter)>,
}

impl Figures {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Figures {
            lines: metrics.counter(metric::TRANSCRIPT_LINES, &[]),
            skipped: metrics.counter(metric::TRANSCRIPT_SKIPPED, &[]),
            followed: metrics.gauge(metric::TRANSCRIPTS_FOLLOWED, &[]),
            fullest: metrics.gauge(metric::AGENTS_CONTEXT_MAX, &[]),
            tokens: HashMap::new(),
            metrics: metrics.clone(),
        }
    }

    /// Adds what one look read of one transcript.
    pub(super) fn count(&mut self, cli: &Arc<str>, read: Counts) {
        self.lines.add(read.lines);
        self.skipped.add(read.skipped);
        if read.input_tokens + read.output_tokens > 0 {
            let (input, output) = self.tokens.entry(Arc::clone(cli)).or_insert_with(|| {
                let counter = |metric| self.metrics.counter(metric, &[("cli", cli)]);
                (counter(metric::AGENT_INPUT_TOKENS), counter(metric::AGENT_OUTPUT_TOKENS))
            });
            input.add(read.input_tokens);
            output.add(read.output_tokens);
        }
    }

    /// Says how many transcripts there are, and how full the fullest context is.
    pub(super) fn all<'a>(&self, heard: impl Iterator<Item = &'a Heard>) {
        let (mut followed, mut fullest) = (0_u32, 0.0_f64);
        for heard in heard {
            followed += 1;
            fullest = fullest.max(heard.usage.context_percent().unwrap_or(0.0));
        }
        self.followed.set(f64::from(followed));
        self.fullest.set(fullest);
    }
}
