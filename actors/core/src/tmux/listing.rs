//! The lists of sessions and panes: their formats, and how a line is read.
//!
//! Fields stand between tabs. tmux removes control characters from titles and writes them as escapes in
//! names, and the title comes last, so no name or title can move a field. The owner tag is a user option,
//! which may hold anything, so tmux prints it only when it has the tag's own alphabet.

use crate::ids::{SessionId, WindowId};
use crate::limits::{NAME_BYTES_MAX, PANES_MAX, TITLE_BYTES_MAX};
use crate::tmux::protocol::Block;
use crate::tmux::report::{DeadPane, OwnerTag, PaneFacts, SessionFacts};
use crate::untrusted::Untrusted;

/// Format of a session's line.
pub const SESSION_FORMAT: &str = "#{session_id}\t#{destroy-unattached}\t#{session_name}";

/// Format of a pane's line. It names nothing that makes tmux read `/proc` (`pane_current_command` alone
/// more than doubles the price of a listing).
pub const PANE_FORMAT: &str = "#{pane_id}\t#{window_id}\t#{session_id}\t#{window_index}\t#{pane_index}\
    \t#{window_panes}\t#{pane_pid}\t#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}\t#{pane_in_mode}\
    \t#{window_activity}\t#{pane_tty}\
    \t#{?@tsup_agent,#{?#{m/r:^[A-Za-z0-9=:_-]+$,#{@tsup_agent}},#{@tsup_agent},},}\
    \t#{window_name}\t#{pane_title}";

/// A session as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id and name.
    pub facts: SessionFacts,
    /// Whether it ends when its last client leaves: then attaching to it would end it later.
    pub destroy_unattached: bool,
}

/// A pane as listed, once for each session its window is linked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneRow {
    /// Its facts.
    pub facts: PaneFacts,
    /// When something was last written in its window, in seconds of the server's wall clock.
    pub window_activity: u64,
}

impl PaneRow {
    /// The window whose activity [`window_activity`](Self::window_activity) is.
    pub fn window(&self) -> WindowId {
        self.facts.window
    }
}

/// A list with what could not be read in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<R> {
    /// The lines that were read.
    pub rows: Vec<R>,
    /// Whether everything there is stands in it: false when a limit cut it or a line made no sense.
    pub complete: bool,
    /// The server's wall clock in seconds when it was made.
    pub server_time: u64,
}

/// Reads a reply to [`SESSION_FORMAT`].
pub fn sessions(block: &Block) -> Listing<SessionRow> {
    read(block, session)
}

/// Reads a reply to [`PANE_FORMAT`].
pub fn panes(block: &Block) -> Listing<PaneRow> {
    read(block, pane)
}

fn read<R>(block: &Block, row: impl Fn(&str) -> Option<R>) -> Listing<R> {
    let text = block.lossy();
    let mut listing =
        Listing { rows: Vec::new(), complete: block.ok && !block.truncated, server_time: block.guard.time };
    for line in text.lines() {
        match row(line) {
            Some(row) if listing.rows.len() < PANES_MAX => listing.rows.push(row),
            _ => listing.complete = false,
        }
    }
    listing
}

/// Reads one session line.
pub fn session(line: &str) -> Option<SessionRow> {
    let mut fields = line.splitn(3, '\t');
    let id: SessionId = fields.next()?.parse().ok()?;
    let destroy_unattached = !matches!(fields.next()?, "" | "0" | "off");
    let name = Untrusted::bounded(fields.next()?, NAME_BYTES_MAX);
    Some(SessionRow { facts: SessionFacts { id, name }, destroy_unattached })
}

