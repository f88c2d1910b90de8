//! What a supervisor makes of every state in which the folder of an attempt can be found: each ends its job in one
//! state, and none holds anything up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tsup_core::ids::JobId;
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;

use crate::harness::{alive, eventually};
use crate::tes::{Jobs, ask, kill9};

/// What is found in the place of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Missing,
    Empty,
    Half,
    Garbage,
    Foreign,
    Whole,
    Folder,
    Pipe,
    Link,
}

use Rest::{Empty, Folder, Foreign, Garbage, Half, Link, Missing, Pipe, Whole};

const ALL: [Rest; 9] = [Missing, Empty, Half, Garbage, Foreign, Whole, Folder, Pipe, Link];

impl Rest {
    /// Puts it there; `text` is what the file says when it is whole.
    fn put(self, at: &Path, text: &str) {
        let _ = fs::remove_file(at);
        match self {
            Missing => {}
            Empty => fs::write(at, "").unwrap(),
            Half => fs::write(at, &text[..text.len() / 2]).unwrap(),
            Garbage => fs::write(at, b"\x00\xff{]\"".repeat(50_000)).unwrap(),
            Foreign => fs::write(at, text.replace("\"attempt\":1", "\"attempt\":2")).unwrap(),
            Whole => fs::write(at, text).unwrap(),
            Folder => fs::create_dir(at).unwrap(),
            Pipe => {
                use rustix::fs::{CWD, FileType, mknodat};
                mknodat(CWD, at, FileType::Fifo, 0o600.into(), 0).unwrap();
            }
            Link => symlink("/dev/zero", at).unwrap(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Remains {
    /// In the place of the folder itself.
    folder: Option<Rest>,
    claim: Rest,
    record: Rest,
}

impl Remains {
    fn all() -> Vec<Remains> {
        let each = |claim| ALL.map(|record| Remains { folder: None, claim, record });
        let mut all: Vec<Remains> = ALL.into_iter().flat_map(each).collect();
        all.extend([Garbage, Pipe, Link].map(|folder| Remains {
            folder: Some(folder),
            claim: Whole,
            record: Whole,
        }));
        all
    }

    /// The state that the job ends in.
    fn end(self) -> (JobState, Option<Category>) {
        let (state, category) = match self {
            // What was there says nothing any more, and something may have run.
            Remains { folder: Some(_), .. } => (JobState::Interrupted, Some(Category::Unknown)),
            Remains { record: Whole, .. } => (JobState::Succeeded, None),
            Remains { claim, .. } if claim != Missing => (JobState::Interrupted, Some(Category::Unknown)),
            // Nothing has run: it is started, where its record finds its place.
            Remains { record: Folder, .. } => (JobState::Interrupted, Some(Category::Unknown)),
            _ => (JobState::Succeeded, None),
        };
        (state, category)
    }
}

#[test]
fn every_state_of_an_attempts_folder_is_one_end() {
    let script = "echo $TSUP_JOB >> runs; echo $$ > $TSUP_JOB.pid; [ -e go ] || exec sleep 300";
    let mut j = Jobs::new().script("left", script, "").script("done", "true", "");
    j.configure("slots = 200");
    j.w.run();
    let model = j.run(ask("done")).id;
    let record = fs::read_to_string(j.folder(model, 1).join("record")).unwrap();
    let all = Remains::all();
    let ids: Vec<JobId> = all.iter().map(|_| j.submit(ask("left")).id).collect();
    // Two of which only less is left than files: no folder of the attempt, none of the job.
    let bare: Vec<JobId> = (0..2).map(|_| j.submit(ask("left")).id).collect();
    let everyone: Vec<JobId> = ids.iter().chain(&bare).copied().collect();
    let shims: Vec<u32> = everyone.iter().map(|id| j.shim(*id, 1)).collect();
    let pids: Vec<u32> = everyone.iter().map(|id| j.pid(&format!("{id}.pid"))).collect();
    let server = tsup_actors::os::proc::stat(shims[0]).unwrap().parent;
    j.w.kill9();
    kill9(server);
    for pid in shims.into_iter().chain(pids.iter().copied()) {
        kill9(pid);
    }
    for pid in &pids {
        eventually("it is gone", || (!alive(*pid)).then_some(()));
    }
    for (remains, id) in all.iter().zip(&ids) {
        let folder = j.folder(*id, 1);
        let claim = fs::read_to_string(folder.join("claim")).unwrap();
        if let Some(rest) = remains.folder {
            fs::remove_dir_all(&folder).unwrap();
            rest.put(&folder, "");
            continue;
        }
        remains.claim.put(&folder.join("claim"), &claim);
        remains.record.put(&folder.join("record"), &record.replace(&model.to_string(), &id.to_string()));
    }
    fs::remove_dir_all(j.folder(bare[0], 1)).unwrap();
    fs::remove_dir_all(j.folder(bare[1], 1).parent().unwrap()).unwrap();
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    j.w.run();
    let mut wrong = Vec::new();
    for (remains, id) in all.iter().zip(&ids) {
        let job = j.wait(*id);
        let end = (job.state, job.error.as_ref().map(|e| e.category));
        if end != remains.end() || job.attempt != 1 {
            wrong.push(format!("{remains:?}: {end:?}, expected {:?}: {:?}", remains.end(), job.error));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for id in &bare {
        assert_eq!(j.wait(*id).state, JobState::Succeeded);
    }
    // The same again: an end is an end.
    let before: Vec<_> = ids.iter().map(|id| j.job(*id)).collect();
    j.w.kill9();
    j.w.run();
    assert_eq!(ids.iter().map(|id| j.job(*id)).collect::<Vec<_>>(), before);
    assert!(!j.w.log().contains("panicked"), "{}", j.w.log());
}
