//! What facts there are, what they are called, and what a name in a condition stands for.

use std::sync::Arc;

use super::condition::{About, Operand};
use super::define::{Declared, Line, Zone};
use super::suggest::hint;

/// Facts of a zone, in their order.
pub(super) const ZONE: [&str; 10] = [
    "occupancy",
    "entries",
    "exits",
    "unique",
    "dwell",
    "dwell-mean",
    "overcrowded",
    "speed",
    "direction",
    "current",
];
/// Facts of a zone for each of its classes, where it has several.
pub(super) const ZONE_CLASS: [&str; 3] = ["occupancy", "entries", "exits"];
/// Facts of a line, in their order.
pub(super) const LINE: [&str; 5] = ["forward", "backward", "forward.now", "backward.now", "current"];
/// Facts of a line for each of its classes, where it has several.
pub(super) const LINE_CLASS: [&str; 2] = ["forward", "backward"];
/// Facts of a rule.
pub(super) const RULE: [&str; 2] = ["active", "count"];
const WHOLE: [&str; 2] = ["tracks.count", "detections.count"];
/// What is known from outside, in its order; what the file declares follows.
pub(super) const GIVEN: [&str; 6] =
    ["view.valid", "view.epoch", "view.moving", "view.stability", "time.hour", "time.weekday"];

const ABOUT: [(&str, About); 10] = [
    ("age", About::Age),
    ("confidence", About::Confidence),
    ("speed", About::Speed),
    ("speed-m", About::GroundSpeed),
    ("direction", About::Direction),
    ("stationary", About::Stationary),
    ("x", About::X),
    ("y", About::Y),
    ("width", About::Width),
    ("height", About::Height),
];

/// The position of a fact of a zone or line that says whether it holds on this view.
pub(super) const ZONE_CURRENT: usize = ZONE.len() - 1;
/// As [`ZONE_CURRENT`].
pub(super) const LINE_CURRENT: usize = LINE.len() - 1;

/// A class's name as a part of a fact's.
pub fn part(name: &str) -> String {
    name.replace(' ', "_")
}

/// True when a part of a fact's name stands for a class's name.
pub fn is_part(part: &str, name: &str) -> bool {
    let spelled = name.bytes().map(|byte| if byte == b' ' { b'_' } else { byte });
    part.len() == name.len() && part.bytes().eq(spelled)
}

/// The table of facts: those that the engine finds come first, then what it is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    /// Where the facts of each zone begin, and those of each line and rule.
    pub(super) zones: Vec<usize>,
    pub(super) lines: Vec<usize>,
    pub(super) rules: Vec<usize>,
    /// Where `tracks.count` is.
    pub(super) whole: usize,
    /// How many the engine finds.
    pub(super) own: usize,
    /// Where the presets begin, and the declared signals.
    pub(super) presets: usize,
    pub(super) declared: usize,
}

impl Names {
    pub(super) fn new<'a>(
        zones: &[Zone],
        lines: &[Line],
        rules: impl Iterator<Item = &'a str>,
        presets: &[Arc<str>],
        declared: &[Declared],
    ) -> Self {
        let mut to = Self::default();
        for zone in zones {
            to.zones.push(to.names.len());
            to.group("zone", &zone.name, &ZONE);
            to.classes("zone", &zone.name, &zone.filter.classes, &ZONE_CLASS);
        }
        for line in lines {
            to.lines.push(to.names.len());
            to.group("line", &line.name, &LINE);
            to.classes("line", &line.name, &line.filter.classes, &LINE_CLASS);
        }
        for rule in rules {
            to.rules.push(to.names.len());
            to.group("rule", rule, &RULE);
        }
        to.whole = to.names.len();
        to.names.extend(WHOLE.map(str::to_owned));
        to.own = to.names.len();
        to.names.extend(GIVEN.map(str::to_owned));
        to.presets = to.names.len();
        to.names.extend(presets.iter().map(|preset| format!("view.preset.{preset}")));
        to.declared = to.names.len();
        to.names.extend(declared.iter().map(|signal| signal.name.to_string()));
        to
    }

    fn group(&mut self, kind: &str, name: &str, facts: &[&str]) {
        self.names.extend(facts.iter().map(|fact| format!("{kind}.{name}.{fact}")));
    }

    fn classes(&mut self, kind: &str, name: &str, classes: &[Arc<str>], facts: &[&str]) {
        for class in classes.iter().filter(|_| classes.len() > 1) {
            let class = part(class);
            self.names.extend(facts.iter().map(|fact| format!("{kind}.{name}.{fact}.{class}")));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The names in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
    }

    fn find(&self, name: &str) -> Option<Operand> {
        self.names.iter().position(|known| known == name).map(Operand::Fact)
    }
}

