//! The engine: a frame in, facts and events out.

use std::sync::Arc;

use super::board::board;
use super::define::{Rule, Rules};
use super::event::{Board, Closing, Event, Evidence, ShapeNow};
use super::geometry::Clipper;
use super::input::{Clock, Input};
use super::judge::{Judge, Scene};
use super::line::LineState;
use super::names::{GIVEN, Names, RULE, is_part};
use super::objects::{Classes, Objects, Seen};
use super::place::Hold;
use super::zone::ZoneState;
use crate::homography::{IDENTITY, inverse};
use crate::view::{Sight, Validity};

/// Tracks that nothing goes on about are remembered for this many nanoseconds after they were there.
const MEMORY: u64 = 10_000_000_000;
/// What a classifier said of a track holds for this many nanoseconds.
const ATTRIBUTE_TTL: u64 = 2_000_000_000;

/// Something that a supervisor should know beside events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A zone, by its number, stands otherwise than before.
    Zone(usize, Hold),
    /// A line, likewise.
    Line(usize, Hold),
    /// No object can be of this class, by its number in [`Rules::classes`]: the models do not name it.
    UnknownClass(usize),
    /// No classifier names this attribute, by its number in [`Rules::attributes`].
    UnknownAttribute(usize),
    /// There are more tracks at a time than can be remembered: some are left out. Told once.
    TooManyTracks,
}

/// What comes of a frame, beside the facts.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// What changed, and what goes on.
    pub events: Vec<Event>,
    /// What [`Event::first_track`] refers to.
    pub tracks: Vec<u64>,
    /// What [`Event::first_evidence`] refers to.
    pub evidence: Vec<Evidence>,
    /// How each of [`Board::shapes`] stands.
    pub shapes: Vec<ShapeNow>,
    /// From the points of the shapes that hold to this frame's, row-major.
    pub to_frame: [f32; 9],
    /// What else there is to tell.
    pub notices: Vec<Notice>,
}

impl Output {
    fn clear(&mut self) {
        let Self { events, tracks, evidence, shapes, notices, .. } = self;
        events.clear();
        tracks.clear();
        evidence.clear();
        shapes.clear();
        notices.clear();
    }

    pub(super) fn push(&mut self, event: Event, tracks: &[u64], evidence: impl Iterator<Item = Evidence>) {
        let (first_track, first_evidence) = (self.tracks.len() as u32, self.evidence.len() as u32);
        self.tracks.extend_from_slice(tracks);
        self.evidence.extend(evidence);
        self.events.push(Event {
            first_track,
            tracks: tracks.len() as u32,
            first_evidence,
            evidence: self.evidence.len() as u32 - first_evidence,
            ..event
        });
    }
}

/// Decides on frames by rules, which may change between two of them.
///
/// In steady state a frame costs no allocation; time grows with objects times zones, lines and rules.
#[derive(Clone, Debug)]
pub struct Engine {
    rules: Rules,
    generation: u64,
    names: Names,
    classes: Vec<Arc<str>>,
    board: Arc<Board>,
    zones: Vec<ZoneState>,
    lines: Vec<LineState>,
    judges: Vec<Judge>,
    objects: Objects,
    known: Classes,
    found_known: Classes,
    /// What of the attributes that the rules ask about classifiers name.
    said_known: Classes,
    found: Vec<Seen>,
    clipper: Clipper,
    facts: Vec<f64>,
    /// For each slot and attribute its value, and until when it holds.
    attributes: Vec<f64>,
    attributes_until: Vec<u64>,
    /// Of the classes, then of the attributes, those that were told to be unknown.
    reported: Vec<bool>,
    last: Option<u64>,
    epoch: Option<u64>,
    next_id: u64,
    /// Events of rules that are gone, to be told on the next frame.
    farewell: Output,
    output: Output,
}

impl Rules {
    /// The names of classes that zones, lines and rules mention, each once.
    pub fn classes(&self) -> Vec<Arc<str>> {
        let of_zones = self.zones.iter().flat_map(|zone| &zone.filter.classes);
        let of_lines = self.lines.iter().flat_map(|line| &line.filter.classes);
        let mut classes: Vec<Arc<str>> = Vec::new();
        for class in of_zones.chain(of_lines).chain(self.rules.iter().flat_map(|rule| &rule.classes)) {
            if !classes.contains(class) {
                classes.push(class.clone());
            }
        }
        classes
    }
}

