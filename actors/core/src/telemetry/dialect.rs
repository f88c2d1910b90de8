//! What a StatsD receiver understands.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::metric::Kind;
use super::name::{Alphabet, LABEL_MARK, SeriesKey, dotted, dotted_unmarked, segment};

/// How labels are written and which characters a name may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// etsy's server and all that is compatible with it: labels become part of the path,
    /// `queue.depth.by.priority.high`.
    #[default]
    Etsy,
    /// Datadog's agent: `|#priority:high`. A signed gauge is absolute here.
    Dogstatsd,
    /// Graphite's tags in the name: `queue.depth;priority=high`.
    GraphiteTags,
    /// Telegraf: `queue.depth,priority=high`.
    Influx,
    /// As `etsy`, with letters, digits, `_` and `.` only, for receivers that know no more.
    Plain,
}

impl Dialect {
    /// Every dialect with its word in the configuration.
    pub const ALL: [(&'static str, Dialect); 5] = [
        ("etsy", Dialect::Etsy),
        ("dogstatsd", Dialect::Dogstatsd),
        ("graphite-tags", Dialect::GraphiteTags),
        ("influx", Dialect::Influx),
        ("plain", Dialect::Plain),
    ];
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Dialect::ALL[*self as usize].0)
    }
}

impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?;
        Dialect::ALL.iter().find(|(w, _)| *w == word).map(|(_, dialect)| *dialect).ok_or_else(|| {
            let words = Dialect::ALL.map(|(w, _)| w).join(", ");
            D::Error::custom(format_args!("there is no dialect of this name, use one of: {words}"))
        })
    }
}

/// A series as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireName {
    /// The name, without the prefix, with all labels that the dialect puts into it.
    pub name: String,
    /// Labels that follow the value, as `|#key:value`.
    pub tags: Vec<(String, String)>,
}

impl Dialect {
    /// Whether `-3|g` means "three less", so that a negative value needs `0|g` before it.
    pub fn sign_is_relative(self) -> bool {
        self != Dialect::Dogstatsd
    }

    /// How a series is written. Two different series of one kind are never written the same way.
    pub fn wire_name(self, kind: Kind, key: &SeriesKey) -> WireName {
        let nodes =
            if matches!(self, Dialect::Dogstatsd | Dialect::Plain) { Alphabet::Word } else { Alphabet::Path };
        let labels_in_path = matches!(self, Dialect::Etsy | Dialect::Plain);
        let mut name = String::with_capacity(64);
        let put = if labels_in_path { dotted_unmarked } else { dotted };
        match (kind, key.name().strip_suffix("_seconds")) {
            (Kind::Timer, Some(stem)) => put(&mut name, &format!("{stem}_ms"), nodes),
            (Kind::Timer, None) => {
                // `_x_` comes out of no escape, so this is nobody's `…_seconds`.
                put(&mut name, key.name(), nodes);
                name.push_str("_x_ms");
            }
            _ => put(&mut name, key.name(), nodes),
        }
        let mut tags = Vec::new();
        for (i, (k, v)) in key.labels().iter().enumerate() {
            let (before, between, values) = match self {
                Dialect::Etsy | Dialect::Plain if i == 0 => (&*format!(".{LABEL_MARK}."), ".", nodes),
                Dialect::Etsy | Dialect::Plain => (".", ".", nodes),
                Dialect::GraphiteTags => (";", "=", Alphabet::Tag),
                Dialect::Influx => (",", "=", Alphabet::Tag),
                Dialect::Dogstatsd => {
                    let (mut tag, mut value) = (String::new(), String::new());
                    segment(&mut tag, k, Alphabet::Word);
                    segment(&mut value, v, Alphabet::Tag);
                    tags.push((tag, value));
                    continue;
                }
            };
            name.push_str(before);
            segment(&mut name, k, nodes);
            name.push_str(between);
            segment(&mut name, v, values);
        }
        WireName { name, tags }
    }

