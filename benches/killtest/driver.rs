//! The clients: what they sent, what was answered, and what they send again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tsup::ctl::client::Client;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::tes::job::{Edge, Priority};
use tsup_core::wire::doc::jobs::Submitted;
use tsup_core::wire::verb::{Body, Submit, Verb};

use crate::rng::Rng;
use crate::world::World;

/// One client with a connection of its own.
#[derive(Debug)]
pub(crate) struct Driver {
    number: usize,
    rng: Rng,
    names: Vec<&'static str>,
    drawn: u64,
    /// What was sent, by key, while it is not answered.
    pub(crate) unanswered: BTreeMap<String, Submit>,
    /// What was answered: key and job.
    pub(crate) answered: BTreeMap<String, JobId>,
    /// The last of those, for jobs that wait for others and for wishes to end one.
    lately: Vec<JobId>,
    pub(crate) cancelled: u64,
    /// What must not happen.
    pub(crate) broken: Option<String>,
}

impl Driver {
    pub(crate) fn new(number: usize, rng: Rng) -> Driver {
        Driver {
            number,
            rng,
            names: crate::scripts::names(),
            drawn: 0,
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            lately: Vec::new(),
            cancelled: 0,
            broken: None,
        }
    }

    fn draw(&mut self) -> (String, Submit) {
        self.drawn += 1;
        let key = format!("k{}-{}", self.number, self.drawn);
        let script = *self.rng.pick(&self.names.clone()).unwrap();
        let mut submit = Submit {
            script: script.into(),
            args: vec![("key".into(), key.clone())],
            key: Some(key.clone()),
            session: Some(format!("s{}", self.number)),
            priority: self.rng.pick(&Priority::ALL).copied(),
            ..Submit::default()
        };
        if self.rng.percent(10)
            && let Some(parent) = self.rng.pick(&self.lately.clone())
        {
            let edge = *self.rng.pick(&[Edge::End, Edge::End, Edge::Success, Edge::Failure]).unwrap();
            submit.after = vec![(parent.to_string(), edge)];
        }
        if self.rng.percent(5) {
            submit.delay_ms = Some(self.rng.below(80));
        }
        (key, submit)
    }

    /// Sends until there is nobody any more, or it is enough: first what was not answered, then other jobs.
    pub(crate) fn work(&mut self, world: &World, enough: &AtomicBool) {
        let Some(mut client) = connect(world, enough) else { return };
        if self.send_again(&mut client).is_err() {
            return;
        }
        while !enough.load(Ordering::Relaxed) {
            let sent = match self.rng.below(10) {
                0 => self.batch(&mut client),
                1 => self.cancel(&mut client),
                _ => {
                    let (key, submit) = self.draw();
                    self.unanswered.insert(key.clone(), submit.clone());
                    self.one(&mut client, &key, submit)
                }
            };
            if sent.is_err() {
                return;
            }
            std::thread::park_timeout(Duration::from_micros(self.rng.below(60_000)));
        }
    }

    /// Sends again what was not answered; an error is one of the connection.
    pub(crate) fn send_again(&mut self, client: &mut Client) -> Result<(), UserError> {
        for (key, submit) in self.unanswered.clone() {
            self.one(client, &key, submit)?;
        }
        Ok(())
    }

    /// Shows that jobs end: one that is as urgent as can be, and short.
    pub(crate) fn prove(&mut self, world: &World, within: Duration) -> Result<(), String> {
        let Ok(mut client) = Client::connect(&world.socket()) else { return Ok(()) };
        let (key, mut submit) = self.draw();
        submit = Submit {
            script: "mark".into(),
            priority: Some(Priority::Critical),
            args: submit.args,
            key: submit.key,
            ..Submit::default()
        };
        self.unanswered.insert(key.clone(), submit.clone());
        let asked = std::time::Instant::now();
        let _ = self.one(&mut client, &key, submit);
        let Some(job) = self.answered.get(&key) else {
            return Err(format!("{key} was not taken in by a supervisor that is ready"));
        };
        let for_ms = Some(within.saturating_sub(asked.elapsed()).as_millis() as u64);
        match client.ask(Verb::Wait { jobs: vec![job.to_string()], for_ms }) {
            Ok(_) => Ok(()),
            Err(e) => {
                let doc = client.ask(Verb::Job { job: job.to_string() });
                Err(format!("no progress within {} s: {e}: {doc:#?}", within.as_secs()))
            }
        }
    }

    fn one(&mut self, client: &mut Client, key: &str, submit: Submit) -> Result<(), UserError> {
        match client.ask(Verb::Submit(Box::new(submit))) {
            Ok(Body::Job(answer)) => self.acknowledged(key, answer.job.id),
            Ok(other) => self.broken = Some(format!("{key}: submitted, and answered with {other:?}")),
            Err(e) => return self.refused(key, e),
        }
        Ok(())
    }

    fn batch(&mut self, client: &mut Client) -> Result<(), UserError> {
        let drawn: Vec<(String, Submit)> = (0..=self.rng.below(4)).map(|_| self.draw()).collect();
        self.unanswered.extend(drawn.iter().cloned());
        match client.ask(Verb::SubmitBatch(drawn.iter().map(|(_, submit)| submit.clone()).collect())) {
            Ok(Body::Batch(taken)) => {
                for ((key, _), one) in drawn.into_iter().zip(taken) {
                    match one {
                        Submitted::Job(job) => self.acknowledged(&key, job.id),
                        Submitted::Error(e) | Submitted::Later(e, _) => self.refused(&key, e)?,
                        Submitted::Refused(e) => self.broken = Some(format!("{key}: {e:?}")),
                    }
                }
                Ok(())
            }
            Ok(other) => {
                self.broken = Some(format!("a batch was answered with {other:?}"));
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn cancel(&mut self, client: &mut Client) -> Result<(), UserError> {
        let Some(job) = self.rng.pick(&self.lately.clone()).copied() else { return Ok(()) };
        match client.ask(Verb::Cancel { job: job.to_string() }) {
            Ok(_) => {
                self.cancelled += 1;
                Ok(())
            }
            // It had ended.
            Err(e) if e.exit == Exit::Refused => Ok(()),
            Err(e) if e.exit == Exit::NotFound => {
                self.broken = Some(format!("job {job} was answered for and is not there: {e}"));
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn acknowledged(&mut self, key: &str, job: JobId) {
        self.unanswered.remove(key);
        self.lately.push(job);
        if self.lately.len() > 12 {
            self.lately.remove(0);
        }
        if let Some(before) = self.answered.insert(key.to_owned(), job)
            && before != job
        {
            self.broken = Some(format!("{key} was answered with {before} and with {job}"));
        }
    }

    /// What was refused for now is sent again; other refusals must not be.
    fn refused(&mut self, key: &str, e: UserError) -> Result<(), UserError> {
        if e.what.contains("used before, for another")
            || e.what.contains("is not there")
            || e.exit == Exit::Bug
        {
            self.broken = Some(format!("{key}: {e}"));
        }
        if e.exit == Exit::NotFound {
            self.broken = Some(format!("{key} waits for a job that was answered for and is not there: {e}"));
        }
        match e.exit {
            Exit::NoSupervisor | Exit::TimedOut | Exit::Failed => Err(e),
            _ => Ok(()),
        }
    }
}

fn connect(world: &World, enough: &AtomicBool) -> Option<Client> {
    while !enough.load(Ordering::Relaxed) {
        if let Ok(client) = Client::connect(&world.socket()) {
            return Some(client);
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    None
}