impl Engine {
    /// An engine that has seen nothing, with rules of generation 1.
    pub fn new(rules: Rules) -> Self {
        let mut engine = Self {
            rules: Rules::default(),
            generation: 0,
            names: Names::default(),
            classes: Vec::new(),
            board: Arc::default(),
            zones: Vec::new(),
            lines: Vec::new(),
            judges: Vec::new(),
            objects: Objects::default(),
            known: Classes::default(),
            found_known: Classes::default(),
            said_known: Classes::default(),
            found: Vec::new(),
            clipper: Clipper::default(),
            facts: Vec::new(),
            attributes: Vec::new(),
            attributes_until: Vec::new(),
            reported: Vec::new(),
            last: None,
            epoch: None,
            next_id: 1,
            farewell: Output::default(),
            output: Output::default(),
        };
        engine.replace(rules);
        engine
    }

    /// Puts other rules in force from the next frame on. Zones, lines and rules that are the same go on with what they
    /// have counted; events of others end.
    pub fn replace(&mut self, rules: Rules) {
        self.generation += 1;
        let names = rule_names(&rules);
        self.classes = rules.classes();
        let same: Vec<Option<usize>> = rules.rules.iter().map(|rule| self.same_rule(rule, &rules)).collect();
        let gone = self.judges.iter().enumerate().filter(|(at, _)| !same.contains(&Some(*at)));
        let others: Vec<i32> =
            gone.flat_map(|(_, judge)| judge.names()).chain(self.farewell_names()).collect();
        let others: Vec<&str> = others.iter().filter_map(|name| self.board.names.get(*name)).collect();
        let (board, labels) = board(&rules, &names, self.generation, &others);
        self.part_with(&same, &board);
        let mut old_judges: Vec<_> = std::mem::take(&mut self.judges).into_iter().map(Some).collect();
        let mut old_zones = std::mem::take(&mut self.zones);
        let mut old_lines = std::mem::take(&mut self.lines);
        for zone in &rules.zones {
            let mut state = ZoneState::new(zone.clone(), &self.classes);
            if let Some(at) = old_zones.iter().position(|old| old.zone == *zone) {
                state.adopt(old_zones.swap_remove(at));
            }
            self.zones.push(state);
        }
        for line in &rules.lines {
            let mut state = LineState::new(line.clone(), &self.classes);
            if let Some(at) = old_lines.iter().position(|old| old.line == *line) {
                state.adopt(old_lines.swap_remove(at));
            }
            self.lines.push(state);
        }
        for ((rule, (labels, terms)), same) in rules.rules.iter().zip(labels).zip(same) {
            let mut judge = Judge::new(rule.clone(), labels, terms, &self.classes);
            if let Some(old) = same.and_then(|at| old_judges[at].take()) {
                judge.adopt(old);
            }
            self.judges.push(judge);
        }
        self.facts = vec![f64::NAN; names.len()];
        (self.known, self.found_known, self.said_known) = Default::default();
        self.reported = vec![false; self.classes.len() + rules.attributes.len()];
        self.attributes.clear();
        self.attributes_until.clear();
        (self.board, self.names, self.rules) = (Arc::new(board), names, rules);
        self.reserve();
    }

    /// The names that events waiting to be told refer to.
    fn farewell_names(&self) -> impl Iterator<Item = i32> {
        let of_events = self.farewell.events.iter().flat_map(|event| [event.rule, event.zone, event.line]);
        of_events.chain(self.farewell.evidence.iter().map(|evidence| evidence.signal))
    }

    /// The number of the rule in force that is the same as `rule` and about the same places.
    fn same_rule(&self, rule: &Rule, rules: &Rules) -> Option<usize> {
        let alike = |old: &Rule| {
            let zones =
                |of: &[usize], from: &Rules| of.iter().map(|at| from.zones[*at].clone()).collect::<Vec<_>>();
            let lines =
                |of: &[usize], from: &Rules| of.iter().map(|at| from.lines[*at].clone()).collect::<Vec<_>>();
            old.name == rule.name
                && (&old.text, old.per, &old.classes, old.timing)
                    == (&rule.text, rule.per, &rule.classes, rule.timing)
                && zones(&old.zones, &self.rules) == zones(&rule.zones, rules)
                && lines(&old.lines, &self.rules) == lines(&rule.lines, rules)
        };
        self.judges.iter().position(|judge| alike(&judge.rule))
    }

