//! Reading and checking a rule file.

use std::sync::Arc;

use super::RuleError;
use super::condition::{About, Condition, Operand};
use super::define::{Anchor, Declared, Filter, Line, Mode, Per, Region, Rule, Rules, Timing, Zone};
use super::geometry::{Point, double_area, self_crossing};
use super::json::{self, Node, Value};
use super::names::{LINE, LINE_CLASS, LINE_CURRENT, Names, RULE, Resolver, ZONE_CURRENT, is_part, part};
use super::order;
use super::signals::MAX_SIGNALS;
use super::suggest::hint;

/// The most zones, lines, rules and signals of a file, each.
const MAX_ITEMS: usize = 256;
/// The most corners of a polygon or line.
const MAX_POINTS: usize = 256;
/// The most different classes that a file may name.
pub(super) const MAX_CLASSES: usize = 64;
const MAX_NAME: usize = 64;
/// The longest name of a signal from outside, which may have that of its source before it.
const MAX_SIGNAL_NAME: usize = 256;
/// The most facts that a file may make: what others keep of one source.
const MAX_FACTS: usize = MAX_SIGNALS;
const DEFAULT_GRACE: f64 = 1.0;
const DEFAULT_MARGIN: f64 = 0.002;
/// The longest time in seconds: a week.
const MAX_SECONDS: f64 = 604_800.0;

type Read<T> = Result<T, RuleError>;

/// A value of the file, and the way to it.
struct Place<'n> {
    node: &'n Node,
    path: String,
}

impl<'n> Place<'n> {
    fn error(&self, what: impl Into<String>) -> RuleError {
        RuleError { line: self.node.line, path: self.path.clone(), what: what.into() }
    }

    fn wanted(&self, wanted: &str) -> RuleError {
        self.error(format!("is {}, wanted is {wanted}", self.node.value.kind()))
    }

    /// The value of a key. With `known` given, other keys are mistakes.
    fn key(&self, name: &str) -> Option<Place<'n>> {
        let Value::Object(entries) = &self.node.value else { return None };
        let (_, _, node) = entries.iter().find(|(key, ..)| key == name)?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(Place { node, path })
    }

    fn required(&self, name: &str) -> Read<Place<'n>> {
        self.key(name).ok_or_else(|| self.error(format!("has no {name:?}")))
    }

    /// Checks that it is an object with these keys only.
    fn check_keys(&self, known: &[&str]) -> Read<()> {
        let Value::Object(entries) = &self.node.value else { return Err(self.wanted("an object")) };
        // Editors find the schema by this key.
        let odd = entries.iter().find(|(key, ..)| !known.contains(&key.as_str()) && key != "$schema");
        match odd {
            None => Ok(()),
            Some((key, line, _)) => Err(RuleError {
                line: *line,
                path: self.path.clone(),
                what: format!("has the unknown key {key:?}{}", hint(key, known.iter().copied())),
            }),
        }
    }

    fn list(&self, most: usize) -> Read<Vec<Place<'n>>> {
        let Value::List(items) = &self.node.value else { return Err(self.wanted("a list")) };
        if items.len() > most {
            return Err(self.error(format!("has {} items, at most {most} are read", items.len())));
        }
        let place = |(i, node)| Place { node, path: format!("{}[{i}]", self.path) };
        Ok(items.iter().enumerate().map(place).collect())
    }

    fn text(&self) -> Read<&'n str> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wanted("text")),
        }
    }

    fn flag(&self) -> Read<bool> {
        match self.node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.wanted("true or false")),
        }
    }

    fn number(&self, from: f64, to: f64) -> Read<f64> {
        let Value::Number(value) = self.node.value else { return Err(self.wanted("a number")) };
        if !(from..=to).contains(&value) {
            return Err(self.error(format!("is {value}, outside of {from} to {to}")));
        }
        Ok(value)
    }

    /// Seconds as nanoseconds.
    fn seconds(&self) -> Read<u64> {
        Ok((self.number(0.0, MAX_SECONDS)? * 1e9).round() as u64)
    }

    fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        let names = choices.iter().map(|(name, _)| *name);
        found.ok_or_else(|| self.error(format!("is {text:?}, which is none{}", hint(text, names))))
    }

    /// A name that can be a part of a signal's.
    fn name(&self) -> Read<Arc<str>> {
        let text = self.text()?;
        let odd = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        match odd {
            Some(odd) => {
                Err(self.error(format!("{text:?} has {odd:?}; names have letters, digits, _ and - only")))
            }
            None if text.is_empty()
                || text.len() > MAX_NAME
                || text.starts_with('-')
                || text.ends_with('-') =>
            {
                Err(self.error(format!(
                    "{text:?} is no name: it has 1 to {MAX_NAME} characters, no - at its ends"
                )))
            }
            None => Ok(text.into()),
        }
    }

    fn point(&self) -> Read<Point> {
        let items = self.list(2)?;
        let [x, y] = items.as_slice() else { return Err(self.wanted("a point [x, y]")) };
        let coordinate = |place: &Place<'_>| {
            place.number(-1.0, 2.0).map_err(|mut error| {
                error.what += "; coordinates are in units of the frame: 0, 0 is its top left corner and 1, 1 its bottom right";
                error
            })
        };
        Ok([coordinate(x)?, coordinate(y)?])
    }

    fn points(&self, least: usize) -> Read<Vec<Point>> {
        let points = self.list(MAX_POINTS)?.iter().map(Place::point).collect::<Read<Vec<_>>>()?;
        match points.len() {
            count if count < least => {
                Err(self.error(format!("has {count} points, at least {least} are needed")))
            }
            _ => Ok(points),
        }
    }

    fn classes(&self) -> Read<Vec<Arc<str>>> {
        let mut classes: Vec<Arc<str>> = Vec::new();
        for place in self.list(MAX_CLASSES)? {
            let name = place.text()?;
            if name.is_empty() {
                return Err(place.error("is empty, wanted is the name of a class"));
            }
            if let Some(other) = classes.iter().find(|other| is_part(&part(other), name)) {
                return Err(place
                    .error(format!("{name:?} and {other:?} are one name in facts: leave one of them out")));
            }
            classes.push(name.into());
        }
        Ok(classes)
    }
}

