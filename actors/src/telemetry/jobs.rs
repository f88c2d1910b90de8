//! What is counted of jobs: handles that the queue holds, and calls as things happen.

use std::time::Duration;

use tsup_core::limits;
use tsup_core::telemetry::metric;
use tsup_core::telemetry::record::{Entry, Moment};
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::Priority;

use super::metrics::{Counter, Gauge, Metrics, Timer};

/// The metrics of jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JobMetrics {
    total: Counter,
    success: Counter,
    failure: Counter,
    retries: Counter,
    /// One a category, in the order of [`Category::ALL`].
    errors: [Counter; Category::ALL.len()],
    duration: Timer,
    cpu: Timer,
    memory: Gauge,
    /// One a class, in the order of [`Priority::ALL`].
    depth: [Gauge; Priority::ALL.len()],
    wait: [Timer; Priority::ALL.len()],
    /// Where scripts have series of their own.
    table: Metrics,
}

impl JobMetrics {
    /// The handles of this table; all counts are at zero until something is counted.
    pub fn new(metrics: &Metrics) -> Self {
        let depth = Priority::ALL.map(|p| metrics.gauge(metric::QUEUE_DEPTH, &[("priority", p.as_str())]));
        for gauge in &depth {
            gauge.set(0.0);
        }
        JobMetrics {
            total: metrics.counter(metric::EXECUTIONS_TOTAL, &[]),
            success: metrics.counter(metric::EXECUTIONS_SUCCESS, &[]),
            failure: metrics.counter(metric::EXECUTIONS_FAILURE, &[]),
            retries: metrics.counter(metric::EXECUTIONS_RETRIES, &[]),
            errors: Category::ALL
                .map(|c| metrics.counter(metric::EXECUTIONS_ERRORS, &[("category", c.as_str())])),
            duration: metrics.timer(metric::EXECUTION_DURATION, &[]),
            cpu: metrics.timer(metric::RESOURCE_CPU, &[]),
            memory: metrics.gauge(metric::RESOURCE_MEMORY_PEAK, &[]),
            depth,
            wait: Priority::ALL.map(|p| metrics.timer(metric::QUEUE_WAIT, &[("priority", p.as_str())])),
            table: metrics.clone(),
        }
    }

    /// Counts what an entry of the execution log tells, so that log and metrics say the same.
    pub fn count(&self, entry: &Entry) {
        if let Some(took) = entry.duration_seconds {
            self.duration.record(seconds(took));
        }
        if let Some(used) = &entry.resource_usage {
            self.cpu.record(seconds(used.cpu_time_seconds));
            self.memory.set(used.peak_memory_mb);
        }
        self.count_script(entry);
        match entry.event {
            Moment::Started => return,
            Moment::Retry => self.retries.inc(),
            Moment::Finished => {
                self.total.inc();
                if entry.success == Some(true) { self.success.inc() } else { self.failure.inc() }
            }
        }
        let category = entry.failure.as_ref().map(|f| f.category);
        if let Some(at) = Category::ALL.iter().position(|c| Some(*c) == category) {
            self.errors[at].inc();
        }
    }

    /// The same for its script alone. All of a script's series are made at once, so that each has the same scripts.
    fn count_script(&self, entry: &Entry) {
        if entry.event == Moment::Started {
            return;
        }
        let (most, labels) = (limits::SCRIPTS_MEASURED, [("script", &*entry.script_id)]);
        let ended = self.table.counter_of(most, metric::SCRIPT_EXECUTIONS.name, &labels);
        let failed = self.table.counter_of(most, metric::SCRIPT_FAILURES.name, &labels);
        let duration = self.table.timer_of(most, metric::SCRIPT_DURATION.name, &labels);
        if let Some(took) = entry.duration_seconds {
            duration.record(seconds(took));
        }
        if entry.event == Moment::Finished {
            ended.inc();
            if entry.success != Some(true) {
                failed.inc();
            }
        }
    }

    /// A job that waited so long starts its attempt.
    pub fn waited(&self, priority: Priority, waited: Duration) {
        self.wait[usize::from(priority.class())].record(waited);
    }

    /// How many jobs of a class wait for their turn now.
    pub fn depth(&self, priority: Priority, jobs: usize) {
        self.depth[usize::from(priority.class())].set(jobs as f64);
    }
}

