//! What a command line says about the program behind it: interpreters are looked through.

use crate::fleet::process::Proc;
use crate::untrusted::Untrusted;

use super::{Recognise, Rule};

/// The names under which a process may be known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken<'a> {
    comm: &'a str,
    program: &'a str,
    program_path: &'a str,
    script: Option<&'a str>,
    module: Option<&'a str>,
    arguments: &'a [String],
}

/// Options that take the next word as their value; the script stands behind it.
const NODE_VALUED: [&str; 8] =
    ["-r", "--require", "--import", "--loader", "-C", "--conditions", "--env-file", "-e"];
const PYTHON_VALUED: [&str; 4] = ["-W", "-X", "--check-hash-based-pycs", "-c"];

/// Arguments among which a weak name looks for the script that it runs: options of an interpreter stand before.
const WEAK_ARGUMENTS: usize = 4;

#[derive(Clone, Copy)]
enum Interpreter {
    Node,
    Python,
    Shell,
}

impl Interpreter {
    fn of(program: &str) -> Option<Self> {
        let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        match stem {
            "node" | "nodejs" | "bun" | "deno" | "electron" => Some(Interpreter::Node),
            "python" | "pypy" | "uv" | "uvx" | "pipx" => Some(Interpreter::Python),
            "sh" | "bash" | "zsh" | "dash" | "ksh" | "fish" => Some(Interpreter::Shell),
            _ => None,
        }
    }
}

impl<'a> Spoken<'a> {
    /// Reads a process. A program that renamed itself has one argument, its title; the first word of it
    /// is its name.
    pub fn of(proc: &'a Proc) -> Self {
        let program_path = proc.argv.first().map_or("", String::as_str);
        let program = basename(program_path.split(' ').next().unwrap_or("")).trim_start_matches('-');
        let mut spoken = Spoken { comm: &proc.comm, program, program_path, ..Spoken::default() };
        let arguments = proc.argv.get(1..).unwrap_or_default();
        spoken.arguments = arguments;
        // A program may carry any first argument (`exec -a`), the kernel's name is then the only witness.
        match Interpreter::of(program).or_else(|| Interpreter::of(&proc.comm)) {
            Some(Interpreter::Node) => spoken.script = script_after(arguments, &NODE_VALUED, &["run", "x"]),
            Some(Interpreter::Python) => {
                let module = arguments.iter().position(|a| a == "-m");
                match module {
                    Some(at) => spoken.module = arguments.get(at + 1).map(String::as_str),
                    None => spoken.script = script_after(arguments, &PYTHON_VALUED, &["run", "tool"]),
                }
            }
            // What stands behind a shell's options is a command, not a script: the command's own process
            // will tell.
            Some(Interpreter::Shell) => {
                spoken.script = arguments.first().map(String::as_str).filter(|a| !a.starts_with('-'));
            }
            None => {}
        }
        spoken
    }

    /// The strongest rule by which it fits.
    pub(super) fn rule(&self, recognise: &Recognise, title: &Untrusted) -> Option<Rule> {
        let has = |list: &[String], name: &str| !name.is_empty() && list.iter().any(|n| n == name);
        if has(&recognise.names, self.program) || has(&recognise.names, self.comm) {
            return Some(Rule::Name);
        }
        if self.script.is_some_and(|s| has(&recognise.scripts, stem(basename(s)))) {
            return Some(Rule::Script);
        }
        let paths = [Some(self.program_path), self.script];
        if paths.into_iter().flatten().any(|path| recognise.paths.iter().any(|p| has_parts(path, p))) {
            return Some(Rule::Path);
        }
        if self.module.is_some_and(|m| has(&recognise.modules, m)) {
            return Some(Rule::Module);
        }
        if recognise.version_named && (is_version(self.program) || is_version(self.comm)) {
            return Some(Rule::Version);
        }
        let weak = has(&recognise.weak_names, self.program) || has(&recognise.weak_names, self.comm);
        if !weak {
            return None;
        }
        let argument = self.arguments.first().is_some_and(|a| has(&recognise.weak_arguments, a));
        let titled = recognise.titles.iter().any(|t| title.raw().contains(t.as_str()));
        // An interpreter that runs under another name is not looked through; what it runs stands behind it.
        let runs = |a: &String| recognise.paths.iter().any(|p| has_parts(a, p));
        (argument || titled || self.arguments.iter().take(WEAK_ARGUMENTS).any(runs)).then_some(Rule::Weak)
    }
}

/// The first argument that is neither an option, nor an option's value, nor a runner's verb.
fn script_after<'a>(arguments: &'a [String], valued: &[&str], verbs: &[&str]) -> Option<&'a str> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if valued.contains(&argument.as_str()) {
            rest.next();
        } else if !argument.starts_with('-') && !verbs.contains(&argument.as_str()) && !argument.is_empty() {
            return Some(argument);
        }
    }
    None
}

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A script's name without the ending that only says its language.
fn stem(name: &str) -> &str {
    for ending in [".js", ".mjs", ".cjs", ".ts", ".py", ".sh"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return stem;
        }
    }
    name
}

/// Whether the folders of `path` hold the parts of `wanted`, in order and side by side.
fn has_parts(path: &str, wanted: &str) -> bool {
    let Some((folder, _)) = path.rsplit_once('/') else { return false };
    let parts: Vec<&str> = folder.split('/').collect();
    let wanted: Vec<&str> = wanted.split('/').collect();
    parts.windows(wanted.len()).any(|window| window == wanted)
}

/// `2.1.34`, `1.0.0-beta.2`: three numbers, then whatever a version may carry.
fn is_version(name: &str) -> bool {
    let core = name.split(['-', '+']).next().unwrap_or(name);
    let mut numbers = 0;
    core.split('.').all(|part| {
        numbers += 1;
        !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit())
    }) && numbers == 3
}