/// Reads a rule file.
pub(super) fn read(text: &str) -> Read<Rules> {
    let node = json::parse(text)?;
    let root = Place { node: &node, path: String::new() };
    root.check_keys(&["version", "zones", "lines", "signals", "rules"])?;
    let version = root.required("version")?;
    if version.number(0.0, 1e9)? != 1.0 {
        return Err(version.error("is a version that cannot be read; this is version 1"));
    }
    let items = |name| root.key(name).map_or(Ok(Vec::new()), |place| place.list(MAX_ITEMS));
    let zones = items("zones")?.iter().map(zone).collect::<Read<Vec<_>>>()?;
    let lines = items("lines")?.iter().map(line).collect::<Read<Vec<_>>>()?;
    let signals = items("signals")?.iter().map(declared).collect::<Read<Vec<_>>>()?;
    let rules = items("rules")?;
    let rule_names = rules.iter().map(|rule| rule.required("name")?.name()).collect::<Read<Vec<_>>>()?;
    unique(&items("zones")?, zones.iter().map(|zone| &*zone.name), "zone")?;
    unique(&items("lines")?, lines.iter().map(|line| &*line.name), "line")?;
    unique(&items("signals")?, signals.iter().map(|signal| &*signal.name), "signal")?;
    unique(&rules, rule_names.iter().map(|name| &**name), "rule")?;
    let presets = presets(&zones, &lines);
    let names = Names::new(&zones, &lines, rule_names.iter().map(|name| &**name), &presets, &signals);
    if names.own > MAX_FACTS {
        let (is, most) = (names.own, MAX_FACTS);
        return Err(root.error(format!(
            "makes {is} facts, at most {most} are possible: give zones and lines fewer classes, or divide them among files"
        )));
    }
    let mut attributes = Vec::new();
    let context = Context { names: &names, zones: &zones, lines: &lines };
    let read = rules.iter().zip(rule_names).map(|(place, name)| rule(place, name, &context, &mut attributes));
    let read = read.collect::<Read<Vec<_>>>()?;
    let order = order::order(&read, &names).map_err(|(at, what)| rules[at].error(what))?;
    let renumbered = order::renumbered(read, &order, &names);
    let all = Rules { zones, lines, signals, rules: renumbered, attributes, presets };
    match all.classes().len() {
        count if count > MAX_CLASSES => {
            Err(root.error(format!("names {count} different classes, at most {MAX_CLASSES} are possible")))
        }
        _ => Ok(all),
    }
}

fn unique<'a>(places: &[Place<'_>], names: impl Iterator<Item = &'a str>, kind: &str) -> Read<()> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, place) in names.zip(places) {
        if seen.contains(&name) {
            return Err(
                place.error(format!("is the second {kind} named {name:?}: name one of them differently"))
            );
        }
        seen.push(name);
    }
    Ok(())
}

