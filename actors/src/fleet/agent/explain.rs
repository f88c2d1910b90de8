//! Why an agent is in its state, as a document.

use tsup_core::clock::Mono;
use tsup_core::fleet::agent::Evidence;
use tsup_core::fleet::evidence::Source;
use tsup_core::fleet::profile::Profiles;
use tsup_core::fleet::transcript::Format;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::explain::{ChangeDoc, EvidenceDoc, ExplainDoc, ExplainNotes, Explained};

use super::{AgentActor, see};
use crate::clock::now_mono;

impl AgentActor {
    pub(super) fn explain(&self) -> Explained {
        let (now, agent) = (now_mono(), &self.held.agent);
        let why = agent.explain(now);
        let mut evidence = Vec::new();
        evidence.extend(self.process_evidence());
        evidence.extend(why.evidence.iter().map(|e| shown(e, now)));
        if let Some(at) = agent.last_activity() {
            let (rule, says) = ("activity.written", "written in");
            evidence.push(row(
                Source::Activity,
                rule,
                says,
                now.since(at).as_secs_f64(),
                Untrusted::default(),
            ));
        }
        let history = agent.history().iter().map(|change| ChangeDoc {
            at: change.at,
            from: change.from,
            to: change.to.to_string(),
            because: change.because.to_string(),
        });
        let doc = self.doc();
        Explained {
            doc: ExplainDoc {
                version: VERSION,
                agent: self.id,
                state: why.verdict.state,
                detail: why.verdict.detail,
                confidence: why.confidence,
                since: agent.since().wall,
                evidence,
                history: history.collect(),
            },
            notes: ExplainNotes {
                session: doc.session,
                name: doc.name,
                title: self.cli_title(),
                pane: doc.pane,
                pid: doc.pid,
                because: why.because.to_string(),
                notes: self.notes(why.notes, now),
                missing: self.missing(&why.evidence),
            },
        }
    }

    /// What a person should know beside why it is in its state.
    fn notes(&self, of_state: Vec<String>, now: Mono) -> Vec<String> {
        let notes = self.held_notes().into_iter().chain(of_state).collect();
        self.with_drift(notes, now).into_iter().chain(self.version_note()).collect()
    }

    /// What the kernel says; how long that has been so is not known, so it is of now.
    fn process_evidence(&self) -> Option<EvidenceDoc> {
        let process = self.held.agent.process()?;
        let (rule, says) = match (self.held.agent.is_alive(), self.seen_front.stopped) {
            (false, _) => ("process.ended", "ended"),
            (true, true) => ("process.stopped", "stopped"),
            (true, false) => ("process.runs", "runs"),
        };
        Some(row(Source::Process, rule, says, 0.0, format!("process {}", process.pid).into()))
    }

    fn cli_title(&self) -> String {
        let name = &self.held.record.profile;
        let profiles = self.shared.profiles();
        profiles.get(name).map_or_else(|| name.clone(), |profile| profile.title.clone())
    }

    /// Sources that have said nothing, with what a person can do about it.
    fn missing(&self, said: &[Evidence]) -> Vec<String> {
        let name = &self.held.record.profile;
        let silent = |source| !said.iter().any(|e| e.claim.source == source);
        let mut missing = Vec::new();
        if !self.held.agent.is_alive() {
            return missing;
        }
        let profiles = self.shared.profiles();
        if see::profile(&profiles, name).is_none_or(|p| !see::nature(p).reads_screen) {
            missing.push(format!(
                "screen: the profile {name} has no rules for screens; output and quiet decide"
            ));
        } else if silent(Source::Screen) {
            missing.push(
                "screen: no rule fits what it shows; `tsup ctl capture` shows what tsup sees".to_owned(),
            );
        }
        if silent(Source::Hook) {
            missing.push(format!("hooks: {}", hook_advice(name, &profiles)));
        }
        if silent(Source::Transcript) {
            let follows = Format::of(profiles.family(name)).is_some();
            missing.push(if follows {
                "transcript: it was not found yet, or says nothing about the state".to_owned()
            } else {
                format!("transcript: tsup reads none of {}", self.cli_title())
            });
        }
        missing
    }
}

/// Why no hook may have spoken, and what a person can do.
fn hook_advice(name: &str, profiles: &Profiles) -> String {
    let Some(profile) = profiles.get(name).filter(|profile| profile.hooks.is_known()) else {
        return format!("tsup knows none of {name}");
    };
    let family = profiles.family(name);
    // Profiles of one family run the same CLI, whose settings are edited under the family's name.
    let editable =
        [Some(profile), profiles.get(family)].into_iter().flatten().find(|p| p.hooks.install.is_some());
    let how = match editable {
        Some(editable) => {
            let name = &editable.name;
            format!(
                "`tsup hooks install {name}` lets its CLI tell at once what it does; restart the agent then"
            )
        }
        None => format!("let its CLI call `tsup hook {family}`; tsup does not edit its settings"),
    };
    format!("none was called by this process; {how}")
}

fn shown(evidence: &Evidence, now: Mono) -> EvidenceDoc {
    let claim = &evidence.claim;
    let age = now.since(evidence.at).as_secs_f64();
    row(claim.source, &claim.rule, &claim.says.to_string(), age, claim.excerpt.clone())
}

fn row(source: Source, rule: &str, says: &str, age: f64, excerpt: Untrusted) -> EvidenceDoc {
    let age_seconds = (age * 1000.0).round() / 1000.0;
    EvidenceDoc {
        source: source.to_string(),
        rule: rule.to_owned(),
        says: says.to_owned(),
        age_seconds,
        excerpt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::profiles::with;

    #[test]
    fn a_person_is_told_what_there_is_to_install() {
        let own = "version = 1\nname = \"mine\"\nextends = \"claude\"\n";
        let (profiles, errors) = with([("mine.toml", own)]);
        assert!(errors.is_empty(), "{errors:?}");
        for (name, says) in [
            ("claude", "none was called by this process; `tsup hooks install claude` lets"),
            ("mine", "none was called by this process; `tsup hooks install claude` lets"),
            ("goose", "let its CLI call `tsup hook goose`; tsup does not edit"),
            ("kiro", "let its CLI call `tsup hook kiro`; tsup does not edit"),
            ("aider", "tsup knows none of aider"),
            ("generic", "tsup knows none of generic"),
            ("nobody", "tsup knows none of nobody"),
        ] {
            let advice = hook_advice(name, &profiles);
            assert!(advice.contains(says), "{name}: {advice}");
        }
    }
}
