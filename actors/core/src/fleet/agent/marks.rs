//! What an agent's machine knows beside the last words of its sources: moments, counts, what no longer
//! holds. A record begins with it, so that whoever replays it goes on where the machine stood.

use serde::{Deserialize, Serialize};

use crate::fleet::record::{Base, Taken};

use super::settle::Pending;
use super::{Agent, Verdict};

/// Where a machine stands. Times are microseconds, counted as all times of a record are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Marks {
    /// Since when it is in its state.
    since_us: i64,
    /// When its process started.
    born_us: i64,
    /// When its pane last changed.
    activity_us: Option<i64>,
    /// When it was last looked at because that was due.
    look_us: i64,
    /// When its screen was last asked for.
    asked_us: i64,
    /// When its pane was last captured.
    captured_us: Option<i64>,
    /// Since when its pane may show what no capture has seen.
    unseen_us: Option<i64>,
    /// Whether what the last capture showed is still what it shows.
    screen: bool,
    /// Since when something covers its screen.
    cover_us: Option<i64>,
    /// Whether it has painted anything of its own.
    painted: bool,
    /// When what its title says last changed.
    title_us: i64,
    /// Whether a process before left that title behind.
    title_left: bool,
    /// Whether the last hook is outlived.
    hook_spent: bool,
    /// Whether the transcript's last word is.
    transcript_spent: bool,
    /// When work or a question was last seen.
    stirred_us: Option<i64>,
    /// When work was.
    worked_us: Option<i64>,
    /// Since when its pane is of another width and cannot be read.
    resized_us: Option<i64>,
    /// Its state before its process was stopped.
    before_stop: Option<Taken>,
    /// Its state before its server went away.
    before_loss: Option<Taken>,
    /// Since when its pane is gone.
    pane_gone_us: Option<i64>,
    /// Whether its pane's process has ended.
    pane_ending: bool,
    /// The state that is not believed yet.
    pending: Option<Awaited>,
}

/// A state that is not believed yet, and what saw it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Awaited {
    to: Taken,
    looks: u8,
    noisy: u8,
    capture_us: Option<i64>,
    first_us: i64,
    last_us: i64,
}

impl Agent {
    /// Where it stands.
    pub fn marks(&self, base: Base) -> Marks {
        let board = &self.board;
        Marks {
            since_us: base.us(self.since.mono),
            born_us: base.us(self.born),
            activity_us: self.last_activity.map(|at| base.us(at)),
            look_us: base.us(self.last_look),
            asked_us: base.us(self.screen_asked),
            captured_us: board.looked.map(|at| base.us(at)),
            unseen_us: board.unseen.map(|at| base.us(at)),
            screen: board.screen.is_some() || board.cover.is_some(),
            cover_us: board.cover.as_ref().map(|cover| base.us(cover.since)),
            painted: board.painted,
            title_us: base.us(board.title_at),
            title_left: !board.title_left.is_empty(),
            hook_spent: board.hook_spent,
            transcript_spent: board.transcript_spent,
            stirred_us: board.stirred.map(|at| base.us(at)),
            worked_us: board.worked.map(|at| base.us(at)),
            resized_us: board.resized.map(|at| base.us(at)),
            before_stop: self.before_stop.map(taken),
            before_loss: self.before_loss.map(taken),
            pane_gone_us: self.pane_gone.map(|at| base.us(at)),
            pane_ending: self.pane_ending,
            pending: self.pending.map(|pending| Awaited {
                to: taken(pending.verdict),
                looks: pending.looks,
                noisy: pending.noisy,
                capture_us: pending.capture.map(|at| base.us(at)),
                first_us: base.us(pending.first),
                last_us: base.us(pending.last),
            }),
        }
    }

    /// Stands where another machine stood that had heard the same.
    pub fn take_up(&mut self, marks: &Marks, base: Base) {
        let mono = |us: i64| base.mono(us);
        self.since.mono = mono(marks.since_us);
        self.born = mono(marks.born_us);
        self.last_activity = marks.activity_us.map(mono);
        self.last_look = mono(marks.look_us);
        self.screen_asked = mono(marks.asked_us);
        self.before_stop = marks.before_stop.as_ref().map(verdict);
        self.before_loss = marks.before_loss.as_ref().map(verdict);
        self.pane_gone = marks.pane_gone_us.map(mono);
        self.pane_ending = marks.pane_ending;
        let board = &mut self.board;
        board.looked = marks.captured_us.map(mono);
        board.unseen = marks.unseen_us.map(mono);
        if !marks.screen {
            (board.screen, board.cover) = (None, None);
        }
        if let (Some(cover), Some(us)) = (&mut board.cover, marks.cover_us) {
            cover.since = mono(us);
        }
        board.painted = marks.painted;
        board.title_at = mono(marks.title_us);
        if marks.title_left && board.title_left.is_empty() {
            board.title_left = std::mem::take(&mut board.title);
        }
        board.hook_spent = marks.hook_spent && board.hook.is_some();
        board.transcript_spent = marks.transcript_spent && board.transcript.is_some();
        board.stirred = marks.stirred_us.map(mono);
        board.worked = marks.worked_us.map(mono);
        board.resized = marks.resized_us.map(mono);
        self.pending = marks.pending.as_ref().map(|awaited| Pending {
            verdict: verdict(&awaited.to),
            looks: awaited.looks,
            noisy: awaited.noisy,
            capture: awaited.capture_us.map(mono),
            first: mono(awaited.first_us),
            last: mono(awaited.last_us),
        });
    }
}

fn taken(verdict: Verdict) -> Taken {
    Taken { state: verdict.state, detail: verdict.detail, rule: None }
}

fn verdict(taken: &Taken) -> Verdict {
    Verdict::new(taken.state, taken.detail)
}
