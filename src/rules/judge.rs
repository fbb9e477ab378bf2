//! The rules at work: who asks, what is kept as evidence, and which events come of it.

use super::condition::{About, Operand, Values};
use super::define::{Filter, Per, Rule};
use super::engine::Output;
use super::event::{Closing, Event, EventState, Evidence, NO_TIME};
use super::input::Input;
use super::line::LineState;
use super::machine::{Machine, Phase, Step};
use super::objects::{Objects, Seen, direction, speed};
use super::place::Hold;
use super::zone::{Sieve, ZoneState};
use crate::track::Track;

/// The signals of a condition whose course is kept, the first of them.
pub(super) const TERMS: usize = 4;
/// The tracks that an event of a rule names at most.
pub(super) const PARTY: usize = 16;

/// Everything that a condition may ask about.
pub(super) struct Scene<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) facts: &'a [f64],
    pub(super) zones: &'a [ZoneState],
    pub(super) lines: &'a [LineState],
    pub(super) objects: &'a Objects,
    /// For each slot the attributes of its track.
    pub(super) attributes: &'a [f64],
    pub(super) generation: u64,
}

/// The same, for one object or none.
struct Ask<'a> {
    scene: &'a Scene<'a>,
    object: Option<(&'a Seen, &'a Track)>,
}

impl Values for Ask<'_> {
    fn value(&self, operand: Operand) -> f64 {
        match (operand, self.object) {
            (Operand::Fact(fact), _) => self.scene.facts[fact],
            (Operand::Object(about), Some((seen, track))) => self.about(about, seen, track),
            (Operand::Object(_), None) => f64::NAN,
        }
    }
}

impl Ask<'_> {
    fn about(&self, about: About, seen: &Seen, track: &Track) -> f64 {
        let Scene { input, zones, lines, attributes, .. } = self.scene;
        let (slot, now) = (seen.slot, input.time);
        match about {
            About::Age => track.age as f64 / 1e9,
            About::Confidence => track.confidence.into(),
            About::Speed => speed(track),
            About::GroundSpeed => track.motion.ground_speed.into(),
            About::Direction => direction(track, input.aspect),
            About::Stationary => f64::from(u8::from(track.motion.is_stationary())),
            About::X => track.bbox.center().0.into(),
            About::Y => track.bbox.y_max.into(),
            About::Width => track.bbox.width().into(),
            About::Height => track.bbox.height().into(),
            About::Inside(zone) => f64::from(u8::from(zones[zone].is_inside(slot, now))),
            About::Dwell(zone) => zones[zone].dwell(slot, now),
            About::Crossed(line, direction) => lines[line].crossed(slot, direction),
            About::Crosses(line, direction) => lines[line].crosses(slot, direction, now),
            About::Attribute(attribute) => {
                let each = attributes.len() / self.scene.objects.slots().max(1);
                attributes[slot * each + attribute]
            }
        }
    }
}

/// The course of a signal.
#[derive(Clone, Copy, Debug)]
struct Course {
    start: f64,
    confirmed: f64,
    last: f64,
    peak: f64,
    peak_time: u64,
}

const NO_COURSE: Course =
    Course { start: f64::NAN, confirmed: f64::NAN, last: f64::NAN, peak: f64::NAN, peak_time: NO_TIME };

/// A machine with what it keeps.
#[derive(Clone, Copy, Debug)]
struct Case {
    machine: Machine,
    id: u64,
    courses: [Course; TERMS],
}

const NO_CASE: Case = Case {
    machine: Machine { phase: Phase::Idle, start: 0, last: 0, confirmed: None },
    id: 0,
    courses: [NO_COURSE; TERMS],
};

impl Case {
    /// Keeps what the condition sees while it holds.
    fn sample(&mut self, terms: &[Operand], ask: &Ask<'_>, now: u64) {
        for (course, term) in self.courses.iter_mut().zip(terms) {
            let value = ask.value(*term);
            course.last = value;
            // A peak that is not known yet is below everything.
            if value > course.peak || (course.peak.is_nan() && !value.is_nan()) {
                (course.peak, course.peak_time) = (value, now);
            }
        }
    }
}

/// How the names of what a rule is about are numbered on the board.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    pub(super) rule: i32,
    pub(super) zone: i32,
    pub(super) line: i32,
    pub(super) terms: Vec<i32>,
}

/// The tracks that an event of a rule is about.
#[derive(Clone, Copy, Debug, Default)]
struct Party {
    ids: [u64; PARTY],
    count: usize,
}

