//! Records and their replay: the same rules say the same, others tell where they differ.

use std::time::Duration;

use super::*;
use crate::fleet::record::write;
use crate::fleet::screen::Shot;
use crate::fleet::state::AgentState;
use crate::ids::{AgentId, ProcId, SocketName};

/// Two rules that know work and rest by one word each; `busy` is the word for work.
fn profiles(busy: &str) -> Profiles {
    let text = format!(
        "version = 1\nname = \"toy\"\ntitle = \"Toy\"\n[recognise]\nnames = [\"toy\"]\n[launch]\ncommand = [\"toy\"]\n\
         [screen]\nchecked = \"1\"\nbusy_is_drawn = true\n\
         [[composer]]\nid = \"ruled\"\nshape = \"ruled\"\nprompts = [\">\"]\n\
         [[spinner]]\nid = \"works\"\nany = [\"{busy}\"]\nsays = \"busy/tool\"\n"
    );
    let (profiles, errors) = Profiles::parse([("toy.toml", text.as_str())]);
    assert!(errors.is_empty(), "{errors:?}");
    profiles
}

/// Records a life of a machine as its actor does, and returns the lines.
struct Recorder<'p> {
    profiles: &'p Profiles,
    agent: Agent,
    base: Base,
    start: Mono,
    now: Mono,
    lines: Vec<String>,
}

fn wall(since: Duration) -> Wall {
    Wall::from_unix_ms(1_795_225_162_000 + i64::try_from(since.as_millis()).unwrap())
}

impl<'p> Recorder<'p> {
    fn new(profiles: &'p Profiles) -> Self {
        let start = Mono::from_origin(Duration::from_secs(1000));
        let moment = Moment { mono: start, wall: wall(Duration::ZERO) };
        let profile = profiles.get("toy").unwrap();
        let mut agent = Agent::new(moment, false, Duration::from_secs(60));
        agent.set_nature(Nature::of(profile));
        let header = Header {
            format: FORMAT,
            tsup: "0".into(),
            at: moment.wall,
            agent: AgentId::owned(&SocketName("s".into()), "web", "dev"),
            session: "web".into(),
            name: "dev".into(),
            profile: "toy".into(),
            rules: rules_of(profile),
        };
        let lines = vec![write(&Line::Header(Box::new(header)))];
        let process = ProcId { pid: 7, start_ticks: 1 };
        let age = Duration::from_secs(60);
        agent.step(Event::Attached { process, age }, moment);
        let mut recorder = Recorder { profiles, agent, base: Base::new(start), start, now: start, lines };
        recorder.frame(Saw::Begin { process: Some(process), age_us: 60_000_000, marks: None, known: 0 });
        recorder
    }

    fn moment(&self) -> Moment {
        Moment { mono: self.now, wall: wall(self.now.since(self.start)) }
    }

    fn frame(&mut self, saw: Saw) {
        let verdict = self.agent.verdict();
        let then = Taken { state: verdict.state, detail: verdict.detail, rule: None };
        let at_us = i64::try_from(self.now.since(self.start).as_micros()).unwrap();
        self.lines.push(write(&Line::Frame(Box::new(Frame { at: self.moment().wall, at_us, saw, then }))));
    }

    fn step(&mut self, event: Event, shot: Option<&Shot>) {
        let saw = Saw::of(&event, shot, self.base).unwrap();
        self.agent.step(event, self.moment());
        self.frame(saw);
    }

    /// Lets time pass, with the looks that the machine wants.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(after) = self.agent.next_look(self.now) {
            let due = self.now + after.max(Duration::from_millis(1));
            if due > end {
                break;
            }
            // Timers are a little late.
            self.now = due + Duration::from_millis(2);
            self.step(Event::Look, None);
        }
        self.now = self.now.max(end);
    }

    fn show(&mut self, text: &str) {
        self.step(Event::Activity { at: self.now }, None);
        self.now = self.now + Duration::from_millis(350);
        let shot = Shot { text: text.into(), title: "".into(), columns: Some(80) };
        let reading = crate::fleet::screen::read(self.profiles.get("toy").unwrap(), &shot);
        let event = Event::Screen { reading: Box::new(reading), calm: true, at: self.now };
        self.step(event, Some(&shot));
    }
}