fn presets(zones: &[Zone], lines: &[Line]) -> Vec<Arc<str>> {
    let named = zones.iter().map(|zone| &zone.preset).chain(lines.iter().map(|line| &line.preset));
    let mut presets: Vec<Arc<str>> = Vec::new();
    for preset in named.flatten() {
        if !presets.contains(preset) {
            presets.push(preset.clone());
        }
    }
    presets
}

const ZONE_KEYS: [&str; 14] = [
    "name",
    "polygon",
    "ellipse",
    "inverse",
    "anchor",
    "overlap",
    "classes",
    "min-height",
    "max-height",
    "grace",
    "limit",
    "count",
    "preset",
    "comment",
];

const ANCHORS: [(&str, Anchor); 4] = [
    ("center", Anchor::Center),
    ("bottom-center", Anchor::BottomCenter),
    ("any", Anchor::Any),
    ("overlap", Anchor::Overlap),
];

fn zone(place: &Place<'_>) -> Read<Zone> {
    place.check_keys(&ZONE_KEYS)?;
    let name = place.required("name")?.name()?;
    let anchor = place.key("anchor").map_or(Ok(Anchor::default()), |anchor| anchor.choice(&ANCHORS))?;
    let overlap = place.key("overlap");
    if let (Some(overlap), true) = (&overlap, anchor != Anchor::Overlap) {
        return Err(overlap.error("is for \"anchor\": \"overlap\" only"));
    }
    let count = place.key("count");
    let detections = count.map_or(Ok(false), |c| c.choice(&[("tracks", false), ("detections", true)]))?;
    Ok(Zone {
        name,
        region: region(place)?,
        inverse: place.key("inverse").map_or(Ok(false), |inverse| inverse.flag())?,
        anchor,
        overlap: overlap.map_or(Ok(0.5), |overlap| overlap.number(0.01, 1.0))?,
        filter: filter(place)?,
        grace: place.key("grace").map_or(Ok((DEFAULT_GRACE * 1e9) as u64), |grace| grace.seconds())?,
        limit: place.key("limit").map(|limit| limit.number(0.0, 1e6).map(|v| v as u32)).transpose()?,
        detections,
        preset: preset(place)?,
    })
}

fn region(place: &Place<'_>) -> Read<Region> {
    match (place.key("polygon"), place.key("ellipse")) {
        (Some(polygon), None) => self::polygon(&polygon),
        (None, Some(ellipse)) => self::ellipse(&ellipse),
        _ => Err(place.error("needs either \"polygon\" or \"ellipse\"")),
    }
}

fn polygon(place: &Place<'_>) -> Read<Region> {
    let points = place.points(3)?;
    if let Some((i, j)) = self_crossing(&points) {
        let what = format!("crosses or touches itself: the edges after points {i} and {j} meet");
        return Err(place.error(format!("{what}; give its corners in order, once around")));
    }
    if double_area(&points) < 1e-9 {
        return Err(place.error("has no area: its points lie on one line"));
    }
    outside(place, &points)?;
    Ok(Region::Polygon(points))
}

/// Refuses what nothing in the picture can meet.
fn outside(place: &Place<'_>, points: &[Point]) -> Read<()> {
    let all = |beyond: fn(f64) -> bool, axis: usize| points.iter().all(|point| beyond(point[axis]));
    let out = (0..2).any(|axis| all(|v| v < 0.0, axis) || all(|v| v > 1.0, axis));
    if out { Err(place.error("lies outside of the frame, which reaches from 0 to 1")) } else { Ok(()) }
}

fn ellipse(place: &Place<'_>) -> Read<Region> {
    place.check_keys(&["center", "radii"])?;
    let center = place.required("center")?.point()?;
    let radii = place.required("radii")?;
    let items = radii.list(2)?;
    let [rx, ry] = items.as_slice() else { return Err(radii.wanted("two numbers [x, y]")) };
    let (rx, ry) = (rx.number(1e-4, 2.0)?, ry.number(1e-4, 2.0)?);
    let corners = [[center[0] - rx, center[1] - ry], [center[0] + rx, center[1] + ry]];
    outside(place, &corners)?;
    Ok(Region::Ellipse { center, radii: [rx, ry] })
}

