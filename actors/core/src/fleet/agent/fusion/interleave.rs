//! Words of all sources in any order.

use proptest::prelude::*;

use super::stage::{READS, Stage, claim};
use super::*;

#[derive(Debug, Clone)]
enum Told {
    Screen(&'static str, bool),
    Hook(&'static str),
    Transcript(&'static str),
    Title(bool),
    Write,
    Front(bool),
}

const SCREENS: [&str; 11] = [
    "spinner",
    "compacting",
    "menu",
    "trust",
    "limit",
    "composer",
    "fresh",
    "typed",
    "error",
    "viewer",
    "nothing",
];

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        4 => (proptest::sample::select(&SCREENS[..]), any::<bool>()).prop_map(|(s, calm)| Told::Screen(s, calm)),
        2 => proptest::sample::select(&["busy/tool", "waiting/permission", "idle", "fresh"][..]).prop_map(Told::Hook),
        1 => proptest::sample::select(&["busy/tool", "idle", "error", "limited"][..]).prop_map(Told::Transcript),
        1 => any::<bool>().prop_map(Told::Title),
        4 => Just(Told::Write),
        1 => any::<bool>().prop_map(Told::Front),
    ]
}

proptest! {
    /// Whatever is said in whatever order: a question or a spinner that stands is never hidden by rest,
    /// rest is never taken from a screen alone in less than two further looks, and looking never spins.
    #[test]
    fn no_interleaving_hides_work_or_a_question(
        steps in proptest::collection::vec((told(), 0_u64..2_500), 1..60),
        drawn in any::<bool>(),
    ) {
        let mut s = Stage::new(Nature { reads_screen: true, busy_is_drawn: drawn });
        let mut standing = "nothing";
        let (mut stopped, mut covered) = (false, false);
        let mut worked_at = 0;
        let (mut hooked, mut hooked_at) = (false, 0);
        for (told, wait) in steps {
            s.until(s.ms + wait);
            match told {
                Told::Screen("viewer", calm) => { covered = true; s.capture("viewer", calm); }
                Told::Screen(what, calm) => {
                    covered = false;
                    standing = what;
                    let captured = s.ms;
                    s.capture(what, calm);
                    if matches!(what, "spinner" | "compacting" | "menu" | "trust") {
                        worked_at = s.ms;
                        hooked &= captured <= hooked_at;
                    }
                }
                Told::Hook(says) => { (hooked, hooked_at) = (true, s.ms); s.hook("x", says); }
                Told::Transcript(says) => { (hooked, hooked_at) = (true, s.ms); s.transcript(says, None); }
                Told::Title(spins) => {
                    let spin = claim(Source::Title, Rank::Spinner, "busy/thinking", "⠋");
                    s.tell(Event::Title(if spins { vec![spin] } else { vec![] }));
                }
                Told::Write => { s.write(); }
                Told::Front(is) => {
                    stopped = is;
                    s.tell(Event::Front(Front { stopped: is, ..Front::default() }));
                }
            }
            let state = s.agent.verdict().state;
            if stopped {
                prop_assert_eq!(state, AgentState::Waiting);
            } else if !covered {
                match standing {
                    "menu" | "trust" => prop_assert_eq!(state, AgentState::Waiting),
                    "spinner" | "compacting" if !hooked => {
                        prop_assert!(matches!(state, AgentState::Busy | AgentState::Waiting), "{state}");
                    }
                    "spinner" | "compacting" => {
                        let rests = matches!(state, AgentState::Idle | AgentState::Fresh | AgentState::Queued);
                        prop_assert!(!rests, "{state}");
                    }
                    _ => {}
                }
                let rests = matches!(state, AgentState::Idle | AgentState::Fresh);
                if rests && !hooked && worked_at > 0 {
                    prop_assert!(s.ms >= worked_at + 700, "rest {} ms after work", s.ms - worked_at);
                }
            }
            prop_assert!(!matches!(state, AgentState::Crashed | AgentState::Exited | AgentState::Missing));
            let confidence = s.agent.confidence(at(s.ms).mono);
            prop_assert!((0.0..=1.0).contains(&confidence));
            prop_assert!(s.agent.explain(at(s.ms).mono).evidence.len() <= 8);
        }
    }

    /// A source that is silent changes nothing for ever: states do not flap by themselves.
    #[test]
    fn time_alone_makes_few_changes(
        steps in proptest::collection::vec((told(), 0_u64..2_500), 1..20),
    ) {
        let mut s = Stage::new(READS);
        for (told, wait) in steps {
            s.until(s.ms + wait);
            match told {
                Told::Screen(what, calm) => { s.capture(what, calm); }
                Told::Hook(says) => { s.hook("x", says); }
                Told::Transcript(says) => { s.transcript(says, Some(s.ms + 9_000)); }
                Told::Title(_) | Told::Front(_) => {}
                Told::Write => { s.write(); }
            }
        }
        let before = s.changes.len();
        s.until(s.ms + 7 * 3_600_000);
        prop_assert!(s.changes.len() - before <= 3, "{:?}", &s.changes[before..]);
    }
}
