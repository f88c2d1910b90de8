//! Shell prompts: what stands at the bottom of a pane whose agent is gone.

use std::sync::LazyLock;

use regex::Regex;

use super::text::Line;
use crate::limits::SHELL_PROMPT_BYTES_MAX;

/// A prompt that names a user, a host or a folder before its sign.
const PROMPT: &str = concat!(
    r"^(?:\([\w.-]+\) ?)?(?:",
    // user@host:~/proj$   user@host ~/proj %   [user@host proj]#
    r"\[?[\w.-]+@[\w.-]+[: ][^$#%>❯]{0,200}?\]? ?[$#%>❯]",
    // vscode ➜ /workspaces/proj (main) $
    r"|[\w.-]+ ➜ [^$#%]{1,200} [$#%]",
    // ➜  proj git:(main) ✗
    r"|➜ {1,2}\S{1,100}(?: git:\([^)]{1,100}\))?(?: ✗)?",
    // ~/proj $   /srv/app #   ~/proj ❯   ~ (main) %
    r"|(?:~|/)[^\s$#%>❯]*(?: [(\[][^)\]]{1,100}[)\]])? ?[$#%❯]",
    // bash-5.2$   sh-5.1#   zsh%
    r"|(?:ba|z|da|k)?sh(?:-\d[\d.]*)?[$#%]",
    // PS C:\proj>
    r"|PS [^>]{1,200}>",
    r")",
);
#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static NAMED: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("{PROMPT}$")).unwrap());
/// The same with a command typed behind it.
#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static TYPED: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("{PROMPT} +\\S")).unwrap());

/// zsh's own prompt, `host folder %`: words that may also stand in prose.
#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static ZSH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\w.-]+ [A-Za-z~/][\w.~/-]* [%#]$").unwrap());

/// Whether a shell said on this line how the program before it ended.
fn told_of_death(line: &Line<'_>) -> bool {
    let words = line.body().strip_prefix("zsh: ").unwrap_or(line.body());
    line.indent == 0
        && ["killed", "terminated", "segmentation fault", "abort", "suspended", "Killed", "Terminated"]
            .iter()
            .any(|word| words.starts_with(word))
}

/// How sure a line is a shell's prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prompt {
    /// A sign alone: `$`, `%`, `#`, or starship's `❯` below a line about the folder.
    Bare,
    /// It names a user, a host, a folder or the shell.
    Named,
}

/// Whether the last line of a screen is a shell's prompt with nothing typed behind it.
pub fn prompt(lines: &[Line<'_>]) -> Option<Prompt> {
    let last = lines.last()?;
    if last.indent > 0 || last.text.len() > SHELL_PROMPT_BYTES_MAX {
        return None;
    }
    let text = last.body();
    if NAMED.is_match(text) {
        return Some(Prompt::Named);
    }
    if ZSH.is_match(text) && lines.len() > 1 && told_of_death(&lines[lines.len() - 2]) {
        return Some(Prompt::Named);
    }
    match text {
        "$" | "#" | "%" => Some(Prompt::Bare),
        "❯" | "➜" | "λ" => {
            let above = lines.len().checked_sub(2).map(|at| &lines[at])?;
            is_folder(above).then_some(Prompt::Bare)
        }
        _ => None,
    }
}

/// Whether a line is a shell's: a prompt, a command typed behind one, or how the program before it ended. Where a
/// sign alone is the prompt, only what names a folder above it tells `❯` from a composer's.
pub fn is_line(lines: &[Line<'_>], at: usize) -> bool {
    let Some(line) =
        lines.get(at).filter(|line| line.indent == 0 && line.text.len() <= SHELL_PROMPT_BYTES_MAX)
    else {
        return false;
    };
    let body = line.body();
    let bare = ["$ ", "# ", "% "].iter().any(|sign| body.starts_with(sign));
    let below_folder = || {
        let typed = ["❯ ", "➜ ", "λ "].iter().any(|sign| body.starts_with(sign));
        typed && lines[..at].last().is_some_and(is_folder)
    };
    bare || told_of_death(line) || TYPED.is_match(body) || below_folder() || prompt(&lines[..=at]).is_some()
}

/// user@host, a folder, or starship's `folder on branch via tool`.
fn is_folder(line: &Line<'_>) -> bool {
    let words = line.body();
    words.starts_with(['~', '/'])
        || words.contains(" on \u{e0a0}")
        || words.contains(" via ")
        || (words.contains(" on ") && words.len() < 120)
        || words.contains(" in ~")
}
