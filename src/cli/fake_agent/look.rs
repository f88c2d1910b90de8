//! The looks: how each CLI's screen is laid out, as data.

/// Clears the screen and goes home.
const CLEAR: &str = "\x1b[2J\x1b[H";
/// Braille spinner frames, as many CLIs use them.
const BRAILLE: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"];
/// What a busy agent says it does.
const DOING: [&str; 6] = ["Sorting", "Weaving", "Measuring", "Polishing", "Tracing", "Folding"];
/// What it says it did.
const DID: [&str; 6] = ["Sorted", "Wove", "Measured", "Polished", "Traced", "Folded"];

/// How one CLI looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    name: &'static str,
    banner: &'static str,
    /// Lines that make the empty composer.
    composer: &'static str,
    footer: &'static str,
}

const LOOKS: [Look; 3] = [
    Look {
        name: "claude",
        banner: " ✻ Welcome to the workshop\r\n   cwd: ~/project\r\n",
        composer: "────────────────────────────────────────\r\n❯\u{a0}\r\n────────────────────────────────────────\r\n",
        footer: "  ? for shortcuts\r\n",
    },
    Look {
        name: "codex",
        banner: ">_ workshop (preview)\r\n   directory: ~/project\r\n",
        composer: "› \r\n",
        footer: "  100% context left · ? for shortcuts\r\n",
    },
    Look {
        name: "gemini",
        banner: " workshop\r\n Tips for getting started\r\n",
        composer: "╭──────────────────────────────────────╮\r\n│ >   Type your message                │\r\n╰──────────────────────────────────────╯\r\n",
        footer: "  ~/project   no sandbox\r\n",
    },
];

impl Look {
    /// The look of a CLI.
    pub(super) fn named(name: &str) -> Result<Look, String> {
        LOOKS.into_iter().find(|l| l.name == name).ok_or_else(|| {
            let names: Vec<_> = LOOKS.iter().map(|l| l.name).collect();
            format!("no look `{name}`: use {}", names.join(", "))
        })
    }

    fn title(busy: Option<usize>) -> String {
        match busy {
            Some(frame) => format!("\x1b]2;{} working\x07", BRAILLE[frame % BRAILLE.len()]),
            None => "\x1b]2;✳ ready\x07".to_owned(),
        }
    }

    pub(super) fn starting(self) -> String {
        format!("{CLEAR}{}\r\nLoading configuration\r\n", self.banner)
    }

    pub(super) fn fresh(self) -> String {
        format!("{CLEAR}{}{}\r\n{}{}", Self::title(None), self.banner, self.composer, self.footer)
    }

    pub(super) fn idle(self, turn: u64) -> String {
        if turn == 0 {
            return self.fresh();
        }
        let did = DID[turn as usize % DID.len()];
        format!(
            "{CLEAR}{}{}\r\n● Done, all of it.\r\n\r\n✻ {did} for 2s\r\n\r\n{}{}",
            Self::title(None),
            self.banner,
            self.composer,
            self.footer
        )
    }

    pub(super) fn busy(self, seed: u64, frame: usize, seconds: u64) -> String {
        let doing = DOING[seed as usize % DOING.len()];
        let spinner = BRAILLE[frame % BRAILLE.len()];
        let work = match self.name {
            "claude" => format!("✶ {doing}… ({seconds}s · ↓ {} tokens · esc to interrupt)", 40 + frame * 7),
            "codex" => format!("• Working ({seconds}s • esc to interrupt)"),
            _ => format!("{spinner} {doing} (esc to cancel, {seconds}s)"),
        };
        format!(
            "{CLEAR}{}{}\r\n● Looking at file {frame}\r\n\r\n{work}\r\n\r\n{}{}",
            Self::title(Some(frame)),
            self.banner,
            self.composer,
            self.footer
        )
    }

    pub(super) fn asking(self) -> String {
        let question = match self.name {
            "claude" => "Do you want to proceed?\r\n❯ 1. Yes\r\n  2. No\r\n\r\n Esc to cancel\r\n",
            "codex" => {
                "Allow command?\r\n› 1. Yes\r\n  2. No\r\n\r\n  Press enter to confirm or esc to cancel\r\n"
            }
            _ => "│ Apply this change?\r\n│ ● 1. Yes, allow once\r\n│   2. No (esc)\r\n",
        };
        format!("{CLEAR}{}{}\r\n● run: make build\r\n\r\n{question}", Self::title(None), self.banner)
    }
}
