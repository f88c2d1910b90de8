//! From what somebody asks for to a job that can be kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::failure::{Category, Failure};
use super::input::{self, Given};
use super::job::Edge;
use super::kept::NewJob;
use super::script::Script;
use crate::clock::Wall;
use crate::ids::{AgentId, JobId};
use crate::limits;
use crate::wire::verb::Submit;

/// What a job gets besides what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// Its id.
    pub id: JobId,
    /// When it was submitted.
    pub now: Wall,
    /// From which session it comes.
    pub session: Option<String>,
    /// From which agent.
    pub agent: Option<AgentId>,
    /// The jobs that it waits for, found by what was asked for.
    pub after: Vec<(JobId, Edge)>,
}

/// Checks what was asked for against the script and the limits. Its number is given by the queue.
pub fn accept(script: &Script, submit: &Submit, around: Around) -> Result<NewJob, Box<Failure>> {
    let given = given(submit)?;
    let inputs = input::check(script, &given)?;
    words(submit)?;
    if submit.timeout_ms.is_some_and(|ms| Duration::from_millis(ms) > limits::SCRIPT_TIMEOUT_MAX || ms == 0) {
        let days = limits::SCRIPT_TIMEOUT_MAX.as_secs() / (24 * 3600);
        return Err(Box::new(misfit(format!(
            "timeout: more than nothing and at most {days} days are possible"
        ))));
    }
    if around.after.len() > limits::JOB_PARENTS_MAX {
        let what =
            format!("{} jobs to wait for, {} are possible", around.after.len(), limits::JOB_PARENTS_MAX);
        return Err(Box::new(misfit(what)));
    }
    let inputs = Value::Object(inputs.0).to_string();
    let delayed = submit.delay_ms.filter(|ms| *ms > 0).map(|ms| around.now.plus(Duration::from_millis(ms)));
    let not_before = delayed.into_iter().chain(submit.at).max().filter(|at| *at > around.now);
    let from = not_before.unwrap_or(around.now);
    let session: Arc<str> = submit.session.clone().or(around.session).unwrap_or_default().into();
    let specialist = submit.specialist.as_deref().filter(|s| !s.is_empty()).map(Arc::from);
    Ok(NewJob {
        id: around.id,
        seq: 0,
        script: Arc::clone(&script.id),
        priority: submit.priority.unwrap_or_default(),
        print: print(&script.id, &inputs, submit, &around.after),
        session,
        agent: around.agent,
        specialist,
        user: submit.user.clone().filter(|u| !u.is_empty()),
        correlation_id: submit.correlation_id.clone().filter(|c| !c.is_empty()),
        key: submit.key.clone(),
        group: script.group.clone(),
        slots: script.slots.max(1),
        max_attempts: script.retry.max_attempts.max(1),
        timeout: submit.timeout_ms.map(Duration::from_millis),
        submitted_at: around.now,
        not_before,
        start_by: script.times.queue.map(|d| from.plus(d)),
        held: submit.hold,
        after: around.after,
        inputs,
    })
}

fn misfit(what: impl Into<crate::untrusted::Untrusted>) -> Failure {
    Failure::new(Category::Validation, what)
}

/// The inputs by name; a word counts more than what the document says.
fn given(submit: &Submit) -> Result<BTreeMap<String, Given>, Box<Failure>> {
    let mut given = match &submit.input {
        None => BTreeMap::new(),
        Some(text) if text.len() > limits::JOB_INPUT_BYTES_MAX => {
            let what =
                format!("inputs of {} bytes, {} are possible", text.len(), limits::JOB_INPUT_BYTES_MAX);
            return Err(Box::new(misfit(what).suggest("pass large inputs in files")));
        }
        Some(text) => match serde_json::from_str::<Value>(text) {
            Ok(document) => input::from_json(&document)?,
            Err(e) => return Err(Box::new(misfit(format!("the inputs are not JSON: {e}")))),
        },
    };
    for (name, word) in &submit.args {
        if given.insert(name.clone(), Given::Word(word.clone())).is_some_and(|g| matches!(g, Given::Word(_)))
        {
            return Err(Box::new(misfit(format!("input `{}` was given twice", name.escape_default()))));
        }
    }
    Ok(given)
}

/// Words that tie a job to something: they are kept with it, and shown.
fn words(submit: &Submit) -> Result<(), Box<Failure>> {
    let words = [
        ("key", &submit.key),
        ("session", &submit.session),
        ("specialist", &submit.specialist),
        ("user", &submit.user),
        ("correlation", &submit.correlation_id),
    ];
    for (what, word) in words {
        let Some(word) = word else { continue };
        if word.len() > limits::JOB_WORD_BYTES_MAX {
            let most = limits::JOB_WORD_BYTES_MAX;
            return Err(Box::new(misfit(format!("{what}: {} bytes, {most} are possible", word.len()))));
        }
        if word.contains('\0') {
            return Err(Box::new(misfit(format!("{what}: it holds a NUL byte"))));
        }
    }
    if submit.key.as_deref() == Some("") {
        return Err(Box::new(misfit("key: it is empty")));
    }
    Ok(())
}

