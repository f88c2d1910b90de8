//! The header of a `.screen` file.

use serde::Deserialize;

use crate::fleet::state::{AgentState, Detail};

/// What a `.screen` file says about its screen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a header is a list of independent marks")]
pub struct Header {
    /// The state it shows.
    pub state: AgentState,
    /// Which kind of that.
    #[serde(default)]
    pub detail: Option<Detail>,
    /// States that are right too, where a person could not tell.
    #[serde(default)]
    pub accept: Vec<AgentState>,
    /// The pane's title, in markup.
    #[serde(default)]
    pub title: Option<String>,
    /// Widths for which the screen is meant.
    #[serde(default = "widths")]
    pub columns: Vec<u16>,
    /// Rows of the pane.
    #[serde(default = "height")]
    pub rows: u16,
    /// Whose screen it is, where the folder does not say.
    #[serde(default)]
    pub cli: Option<String>,
    /// A viewer or a picker: the state before it goes on, and nothing may be concluded from it.
    #[serde(default)]
    pub hold: bool,
    /// Only its attributes tell the state: without them nothing is asked of it.
    #[serde(default)]
    pub attributes: bool,
    /// Whether its structure tells the CLI without being told.
    #[serde(default)]
    pub tells_cli: bool,
    /// Which versions look like this.
    #[serde(default)]
    pub versions: Option<String>,
    /// What a reader of the file should know.
    #[serde(default)]
    pub notes: Option<String>,
    /// Of a base for quotes: where the quote stands.
    #[serde(default)]
    pub place: Option<String>,
    /// Of a base for quotes: that the place holds a single line.
    #[serde(default)]
    pub one_line: bool,
    /// Of a base for quotes: names of quotes that would really be what they quote there.
    #[serde(default)]
    pub except: Vec<String>,
}

fn widths() -> Vec<u16> {
    vec![80]
}

fn height() -> u16 {
    40
}

/// A `.screen` file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct StageError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl StageError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        StageError { line, what: what.into() }
    }
}

/// The mark around the header.
const FENCE: &str = "---";

/// Header, body, and the line on which the body begins.
pub(super) fn split(text: &str) -> Result<(Header, &str, usize), StageError> {
    let rest = text
        .strip_prefix(FENCE)
        .and_then(|t| t.strip_prefix('\n'))
        .ok_or_else(|| StageError::new(1, "a screen begins with `---` and a header"))?;
    let end = rest.find("\n---\n").ok_or_else(|| StageError::new(1, "the header has no end: `---`"))?;
    let (header, body) = (&rest[..=end], &rest[end + 5..]);
    let lines = header.matches('\n').count();
    let parsed = toml::from_str(header).map_err(|e| {
        let before = e.span().map_or("", |s| header.get(..s.start).unwrap_or(""));
        StageError::new(before.matches('\n').count() + 2, e.message())
    })?;
    Ok((parsed, body, lines + 3))
}
