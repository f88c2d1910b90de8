//! What the demo shows: a picture that is painted over in a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use tsup_core::event::Stamped;
use tsup_core::wire::doc::AgentsDoc;
use tsup_core::wire::doc::jobs::JobDoc;

use super::Summary;
use super::feed::Feed;
use crate::cli::Cx;
use crate::render::words::count;
use crate::render::{self, Look, Out};

/// Events kept for the picture.
const EVENTS_KEPT: usize = 6;

pub(super) struct Show {
    how: How,
    out: Out,
    events: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Only the summary at the end.
    Silent,
    /// Events, a line each, to stderr.
    Lines,
    /// A picture on the alternate screen.
    Picture,
}

impl Show {
    pub(super) fn new(cx: &Cx, json: bool) -> Show {
        let out = cx.out.clone();
        let how = if json {
            How::Silent
        } else if out.look.width.is_some() {
            How::Picture
        } else {
            How::Lines
        };
        let show = Show { how, out, events: VecDeque::new() };
        if how == How::Picture {
            show.emit("\x1b[?1049h\x1b[?25l");
        }
        show
    }

    pub(super) fn event(&mut self, event: &Stamped) {
        let line = render::event::line(event);
        match self.how {
            How::Silent => {}
            How::Lines => self.out.say(&line),
            How::Picture => {
                self.events.push_back(line);
                if self.events.len() > EVENTS_KEPT {
                    self.events.pop_front();
                }
            }
        }
    }

    pub(super) fn picture(
        &self,
        agents: &AgentsDoc,
        jobs: &[JobDoc],
        summary: &Summary,
        feed: &Feed,
        left: Duration,
    ) {
        if self.how != How::Picture {
            return;
        }
        let width = render::terminal_width();
        let head = format!(
            "tsup demo: six agents and their jobs under one tree, {} s left (Ctrl-C ends it)",
            left.as_secs()
        );
        let mut text = format!("{}\n\n", render::table::cut(&head, width));
        let look = Look { width: Some(width), ..self.out.look };
        text += &render::agents::draw(agents, crate::ctl::now(), look);
        if !jobs.is_empty() {
            text += "\n";
            text += &render::jobs::list(jobs, &crate::ctl::here(), look);
        }
        text += "\nWhat happened last\n";
        for line in &self.events {
            let _ = writeln!(text, "  {}", render::table::cut(line, width.saturating_sub(2)));
        }
        let _ = writeln!(
            text,
            "\n{}, {}, {}, {} done, {}; the last about agents:",
            count(summary.events, "event"),
            count(summary.crashes, "crash"),
            count(summary.relaunches, "relaunch"),
            count(summary.jobs_succeeded, "job"),
            count(feed.lines(), "StatsD line")
        );
        for line in feed.last() {
            let _ = writeln!(text, "  {}", render::table::cut(&line.to_string(), width.saturating_sub(2)));
        }
        // Each line clears what stood behind it, so that nothing flickers.
        self.emit(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\r\n")));
    }

    /// A terminal that is gone is no reason to stop: the stage must be cleared in any case.
    fn emit(&self, text: &str) {
        let _ = self.out.bytes(text.as_bytes());
    }

    pub(super) fn end(&mut self) {
        if self.how == How::Picture {
            self.how = How::Silent;
            self.emit("\x1b[?25h\x1b[?1049l");
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last word: what was seen.
pub(super) fn summary(summary: &Summary) -> String {
    format!(
        "In {} s: {}, {}, {}; {} succeeded, {} failed as planned, {}; {}, {}.\n\
         Nothing is left behind. Next: `tsup start`, then `tsup ctl agents` shows your own agents.\n",
        summary.seconds,
        count(summary.agents_seen, "agent"),
        count(summary.crashes, "crash"),
        count(summary.relaunches, "relaunch"),
        count(summary.jobs_succeeded, "job"),
        summary.jobs_failed,
        count(summary.job_retries, "further attempt"),
        count(summary.events, "event"),
        count(summary.statsd_lines, "StatsD line")
    )
}
