//! How often the screen reader is right: scores it over labelled screens.
//!
//! `make accuracy` runs it. A labelled directory has a `labels.tsv` of file, agent, labels (`a|b`, the first is
//! the best; `busy/compacting` asks for the detail, too) and a reason. Without one named, the painted screens
//! beside the profiles, the spoofs, and the folder of `$TSUP_CORPUS` are scored.

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
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    if named.is_empty() {
        suites.push(("painted screens".to_owned(), painted()));
        suites.push(("spoofs".to_owned(), spoofs()));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpus = std::env::var_os("TSUP_CORPUS").filter(|path| !path.is_empty()).map(|path| here.join(path));
    let folders = if named.is_empty() { corpus.into_iter().collect() } else { named };
    suites.extend(folders.iter().map(|folder| (folder.display().to_string(), labelled(folder))));
    let mut failed = false;
    for (name, cases) in &suites {
        for auto in [false, true] {
            let score = score(&profiles, cases, auto);
            print!("{}", report(name, if auto { "auto" } else { "agent named" }, &score));
            failed |= (score.right as f64) < 0.97 * score.all as f64;
            failed |= score.wrongly_crashed > 0 || score.wrongly_calm > 0;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The screens that stand beside the profiles, in each of their widths, with colours.
fn painted() -> Vec<Case> {
    let screens = tsup_actors::fleet::screens::all();
    screens.flat_map(|screen| of_painted(screen.cli, screen.case, screen.painted().ok())).collect()
}

/// A painted screen in each of its widths.
fn of_painted(cli: &str, name: &str, painted: Option<Painted>) -> Vec<Case> {
    let Some(painted) = painted else { return Vec::new() };
    let header = &painted.header;
    let best = match header.detail {
        Some(detail) => format!("{}/{detail}", header.state),
        None => header.state.to_string(),
    };
    let labels: Vec<String> =
        std::iter::once(best).chain(header.accept.iter().map(ToString::to_string)).collect();
    let cases = header.columns.iter().map(|columns| Case {
        file: PathBuf::from(format!("{cli}/{name} at {columns}")),
        agent: cli.to_owned(),
        labels: labels.clone(),
        shot: painted.shot(&Frame { rows: header.rows, ..Frame::of(*columns) }),
    });
    cases.collect()
}

/// The spoofs: screens that look like something else, and every quote in every place that takes one.
fn spoofs() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/spoofs");
    let read = |room: &str| -> Vec<(String, String)> {
        let files = files(&folder.join(room)).into_iter();
        files
            .filter_map(|file| {
                Some((file.file_stem()?.to_string_lossy().into_owned(), std::fs::read_to_string(&file).ok()?))
            })
            .collect()
    };
    let open = |text: &str| -> Option<(String, Painted)> {
        let cli = Painted::parse("generic", text).ok()?.header.cli?;
        Some((cli.clone(), Painted::parse(&cli, text).ok()?))
    };
    let mut cases = Vec::new();
    for (name, text) in read("cases") {
        if let Some((cli, painted)) = open(&text) {
            cases.extend(of_painted(&cli, &name, Some(painted)));
        }
    }
    let quotes = read("quotes");
    for (base, text) in read("bases") {
        let Some((cli, painted)) = open(&text) else { continue };
        for (name, quote) in &quotes {
            let header = &painted.header;
            let long = header.one_line && quote.lines().count() > 1;
            if !long && !header.except.contains(name) {
                let quote = if header.one_line { quote.trim() } else { quote };
                cases.extend(of_painted(&cli, &format!("{base} < {name}"), painted.with_quote(quote).ok()));
            }
        }
    }
    cases
}

fn labelled(folder: &Path) -> Vec<Case> {
    let table = std::fs::read_to_string(folder.join("labels.tsv")).unwrap_or_default();
    table.lines().skip(1).filter_map(|line| of_table(folder, line)).collect()
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

fn report(suite: &str, how: &str, score: &Score) -> String {
    let mut out = String::new();
    let percent = 100.0 * score.right as f64 / score.all.max(1) as f64;
    let _ = writeln!(out, "{suite} · {how}: {} of {} right, {percent:.1} %", score.right, score.all);
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
