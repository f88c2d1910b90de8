//! Control mode: the bytes a `tmux -C` client writes, as replies and notices.
//!
//! The grammar is that of tmux(1), CONTROL MODE: lines; a reply stands between `%begin TIME NUMBER
//! FLAGS` and `%end` or `%error` with the same three words; outside of a reply every line begins with
//! `%`. Whatever comes, in whatever pieces, the parser does not panic and holds a bounded amount.

use crate::ids::{PaneId, SessionId, WindowId};
use crate::limits::{CONTROL_LINE_BYTES_MAX, CONTROL_REPLY_BYTES_MAX, NAME_BYTES_MAX};
use crate::untrusted::Untrusted;

mod escape;
#[cfg(test)]
mod tests;

pub use escape::unescape;

/// The words of a guard line. They are the same at the begin and the end of a reply, so that a line of
/// its text which looks like an end is text unless it guesses all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guard {
    /// The server's wall clock in seconds when the command ran.
    pub time: u64,
    /// Number of the command, increasing over the server's life.
    pub number: u64,
    /// 1 for a command that came from this client's own input, 0 for others.
    pub flags: u32,
}

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The guard it stood in.
    pub guard: Guard,
    /// Whether it ended with `%end`; else with `%error`, and the text says why.
    pub ok: bool,
    /// The text, lines ended by `\n` but for the last. Not UTF-8 of necessity.
    pub text: Vec<u8>,
    /// Set when lines or the rest of the text were left out because of a limit.
    pub truncated: bool,
}

impl Block {
    /// The text, with what is not UTF-8 replaced.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

/// What tmux tells unasked. Kinds that tsup has no use for come as [`Notice::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something was written in a pane of the attached session (`%output`, `%extended-output`).
    Output {
        /// Which.
        pane: PaneId,
        /// How far this client is behind, in milliseconds, where tmux says it.
        age_ms: Option<u64>,
        /// What was written, unescaped; empty unless the parser keeps it.
        data: Vec<u8>,
    },
    /// tmux stopped sending the output of a pane, because this client was too far behind.
    Pause(PaneId),
    /// tmux sends the output of a pane again.
    Continue(PaneId),
    /// A session was made or ended.
    SessionsChanged,
    /// This client is attached to another session now.
    SessionChanged(SessionId, Untrusted),
    /// A session has another name. tmux before 3.2 leaves its id out.
    SessionRenamed(Option<SessionId>, Untrusted),
    /// A window came, in this session or (unlinked) in another.
    WindowAdd(WindowId),
    /// A window went.
    WindowClose(WindowId),
    /// A window has another name.
    WindowRenamed(WindowId, Untrusted),
    /// Another pane of a window is the active one.
    WindowPaneChanged(WindowId, PaneId),
    /// A session shows another window.
    SessionWindowChanged(SessionId, WindowId),
    /// Panes of a window were added, removed or moved.
    LayoutChange(WindowId),
    /// A pane entered or left a mode.
    PaneModeChanged(PaneId),
    /// Anything else that begins with `%`.
    Other,
}

/// What comes out of the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command answered.
    Block(Block),
    /// tmux tells something.
    Notice(Notice),
    /// tmux ends this client, perhaps saying why.
    Exit(Option<Untrusted>),
    /// A line that the grammar does not allow here. On a sound connection there is none.
    Stray,
}

/// Reads control mode. One parser for each client.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// Set while the rest of an over-long line is thrown away.
    skipping: bool,
    open: Option<Block>,
    keep_output: bool,
    long_lines: u64,
}

impl Parser {
    /// A parser that reports that something was written in a pane, but not what.
    pub fn new() -> Self {
        Parser::default()
    }

    /// Also hands on what was written.
    pub fn keeping_output(mut self) -> Self {
        self.keep_output = true;
        self
    }

    /// Lines left out so far, because they were longer than `CONTROL_LINE_BYTES_MAX`.
    pub fn long_lines(&self) -> u64 {
        self.long_lines
    }

    /// Takes the next bytes, however they were cut, and hands out what they complete.
    pub fn feed(&mut self, bytes: &[u8], mut out: impl FnMut(Event)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (head, tail) = (&rest[..end], &rest[end + 1..]);
            rest = tail;
            if self.skipping {
                self.skipping = false;
            } else if self.line.len() + head.len() > CONTROL_LINE_BYTES_MAX {
                self.skip();
            } else if self.line.is_empty() {
                self.finish(head, &mut out);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.finish(&line, &mut out);
                line.clear();
                self.line = line;
            }
        }
        if self.skipping || rest.is_empty() {
            return;
        }
        if self.line.len() + rest.len() > CONTROL_LINE_BYTES_MAX {
            self.skip();
            self.skipping = true;
        } else {
            self.line.extend_from_slice(rest);
        }
    }

    fn skip(&mut self) {
        self.line = Vec::new();
        self.long_lines += 1;
        if let Some(block) = &mut self.open {
            block.truncated = true;
        }
    }

    fn finish(&mut self, line: &[u8], out: &mut impl FnMut(Event)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match &mut self.open {
            Some(block) => match closing(line, block.guard) {
                Some(ok) => {
                    let mut block = self.open.take().expect("matched above");
                    block.ok = ok;
                    out(Event::Block(block));
                }
                None => append(block, line),
            },
            None => match guard_of(line, b"%begin ") {
                Some(guard) => {
                    self.open = Some(Block { guard, ok: false, text: Vec::new(), truncated: false });
                }
                None => out(outside(line, self.keep_output)),
            },
        }
    }
}

