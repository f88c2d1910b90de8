//! What the jobs do. Each first appends its job and its attempt to the file of its key.

use crate::world::World;

/// The script, how often it is drawn, and its text behind the mark.
const SCRIPTS: [(&str, u64, &str, &str); 8] = [
    ("mark", 40, "", ""),
    ("nap", 20, "sleep 0.0$((($$ % 9) + 1))", ""),
    ("again", 8, "sleep 0.03", "execution.idempotent = true"),
    ("leave", 10, "setsid sleep 300 & exec true", ""),
    ("hold-pipe", 4, "sleep 300 & sleep 0.02", ""),
    ("fail", 6, "exit 3", RETRY),
    ("flaky", 8, "[ \"$TSUP_ATTEMPT\" -ge 2 ]", RETRY),
    ("long", 2, "sleep 1", ""),
];
const RETRY: &str = "execution.retry.max_attempts = 3\nexecution.retry.on = [\"EXECUTION\"]\n\
                     execution.retry.initial_delay_seconds = 0.01\nexecution.retry.max_delay_seconds = 0.05";

/// Which are the names to draw from, as often as each is wanted.
pub(crate) fn names() -> Vec<&'static str> {
    SCRIPTS.iter().flat_map(|(name, times, ..)| std::iter::repeat_n(*name, *times as usize)).collect()
}

/// Registers them. The mark is one write of one line, which O_APPEND keeps whole.
pub(crate) fn register(world: &mut World) {
    std::fs::create_dir(world.dir.join("scripts/effects")).unwrap();
    for (name, _, text, more) in SCRIPTS {
        let text = format!("echo \"$TSUP_JOB $TSUP_ATTEMPT\" >> \"effects/$1\"\n{text}");
        let args = "execution.args = [{name=\"key\", required=true}]\n";
        world.script(name, &text, &format!("{args}{more}"));
    }
}