/// A screen with a composer, and a line above it.
fn screen(above: &str) -> String {
    let rule = "─".repeat(80);
    format!("history\n\n{above}{rule}\n> \n{rule}\n")
}

/// Idle, at work for a while, idle again.
fn life(profiles: &Profiles) -> Vec<String> {
    let mut r = Recorder::new(profiles);
    r.show(&screen(""));
    r.pass(Duration::from_secs(5));
    r.show(&screen("Crunching (3s)\n"));
    r.pass(Duration::from_secs(5));
    r.show(&screen(""));
    r.pass(Duration::from_secs(5));
    assert_eq!(r.agent.verdict().state, AgentState::Idle, "{:?}", r.agent.history());
    assert!(r.agent.history().iter().any(|c| c.to.state == AgentState::Busy), "{:?}", r.agent.history());
    r.lines
}

fn replay(lines: &[String], profiles: &Profiles) -> Result<Replayed, Unreadable> {
    let mut replay = Replay::new(profiles);
    for line in lines {
        replay.line(line.trim_end_matches('\n'), !line.ends_with('\n'))?;
    }
    replay.end()
}

#[test]
fn the_same_rules_say_the_same() {
    let profiles = profiles("Crunching");
    let lines = life(&profiles);
    let replayed = replay(&lines, &profiles).unwrap();
    assert_eq!(replayed.differences, []);
    assert!(replayed.same_rules && !replayed.torn && replayed.changes >= 3, "{replayed:?}");
    assert_eq!(replayed.frames, lines.len() as u64 - 1);
}

#[test]
fn changes_are_counted_and_not_states() {
    let profiles = profiles("Crunching");
    let mut r = Recorder::new(&profiles);
    r.pass(Duration::from_millis(100));
    r.step(Event::Look, None);
    assert_eq!(replay(&r.lines, &profiles).unwrap().changes, 0);
    r.show(&screen("Crunching (3s)\n"));
    r.pass(Duration::from_secs(5));
    let changed = r.agent.history().len() as u64;
    assert!(changed > 0);
    let replayed = replay(&r.lines, &profiles).unwrap();
    assert!(replayed.changes >= 1 && replayed.changes <= changed, "{replayed:?}");
}

#[test]
fn other_rules_differ_where_they_see_something_else() {
    let lines = life(&profiles("Crunching"));
    let blind = profiles("Munching");
    let replayed = replay(&lines, &blind).unwrap();
    assert!(!replayed.same_rules);
    assert_eq!(replayed.differences.len(), 1, "{:#?}", replayed.differences);
    let difference = &replayed.differences[0];
    assert_eq!((difference.then.state, difference.now.state), (AgentState::Busy, AgentState::Idle));
    assert!(difference.frames > 1 && difference.until > difference.at);
}

#[test]
fn a_torn_last_line_is_left_out_and_a_broken_one_is_told() {
    let profiles = profiles("Crunching");
    let lines = life(&profiles);
    let last = lines.len() - 1;
    for cut in [1, 20, lines[last].len() - 2] {
        let mut torn = lines.clone();
        torn[last].truncate(cut);
        let replayed = replay(&torn, &profiles).unwrap();
        assert!(replayed.torn && replayed.differences.is_empty());
    }
    let mut broken = lines.clone();
    broken[3] = "{\"line\":\"frame\"}\n".to_owned();
    assert_eq!(replay(&broken, &profiles).unwrap_err().line, 4);
    assert_eq!(replay(&lines[1..], &profiles).unwrap_err().line, 1, "no header");
    assert!(replay(&[], &profiles).is_err());
    let other = lines[0].replace("\"format\":1", "\"format\":2");
    assert!(replay(&[other], &profiles).unwrap_err().what.contains("format 2"));
    let unknown = lines[0].replace("\"toy\"", "\"nobody\"");
    assert!(replay(&[unknown], &profiles).unwrap_err().what.contains("nobody"));
}

#[test]
fn missing_frames_are_told() {
    let profiles = profiles("Crunching");
    let mut lines = life(&profiles);
    lines.insert(4, write(&Line::Gap { missed: 3 }));
    lines.push(write(&Line::End { at: wall(Duration::ZERO), why: "done".into() }));
    assert_eq!(replay(&lines, &profiles).unwrap().missed, 3);
}