/// Adds a line to a reply's text. The first line is told from none by `%begin` having been read, so an
/// empty first line followed by others keeps its line break.
fn append(block: &mut Block, line: &[u8]) {
    if block.text.len() + line.len() + 1 > CONTROL_REPLY_BYTES_MAX {
        block.truncated = true;
        return;
    }
    block.text.extend_from_slice(line);
    block.text.push(b'\n');
}

fn closing(line: &[u8], open: Guard) -> Option<bool> {
    if line.first() != Some(&b'%') {
        return None;
    }
    let ok = line.starts_with(b"%end ");
    let word: &[u8] = if ok { b"%end " } else { b"%error " };
    (guard_of(line, word)? == open).then_some(ok)
}

fn guard_of(line: &[u8], word: &[u8]) -> Option<Guard> {
    let mut words = std::str::from_utf8(line.strip_prefix(word)?).ok()?.split(' ');
    let guard = Guard {
        time: digits(words.next()?)?,
        number: digits(words.next()?)?,
        // tmux before 3.2 may leave the flags out.
        flags: words.next().map_or(Some(0), digits)?,
    };
    words.next().is_none().then_some(guard)
}

/// A number in digits alone: `parse` would take a leading `+`.
fn digits<N: std::str::FromStr>(word: &str) -> Option<N> {
    (!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok())?
}

fn outside(line: &[u8], keep_output: bool) -> Event {
    if let Some(output) = output_of(line, keep_output) {
        return Event::Notice(output);
    }
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(' ');
    let word = words.next().unwrap_or_default();
    if !word.starts_with('%') {
        return Event::Stray;
    }
    let rest = text[word.len()..].strip_prefix(' ').unwrap_or_default();
    match word {
        "%exit" => Event::Exit((!rest.is_empty()).then(|| name(rest))),
        // An end without a begin: some reply's text closed it early.
        "%end" | "%error" | "%begin" => Event::Stray,
        _ => Event::Notice(notice(word, rest).unwrap_or(Notice::Other)),
    }
}

fn notice(word: &str, rest: &str) -> Option<Notice> {
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match word {
        "%pause" => Notice::Pause(first.parse().ok()?),
        "%continue" => Notice::Continue(first.parse().ok()?),
        "%sessions-changed" => Notice::SessionsChanged,
        "%session-changed" => Notice::SessionChanged(first.parse().ok()?, name(after)),
        "%session-renamed" => match first.parse() {
            Ok(id) => Notice::SessionRenamed(Some(id), name(after)),
            Err(_) => Notice::SessionRenamed(None, name(rest)),
        },
        "%window-add" | "%unlinked-window-add" => Notice::WindowAdd(first.parse().ok()?),
        "%window-close" | "%unlinked-window-close" => Notice::WindowClose(first.parse().ok()?),
        "%window-renamed" | "%unlinked-window-renamed" => {
            Notice::WindowRenamed(first.parse().ok()?, name(after))
        }
        "%window-pane-changed" => Notice::WindowPaneChanged(first.parse().ok()?, after.parse().ok()?),
        "%session-window-changed" => Notice::SessionWindowChanged(first.parse().ok()?, after.parse().ok()?),
        "%layout-change" => Notice::LayoutChange(first.parse().ok()?),
        "%pane-mode-changed" => Notice::PaneModeChanged(first.parse().ok()?),
        _ => return None,
    })
}

/// `%output %N DATA`, or `%extended-output %N AGE … : DATA` where more words may come to stand before
/// the colon.
fn output_of(line: &[u8], keep: bool) -> Option<Notice> {
    let (extended, rest) = match line.strip_prefix(b"%output ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix(b"%extended-output ")?),
    };
    let (pane, rest) = word_of(rest);
    let pane = pane.parse().ok()?;
    if !extended {
        let data = if keep { unescape(rest) } else { Vec::new() };
        return Some(Notice::Output { pane, age_ms: None, data });
    }
    let (age, rest) = word_of(rest);
    let colon = if rest.first() == Some(&b':') { 0 } else { rest.windows(2).position(|w| w == b" :")? + 1 };
    let written = rest.get(colon + 1..).unwrap_or_default();
    let written = written.strip_prefix(b" ").unwrap_or(written);
    let data = if keep { unescape(written) } else { Vec::new() };
    Some(Notice::Output { pane, age_ms: digits(age), data })
}

fn word_of(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len());
    let rest = bytes.get(end + 1..).unwrap_or_default();
    (std::str::from_utf8(&bytes[..end]).unwrap_or_default(), rest)
}

fn name(text: &str) -> Untrusted {
    Untrusted::bounded(text, NAME_BYTES_MAX)
}
