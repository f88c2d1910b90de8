//! `tsup fake-agent`: a small program that paints the screens of an agent CLI and lives a scripted life.
//!
//! It serves the demo, the tests and the benches. What it paints are the painted screens of
//! `actors/profiles/screens`, the same that the profiles' rules are tested with.

mod hooks;
mod input;
mod life;
mod look;
mod paint;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tsup_core::error::{Exit, UserError};

use self::hooks::Hooks;
use self::input::Input;
use self::life::{Life, Step};
use self::look::Look;
use self::paint::{Canvas, Moment};

/// Arguments of `tsup fake-agent`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose screens to paint: claude, codex, gemini, opencode, aider, …
    #[arg(long, default_value = "claude")]
    look: String,
    /// What to live through, e.g. "start 0.5, busy 2, ask 5, idle 3, loop"; a step may be any screen of the look
    #[arg(long, default_value = "start 0.3, idle 3600, loop")]
    life: String,
    /// Crash only while this file is not there, and make it: a life with one crash in it
    #[arg(long, value_name = "FILE")]
    once: Option<PathBuf>,
    /// Varies the figures of a life
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Call `tsup hook` at each step, as the CLI's own hooks would
    #[arg(long)]
    hooks: bool,
    /// Paint one screen and end
    #[arg(long, value_name = "SCREEN")]
    show: Option<String>,
}

/// Lives the life to its end. A line typed into the terminal is answered by a busy turn.
pub fn run(args: &Args) -> Result<(), UserError> {
    let usage = |what: String| UserError::new(Exit::Usage, what);
    let look = Look::named(&args.look).map_err(usage)?;
    let painted = |result: io::Result<()>| match result {
        Ok(()) => Ok(()),
        // The pane is gone: there is nobody to tell.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(UserError::new(Exit::Failed, format!("cannot paint: {e}"))),
    };
    if let Some(case) = &args.show {
        if !look.cases().contains(&case.as_str()) {
            return Err(usage(format!("no screen `{case}`: use {}", look.cases().join(", "))));
        }
        let screen = look.screen(case).map_err(usage)?;
        return painted(paint::print(&mut io::stdout(), &screen));
    }
    let life = Life::parse(&args.life, &look.cases()).map_err(usage)?;
    let mut player = Player {
        look,
        canvas: Canvas::new(io::stdout()),
        input: input::listen(),
        once: args.once.clone(),
        seed: args.seed,
        turn: 0,
        hooks: args.hooks.then(|| Hooks::of(&args.look)),
    };
    painted(player.play(&life))
}

struct Player<W> {
    look: Look,
    canvas: Canvas<W>,
    input: Receiver<Input>,
    once: Option<PathBuf>,
    seed: u64,
    turn: u64,
    hooks: Option<Hooks>,
}

impl<W: Write> Player<W> {
    fn play(&mut self, life: &Life) -> io::Result<()> {
        let mut at = 0;
        while let Some(step) = life.step(at) {
            match *step {
                Step::Loop => {
                    at = life.loop_start();
                    continue;
                }
                Step::Start(d) => {
                    self.stand("starting", d, |_| false)?;
                    self.show("fresh")?;
                }
                Step::Idle(d) => self.idle(d)?,
                Step::Busy(case, d) => self.busy(case, d)?,
                Step::Ask(case, d) => self.stand(case, d, |_| true)?,
                Step::Stand(case, d) => self.stand(case, d, |_| false)?,
                Step::Flood(d) => self.flood(d)?,
                Step::Exit(status) => {
                    self.tell("exit");
                    self.canvas.raw("\r\nbye\r\n")?;
                    end(status);
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

    fn tell(&self, case: &str) {
        if let Some(hooks) = &self.hooks {
            hooks.tell(case);
        }
    }

    fn moment(&self, began: Instant) -> Moment {
        Moment { elapsed: began.elapsed(), seed: self.seed + self.turn }
    }

    fn show(&mut self, case: &str) -> io::Result<()> {
        let screen = self.look.screen(case).map_err(io::Error::other)?;
        self.canvas.show(screen, self.moment(Instant::now()))?;
        self.tell(case);
        Ok(())
    }

    /// Shows a screen for that long, or until a line is typed that `answers` it.
    fn stand(&mut self, case: &str, d: Duration, answers: fn(&str) -> bool) -> io::Result<()> {
        self.show(case)?;
        let began = Instant::now();
        while let Some(line) = self.line_before(began, began + d)? {
            if answers(&line) {
                return Ok(());
            }
            self.canvas.repaint(self.moment(began))?;
        }
        Ok(())
    }

    /// An empty composer, until that long has passed; what is typed begins a turn.
    fn idle(&mut self, d: Duration) -> io::Result<()> {
        self.rest()?;
        let began = Instant::now();
        while let Some(line) = self.line_before(began, began + d)? {
            if line.trim().is_empty() {
                self.canvas.repaint(self.moment(began))?;
            } else {
                self.busy("thinking", Duration::from_secs(2))?;
                self.rest()?;
            }
        }
        Ok(())
    }

    fn rest(&mut self) -> io::Result<()> {
        self.show(if self.turn == 0 { "fresh" } else { "idle" })
    }

    fn busy(&mut self, case: &str, d: Duration) -> io::Result<()> {
        self.turn += 1;
        self.show(case)?;
        let began = Instant::now();
        while self.line_before(began, began + d)?.is_some() {
            self.canvas.repaint(self.moment(began))?;
        }
        Ok(())
    }

    /// The next typed line, while the screen moves on; nothing when the time has come.
    fn line_before(&mut self, began: Instant, until: Instant) -> io::Result<Option<String>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let pace = self.canvas.pace().unwrap_or(left);
            let resized = match self.input.recv_timeout(left.min(pace)) {
                Ok(Input::Line(line)) => return Ok(Some(line)),
                Ok(Input::Resized) => true,
                Err(_) => false,
            };
            if Instant::now() >= until {
                return Ok(None);
            }
            if resized || pace < left {
                self.canvas.advance(self.moment(began))?;
            }
        }
    }

    /// As much output as the terminal takes.
    fn flood(&mut self, d: Duration) -> io::Result<()> {
        let until = Instant::now() + d;
        let line = format!("{}\r\n", "flood ".repeat(30));
        while Instant::now() < until {
            self.canvas.raw(&line)?;
        }
        Ok(())
    }
}

/// Ends in order.
#[expect(clippy::exit, reason = "an agent's end is the end of its process")]
fn end(status: i32) -> ! {
    std::process::exit(status)
}

/// Ends like a program that was killed, without a word.
fn crash() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // Unreachable unless the kernel refuses to kill us; end with a failure all the same.
    end(1)
}
