use serde_json::json;

use super::super::AttemptId;
use super::super::tests::record;
use super::*;
use crate::ids::JobId;
use crate::tes::registry::parse_json;
use crate::untrusted::Untrusted;

fn script() -> std::sync::Arc<Script> {
    let text = json!({"scripts": [{
        "id": "t/x", "path": "x.py",
        "execution": {"timeout": 2000, "silence_timeout_seconds": 1},
        "outputs": [{"name": "n", "type": "number"}],
        "security": {"max_memory": "64MB", "max_processes": 4},
    }]});
    std::sync::Arc::clone(&parse_json(&text.to_string()).scripts[0])
}

fn of(end: End, cause: Option<Cause>, stdout: &str, stderr: &str) -> Ending {
    let id = AttemptId { job: JobId::drawn(1), attempt: 1, epoch: 0 };
    let record = Record { end, cause, ..record(id) };
    read(&script(), &record, Printed { stdout, stderr }).0
}

fn failure(end: End, cause: Option<Cause>, stderr: &str) -> Failure {
    match of(end, cause, "", stderr) {
        Ending::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ends_are_told_apart() {
    assert_eq!(of(End::Exited(0), None, "n=3\n", ""), Ending::Succeeded);
    let misfit = of(End::Exited(0), None, "n=many\n", "");
    assert!(matches!(misfit, Ending::Failed(f) if f.category == Category::Validation));
    let category = |code, stderr| failure(End::Exited(code), None, stderr).category;
    assert_eq!(category(1, "boom"), Category::Execution);
    assert_eq!(category(126, ""), Category::Permission);
    assert_eq!(category(127, "x: command not found"), Category::Dependency);
    assert_eq!(category(1, "Traceback (most recent call last):\n  File\nMemoryError\n"), Category::Resource);
    let later = failure(End::Exited(75), None, "busy\nRetry-After: 2.5\n");
    assert!(later.transient);
    assert_eq!(later.retry_after, Some(Duration::from_millis(2_500)));
    assert_eq!(failure(End::Signalled(11), None, "").message.raw(), "it was killed by SIGSEGV");
    assert_eq!(failure(End::Signalled(24), None, "").category, Category::Resource);
}

#[test]
fn where_to_read_more_is_a_command_that_shows_it() {
    let id = AttemptId { job: JobId::drawn(7), attempt: 2, epoch: 0 };
    let hints = |stdout_bytes, stderr_bytes, end| {
        let record = Record { end, cause: None, stdout_bytes, stderr_bytes, ..record(id) };
        match read(&script(), &record, Printed { stdout: "", stderr: "" }).0 {
            Ending::Failed(failure) => failure.suggestions,
            other => panic!("{other:?}"),
        }
    };
    let read =
        |stream: &str| vec![format!("read what it said: `tsup ctl output {}{stream} --attempt 2`", id.job)];
    assert_eq!(hints(5, 9, End::Exited(1)), read(" --stderr"));
    assert_eq!(hints(5, 0, End::Exited(1)), read(""));
    assert_eq!(hints(5, 9, End::Signalled(11)), read(" --stderr"));
    assert_eq!(hints(0, 0, End::Exited(1)), Vec::<String>::new());
    let pipe = hints(5, 9, End::Exited(141));
    assert!(pipe.len() == 1 && pipe[0].contains("SIGPIPE"), "{pipe:?}");
}

#[test]
fn what_the_shim_ended_says_the_limit_and_what_to_change() {
    let end = || End::Signalled(9);
    assert_eq!(of(end(), Some(Cause::Cancel), "", ""), Ending::Cancelled);
    let f = failure(end(), Some(Cause::Timeout), "");
    assert_eq!((f.category, f.message.raw()), (Category::Timeout, "it ran for 1.0 s, 2 s are allowed"));
    assert_eq!(failure(end(), Some(Cause::Silence), "").message.raw(), "it printed nothing for 1 s");
    let f = failure(end(), Some(Cause::Memory), "");
    assert_eq!((f.category, f.context["limit"].raw()), (Category::Resource, "64 MB"));
    assert_eq!(failure(end(), Some(Cause::Processes), "").category, Category::Resource);
}

#[test]
fn what_could_not_start_says_what_is_missing() {
    let not = |errno, message: &str| {
        let end = End::NotStarted { step: "exec".into(), errno, message: Untrusted::new(message) };
        failure(end, None, "")
    };
    let f = not(2, "No such file or directory");
    assert_eq!(f.category, Category::Dependency);
    assert_eq!(f.suggestions, ["see that x.py exists, and that python3 is on the PATH"]);
    assert_eq!(not(13, "").category, Category::Permission);
    assert_eq!(not(11, "").category, Category::Resource);
    assert_eq!(not(8, "").category, Category::Validation);
    let unfenced = |errno| {
        let step = "sandbox: network".into();
        failure(End::NotStarted { step, errno, message: Untrusted::new("no") }, None, "")
    };
    assert_eq!((unfenced(2).category, unfenced(22).category), (Category::Permission, Category::Permission));
    assert_eq!(unfenced(28).category, Category::Resource, "the host has no more of them for now");
    assert!(unfenced(1).suggestions[0].contains("tsup doctor"));
}

#[test]
fn a_kill_is_for_memory_only_where_that_was_seen() {
    let killed = failure(End::Signalled(9), None, "");
    assert_eq!(killed.category, Category::Execution);
    assert!(killed.message.raw().contains("SIGKILL"));
    assert_eq!(failure(End::Signalled(9), Some(Cause::Memory), "").category, Category::Resource);
}

#[test]
fn what_the_sandbox_may_have_done_is_told() {
    let id = AttemptId { job: JobId::drawn(1), attempt: 1, epoch: 0 };
    let told = |fs: &str, network: &str, stderr: &str| {
        let enforced = Enforced { fs: fs.into(), network: network.into(), ..Enforced::default() };
        let record = Record { end: End::Exited(1), enforced, ..record(id) };
        let Ending::Failed(f) = read(&script(), &record, Printed { stdout: "", stderr }).0 else {
            panic!("it succeeded")
        };
        assert_eq!(f.category, Category::Execution, "what a script says of itself decides nothing");
        f.suggestions.join(" ")
    };
    assert!(told("landlock7", "open", "cat: x: Permission denied").contains("`read_file`"));
    assert!(!told("none", "open", "cat: x: Permission denied").contains("`read_file`"));
    assert!(told("none", "netns", "OSError: [Errno 101] Network is unreachable").contains("`network`"));
    assert!(!told("none", "open", "Network is unreachable").contains("`network`"));
    assert!(!told("landlock7", "netns", "no such thing").contains("`read_file`"));
}

#[test]
fn the_message_is_what_was_thrown() {
    let f = failure(
        End::Exited(1),
        None,
        "noise\nTraceback (most recent call last):\n  File \"x\"\nValueError: bad\n\n",
    );
    assert_eq!(f.message.raw(), "it ended with 1: ValueError: bad");
    assert!(f.stack_trace.is_some());
    assert_eq!(failure(End::Exited(3), None, "\n").message.raw(), "it ended with 3 and said nothing");
    assert!(failure(End::Exited(3), None, &"é".repeat(9_000)).message.raw().chars().count() < 600);
}

#[test]
fn a_network_that_was_not_there_may_come_back_for_whoever_may_use_it() {
    let exited = |network: bool, stderr: &str| {
        let mut script = Script::clone(&script());
        script.permissions.network = network;
        let id = AttemptId { job: JobId::drawn(1), attempt: 1, epoch: 0 };
        let record = Record { end: End::Exited(6), cause: None, ..record(id) };
        match read(&script, &record, Printed { stdout: "", stderr }).0 {
            Ending::Failed(failure) => (failure.category, failure.transient),
            other => panic!("{other:?}"),
        }
    };
    let said = "curl: (6) Could not resolve host: example.org\n";
    assert_eq!(exited(true, said), (Category::Dependency, true));
    assert_eq!(exited(false, said), (Category::Execution, false));
    assert_eq!(exited(true, &format!("{said}error: no such branch\n")), (Category::Execution, false));
}