    /// A prefix as it is written.
    pub fn wire_prefix(self, raw: &str) -> String {
        let mut out = String::new();
        if !raw.is_empty() {
            dotted(&mut out, raw, if self == Dialect::Etsy { Alphabet::Path } else { Alphabet::Word });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn words_stand_for_themselves() {
        for (word, dialect) in Dialect::ALL {
            assert_eq!(dialect.to_string(), word);
        }
    }

    fn key(name: &str, labels: &[(&str, &str)]) -> SeriesKey {
        SeriesKey::new(name, labels).unwrap()
    }

    #[test]
    fn labels_are_written_as_each_receiver_reads_them() {
        let k = key("queue.wait_seconds", &[("priority", "high-1"), ("a", "b")]);
        let name = |d: Dialect| d.wire_name(Kind::Timer, &k);
        assert_eq!(name(Dialect::Etsy).name, "queue.wait_ms.by.a.b.priority.high-1");
        assert_eq!(name(Dialect::Plain).name, "queue.wait_ms.by.a.b.priority.high_x2D1");
        assert_eq!(name(Dialect::GraphiteTags).name, "queue.wait_ms;a=b;priority=high-1");
        assert_eq!(name(Dialect::Influx).name, "queue.wait_ms,a=b,priority=high-1");
        let dog = name(Dialect::Dogstatsd);
        assert_eq!(dog.name, "queue.wait_ms");
        assert_eq!(dog.tags, [("a".into(), "b".into()), ("priority".into(), "high-1".into())]);
    }

    #[test]
    fn a_name_cannot_pass_for_another_ones_label() {
        let label = Dialect::Etsy.wire_name(Kind::Gauge, &key("a", &[("k", "v")]));
        let name = Dialect::Etsy.wire_name(Kind::Gauge, &key("a.by.k.v", &[]));
        assert_ne!(label, name);
        let (ms, bare) = (key("a_ms", &[]), key("a", &[]));
        assert_ne!(Dialect::Etsy.wire_name(Kind::Timer, &ms), Dialect::Etsy.wire_name(Kind::Timer, &bare));
        let seconds = Dialect::Etsy.wire_name(Kind::Timer, &key("a_seconds", &[]));
        assert_ne!(seconds, Dialect::Etsy.wire_name(Kind::Timer, &ms));
        assert_eq!(seconds.name, "a_ms");
    }

    /// A small alphabet of everything that matters, so that collisions would be found.
    fn hostile() -> impl Strategy<Value = String> {
        const PARTS: &[&str] = &[
            "a", "b", "x", "_", "_x", "_x2E", ".", ".by.", "by", "-", "/", ":", "|", "@", "#", ";", "=", ",",
            "\n", " ", "é", "ms", "_ms", "_seconds", "_x_ms", "\0",
        ];
        prop::collection::vec(prop::sample::select(PARTS), 1..5).prop_map(|p| p.concat())
    }

    fn series() -> impl Strategy<Value = SeriesKey> {
        (hostile(), prop::collection::btree_map(hostile(), prop_oneof![Just(String::new()), hostile()], 0..3))
            .prop_map(|(name, labels)| {
                let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                key(&name, &labels)
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn two_series_are_never_written_alike(keys in prop::collection::vec(series(), 2..40)) {
            for (_, d) in Dialect::ALL {
                for kind in [Kind::Counter, Kind::Timer] {
                    let mut seen: HashMap<WireName, &SeriesKey> = HashMap::new();
                    for k in &keys {
                        let wire = d.wire_name(kind, k);
                        if let Some(other) = seen.insert(wire.clone(), k) {
                            prop_assert_eq!(other, k, "both are {:?}", wire);
                        }
                    }
                }
            }
        }

        #[test]
        fn nothing_survives_that_a_receiver_reads_as_syntax(k in series()) {
            for (_, d) in Dialect::ALL {
                let wire = d.wire_name(Kind::Counter, &k);
                let own: &[u8] = match d {
                    Dialect::GraphiteTags => b";=",
                    Dialect::Influx => b",=",
                    _ => b"",
                };
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
                prop_assert!(wire.name.bytes().all(|b| plain(b) || own.contains(&b)), "{}", wire.name);
                prop_assert!(wire.tags.iter().all(|(k, v)| k.bytes().chain(v.bytes()).all(plain)));
                let path = wire.name.split([';', ',']).next().unwrap_or_default();
                prop_assert!(!path.split('.').any(str::is_empty), "{}", path);
            }
        }
    }
}
