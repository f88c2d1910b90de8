//! Limits of screens, profiles, and what quarrels with them.

use std::time::Duration;

// --- evidence -------------------------------------------------------------------------------------

/// Words of a screen, a hook or a transcript that a claim quotes: one line of a wide pane.
pub const EXCERPT_BYTES: usize = 256;

// --- screens and profiles -------------------------------------------------------------------------

/// Lines of a screen that are read, from its bottom: a tall pane, and what tells whether a turn was taken.
pub const SCREEN_LINES_MAX: usize = 512;
/// Blank lines below them that are passed over.
pub const SCREEN_BLANK_LINES_MAX: usize = 1_024;
/// Bytes of one line that are read: the widest terminals have some 500 cells, with escapes and wide
/// characters.
pub const SCREEN_LINE_BYTES_MAX: usize = 8 * 1024;
/// Rows of a pane that may be one line of a program which the terminal broke: a sentence in a pane of forty
/// columns takes fewer.
pub const WRAPPED_ROWS_MAX: usize = 8;
/// Columns below which no pane is taken to break lines: a few words alone are as wide.
pub const WRAP_COLUMNS_MIN: usize = 20;
/// Lines that a composer may have: a pasted text in a tall pane.
pub const COMPOSER_LINES_MAX: usize = 120;
/// Lines with words that may stand below a composer whose profile does not say how many: a status line, tasks.
pub const COMPOSER_BELOW_LINES: usize = 12;
/// Lines with words that may stand between a menu's last option and the bottom: a preview, a hint, a status line.
pub const BELOW_OPTIONS_LINES: usize = 14;
/// Lines with words from the bottom in which a menu's cursor is looked for: it may stand on the first option.
pub const OPTIONS_BELOW_CURSOR_LINES: usize = BELOW_OPTIONS_LINES + 12;
/// Lines with words of a dialog that are looked at: the options above the cursor are among them.
pub const DIALOG_FILLED_LINES: usize = BELOW_OPTIONS_LINES + 26;
/// Lines with words from the bottom of which one may say which keys do what.
pub const HINT_LINES: usize = 3;
/// Lines below the last option within which a line about keys belongs to a menu: further down it is a footer.
pub const HINT_BELOW_OPTIONS_LINES: usize = 4;
/// Lines above an unframed menu that may be its question.
pub const ABOVE_OPTIONS_LINES: usize = 24;
/// Lines that a dialog may have: a plan or a diff above its options.
pub const DIALOG_LINES_MAX: usize = 120;
/// Lines above the composer, or above the end of a screen without one, in which the sign of work and the last
/// paragraph are looked for. Blank ones count.
pub const STATUS_LINES_MAX: usize = 40;
/// Lines of the last paragraph that rules look at.
pub const LAST_LINES_MAX: usize = 12;
/// Bytes of a line that may be a shell's prompt: user, host, and a deep folder.
pub const SHELL_PROMPT_BYTES_MAX: usize = 400;
/// Lines of the bottom that rules look at when there is neither composer nor dialog.
pub const BOTTOM_LINES_MAX: usize = 8;
/// Bytes of a literal or a pattern in a profile.
pub const PATTERN_BYTES_MAX: usize = 512;
/// Brackets in brackets of a pattern.
pub const PATTERN_NEST_MAX: u32 = 32;
/// Bytes that a pattern may take when compiled: a repetition of repetitions is refused.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Tables of one kind in a profile.
pub const RULES_PER_PROFILE_MAX: usize = 200;
/// Bytes of a captured screen's file that are read, from its end.
pub const DETECT_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of a profile's file.
pub const PROFILE_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a CLI's version that are shown.
pub const VERSION_BYTES: usize = 64;
/// Screens of a process in which its CLI's version is looked for: it stands in the banner.
pub const VERSION_LOOKS_MAX: u32 = 16;
/// Things that are told about one profile's file: nobody reads more at once.
pub const PROFILE_ERRORS_MAX: usize = 32;
/// Profiles that may extend one another in a row: each is laid over the one before.
pub const PROFILE_EXTENDS_MAX: usize = 8;
/// Entries of a folder of profiles that are looked at.
pub const PROFILE_FILES_MAX: usize = 1_024;
/// Files of a person's own profiles that are read.
pub const PROFILES_MAX: usize = 256;
/// Their folder is looked at this often: a person who edits a profile looks on. A look at a few files, which also
/// sees what no watch tells of: a folder that is not there yet, a link that leads elsewhere, a network.
pub const PROFILES_LOOK: Duration = Duration::from_secs(2);

// --- drift ----------------------------------------------------------------------------------------

/// An agent's hooks and its screen may disagree for this long: a whole build takes less than its hooks.
pub const DRIFT_QUARREL: Duration = Duration::from_secs(120);
/// And this many hooks must have been called meanwhile: a single old word is no sign.
pub const DRIFT_HOOKS: u32 = 3;
/// And this many screens read, each of which disagreed: a single old one is no sign either.
pub const DRIFT_READINGS: u32 = 3;
/// A sign must be gone this long before its alert is resolved.
pub const DRIFT_CLEAR: Duration = Duration::from_secs(300);
/// A rule must have fired this often before its silence means anything.
pub const DRIFT_RULE_TIMES: u64 = 50;
/// It is silent after this many times the screens that it usually takes until it fires again.
pub const DRIFT_RULE_GAPS: u64 = 100;
/// And after this time: nobody may have used what it tells of.
pub const DRIFT_RULE_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// Or after this time since the CLI's version changed.
pub const DRIFT_VERSION_SILENCE: Duration = Duration::from_secs(30 * 60);
/// How often signs of drift are looked for.
pub const DRIFT_REVIEW: Duration = Duration::from_secs(15);
/// Agents whose hooks are held against their screens.
pub const DRIFT_AGENTS_MAX: usize = 8_192;
/// Rules of one profile whose firing is counted.
pub const DRIFT_RULES_MAX: usize = 512;
/// Versions of one CLI that are known; of more no change is told twice.
pub const DRIFT_VERSIONS_MAX: usize = 64;
/// Alerts of drift at the same time.
pub const DRIFT_ALERTS_MAX: usize = 256;
/// A disagreement between shadow profiles and active ones is logged at most this often for each profile.
pub const SHADOW_LOG_EVERY: Duration = Duration::from_secs(60);