fn filter(place: &Place<'_>) -> Read<Filter> {
    let classes = place.key("classes").map_or(Ok(Vec::new()), |classes| classes.classes())?;
    let least = place.key("min-height").map_or(Ok(0.0), |height| height.number(0.0, 10.0))?;
    let most = place.key("max-height").map_or(Ok(10.0), |height| height.number(0.0, 10.0))?;
    if least > most {
        return Err(
            place.error(format!("has min-height {least} above max-height {most}: nothing would count"))
        );
    }
    Ok(Filter { classes, height: [least, most] })
}

fn preset(place: &Place<'_>) -> Read<Option<Arc<str>>> {
    let Some(preset) = place.key("preset") else { return Ok(None) };
    match preset.text()? {
        "" => Err(preset.error("is empty, wanted is the name of a preset")),
        name => Ok(Some(name.into())),
    }
}

const LINE_KEYS: [&str; 12] = [
    "name",
    "points",
    "anchor",
    "mode",
    "margin",
    "classes",
    "min-height",
    "max-height",
    "forward",
    "backward",
    "preset",
    "comment",
];

fn line(place: &Place<'_>) -> Read<Line> {
    place.check_keys(&LINE_KEYS)?;
    let name = place.required("name")?.name()?;
    let at = place.required("points")?;
    let points = at.points(2)?;
    if let Some(i) = points.windows(2).position(|pair| pair[0] == pair[1]) {
        return Err(at.error(format!("has a part of no length: points {i} and {} are the same", i + 1)));
    }
    outside(&at, &points)?;
    let anchors = &ANCHORS[..2];
    let modes = [("strict", Mode::Strict), ("balanced", Mode::Balanced), ("loose", Mode::Loose)];
    let directions = directions(place)?;
    let filter = filter(place)?;
    if let (Some(classes), true) = (place.key("classes"), filter.classes.len() > 1)
        && filter.classes.iter().any(|class| **class == *"now")
    {
        return Err(classes.error("has \"now\", which in facts of a line means on this frame"));
    }
    Ok(Line {
        name,
        points,
        anchor: place.key("anchor").map_or(Ok(Anchor::default()), |anchor| anchor.choice(anchors))?,
        mode: place.key("mode").map_or(Ok(Mode::default()), |mode| mode.choice(&modes))?,
        margin: place.key("margin").map_or(Ok(DEFAULT_MARGIN), |margin| margin.number(0.0, 0.5))?,
        filter,
        directions,
        preset: preset(place)?,
    })
}

/// What forward and backward are called.
fn directions(place: &Place<'_>) -> Read<[Option<Arc<str>>; 2]> {
    let mut names = [None, None];
    for (at, direction) in LINE_CLASS.into_iter().enumerate() {
        let Some(key) = place.key(direction) else { continue };
        let name = key.name()?;
        let taken = LINE.iter().any(|fact| **fact == *name && *fact != direction);
        if taken {
            return Err(key.error(format!("is {name:?}, which is another fact of a line")));
        }
        if names[0].as_ref() == Some(&name) {
            return Err(key.error(format!("is {name:?}, which forward is called, too")));
        }
        names[at] = Some(name);
    }
    Ok(names)
}

fn declared(place: &Place<'_>) -> Read<Declared> {
    place.check_keys(&["name", "ttl", "comment"])?;
    let at = place.required("name")?;
    let name = at.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || !name.chars().all(fits)
        || name.len() > MAX_SIGNAL_NAME
    {
        return Err(at.error(format!(
            "{name:?} is no name of a signal: a letter, then letters, digits and _ . : -, at most {MAX_SIGNAL_NAME}"
        )));
    }
    let reserved = ["zone.", "line.", "rule.", "object.", "view.", "time.", "tracks.", "detections."];
    if let Some(prefix) = reserved.into_iter().find(|prefix| name.starts_with(prefix)) {
        return Err(at.error(format!(
            "{name:?} begins with {prefix:?}, which is kept for facts; those of another element have its name before them, \
             ELEMENT:{name}"
        )));
    }
    Ok(Declared { name: name.into(), ttl: place.key("ttl").map(|ttl| ttl.seconds()).transpose()? })
}

struct Context<'a> {
    names: &'a Names,
    zones: &'a [Zone],
    lines: &'a [Line],
}

const RULE_KEYS: [&str; 10] =
    ["name", "when", "per", "classes", "for", "gap", "cooldown", "max-duration", "re-arm", "comment"];

