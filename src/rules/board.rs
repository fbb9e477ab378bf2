//! Names and shapes for whoever reads what the engine tells.

use super::condition::{About, Operand};
use super::define::Rules;
use super::event::{Board, Shape, ShapeKind};
use super::geometry::Point;
use super::judge::{Labels, TERMS};
use super::names::{LINE, Names};
use super::zone::outline;

/// A table of names that grows.
struct Table(Vec<String>);

impl Table {
    fn index(&mut self, name: &str) -> i32 {
        let known = self.0.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        i32::try_from(at).unwrap_or(-1)
    }
}

/// What the board of some rules is, and for each rule its names and the signals that are kept as evidence. `others` are
/// names of earlier rules whose events are still to be told of.
pub(super) fn board(
    rules: &Rules,
    names: &Names,
    generation: u64,
    others: &[&str],
) -> (Board, Vec<(Labels, Vec<Operand>)>) {
    let mut table = Table(names.iter().take(names.own).map(str::to_owned).collect());
    let mut board = Board { facts: names.own, generation, ..Board::default() };
    let mut push = |table: &mut Table, name: &str, kind, points: &[Point]| {
        let (first, count) = (board.points.len() as u32, points.len() as u32);
        board.points.extend(points.iter().map(|point| point.map(|v| v as f32)));
        board.shapes.push(Shape { name: table.index(name), kind, first, count });
    };
    for zone in &rules.zones {
        push(&mut table, &zone.name, ShapeKind::Zone, &outline(&zone.region));
    }
    for line in &rules.lines {
        push(&mut table, &line.name, ShapeKind::Line, &line.points);
    }
    let judges = rules.rules.iter().map(|rule| {
        let mut terms: Vec<Operand> = Vec::new();
        rule.when.visit(&mut |operand| {
            if terms.len() < TERMS && !terms.contains(&operand) {
                terms.push(operand);
            }
        });
        let shape = |at: Option<usize>| at.map_or(-1, |at| board.shapes[at].name);
        let labels = Labels {
            rule: table.index(&rule.name),
            zone: shape(rule.zones.first().copied()),
            line: shape(rule.lines.first().map(|line| rules.zones.len() + line)),
            terms: terms.iter().map(|term| table.index(&spelled(*term, rules, names))).collect(),
        };
        (labels, terms)
    });
    let judges = judges.collect();
    for name in others {
        table.index(name);
    }
    board.names = table.0.iter().map(String::as_str).collect();
    (board, judges)
}

/// The name of what a condition asks about.
fn spelled(operand: Operand, rules: &Rules, names: &Names) -> String {
    let about = match operand {
        Operand::Fact(fact) => return names.iter().nth(fact).unwrap_or_default().to_owned(),
        Operand::Object(about) => about,
    };
    let line = |line: usize, fact: usize| format!("line.{}.{}", rules.lines[line].name, LINE[fact]);
    let rest = match about {
        About::Age => "age".to_owned(),
        About::Confidence => "confidence".to_owned(),
        About::Speed => "speed".to_owned(),
        About::GroundSpeed => "speed-m".to_owned(),
        About::Direction => "direction".to_owned(),
        About::Stationary => "stationary".to_owned(),
        About::X => "x".to_owned(),
        About::Y => "y".to_owned(),
        About::Width => "width".to_owned(),
        About::Height => "height".to_owned(),
        About::Inside(zone) => format!("zone.{}.inside", rules.zones[zone].name),
        About::Dwell(zone) => format!("zone.{}.dwell", rules.zones[zone].name),
        About::Crossed(at, direction) => line(at, direction),
        About::Crosses(at, direction) => line(at, direction + 2),
        About::Attribute(at) => format!("attribute.{}", rules.attributes[at]),
    };
    format!("object.{rest}")
}