    /// Ends the events of rules that are not among the `same`, with names of the new board.
    fn part_with(&mut self, same: &[Option<usize>], board: &Board) {
        let old = self.board.clone();
        let renamed = |at: i32| old.names.get(at).and_then(|name| board.names.find(name)).unwrap_or(-1);
        for (_, judge) in self.judges.iter_mut().enumerate().filter(|(at, _)| !same.contains(&Some(*at))) {
            judge.close(Closing::RulesChanged, &self.objects, self.generation - 1, &mut self.farewell);
        }
        for event in &mut self.farewell.events {
            (event.rule, event.zone, event.line) =
                (renamed(event.rule), renamed(event.zone), renamed(event.line));
        }
        self.farewell.evidence.iter_mut().for_each(|evidence| evidence.signal = renamed(evidence.signal));
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Numbers the rules in force, from 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Names and shapes.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The values of the facts, in the order of [`Board::names`]; NaN for what is not known.
    pub fn facts(&self) -> &[f64] {
        &self.facts[..self.names.own]
    }

    /// What came of the last frame.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Tracks that there was no room to remember, added up over frames.
    pub fn refused(&self) -> u64 {
        self.objects.refused
    }

    /// Events so far, and conditions that held for too short a time to be one.
    pub fn counts(&self) -> (u64, u64) {
        let sum = |of: fn(&Judge) -> u64| self.judges.iter().map(of).sum();
        (sum(|judge| judge.count() as u64), sum(Judge::cancelled))
    }

    /// The stream begins anew: tracks are forgotten and events end; counts stay.
    pub fn restart(&mut self) {
        self.close(Closing::Restart);
        self.zones.iter_mut().for_each(ZoneState::restart);
        self.lines.iter_mut().for_each(LineState::suspend);
        self.objects.expire(u64::MAX, |_| false);
        self.forget();
        self.last = None;
    }

    /// Ends all events, as no frame may follow. What is told of them is the output, with what a restart has left to tell.
    pub fn finish(&mut self) -> &Output {
        self.close(Closing::EndOfStream);
        self.output.clear();
        self.say_farewell();
        &self.output
    }

    fn close(&mut self, closing: Closing) {
        for judge in &mut self.judges {
            judge.close(closing, &self.objects, self.generation, &mut self.farewell);
        }
    }

    /// Takes in a frame. Time that goes back is a [restart](Self::restart).
    pub fn update(&mut self, input: &Input<'_>) -> &Output {
        self.output.clear();
        if self.last.is_some_and(|last| input.time < last) {
            self.restart();
        }
        self.last = Some(input.time);
        self.say_farewell();
        self.learn(input);
        let sight = self.sight(input);
        let way = sight.to_reference.map(|h| h.map(f64::from)).filter(|h| *h != IDENTITY);
        let refused = self.objects.refused;
        self.objects.see(input, &sight, way.as_ref(), &self.known);
        if refused == 0 && self.objects.refused > 0 {
            self.output.notices.push(Notice::TooManyTracks);
        }
        self.reserve();
        self.forget();
        self.attribute(input);
        self.place(&sight);
        self.watch(input, way.as_ref());
        self.tell(input, &sight);
        self.judge(input);
        self.show(way.as_ref());
        self.expire(input.time);
        &self.output
    }

    fn say_farewell(&mut self) {
        let Output { events, tracks, evidence, .. } = &mut self.farewell;
        self.output.events.append(events);
        self.output.tracks.append(tracks);
        self.output.evidence.append(evidence);
    }

    fn learn(&mut self, input: &Input<'_>) {
        let same = |known: &str, name: &str| known == name;
        let fresh = self.known.learn(input.labels, &self.classes, same);
        let fresh = self.found_known.learn(input.found_labels, &self.classes, same) || fresh;
        let fresh = self.said_known.learn(input.said_labels, &self.rules.attributes, is_said) || fresh;
        if !fresh {
            return;
        }
        let classes = self.classes.len();
        for at in 0..self.reported.len() {
            let (lacking, notice) = match at.checked_sub(classes) {
                None => (self.lacks_class(at), Notice::UnknownClass(at)),
                Some(attribute) => (self.said_known.lacks(attribute), Notice::UnknownAttribute(attribute)),
            };
            if lacking && !std::mem::replace(&mut self.reported[at], true) {
                self.output.notices.push(notice);
            }
        }
    }

    /// True when names of classes are known, of tracks or of detections, and this one is not among them.
    fn lacks_class(&self, at: usize) -> bool {
        let [tracks, found] = [&self.known, &self.found_known];
        (tracks.lacks(at) || tracks.is_empty())
            && (found.lacks(at) || found.is_empty())
            && !(tracks.is_empty() && found.is_empty())
    }

    /// What is seen; a view that has been known and is missing is taken as moving.
    fn sight<'a>(&mut self, input: &Input<'a>) -> Sight<'a> {
        if let Some(look) = input.look {
            self.epoch = Some(look.sight.epoch);
            return look.sight;
        }
        let still = IDENTITY.map(|v| v as f32);
        Sight {
            epoch: self.epoch.unwrap_or_default(),
            preset: None,
            to_reference: self.epoch.is_none().then_some(still),
            validity: Validity::Valid,
        }
    }

    fn reserve(&mut self) {
        let slots = self.objects.slots();
        self.zones.iter_mut().for_each(|zone| zone.reserve(slots));
        self.lines.iter_mut().for_each(|line| line.reserve(slots));
        self.judges.iter_mut().for_each(|judge| judge.reserve(slots));
        let count = slots * self.rules.attributes.len();
        self.attributes.resize(count, f64::NAN);
        self.attributes_until.resize(count, 0);
    }

    fn attribute(&mut self, input: &Input<'_>) {
        let each = self.rules.attributes.len();
        for said in input.attributes {
            let named = |known: &Arc<str>| is_said(known, said.name);
            let Some(at) = self.rules.attributes.iter().position(named) else { continue };
            let Some(slot) = self.objects.find(said.track) else { continue };
            self.attributes[slot * each + at] = said.confidence.into();
            self.attributes_until[slot * each + at] = input.time.saturating_add(ATTRIBUTE_TTL);
        }
        for (value, until) in self.attributes.iter_mut().zip(&self.attributes_until) {
            *value = if *until < input.time { f64::NAN } else { *value };
        }
    }

    /// Finds out which zones and lines hold.
    fn place(&mut self, sight: &Sight<'_>) {
        for (at, zone) in self.zones.iter_mut().enumerate() {
            if zone.bound.follow(sight) {
                self.output.notices.push(Notice::Zone(at, zone.bound.hold));
            }
            if zone.bound.hold != Hold::Current {
                zone.suspend();
            }
        }
        for (at, line) in self.lines.iter_mut().enumerate() {
            if line.bound.follow(sight) {
                self.output.notices.push(Notice::Line(at, line.bound.hold));
            }
            if line.bound.hold != Hold::Current {
                line.suspend();
            }
        }
    }

    /// Counts what happens in zones and on lines.
    fn watch(&mut self, input: &Input<'_>, way: Option<&[f64; 9]>) {
        self.found.clear();
        if self.zones.iter().any(|zone| zone.zone.detections) {
            let seen =
                |found: &super::Found| Seen::new(&found.bbox, self.found_known.number(found.label), way);
            self.found.extend(input.found.unwrap_or_default().iter().map(seen));
        }
        let Self { zones, lines, objects, found, clipper, .. } = self;
        for zone in zones.iter_mut().filter(|zone| zone.bound.hold == Hold::Current) {
            if zone.zone.detections {
                zone.count(input.found.map(|_| &**found), clipper);
            } else if input.tracked {
                zone.update(input.time, &objects.seen, &objects.live, clipper);
            } else {
                zone.overlook();
            }
        }
        let aspect = f64::from(input.aspect);
        for line in lines.iter_mut().filter(|line| line.bound.hold == Hold::Current) {
            match input.tracked {
                true => line.update(input.time, aspect, &objects.seen),
                false => line.overlook(),
            }
        }
    }

    /// Writes down the facts.
    fn tell(&mut self, input: &Input<'_>, sight: &Sight<'_>) {
        let Self { zones, lines, objects, facts, names, .. } = self;
        for (zone, from) in zones.iter().zip(&names.zones) {
            zone.tell(&mut facts[*from..], input.time, input.aspect, &objects.seen, input.tracks);
        }
        for (line, from) in lines.iter().zip(&names.lines) {
            line.tell(&mut facts[*from..]);
        }
        let there = input.tracks.iter().filter(|track| track.state.is_there()).count();
        facts[names.whole] = if input.tracked { there as f64 } else { f64::NAN };
        facts[names.whole + 1] = input.found.map_or(f64::NAN, |found| found.len() as f64);
        let flag = |value: bool| f64::from(u8::from(value));
        let Clock { hour, weekday } = input.clock.unwrap_or(Clock { hour: f64::NAN, weekday: f64::NAN });
        let (moving, stability) = input.look.map_or((false, 1.0), |look| (look.moving, look.stability));
        let missing = input.look.is_none() && self.epoch.is_some();
        let valid = sight.validity == Validity::Valid && !missing;
        let epoch = sight.epoch as f64;
        let given: [f64; GIVEN.len()] =
            [flag(valid), epoch, flag(moving || missing), stability.into(), hour, weekday];
        facts[names.own..names.presets].copy_from_slice(&given);
        for (to, preset) in facts[names.presets..names.declared].iter_mut().zip(&self.rules.presets) {
            *to = flag(sight.preset == Some(&**preset));
        }
        let declared = &mut facts[names.declared..];
        declared.fill(f64::NAN);
        declared.iter_mut().zip(input.signals).for_each(|(to, value)| *to = *value);
    }

    /// Has the rules decide, each after those that it asks about.
    fn judge(&mut self, input: &Input<'_>) {
        for (judge, from) in self.judges.iter_mut().zip(&self.names.rules) {
            let scene = Scene {
                input,
                facts: &self.facts,
                zones: &self.zones,
                lines: &self.lines,
                objects: &self.objects,
                attributes: &self.attributes,
                generation: self.generation,
            };
            judge.decide(&scene, &mut self.next_id, &mut self.output);
            let told: [f64; RULE.len()] = [judge.active(), judge.count()];
            self.facts[*from..][..told.len()].copy_from_slice(&told);
        }
    }

    fn show(&mut self, way: Option<&[f64; 9]>) {
        let to_frame = way.map_or(Some(IDENTITY), inverse).unwrap_or([f64::NAN; 9]);
        self.output.to_frame = to_frame.map(|v| v as f32);
        let zones = self.zones.iter().map(|zone| (zone.bound.hold, zone.counts()));
        let lines = self.lines.iter().map(|line| (line.bound.hold, line.counts()));
        let shapes = zones.chain(lines).map(|(hold, counts)| ShapeNow { hold, reserved: 0, counts });
        self.output.shapes.extend(shapes);
    }

    /// Gives up tracks that are not there any more, once every visit and every event of theirs is over.
    fn expire(&mut self, now: u64) {
        let Self { objects, zones, judges, .. } = self;
        let visited = |slot| zones.iter().any(|zone| zone.is_visited(slot, now));
        let busy = |slot| visited(slot) || judges.iter().any(|judge| judge.is_busy(slot));
        objects.expire(now.saturating_sub(MEMORY), busy);
        self.forget();
    }

    /// Forgets the tracks that were given up. What of theirs is not over ends.
    fn forget(&mut self) {
        let Self { objects, zones, lines, judges, attributes, rules, output, .. } = self;
        let each = rules.attributes.len();
        for &(slot, id) in &objects.gone {
            zones.iter_mut().for_each(|zone| zone.forget(slot));
            lines.iter_mut().for_each(|line| line.forget(slot));
            for judge in judges.iter_mut() {
                judge.close_object((slot, id), Closing::Cleared, self.generation, output);
            }
            attributes[slot * each..][..each].fill(f64::NAN);
        }
        objects.gone.clear();
    }

    /// True when what a rule is about does not hold on this view.
    pub fn is_suspended(&self, rule: usize) -> bool {
        self.judges.get(rule).is_some_and(|judge| judge.is_suspended(&self.zones, &self.lines))
    }
}

/// True when an attribute that a condition asks about is a class that a classifier says.
fn is_said(attribute: &str, class: &str) -> bool {
    attribute == class || is_part(attribute, class)
}

fn rule_names(rules: &Rules) -> Names {
    let names = rules.rules.iter().map(|rule| &*rule.name);
    Names::new(&rules.zones, &rules.lines, names, &rules.presets, &rules.signals)
}