fn rule(
    place: &Place<'_>,
    name: Arc<str>,
    context: &Context<'_>,
    attributes: &mut Vec<Arc<str>>,
) -> Read<Rule> {
    place.check_keys(&RULE_KEYS)?;
    let per = place.key("per");
    let per = per.map_or(Ok(Per::Rule), |per| per.choice(&[("rule", Per::Rule), ("object", Per::Object)]))?;
    let classes = place.key("classes");
    if let (Some(classes), Per::Rule) = (&classes, per) {
        return Err(
            classes.error("is for \"per\": \"object\" only; zones and lines have classes of their own")
        );
    }
    let Context { names, zones, lines } = *context;
    let mut resolver = Resolver { names, zones, lines, attributes, objects: per == Per::Object };
    let written = place.required("when")?;
    let when = condition(&written, &mut resolver)?;
    let text = spelled(written.node);
    let seconds = |name| place.key(name).map_or(Ok(0), |time| time.seconds());
    let (zones, lines) = asked(&when, names);
    let timing = Timing {
        hold: seconds("for")?,
        gap: seconds("gap")?,
        cooldown: seconds("cooldown")?,
        maximum: place.key("max-duration").map(|time| time.seconds()).transpose()?,
        rearm: place
            .key("re-arm")
            .map_or(Ok(false), |rearm| rearm.choice(&[("clear", false), ("always", true)]))?,
    };
    let classes = classes.map_or(Ok(Vec::new()), |classes| classes.classes())?;
    Ok(Rule { name, when, text, per, classes, timing, zones, lines })
}

fn condition(place: &Place<'_>, resolver: &mut Resolver<'_>) -> Read<Condition> {
    if let Value::Text(text) = &place.node.value {
        let read = Condition::parse(text, &mut |name| resolver.resolve(name));
        return read.map_err(|what| place.error(format!("{text:?}: {what}")));
    }
    place.check_keys(&["all", "any", "not"])?;
    let mut list = |of: &Place<'_>| match of.list(MAX_ITEMS)?.as_slice() {
        [] => Err(of.error("is empty")),
        items => items.iter().map(|item| condition(item, resolver)).collect::<Read<Vec<_>>>(),
    };
    match (place.key("all"), place.key("any"), place.key("not")) {
        (Some(all), None, None) => list(&all).map(Condition::All),
        (None, Some(any), None) => list(&any).map(Condition::Any),
        (None, None, Some(not)) => condition(&not, resolver).map(|inner| Condition::Not(Box::new(inner))),
        _ => Err(place.error("needs one of \"all\", \"any\" and \"not\", or is text")),
    }
}

/// A condition as it was written, but for blanks between the parts of an object.
fn spelled(node: &Node) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    match &node.value {
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", list(&mut items.iter().map(spelled))),
        Value::Object(entries) => {
            format!(
                "{{{}}}",
                list(&mut entries.iter().map(|(key, _, node)| format!("{key:?}: {}", spelled(node))))
            )
        }
        other => other.kind().to_owned(),
    }
}

/// The zones and lines that a condition asks about, other than whether they hold.
fn asked(condition: &Condition, names: &Names) -> (Vec<usize>, Vec<usize>) {
    let (mut zones, mut lines) = (Vec::new(), Vec::new());
    let mut add = |to_line: bool, at: usize| {
        let list = if to_line { &mut lines } else { &mut zones };
        if !list.contains(&at) {
            list.push(at);
        }
    };
    let starts =
        names.zones.iter().map(|from| (*from, false)).chain(names.lines.iter().map(|from| (*from, true)));
    let starts: Vec<_> = starts.collect();
    let end = names.rules.first().copied().unwrap_or(names.whole);
    condition.visit(&mut |operand| match operand {
        Operand::Fact(fact) if fact < end => {
            let Some(at) = starts.iter().rposition(|(from, _)| *from <= fact) else { return };
            let (from, line) = starts[at];
            if fact - from != if line { LINE_CURRENT } else { ZONE_CURRENT } {
                add(line, if line { at - names.zones.len() } else { at });
            }
        }
        Operand::Object(About::Inside(zone) | About::Dwell(zone)) => add(false, zone),
        Operand::Object(About::Crossed(line, _) | About::Crosses(line, _)) => add(true, line),
        _ => {}
    });
    (zones, lines)
}

/// The number of the rule that a fact is of.
pub(super) fn rule_of(fact: usize, names: &Names) -> Option<usize> {
    let first = *names.rules.first()?;
    (first..names.whole).contains(&fact).then(|| (fact - first) / RULE.len())
}
