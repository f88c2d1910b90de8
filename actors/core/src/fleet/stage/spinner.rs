//! The spinners of the CLIs: their frames and their pace.

/// Glyphs that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spinner {
    frames: &'static [&'static str],
    every_ms: u64,
}

/// Braille dots as most CLIs draw them.
const DOTS: Spinner =
    Spinner { frames: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"], every_ms: 80 };
/// A flower that opens and closes.
const FLOWER: Spinner =
    Spinner { frames: &["·", "✢", "✳", "✶", "✻", "✽", "✻", "✶", "✳", "✢"], every_ms: 120 };
/// The phases of the moon.
const MOON: Spinner =
    Spinner { frames: &["🌑", "🌒", "🌓", "🌔", "🌕", "🌖", "🌗", "🌘"], every_ms: 125 };
/// A ring that fills.
const RING: Spinner = Spinner { frames: &["○", "◎", "◉", "●", "◉", "◎"], every_ms: 100 };
/// A bullet that comes and goes.
const PULSE: Spinner = Spinner { frames: &["•", "◦"], every_ms: 600 };
/// Quarters of a disc.
const QUARTERS: Spinner = Spinner { frames: &["◐", "◓", "◑", "◒"], every_ms: 80 };
/// A bar that runs through squares.
const SQUARES: Spinner = Spinner {
    frames: &["■⬝⬝⬝⬝⬝⬝⬝", "■■⬝⬝⬝⬝⬝⬝", "⬝■■⬝⬝⬝⬝⬝", "⬝⬝■■⬝⬝⬝⬝", "⬝⬝⬝■■⬝⬝⬝", "⬝⬝⬝⬝■■⬝⬝", "⬝⬝⬝⬝⬝■■⬝", "⬝⬝⬝⬝⬝⬝■■"],
    every_ms: 80,
};
/// A light that runs over blocks.
const LIGHT: Spinner = Spinner {
    frames: &["░█        ", "  ░█      ", "    ░█    ", "      ░█  ", "    █░    ", "  █░      "],
    every_ms: 100,
};
/// A wave.
const WAVE: Spinner = Spinner { frames: &["∼", "≈", "≋", "≈", "∿"], every_ms: 120 };
/// An empty and a full hexagon.
const HEXAGON: Spinner = Spinner { frames: &["⬡", "⬢"], every_ms: 250 };

impl Spinner {
    /// The spinner of a CLI; braille dots for one that is not known.
    pub fn of(cli: &str) -> Self {
        match cli {
            "claude" => FLOWER,
            "codex" => PULSE,
            "opencode" => SQUARES,
            "aider" => LIGHT,
            "copilot" => RING,
            "cursor" => HEXAGON,
            "amp" => WAVE,
            "goose" => QUARTERS,
            "kimi" => MOON,
            _ => DOTS,
        }
    }

    /// A spinner by its own name, as `{spin:dots}` says it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dots" => DOTS,
            "flower" => FLOWER,
            "moon" => MOON,
            "ring" => RING,
            "pulse" => PULSE,
            "quarters" => QUARTERS,
            "squares" => SQUARES,
            "light" => LIGHT,
            "wave" => WAVE,
            "hexagon" => HEXAGON,
            _ => return None,
        })
    }

    /// The glyph after that many moves.
    pub fn glyph(self, moves: usize) -> &'static str {
        self.frames[moves % self.frames.len()]
    }

    /// How many glyphs there are.
    pub fn len(self) -> usize {
        self.frames.len()
    }

    /// Never: a spinner has glyphs.
    pub fn is_empty(self) -> bool {
        self.frames.is_empty()
    }

    /// Milliseconds between two moves.
    pub fn every_ms(self) -> u64 {
        self.every_ms
    }
}