impl Party {
    fn add(&mut self, id: u64) {
        if self.count < PARTY && !self.ids[..self.count].contains(&id) {
            self.ids[self.count] = id;
            self.count += 1;
        }
    }

    /// Adds who is in the zones, and who crosses the lines.
    fn gather(&mut self, rule: &Rule, scene: &Scene<'_>) {
        let now = scene.input.time;
        for seen in &scene.objects.seen {
            let inside = rule.zones.iter().any(|zone| scene.zones[*zone].is_inside(seen.slot, now));
            let crosses =
                |line: &usize| (0..2).any(|way| scene.lines[*line].crosses(seen.slot, way, now) > 0.0);
            if inside || rule.lines.iter().any(crosses) {
                self.add(scene.objects.id(seen.slot));
            }
        }
    }
}

/// A rule with its machines.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) rule: Rule,
    pub(super) terms: Vec<Operand>,
    pub(super) labels: Labels,
    sieve: Sieve,
    case: Case,
    party: Party,
    cases: Vec<Case>,
    active: usize,
    confirmed: u64,
    cancelled: u64,
}

impl Judge {
    pub(super) fn new(
        rule: Rule,
        labels: Labels,
        terms: Vec<Operand>,
        classes: &[std::sync::Arc<str>],
    ) -> Self {
        let filter = Filter { classes: rule.classes.clone(), height: [0.0, f64::INFINITY] };
        let (case, party) = (NO_CASE, Party::default());
        let sieve = Sieve::new(&filter, classes);
        Self {
            rule,
            terms,
            labels,
            sieve,
            case,
            party,
            cases: Vec::new(),
            active: 0,
            confirmed: 0,
            cancelled: 0,
        }
    }

    /// Goes on with the events of another state of the same rule.
    pub(super) fn adopt(&mut self, old: Self) {
        (self.case, self.party, self.cases) = (old.case, old.party, old.cases);
        (self.active, self.confirmed, self.cancelled) = (old.active, old.confirmed, old.cancelled);
    }

    pub(super) fn reserve(&mut self, slots: usize) {
        if self.rule.per == Per::Object {
            self.cases.resize(slots, NO_CASE);
        }
    }

    /// True while something has begun about a track that is not over yet.
    pub(super) fn is_busy(&self, slot: usize) -> bool {
        self.cases.get(slot).is_some_and(|case| case.machine.phase != Phase::Idle)
    }

    /// The names on the board that its events refer to.
    pub(super) fn names(&self) -> impl Iterator<Item = i32> {
        let Labels { rule, zone, line, terms } = &self.labels;
        [*rule, *zone, *line].into_iter().chain(terms.iter().copied())
    }

    /// How many events last.
    pub(super) fn active(&self) -> f64 {
        self.active as f64
    }

    /// How many there were, those that last included.
    pub(super) fn count(&self) -> f64 {
        self.confirmed as f64
    }

    /// How many never were confirmed.
    pub(super) fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// True when a zone or line that the rule is about does not hold.
    pub(super) fn is_suspended(&self, zones: &[ZoneState], lines: &[LineState]) -> bool {
        self.rule.zones.iter().any(|zone| zones[*zone].bound.hold != Hold::Current)
            || self.rule.lines.iter().any(|line| lines[*line].bound.hold != Hold::Current)
    }

    /// Decides on a frame.
    pub(super) fn decide(&mut self, scene: &Scene<'_>, next_id: &mut u64, output: &mut Output) {
        let suspended = self.is_suspended(scene.zones, scene.lines);
        self.active = 0;
        if self.rule.per == Per::Rule {
            let ask = Ask { scene, object: None };
            let holds = !suspended && self.rule.when.holds(&ask);
            let mut case = self.case;
            if holds {
                if !case.machine.is_open() {
                    self.party = Party::default();
                }
                self.party.gather(&self.rule, scene);
            }
            let party = self.party;
            self.step(&mut case, holds, suspended, &ask, (&party.ids[..party.count], next_id), output);
            self.case = case;
            return;
        }
        for &slot in &scene.objects.live {
            let object = scene.objects.on_frame(slot).filter(|seen| self.sieve.class(seen).is_some());
            let idle = self.cases[slot].machine.phase == Phase::Idle;
            if idle && (object.is_none() || suspended) {
                continue;
            }
            let object = object.map(|seen| (seen, &scene.input.tracks[seen.track]));
            let ask = Ask { scene, object };
            let holds = !suspended && object.is_some() && self.rule.when.holds(&ask);
            if idle && !holds {
                continue;
            }
            let mut case = self.cases[slot];
            let id = [scene.objects.id(slot)];
            self.step(&mut case, holds, suspended, &ask, (&id, next_id), output);
            self.cases[slot] = case;
        }
    }

