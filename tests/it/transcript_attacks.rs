//! Transcripts lie where anybody who is the same user can write: whatever is put in the place of one, the
//! supervisor reads the others, stays small, and is right again when a transcript is there again.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::World;
use crate::transcript::{answer, append, one, sessions};

/// An agent whose transcript is attacked, and another one that tells whether the supervisor goes on.
struct Scene {
    w: World,
    supervisor: u32,
    file: PathBuf,
    witness: PathBuf,
    said: u64,
}

impl Scene {
    fn new() -> Scene {
        let mut w = World::new();
        let home = w.dir.join("user");
        let env = format!("HOME={}", home.display());
        let fake = w.fake("claude", "start 0.1, idle 3600");
        w.tmux(&["new-session", "-d", "-s", "web", "-n", "keep", "sh"]);
        let [file, witness] = ["dev", "witness"].map(|name| {
            let cwd = w.dir.join(name);
            fs::create_dir_all(&cwd).unwrap();
            let at = cwd.display().to_string();
            w.tmux(&["new-window", "-d", "-t", "web:", "-n", name, "-e", &env, "-c", &at, &fake]);
            let folder = sessions(&home, &cwd);
            fs::create_dir_all(&folder).unwrap();
            folder.join("5f0c.jsonl")
        });
        let supervisor = w.run();
        w.agents_when("both are there", |a| a.len() == 2 && a.iter().all(|a| a["pid"].is_u64()));
        let mut scene = Scene { w, supervisor, file, witness, said: 1_000 };
        scene.is_right("at the beginning");
        scene
    }

    /// What a healthy transcript says next, different each time.
    fn line(&mut self) -> String {
        self.said += 1;
        answer(&format!("m{}", self.said), "end_turn", self.said)
    }

    /// The transcript goes on, and is understood.
    #[track_caller]
    fn is_right(&mut self, when: &str) {
        let line = self.line();
        append(&self.file, &line);
        self.shows("dev", when);
        self.others_go_on(when);
    }

    /// The other's is still read, whatever became of this one.
    #[track_caller]
    fn others_go_on(&mut self, when: &str) {
        let line = self.line();
        append(&self.witness, &line);
        self.shows("witness", when);
    }

    #[track_caller]
    fn shows(&self, name: &str, when: &str) {
        let wanted = self.said + 7;
        self.w.agents_when(&format!("{name} {when}"), |a| one(a, name)["context_tokens"] == wanted);
    }

    /// Another file takes the place of the transcript in one step.
    fn replace(&mut self, with: &Path) {
        fs::rename(with, &self.file).unwrap();
    }

    fn aside(&self) -> PathBuf {
        self.file.with_file_name("aside")
    }

    /// A healthy file takes the place of whatever is there.
    #[track_caller]
    fn heals(&mut self, when: &str) {
        let (line, aside) = (self.line(), self.aside());
        append(&aside, &line);
        self.replace(&aside);
        self.shows("dev", when);
        self.is_right(when);
    }

    /// Most memory that the supervisor ever had, in kilobytes.
    fn peak_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.supervisor)).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn skipped(&self) -> u64 {
        let metrics = self.w.json(&["ctl", "metrics", "--current", "--json"]);
        metrics["counters"]["transcript.lines_skipped"].as_u64().unwrap_or(0)
    }
}

#[test]
fn what_is_no_line_is_skipped_and_bounded() {
    let mut s = Scene::new();
    let before = s.peak_kb();
    // Ten megabytes without an end, then their end.
    append(&s.file, &"x".repeat(10 << 20));
    s.is_right("after a line of 10 MB");
    let grown = s.peak_kb().saturating_sub(before);
    assert!(grown < 24 << 10, "the supervisor grew by {grown} kB");
    let mut file = fs::File::options().append(true).open(&s.file).unwrap();
    file.write_all(b"\xff\xfe{\"type\":\"assistant\"}\n{]\n\0\0\0\n\"text\"\n[1,2]\n").unwrap();
    s.is_right("after what is no UTF-8 and no JSON");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    append(&s.file, &deep);
    s.is_right("after a hundred thousand brackets");
    assert!(s.skipped() >= 4, "{}", s.skipped());
    assert!(!s.w.log().contains("panicked"), "{}", s.w.log());
}

#[test]
fn a_transcript_that_is_cut_replaced_or_gone_is_read_anew() {
    let mut s = Scene::new();
    fs::File::options().write(true).open(&s.file).unwrap().set_len(0).unwrap();
    s.is_right("after it was emptied");
    // Cut in the middle of a line.
    let length = fs::metadata(&s.file).unwrap().len();
    fs::File::options().write(true).open(&s.file).unwrap().set_len(length / 2).unwrap();
    append(&s.file, "");
    s.is_right("after it was cut");
    fs::remove_file(&s.file).unwrap();
    s.others_go_on("while it is gone");
    s.is_right("after it came again");
    // Replaced faster than anybody reads.
    for _ in 0..200 {
        let (line, aside) = (s.line(), s.aside());
        fs::write(&aside, line + "\n").unwrap();
        s.replace(&aside);
    }
    s.shows("dev", "after it was replaced 200 times");
    s.is_right("after it was replaced 200 times");
    fs::remove_dir_all(s.file.parent().unwrap()).unwrap();
    s.others_go_on("while its folder is gone");
    fs::create_dir(s.file.parent().unwrap()).unwrap();
    s.is_right("after its folder came again");
}

#[test]
fn what_stands_in_the_place_of_a_transcript_is_not_read() {
    let mut s = Scene::new();
    let (aside, secret) = (s.aside(), s.w.dir.join("secret.jsonl"));
    append(&secret, &answer("m0", "end_turn", 999_000));
    // A link to what is no transcript of this agent.
    symlink(&secret, &aside).unwrap();
    s.replace(&aside);
    s.others_go_on("while it is a link");
    s.heals("after the link");
    // Something that nobody ever writes to, which would hold up whoever opens it.
    assert!(Command::new("mkfifo").arg(&aside).status().unwrap().success());
    s.replace(&aside);
    s.others_go_on("while it is a fifo");
    s.others_go_on("while it is still a fifo");
    s.heals("after the fifo");
    fs::remove_file(&s.file).unwrap();
    fs::create_dir(&s.file).unwrap();
    s.others_go_on("while it is a folder");
    fs::remove_dir(&s.file).unwrap();
    s.heals("after the folder");
    // A device without an end.
    symlink("/dev/zero", &aside).unwrap();
    s.replace(&aside);
    s.others_go_on("while it is a device");
    s.heals("after the device");
    let metrics = s.w.json(&["ctl", "metrics", "--current", "--json"]);
    let counted = metrics["counters"]["agent.input_tokens;cli=claude"].as_u64().unwrap();
    assert!(counted < 999_000, "the link was read: {counted}");
    assert!(s.w.log().contains("its transcript cannot be read"), "{}", s.w.log());
}
