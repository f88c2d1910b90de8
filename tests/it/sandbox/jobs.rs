//! What a whole supervisor makes of scripts that stand in a folder of their own and leave things behind.

use std::os::unix::fs::symlink;

use tsup_core::tes::job::JobState;

use crate::harness::{alive, eventually};
use crate::tes::{Jobs, ask, kill9};

#[test]
fn who_sheds_its_marks_is_ended_by_its_session() {
    let mut j = Jobs::new().script("loose", "env -i sleep 300 & echo $! > loose; wait", "");
    j.w.run();
    let id = j.submit(ask("loose")).id;
    let loose = j.pid("loose");
    let shim = j.shim(id, 1);
    let server = tsup_actors::os::proc::stat(shim).unwrap().parent;
    // Nobody is left who knows of it by its parents.
    kill9(server);
    kill9(shim);
    assert_eq!(j.wait(id).state, JobState::Interrupted);
    eventually("it is ended too", || (!alive(loose)).then_some(()));
}

#[test]
fn an_interpreter_within_the_registry_is_found_there() {
    let entry =
        "path = \"venv.sh\"\nexecution.type = \"shell_script\"\nexecution.interpreter = \"venv/bin/shell\"";
    let mut j = Jobs::new().entry("venv", entry);
    std::fs::write(j.w.dir.join("scripts/venv.sh"), "true\n").unwrap();
    let bin = j.w.dir.join("scripts/venv/bin");
    std::fs::create_dir_all(&bin).unwrap();
    symlink("/bin/sh", bin.join("shell")).unwrap();
    j.w.run();
    let job = j.run(ask("venv"));
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
}