/// A shim's word for a time; what is none counts as no time at all.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tsup_core::clock::Wall;
    use tsup_core::tes::failure::Failure;
    use tsup_core::wire::doc::jobs::ResourcesDoc;

    use super::*;

    #[test]
    fn what_the_log_tells_is_counted() {
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let jobs = JobMetrics::new(&metrics);
        let used = ResourcesDoc {
            start_memory_mb: None,
            end_memory_mb: None,
            peak_memory_mb: 12.5,
            cpu_time_seconds: 0.25,
            wall_time_seconds: 2.0,
            memory_source: "rusage".into(),
        };
        let entry = |event, success, category: Option<Category>| Entry {
            event,
            success,
            duration_seconds: success.map(|_| 2.0),
            resource_usage: success.map(|_| used.clone()),
            failure: category.map(|c| Failure::new(c, "x")),
            ..Entry::default()
        };
        jobs.count(&entry(Moment::Started, None, None));
        jobs.count(&entry(Moment::Retry, Some(false), Some(Category::Timeout)));
        jobs.count(&entry(Moment::Finished, Some(true), None));
        jobs.count(&entry(Moment::Finished, Some(false), Some(Category::Execution)));
        jobs.count(&Entry { duration_seconds: Some(f64::NAN), ..entry(Moment::Finished, None, None) });
        jobs.waited(Priority::Batch, Duration::from_secs(3));
        jobs.depth(Priority::High, 7);
        let doc = metrics.doc();
        for (name, value) in [
            ("executions.total", 3),
            ("executions.success", 1),
            ("executions.failure", 2),
            ("executions.retries", 1),
            ("executions.errors;category=TIMEOUT", 1),
            ("executions.errors;category=EXECUTION", 1),
            ("executions.errors;category=RESOURCE", 0),
            ("metrics.refused", 0),
        ] {
            assert_eq!(doc.counters[name], value, "{name}");
        }
        assert_eq!(doc.timers["execution.duration_seconds"].count, 4);
        assert_eq!(doc.timers["resource.cpu_time_seconds"].count, 3);
        assert_eq!(doc.timers["queue.wait_seconds;priority=batch"].count, 1);
        assert_eq!(doc.gauges["resource.memory_peak_mb"].to_string(), "12.5");
        assert_eq!(doc.gauges["queue.depth;priority=high"].to_string(), "7");
        assert_eq!(doc.gauges["queue.depth;priority=low"].to_string(), "0");
    }

    #[test]
    fn each_script_is_counted_for_itself_up_to_a_bound() {
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let jobs = JobMetrics::new(&metrics);
        let entry = |script: &str, event, success| Entry {
            event,
            success,
            script_id: script.into(),
            duration_seconds: success.map(|_| 2.0),
            ..Entry::default()
        };
        jobs.count(&entry("a/x", Moment::Started, None));
        assert!(!metrics.doc().counters.keys().any(|name| name.starts_with("script.")));
        jobs.count(&entry("a/x", Moment::Retry, Some(false)));
        jobs.count(&entry("a/x", Moment::Finished, Some(true)));
        jobs.count(&entry("a/x", Moment::Finished, None));
        let many = limits::SCRIPTS_MEASURED + 10;
        for n in 1..many {
            jobs.count(&entry(&format!("s/{n}"), Moment::Finished, Some(true)));
        }
        let doc = metrics.doc();
        assert_eq!(doc.counters["script.executions;script=a/x"], 2);
        assert_eq!(doc.counters["script.failures;script=a/x"], 1);
        assert_eq!(doc.timers["script.duration_seconds;script=a/x"].count, 2);
        for name in ["script.executions", "script.failures", "script.duration_seconds"] {
            let of = doc.counters.keys().chain(doc.timers.keys()).filter(|key| key.starts_with(name)).count();
            assert_eq!(of, limits::SCRIPTS_MEASURED + 1, "{name}");
        }
        let rest = doc.counters.iter().find(|(name, _)| name.contains("executions;overflow"));
        assert_eq!(rest.map(|(_, n)| *n), Some(10));
        assert_eq!(doc.counters["metrics.refused"], 0);
    }
}
