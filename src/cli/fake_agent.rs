//! `tsup fake-agent`: a small program that paints the screen of an agent CLI and lives a scripted life.
//!
//! It serves the demo, the tests and the benches. What it paints is made up after the public look of
//! each CLI: a banner, a composer, a status line while it works, a title.

mod life;
mod look;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use tsup_core::error::{Exit, UserError};

use self::life::{Life, Step};
use self::look::Look;

/// Arguments of `tsup fake-agent`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose screen to paint: claude, codex, gemini
    #[arg(long, default_value = "claude")]
    look: String,
    /// What to live through, e.g. "start 0.5, busy 2, idle 3, loop" or "start 1, busy 2, crash"
    #[arg(long, default_value = "start 0.3, idle 3600, loop")]
    life: String,
    /// Crash only while this file is not there, and make it: a life with one crash in it
    #[arg(long, value_name = "FILE")]
    once: Option<PathBuf>,
    /// Varies the words and lengths of a life
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// How often a busy screen moves.
const FRAME: Duration = Duration::from_millis(120);

/// Lives the life to its end. A line typed into the terminal is answered by a busy turn.
pub fn run(args: &Args) -> Result<(), UserError> {
    let usage = |what: String| UserError::new(Exit::Usage, what);
    let life = Life::parse(&args.life).map_err(usage)?;
    let look = Look::named(&args.look).map_err(usage)?;
    let mut player = Player {
        look,
        out: io::stdout(),
        typed: read_lines(),
        once: args.once.clone(),
        seed: args.seed,
        turn: 0,
    };
    match player.play(&life) {
        Ok(()) => Ok(()),
        // The pane is gone: there is nobody to tell.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(UserError::new(Exit::Failed, format!("cannot paint: {e}"))),
    }
}

/// Lines typed into the terminal, read beside the painting.
fn read_lines() -> Receiver<String> {
    let (tx, rx) = sync_channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if tx.send(line).is_err() {
                return;
            }
        }
        // The end of input is not the end of the agent: keep the channel open.
        loop {
            std::thread::park();
        }
    });
    rx
}

struct Player<W> {
    look: Look,
    out: W,
    typed: Receiver<String>,
    once: Option<PathBuf>,
    seed: u64,
    turn: u64,
}

impl<W: Write> Player<W> {
    fn play(&mut self, life: &Life) -> io::Result<()> {
        let mut at = 0;
        while let Some(step) = life.step(at) {
            match step {
                Step::Loop => {
                    at = life.loop_start();
                    continue;
                }
                Step::Start(d) => {
                    self.paint(&self.look.starting())?;
                    self.wait(d);
                    self.paint(&self.look.fresh())?;
                }
                Step::Idle(d) => {
                    self.paint(&self.look.idle(self.turn))?;
                    self.idle(d)?;
                }
                Step::Busy(d) => self.busy(d)?,
                Step::Ask(d) => {
                    self.paint(&self.look.asking())?;
                    self.wait(d);
                }
                Step::Flood(d) => self.flood(d)?,
                Step::Exit(status) => {
                    self.paint("\r\nbye\r\n")?;
                    std::process::exit(status);
                }
                Step::Crash if self.may_crash() => crash(),
                Step::Crash => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// Whether this life has its crash still before it.
    fn may_crash(&self) -> bool {
        self.once.as_ref().is_none_or(|file| std::fs::File::create_new(file).is_ok())
    }

    fn paint(&mut self, screen: &str) -> io::Result<()> {
        self.out.write_all(screen.as_bytes())?;
        self.out.flush()
    }

    /// Lets time pass and forgets what is typed.
    fn wait(&mut self, d: Duration) {
        let until = Instant::now() + d;
        while self.typed_before(until).is_some() {}
    }

    fn idle(&mut self, d: Duration) -> io::Result<()> {
        let until = Instant::now() + d;
        while let Some(line) = self.typed_before(until) {
            if !line.trim().is_empty() {
                self.busy(Duration::from_secs(2))?;
                self.paint(&self.look.idle(self.turn))?;
            }
        }
        Ok(())
    }

    fn typed_before(&mut self, until: Instant) -> Option<String> {
        let left = until.saturating_duration_since(Instant::now());
        self.typed.recv_timeout(left).ok()
    }

    fn busy(&mut self, d: Duration) -> io::Result<()> {
        self.turn += 1;
        let began = Instant::now();
        let mut frame = 0;
        while began.elapsed() < d {
            let screen = self.look.busy(self.seed + self.turn, frame, began.elapsed().as_secs());
            self.paint(&screen)?;
            frame += 1;
            let next = Instant::now() + FRAME.min(d.saturating_sub(began.elapsed()));
            while self.typed_before(next).is_some() {}
        }
        Ok(())
    }

    /// As much output as the terminal takes.
    fn flood(&mut self, d: Duration) -> io::Result<()> {
        let until = Instant::now() + d;
        let line = format!("{}\r\n", "flood ".repeat(30));
        while Instant::now() < until {
            self.out.write_all(line.as_bytes())?;
        }
        self.out.flush()
    }
}

/// Ends like a program that was killed, without a word.
#[expect(clippy::exit, reason = "an agent's end is the end of its process")]
fn crash() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // Unreachable unless the kernel refuses to kill us; end with a failure all the same.
    std::process::exit(1)
}