/// Reads one pane line.
pub fn pane(line: &str) -> Option<PaneRow> {
    let mut fields = line.splitn(16, '\t');
    let mut next = || fields.next();
    let pane = next()?.parse().ok()?;
    let window = next()?.parse().ok()?;
    let session = next()?.parse().ok()?;
    let window_index = next()?.parse().ok()?;
    let pane_index = next()?.parse().ok()?;
    let window_panes = next()?.parse().ok()?;
    let pid = next()?.parse().ok()?;
    let is_dead = next()? == "1";
    let (status, signal) = (next()?.parse().ok(), next()?.parse().ok());
    let in_mode = !matches!(next()?, "" | "0");
    let window_activity = next()?.parse().ok()?;
    let tty = Untrusted::bounded(next()?, NAME_BYTES_MAX).raw().to_owned();
    let owner = OwnerTag::decode(next()?);
    let window_name = Untrusted::bounded(next()?, NAME_BYTES_MAX);
    let title = Untrusted::bounded(next()?, TITLE_BYTES_MAX);
    let dead = is_dead.then_some(DeadPane { status, signal });
    let facts = PaneFacts {
        pane,
        window,
        session,
        window_name,
        window_index,
        pane_index,
        window_panes,
        pid,
        tty,
        dead,
        in_mode,
        title,
        owner,
    };
    Some(PaneRow { facts, window_activity })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::PaneId;
    use crate::tmux::protocol::Guard;

    const LINE: &str = "%4\t@3\t$1\t2\t0\t1\t123\t0\t\t\t0\t1795226288\t/dev/pts/7\t";

    #[test]
    fn a_pane_line_is_read() {
        let row = pane(&format!("{LINE}v1:h:web:dev\tw\ttitle: x")).unwrap();
        assert_eq!((row.facts.pane, row.facts.pid, row.window_activity), (PaneId(4), 123, 1_795_226_288));
        assert_eq!(row.facts.owner.unwrap().name, "dev");
        assert_eq!((row.facts.dead, row.facts.title.raw()), (None, "title: x"));
        let dead = pane("%4\t@3\t$1\t2\t0\t1\t123\t1\t\t9\t1\t5\t/dev/pts/7\tnonsense\tw\t").unwrap().facts;
        assert_eq!(dead.dead, Some(DeadPane { status: None, signal: Some(9) }));
        assert_eq!((dead.owner, dead.in_mode), (None, true));
    }

    #[test]
    fn a_hostile_title_moves_no_field() {
        let row = pane(&format!("{LINE}\tw\t%9\t@9\t$9\t\u{202e}evil")).unwrap();
        assert_eq!(row.facts.pane, PaneId(4));
        assert_eq!(row.facts.title.raw(), "%9\t@9\t$9\t\u{202e}evil");
        let long = pane(&format!("{LINE}\t{}\t{}", "n".repeat(9999), "t".repeat(9999))).unwrap().facts;
        assert_eq!((long.window_name.raw().len(), long.title.raw().len()), (NAME_BYTES_MAX, TITLE_BYTES_MAX));
    }

    #[test]
    fn session_lines_are_read() {
        let row = session("$3\t0\ta b\tc").unwrap();
        assert_eq!(
            (row.facts.id, row.facts.name.raw(), row.destroy_unattached),
            (SessionId(3), "a b\tc", false)
        );
        for (value, want) in [("1", true), ("off", false), ("on", true), ("keep-last", true), ("", false)] {
            assert_eq!(session(&format!("$3\t{value}\tn")).unwrap().destroy_unattached, want, "{value}");
        }
        assert_eq!(session("no"), None);
    }

    #[test]
    fn a_list_that_is_not_all_says_so() {
        let guard = Guard { time: 9, number: 1, flags: 1 };
        let list = |text: &str, ok, truncated| {
            sessions(&Block { guard, ok, text: text.as_bytes().to_vec(), truncated })
        };
        assert!(list("$1\t0\ta\n$2\t0\tb\n", true, false).complete);
        assert!(!list("$1\t0\ta\nnonsense\n", true, false).complete);
        assert!(!list("", false, false).complete);
        assert!(!list("$1\t0\ta\n", true, true).complete);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_everything_is_bounded(line in "([%@$]?[0-9]{0,11}\t){0,18}.{0,400}") {
            if let Some(row) = pane(&line) {
                prop_assert!(row.facts.title.raw().len() <= TITLE_BYTES_MAX);
                prop_assert!(row.facts.window_name.raw().len() <= NAME_BYTES_MAX);
                prop_assert!(row.facts.tty.len() <= NAME_BYTES_MAX);
            }
            let _ = session(&line);
        }
    }
}
