use std::time::Duration;

use super::*;
use crate::tes::attempt::{AttemptId, Enforced, Used};

const AT: Wall = Wall::from_unix_ms(1_795_225_162_138);

fn job() -> About<'static> {
    About {
        id: JobId::drawn(0xab),
        script: "docs/convert",
        session: "web",
        specialist: Some("writer"),
        user: Some("ada"),
        correlation_id: Some("c-1"),
        inputs: r#"{"file":"a.md","api_token":"hunter22"}"#,
    }
}

fn record() -> Record {
    Record {
        version: 1,
        id: AttemptId { job: JobId::drawn(0xab), attempt: 2, epoch: 1 },
        boot_id: "b".into(),
        started_at: AT,
        ended_at: AT,
        wall_seconds: 1.25,
        end: End::Exited(3),
        cause: None,
        left_behind: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated: false,
        used: Used { cpu_seconds: 0.5, peak_memory_bytes: 3 << 20, ..Used::default() },
        enforced: Enforced::default(),
    }
}

fn end(next: NextState, failure: Option<Failure>) -> AttemptEnd {
    let outputs = Some(r#"{"pages":3}"#.to_owned());
    AttemptEnd {
        job: JobId::drawn(0xab),
        attempt: 2,
        at: AT,
        record: Some(record()),
        failure,
        retry: None,
        outputs,
        next,
    }
}

#[test]
fn a_line_has_every_field_of_the_contract() {
    let failure = Failure::new(Category::Execution, "exit code 3 with hunter22")
        .fact("exit_code", "3")
        .suggest("look at stderr");
    let entry = Entry::ended(&job(), &end(NextState::Final(JobState::Failed), Some(failure))).unwrap();
    let expected = concat!(
        r#"{"timestamp":"2026-11-21T01:39:22.138Z","level":"ERROR","job_id":"0000000000ab","attempt":2,"#,
        r#""script_id":"docs/convert","specialist":"writer","user":"ada","inputs":{"api_token":"***","file":"a.md"},"#,
        r#""outputs":{"pages":3},"duration_seconds":1.25,"success":false,"exit_code":3,"error_category":"EXECUTION","#,
        r#""error_message":"exit code 3 with ***","error_details":{"context":{"exit_code":"3"},"suggestions":["look at stderr"]},"#,
        r#""resource_usage":{"start_memory_mb":null,"end_memory_mb":null,"peak_memory_mb":3.0,"cpu_time_seconds":0.5,"#,
        r#""wall_time_seconds":1.25,"memory_source":""},"retry_count":1,"session_id":"web","correlation_id":"c-1","#,
        r#""event":"finished"}"#,
        "\n"
    );
    assert_eq!(entry.line(), expected);
    assert!(entry.bytes() > entry.inputs.len());
}

#[test]
fn the_level_says_how_much_to_care() {
    let failed = |category| Some(Failure::new(category, "x"));
    let again = NextState::Again(AT.plus(Duration::from_secs(1)));
    for (next, failure, level, event, success) in [
        (NextState::Final(JobState::Succeeded), None, Level::Info, Moment::Finished, true),
        (NextState::Final(JobState::Dead), failed(Category::Timeout), Level::Warn, Moment::Finished, false),
        (
            NextState::Final(JobState::Failed),
            failed(Category::Resource),
            Level::Error,
            Moment::Finished,
            false,
        ),
        (NextState::Final(JobState::Cancelled), None, Level::Warn, Moment::Finished, false),
        (NextState::Final(JobState::Interrupted), None, Level::Error, Moment::Finished, false),
        (again, failed(Category::Execution), Level::Warn, Moment::Retry, false),
    ] {
        let entry = Entry::ended(&job(), &end(next, failure)).unwrap();
        assert_eq!((entry.level, entry.event, entry.success), (level, event, Some(success)), "{next:?}");
    }
    assert_eq!(Entry::ended(&job(), &end(NextState::Same(AT), None)), None);
    let started = Entry::started(&job(), 1, AT);
    assert_eq!((started.level, started.event, started.success), (Level::Info, Moment::Started, None));
    assert_eq!(started.retry_count, 0);
}

#[test]
fn what_never_ran_is_told_too() {
    let cancelled = Entry::finished(&job(), 0, JobState::Cancelled, AT, None);
    assert_eq!((cancelled.attempt, cancelled.retry_count, cancelled.level), (0, 0, Level::Warn));
    let submit = Submit {
        script: "docs/convert".into(),
        args: vec![("pages".into(), "many".into()), ("password".into(), "hunter22".into())],
        input: Some(r#"{"pages":1,"file":"a"}"#.into()),
        ..Submit::default()
    };
    let failure = Failure::new(Category::Validation, "input `pages`: expected a number");
    let value: Value = serde_json::from_str(&Entry::refused(&submit, AT, &failure).line()).unwrap();
    assert!(value["job_id"].is_null() && value["success"] == false);
    assert_eq!(value["error_category"], "VALIDATION");
    assert_eq!(value["inputs"].to_string(), r#"{"file":"a","pages":"many","password":"***"}"#);
}