    fn step(
        &mut self,
        case: &mut Case,
        holds: bool,
        suspended: bool,
        ask: &Ask<'_>,
        (tracks, next_id): (&[u64], &mut u64),
        output: &mut Output,
    ) {
        let now = ask.scene.input.time;
        let was_open = case.machine.is_open();
        let step = case.machine.step(&self.rule.timing, now, holds);
        if !was_open && case.machine.is_open() {
            *case = Case { id: *next_id, courses: [NO_COURSE; TERMS], ..*case };
            *next_id += 1;
        }
        if holds && (was_open || case.machine.is_open()) {
            case.sample(&self.terms, ask, now);
        }
        for course in &mut case.courses {
            course.start = if was_open { course.start } else { course.last };
            course.confirmed = if step == Step::Confirmed { course.last } else { course.confirmed };
        }
        let closing = if suspended { Closing::Suspended } else { Closing::Cleared };
        let (state, closing) = match step {
            Step::Same if case.machine.phase == Phase::Confirmed => (EventState::Confirmed, Closing::Open),
            Step::Same => return,
            Step::Began => (EventState::Potential, Closing::Open),
            Step::Confirmed => (EventState::Confirmed, Closing::Open),
            Step::Ended { full: true } => (EventState::Ended, Closing::MaxDuration),
            Step::Ended { full: false } => (EventState::Ended, closing),
            Step::Cancelled => (EventState::Cancelled, closing),
        };
        self.active += usize::from(state == EventState::Confirmed);
        self.confirmed += u64::from(step == Step::Confirmed);
        self.cancelled += u64::from(step == Step::Cancelled);
        let event = self.event(case, state, closing, ask.scene.generation);
        let changed = u32::from(step != Step::Same);
        output.push(Event { changed, ..event }, tracks, self.evidence(case));
    }

    fn event(&self, case: &Case, state: EventState, closing: Closing, generation: u64) -> Event {
        let over = matches!(state, EventState::Ended | EventState::Cancelled);
        let Labels { rule, zone, line, .. } = self.labels;
        Event {
            id: case.id,
            start: case.machine.start,
            confirmed: case.machine.confirmed.unwrap_or(NO_TIME),
            end: if over { case.machine.last } else { NO_TIME },
            generation,
            rule,
            zone,
            line,
            state,
            closing,
            changed: 1,
            first_track: 0,
            tracks: 0,
            first_evidence: 0,
            evidence: 0,
        }
    }

    fn evidence<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = Evidence> + 'a {
        self.labels.terms.iter().zip(&case.courses).map(|(signal, course)| {
            let Course { start, confirmed, last, peak, peak_time } = *course;
            Evidence { signal: *signal, reserved: 0, start, confirmed, last, peak, peak_time }
        })
    }

    /// Ends what is open, and tells of each.
    pub(super) fn close(
        &mut self,
        closing: Closing,
        objects: &Objects,
        generation: u64,
        output: &mut Output,
    ) {
        self.active = 0;
        let (case, party) = (std::mem::replace(&mut self.case, NO_CASE), self.party);
        self.close_case(&case, closing, &party.ids[..party.count], generation, output);
        for &slot in &objects.live {
            self.close_object((slot, objects.id(slot)), closing, generation, output);
        }
    }

    /// The same for one track, by its slot and its id.
    pub(super) fn close_object(
        &mut self,
        (slot, id): (usize, u64),
        closing: Closing,
        generation: u64,
        output: &mut Output,
    ) {
        if let Some(case) = self.cases.get_mut(slot).map(|case| std::mem::replace(case, NO_CASE)) {
            self.close_case(&case, closing, &[id], generation, output);
        }
    }

    fn close_case(
        &mut self,
        case: &Case,
        closing: Closing,
        tracks: &[u64],
        generation: u64,
        output: &mut Output,
    ) {
        if !case.machine.is_open() {
            return;
        }
        let confirmed = case.machine.confirmed.is_some();
        self.cancelled += u64::from(!confirmed);
        let state = if confirmed { EventState::Ended } else { EventState::Cancelled };
        let event = self.event(case, state, closing, generation);
        output.push(event, tracks, self.evidence(case));
    }
}
