//! How often the screen reader is right: scores it over labelled screens.
//!
//! `make accuracy` runs it. A labelled directory has a `labels.tsv` of file, agent, labels (`a|b`, the first is
//! the best; `busy/compacting` asks for the detail, too) and a reason. The painted screens beside the
//! profiles, `actors/profiles/screens/CLI/CASE.screen`, say in their headers which state they show.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tsup_core::fleet::evidence::Verdict;
use tsup_core::fleet::profile::{Profile, Profiles};
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::fleet::stage::{Frame, Painted};
use tsup_core::fleet::state::AgentState;

/// One labelled screen.
struct Case {
    file: PathBuf,
    agent: String,
    labels: Vec<String>,
    shot: Shot,
}

/// How many were right, and which were not.
#[derive(Default)]
struct Score {
    right: usize,
    all: usize,
    wrong: Vec<String>,
    confusion: BTreeMap<(String, String), usize>,
    by_agent: BTreeMap<String, (usize, usize)>,
    wrongly_crashed: usize,
    wrongly_calm: usize,
    other_cli: usize,
}

fn main() -> ExitCode {
    let profiles = tsup_actors::fleet::profiles::shipped();
    let mut failed = false;
    for folder in folders() {
        let cases = labelled(&folder);
        if cases.is_empty() {
            println!("{}: no labelled screens", folder.display());
            continue;
        }
        for auto in [false, true] {
            let score = score(&profiles, &cases, auto);
            let how = if auto { "auto" } else { "agent named" };
            print!("{}", report(&folder, how, &score));
            let bar = if auto { 0.95 } else { 0.97 };
            failed |= (score.right as f64) < bar * score.all as f64;
            failed |= score.wrongly_crashed > 0 || score.wrongly_calm > 0;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What to score: the arguments, else the labelled screens of `$TSUP_CORPUS` and those beside the profiles.
fn folders() -> Vec<PathBuf> {
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    if !named.is_empty() {
        return named;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("TSUP_CORPUS").map(|path| here.join("..").join(path));
    let mut folders = vec![here.join("profiles/screens")];
    folders.extend(corpus);
    folders.retain(|folder| folder.is_dir());
    folders
}

fn labelled(folder: &Path) -> Vec<Case> {
    match std::fs::read_to_string(folder.join("labels.tsv")) {
        Ok(table) => table.lines().skip(1).filter_map(|line| of_table(folder, line)).collect(),
        Err(_) => beside_profiles(folder),
    }
}

fn of_table(folder: &Path, line: &str) -> Option<Case> {
    let mut fields = line.split('\t');
    let (file, agent, labels) = (fields.next()?, fields.next()?, fields.next()?);
    let reason = fields.next().unwrap_or("");
    let detail = reason.split("[detail=").nth(1).and_then(|rest| rest.split(']').next());
    let labels = labels.split('|').map(|label| match detail {
        Some(detail) => format!("{label}/{detail}"),
        None => label.to_owned(),
    });
    case(folder.join(file), agent, labels.collect())
}

/// Painted screens, each in its first width: the header says which state it shows.
fn beside_profiles(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for cli in files(folder) {
        let agent = cli.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for file in files(&cli) {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let Ok(painted) = Painted::parse(&agent, &text) else { continue };
            let columns = painted.header.columns.first().copied().unwrap_or(80);
            let shot = painted.shot(&Frame { rows: painted.header.rows, ..Frame::of(columns) });
            let best = painted.header.state.as_str().to_owned();
            let more = painted.header.accept.iter().map(|state| state.as_str().to_owned());
            let labels = std::iter::once(best).chain(more).collect();
            cases.push(Case { file, agent: agent.clone(), labels, shot });
        }
    }
    cases
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn case(file: PathBuf, agent: &str, labels: Vec<String>) -> Option<Case> {
    let bytes = std::fs::read(&file).ok()?;
    let shot = Shot { text: String::from_utf8_lossy(&bytes).into_owned().into(), ..Shot::default() };
    Some(Case { file, agent: agent.to_owned(), labels, shot })
}

fn score(profiles: &Profiles, cases: &[Case], auto: bool) -> Score {
    let mut score = Score::default();
    for case in cases {
        let named = profiles.get(&case.agent);
        let profile: Option<&Profile> = if auto { screen::guess(profiles, &case.shot) } else { named };
        let Some(profile) = profile else {
            println!("no profile {}", case.agent);
            continue;
        };
        let read = screen::classify(profile, &case.shot);
        let right = case.labels.iter().any(|label| is(read.verdict, label));
        let best = case.labels[0].clone();
        let said = read.verdict.state.as_str().to_owned();
        score.all += 1;
        score.right += usize::from(right);
        score.other_cli += usize::from(named.is_some_and(|named| named.name != profile.name));
        let by = score.by_agent.entry(case.agent.clone()).or_default();
        by.0 += usize::from(right);
        by.1 += 1;
        *score.confusion.entry((best.clone(), said)).or_default() += 1;
        if right {
            continue;
        }
        score.wrongly_crashed += usize::from(read.verdict.state == AgentState::Crashed);
        let calm = matches!(read.verdict.state, AgentState::Idle | AgentState::Fresh);
        score.wrongly_calm += usize::from(calm && (best.starts_with("busy") || best.starts_with("waiting")));
        let why = read
            .claims
            .first()
            .map_or_else(|| "nothing spoke".into(), |c| format!("{}: {}", c.rule, c.excerpt));
        score.wrong.push(format!(
            "{} ({}): wanted {}, said {}; {why}",
            case.file.display(),
            profile.name,
            case.labels.join("|"),
            read.verdict,
        ));
    }
    score
}

fn is(verdict: Verdict, label: &str) -> bool {
    match label.split_once('/') {
        Some((state, detail)) => {
            verdict.state.as_str() == state && verdict.detail.is_some_and(|d| d.as_str() == detail)
        }
        None => verdict.state.as_str() == label,
    }
}

fn report(folder: &Path, how: &str, score: &Score) -> String {
    let mut out = String::new();
    let percent = 100.0 * score.right as f64 / score.all.max(1) as f64;
    let _ =
        writeln!(out, "{} · {how}: {} of {} right, {percent:.1} %", folder.display(), score.right, score.all);
    let _ = writeln!(
        out,
        "  wrongly crashed {} · idle or fresh where busy or waiting is right {} · taken for another CLI {}",
        score.wrongly_crashed, score.wrongly_calm, score.other_cli
    );
    let by: Vec<String> =
        score.by_agent.iter().map(|(agent, (right, all))| format!("{agent} {right}/{all}")).collect();
    let _ = writeln!(out, "  {}", by.join(" · "));
    for ((wanted, said), count) in &score.confusion {
        if !wanted.starts_with(said.as_str()) {
            let _ = writeln!(out, "  {count:4} × {wanted} read as {said}");
        }
    }
    for wrong in &score.wrong {
        let _ = writeln!(out, "  {wrong}");
    }
    out
}