/// A digest of what was asked for, the same in every build (FNV-1a). Where it comes from and when are not part
/// of it: the same asked again later is the same. Jobs to wait for count as they were found, however they were named.
fn print(script: &str, inputs: &str, submit: &Submit, after: &[(JobId, Edge)]) -> u64 {
    let after = after.iter().map(|(job, edge)| format!("{job}:{edge:?}")).collect::<Vec<_>>().join(",");
    let timeout = submit.timeout_ms.map(|ms| ms.to_string()).unwrap_or_default();
    let priority = submit.priority.unwrap_or_default().as_str();
    let parts = [script, inputs, priority, submit.specialist.as_deref().unwrap_or(""), &after, &timeout];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|p| p.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tes::registry;

    fn script() -> Arc<Script> {
        let parsed = registry::parse_json(
            r#"{"scripts":[{"id":"a/b","name":"b","path":"b.sh","execution":{"type":"shell_script",
                "args":[{"name":"n","type":"number","required":true}],"timeout":5000}}]}"#,
        );
        parsed.scripts[0].clone()
    }

    fn around() -> Around {
        let now = Wall::from_unix_ms(1_000_000);
        Around { id: JobId::drawn(1), now, session: Some("web".into()), agent: None, after: Vec::new() }
    }

    fn submit(n: &str) -> Submit {
        Submit { script: "a/b".into(), args: vec![("n".into(), n.into())], ..Submit::default() }
    }

    #[test]
    fn what_fits_becomes_a_job() {
        let mut ask = submit("3");
        (ask.delay_ms, ask.at) = (Some(5), Some(Wall::from_unix_ms(1_000_900)));
        let job = accept(&script(), &ask, around()).unwrap();
        assert_eq!((&*job.inputs, &*job.session), (r#"{"n":3}"#, "web"));
        assert_eq!(job.not_before, Some(Wall::from_unix_ms(1_000_900)), "the later one counts");
        ask.session = Some("other".into());
        assert_eq!(&*accept(&script(), &ask, around()).unwrap().session, "other");
        ask.at = Some(Wall::from_unix_ms(7));
        ask.delay_ms = None;
        assert_eq!(accept(&script(), &ask, around()).unwrap().not_before, None, "its time has come");
    }

    #[test]
    fn the_same_asked_again_has_the_same_print_and_another_has_another() {
        let of = |ask: &Submit| accept(&script(), ask, around()).unwrap().print;
        let (one, mut other) = (submit("3"), submit("3"));
        other.delay_ms = Some(9);
        assert_eq!(of(&one), of(&other), "when is not part of it");
        other.input = Some(r#"{"n": 3}"#.into());
        other.args.clear();
        assert_eq!(of(&one), of(&other), "nor how it was written");
        other.timeout_ms = Some(1);
        assert_ne!(of(&one), of(&other));
        assert_ne!(of(&one), of(&submit("4")));
        let after = |asked: &str, found| {
            let ask = Submit { after: vec![(asked.into(), Edge::End)], ..submit("3") };
            let around = Around { after: vec![(JobId::drawn(found), Edge::End)], ..around() };
            accept(&script(), &ask, around).unwrap().print
        };
        assert_eq!(after("ab", 7), after("abcdef012345", 7), "nor how a job to wait for was named");
        assert_ne!(after("ab", 7), after("ab", 8));
        assert_ne!(after("ab", 7), of(&one));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |change: &dyn Fn(&mut Submit)| {
            let mut ask = submit("3");
            change(&mut ask);
            let failure = accept(&script(), &ask, around()).unwrap_err();
            assert_eq!(failure.category, Category::Validation);
            failure.message.to_string()
        };
        assert!(refused(&|s| s.args[0].1 = "x".into()).starts_with("input `n`: expected number"));
        assert!(refused(&|s| s.args.push(("n".into(), "1".into()))).contains("given twice"));
        assert!(refused(&|s| s.input = Some("[".into())).contains("not JSON"));
        assert!(refused(&|s| s.input = Some("[1]".into())).contains("must be a JSON object"));
        assert!(refused(&|s| s.input = Some(" ".repeat(2_000_000))).contains("are possible"));
        assert!(refused(&|s| s.key = Some("k".repeat(9_999))).starts_with("key: 9999 bytes"));
        assert!(refused(&|s| s.key = Some(String::new())).contains("empty"));
        assert!(refused(&|s| s.user = Some("a\0".into())).contains("NUL"));
        assert!(refused(&|s| s.timeout_ms = Some(0)).contains("timeout"));
        assert!(refused(&|s| s.timeout_ms = Some(u64::MAX)).contains("timeout"));
    }
}