/// What a name in a condition stands for.
pub(super) struct Resolver<'a> {
    pub(super) names: &'a Names,
    pub(super) zones: &'a [Zone],
    pub(super) lines: &'a [Line],
    pub(super) attributes: &'a mut Vec<Arc<str>>,
    /// Whether the rule has an event an object.
    pub(super) objects: bool,
}

impl Resolver<'_> {
    /// # Errors
    /// What is wrong with the name.
    pub(super) fn resolve(&mut self, name: &str) -> Result<Operand, String> {
        if let Some(about) = name.strip_prefix("object.") {
            if !self.objects {
                return Err(format!("{name:?} asks about one object: set \"per\": \"object\""));
            }
            return self.about(about).map(Operand::Object).ok_or_else(|| {
                let mut known: Vec<String> = ABOUT.iter().map(|(name, _)| format!("object.{name}")).collect();
                known.extend(self.zones.iter().flat_map(|zone| {
                    ["inside", "dwell"].map(|fact| format!("object.zone.{}.{fact}", zone.name))
                }));
                known.extend(self.lines.iter().flat_map(|line| {
                    LINE[..LINE_CURRENT].iter().map(|fact| format!("object.line.{}.{fact}", line.name))
                }));
                known.push("object.attribute.NAME".into());
                unknown(name, known.iter().map(String::as_str))
            });
        }
        let found = self.names.find(name).or_else(|| self.direction(name));
        found.ok_or_else(|| unknown(name, self.names.iter()))
    }

    fn about(&mut self, name: &str) -> Option<About> {
        if let Some((_, about)) = ABOUT.iter().find(|(known, _)| *known == name) {
            return Some(*about);
        }
        if let Some(attribute) = name.strip_prefix("attribute.").filter(|name| !name.is_empty()) {
            let known = self.attributes.iter().position(|known| **known == *attribute);
            return Some(About::Attribute(known.unwrap_or_else(|| {
                self.attributes.push(attribute.into());
                self.attributes.len() - 1
            })));
        }
        if let Some((zone, fact)) = name.strip_prefix("zone.").and_then(|rest| rest.rsplit_once('.')) {
            let at = self.zones.iter().position(|known| *known.name == *zone)?;
            return match fact {
                "inside" => Some(About::Inside(at)),
                "dwell" => Some(About::Dwell(at)),
                _ => None,
            };
        }
        let (line, fact) = name.strip_prefix("line.")?.split_once('.')?;
        let at = self.lines.iter().position(|known| *known.name == *line)?;
        let (fact, now) = fact.strip_suffix(".now").map_or((fact, false), |fact| (fact, true));
        let direction = self.direction_of(at, fact)?;
        Some(if now { About::Crosses(at, direction) } else { About::Crossed(at, direction) })
    }

    /// A direction of a line by its number or by the name that the file gives it.
    fn direction_of(&self, line: usize, name: &str) -> Option<usize> {
        let named = self.lines[line].directions.iter().position(|d| d.as_deref() == Some(name));
        named.or_else(|| LINE_CLASS.iter().position(|known| *known == name))
    }

    fn direction(&self, name: &str) -> Option<Operand> {
        let (line, fact) = name.strip_prefix("line.")?.split_once('.')?;
        let at = self.lines.iter().position(|known| *known.name == *line)?;
        let (fact, now) = fact.strip_suffix(".now").map_or((fact, false), |fact| (fact, true));
        let direction = self.direction_of(at, fact)?;
        Some(Operand::Fact(self.names.lines[at] + direction + if now { 2 } else { 0 }))
    }
}

fn unknown<'n>(name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> String {
    let hint = hint(name, known);
    let declare = match name.split('.').next() {
        Some("zone" | "line" | "rule" | "object" | "view" | "time" | "tracks" | "detections") => "",
        _ => " (a signal from outside is declared in \"signals\")",
    };
    format!("there is no signal {name:?}{declare}{hint}")
}
