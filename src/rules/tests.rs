//! The engine as a whole.

use proptest::prelude::*;

use super::*;
use crate::detection::Labels;
use crate::geometry::BBox;
use crate::track::{Continuity, Track, TrackState};
use crate::view::{Sight, Validity};

const FRAME: u64 = 100_000_000;
/// A square in the middle, and a line down the middle of the picture.
pub(super) const PLACES: &str = r#""zones": [{"name": "yard", "polygon": [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], "grace": 0.25}],
    "lines": [{"name": "gate", "points": [[0.5, 0], [0.5, 1]]}]"#;

/// An engine, and a scene of tracks by id, class, and the place of their feet.
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) time: u64,
    labels: Labels,
}

fn rules(rest: &str) -> Rules {
    let text = format!(r#"{{"version": 1, {rest}}}"#);
    Rules::read(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

pub(super) fn track(id: u64, x: f32, y: f32) -> Track {
    let bbox = BBox::new(x - 0.02, y - 0.1, x + 0.02, y);
    Track { id, bbox, label: 0, state: TrackState::Confirmed, ..Track::default() }
}

pub(super) fn sight(epoch: u64, shift: Option<f32>) -> Sight<'static> {
    let to_reference = shift.map(|shift| [1.0, 0.0, shift, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    Sight { epoch, preset: None, to_reference, validity: Validity::Valid }
}

impl Rig {
    pub(super) fn new(rest: &str) -> Self {
        Self { engine: Engine::new(rules(rest)), time: 0, labels: ["person", "car"].into_iter().collect() }
    }

    pub(super) fn see(&mut self, tracks: &[Track]) -> &Output {
        self.look(tracks, None)
    }

    pub(super) fn look(&mut self, tracks: &[Track], sight: Option<Sight<'_>>) -> &Output {
        self.time += FRAME;
        let look = sight.map(|sight| Look { sight, moving: false, stability: 1.0 });
        let labels = self.labels.view();
        let input =
            Input { time: self.time, aspect: 1.0, look, tracks, tracked: true, labels, ..Input::default() };
        self.engine.update(&input)
    }

    /// A track that goes through these x.
    fn walk(&mut self, xs: &[f32]) {
        xs.iter().for_each(|x| {
            self.see(&[track(1, *x, 0.5)]);
        });
    }

    pub(super) fn fact(&self, name: &str) -> f64 {
        let at = self.engine.board().names.find(name).unwrap_or_else(|| panic!("there is no {name}"));
        self.engine.facts()[at as usize]
    }

    pub(super) fn crossings(&self) -> (f64, f64) {
        (self.fact("line.gate.forward"), self.fact("line.gate.backward"))
    }

    pub(super) fn said(&self) -> Vec<(u64, EventState, Closing)> {
        self.engine
            .output()
            .events
            .iter()
            .filter(|e| e.changed == 1)
            .map(|e| (e.id, e.state, e.closing))
            .collect()
    }
}

#[test]
fn a_visit_is_counted_and_timed() {
    let mut rig = Rig::new(PLACES);
    rig.walk(&[0.3, 0.45, 0.5]);
    assert_eq!(
        [rig.fact("zone.yard.occupancy"), rig.fact("zone.yard.entries"), rig.fact("zone.yard.exits")],
        [1.0, 1.0, 0.0]
    );
    assert!((rig.fact("zone.yard.dwell") - 0.1).abs() < 1e-9);
    // Two frames outside are within the grace of a quarter of a second, three are not.
    rig.walk(&[0.7, 0.7, 0.55]);
    assert_eq!([rig.fact("zone.yard.entries"), rig.fact("zone.yard.exits")], [1.0, 0.0]);
    rig.walk(&[0.7, 0.7, 0.7]);
    assert_eq!([rig.fact("zone.yard.occupancy"), rig.fact("zone.yard.exits")], [0.0, 1.0]);
    assert!((rig.fact("zone.yard.dwell-mean") - 0.4).abs() < 1e-9, "from the second frame to the sixth");
    rig.walk(&[0.5]);
    assert_eq!([rig.fact("zone.yard.entries"), rig.fact("zone.yard.unique")], [2.0, 1.0]);
    rig.see(&[]);
    assert_eq!(rig.fact("tracks.count"), 0.0);
}

#[test]
fn facts_are_told_by_class_size_and_limit() {
    let mut rig = Rig::new(
        r#""zones": [
            {"name": "a", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "classes": ["person", "car"], "limit": 1},
            {"name": "b", "ellipse": {"center": [0.5, 0.5], "radii": [0.1, 0.2]}, "inverse": true, "anchor": "center"},
            {"name": "c", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "min-height": 0.2},
            {"name": "d", "polygon": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], "anchor": "overlap", "overlap": 0.4},
            {"name": "e", "polygon": [[0.51, 0], [1, 0], [1, 1], [0.51, 1]], "anchor": "any"}]"#,
    );
    let mut car = track(2, 0.5, 0.9);
    car.label = 1;
    rig.see(&[track(1, 0.5, 0.55), car, track(3, 0.2, 0.2)]);
    let facts = [
        "a.occupancy",
        "a.occupancy.person",
        "a.entries.car",
        "a.overcrowded",
        "b.occupancy",
        "c.occupancy",
        "d.occupancy",
        "e.occupancy",
    ];
    assert_eq!(facts.map(|fact| rig.fact(&format!("zone.{fact}"))), [3.0, 2.0, 1.0, 1.0, 2.0, 0.0, 2.0, 2.0]);
}

#[test]
fn jitter_on_a_line_counts_once() {
    let mut rig = Rig::new(PLACES);
    rig.walk(&[0.52, 0.499, 0.501, 0.499, 0.501, 0.499, 0.48]);
    assert_eq!(rig.crossings(), (1.0, 0.0), "down the line, its right is on the left of the picture");
    assert_eq!(rig.fact("line.gate.forward.now"), 1.0);
    rig.walk(&[0.499, 0.501, 0.499, 0.48]);
    assert_eq!(rig.crossings(), (1.0, 0.0), "it turned back");
    rig.walk(&[0.52]);
    assert_eq!(rig.crossings(), (1.0, 1.0));
}

#[test]
fn modes_differ_in_when_they_count() {
    let gate = |mode: &str, xs: &[f32]| {
        let mut rig = Rig::new(&format!(
            r#""lines": [{{"name": "gate", "points": [[0.5, 0], [0.5, 1]], "mode": "{mode}", "margin": 0.01}}]"#
        ));
        rig.walk(xs);
        rig.crossings()
    };
    let on_it = [0.52, 0.495];
    assert_eq!(
        (gate("loose", &on_it), gate("balanced", &on_it), gate("strict", &on_it)),
        ((1.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    );
    let over = [0.52, 0.495, 0.48];
    assert_eq!(
        (gate("loose", &over), gate("balanced", &over), gate("strict", &over)),
        ((1.0, 0.0), (1.0, 0.0), (0.0, 0.0))
    );
    let settled = [0.52, 0.495, 0.48, 0.47, 0.46];
    assert_eq!((gate("loose", &settled), gate("strict", &settled)), ((1.0, 0.0), (1.0, 0.0)));
    let back = [0.52, 0.495, 0.505, 0.52];
    assert_eq!(
        (gate("loose", &back), gate("balanced", &back), gate("strict", &back)),
        ((1.0, 1.0), (0.0, 0.0), (0.0, 0.0))
    );
    let born_on_it = [0.505, 0.48, 0.47, 0.46, 0.45];
    assert_eq!((gate("balanced", &born_on_it), gate("strict", &born_on_it)), ((1.0, 0.0), (0.0, 0.0)));
}

#[test]
fn a_loose_line_reaches_farther() {
    let beside = |mode: &str| {
        let mut rig = Rig::new(&format!(
            r#""lines": [{{"name": "gate", "points": [[0.5, 0.6], [0.5, 0.9]], "mode": "{mode}"}}]"#
        ));
        [0.6, 0.4].iter().for_each(|x| {
            rig.see(&[track(1, *x, 0.58)]);
        });
        rig.crossings().0
    };
    assert_eq!([beside("balanced"), beside("loose")], [0.0, 1.0]);
}

#[test]
fn leaps_and_gaps_are_no_way() {
    let mut rig = Rig::new(PLACES);
    rig.walk(&[0.9, 0.1]);
    assert_eq!(rig.crossings(), (0.0, 0.0), "eight times its height");
    rig.see(&[track(1, 0.4, 0.5)]);
    let found = Track { continuity: Continuity::Reassociated, ..track(1, 0.6, 0.5) };
    rig.see(&[found]);
    assert_eq!(rig.crossings(), (0.0, 0.0), "found again somewhere");
    rig.walk(&[0.4]);
    assert_eq!(rig.crossings(), (1.0, 0.0));
    (0..30).for_each(|_| {
        rig.see(&[]);
    });
    rig.walk(&[0.6]);
    assert_eq!(rig.crossings(), (1.0, 0.0), "three seconds unseen");
    let lost = Track { state: TrackState::Lost, ..track(1, 0.4, 0.5) };
    rig.see(&[lost]);
    assert_eq!((rig.crossings(), rig.fact("tracks.count")), ((1.0, 0.0), 0.0));
}

#[test]
fn each_object_has_an_event_of_its_own() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "loiters", "per": "object", "when": "object.zone.yard.dwell >= 0.3", "gap": 0.1}}]"#
    ));
    for i in 0..3 {
        rig.see(&[track(1, 0.45, 0.5), track(2, 0.55, 0.5)][..if i == 0 { 1 } else { 2 }]);
    }
    assert_eq!(rig.said(), []);
    rig.see(&[track(1, 0.45, 0.5), track(2, 0.55, 0.5)]);
    assert_eq!(rig.said(), [(1, EventState::Confirmed, Closing::Open)]);
    rig.see(&[track(1, 0.45, 0.5), track(2, 0.55, 0.5)]);
    let output = rig.engine.output();
    let of: Vec<_> =
        output.events.iter().map(|e| (e.id, output.tracks[e.first_track as usize], e.changed)).collect();
    assert_eq!(of, [(1, 1, 0), (2, 2, 1)]);
    assert_eq!(rig.fact("rule.loiters.active"), 2.0);
    rig.see(&[track(2, 0.55, 0.5)]);
    assert_eq!(rig.said(), [], "within its gap");
    rig.see(&[track(2, 0.55, 0.5)]);
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Cleared)]);
    let ended = rig.engine.output().events[0];
    assert_eq!((ended.start, ended.end), (4 * FRAME, 5 * FRAME));
    assert_eq!((rig.fact("rule.loiters.active"), rig.fact("rule.loiters.count")), (1.0, 2.0));
}

#[test]
fn evidence_says_why() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "two", "when": "zone.yard.occupancy >= 2", "for": 0.2}}]"#
    ));
    let people: Vec<Track> = (1..5).map(|id| track(id, 0.4 + 0.03 * id as f32, 0.5)).collect();
    rig.see(&people[..2]);
    assert_eq!(rig.said(), [(1, EventState::Potential, Closing::Open)]);
    rig.see(&people);
    rig.see(&people[..3]);
    assert_eq!(rig.said(), [(1, EventState::Confirmed, Closing::Open)]);
    rig.see(&people[..1]);
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Cleared)]);
    let (output, names) = (rig.engine.output(), &rig.engine.board().names);
    let (event, evidence) = (output.events[0], output.evidence[0]);
    assert_eq!(
        (names.get(evidence.signal), names.get(event.rule)),
        (Some("zone.yard.occupancy"), Some("two"))
    );
    assert_eq!((names.get(event.zone), names.get(event.line)), (Some("yard"), None));
    assert_eq!([evidence.start, evidence.confirmed, evidence.last, evidence.peak], [2.0, 3.0, 3.0, 4.0]);
    assert_eq!((evidence.peak_time, output.tracks.as_slice()), (2 * FRAME, &[1, 2, 3, 4][..]));
    rig.see(&people[..2]);
    rig.see(&[]);
    assert_eq!(rig.said(), [(2, EventState::Cancelled, Closing::Cleared)]);
    assert_eq!(rig.engine.counts(), (1, 1));
}

#[test]
fn rules_may_ask_about_rules_in_any_order() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [
            {{"name": "alarm", "when": "rule.busy.active and line.gate.forward.now"}},
            {{"name": "busy", "when": {{"any": ["zone.yard.occupancy > 0", {{"not": "tracks.count < 9"}}]}}}}]"#
    ));
    rig.walk(&[0.55, 0.45]);
    let output = rig.engine.output();
    let named: Vec<_> = output.events.iter().map(|e| rig.engine.board().names.get(e.rule).unwrap()).collect();
    assert_eq!(named, ["busy", "alarm"]);
}

#[test]
fn a_view_that_is_away_suspends_and_invents_nothing() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "empty", "when": "not zone.yard.occupancy > 0", "for": 0.2}},
            {{"name": "in", "when": "zone.yard.occupancy > 0"}}]"#
    ));
    let here = || Some(sight(0, Some(0.0)));
    rig.look(&[track(1, 0.55, 0.5)], here());
    assert_eq!(rig.said(), [(1, EventState::Confirmed, Closing::Open)]);
    rig.look(&[track(1, 0.55, 0.5)], Some(sight(1, Some(0.0))));
    assert_eq!(rig.engine.output().notices, [Notice::Zone(0, Hold::Away), Notice::Line(0, Hold::Away)]);
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Suspended)]);
    assert!(rig.fact("zone.yard.occupancy").is_nan() && rig.fact("line.gate.forward.now").is_nan());
    assert_eq!((rig.fact("zone.yard.entries"), rig.fact("zone.yard.current")), (1.0, 0.0));
    (0..5).for_each(|_| {
        rig.look(&[track(1, 0.55, 0.5)], Some(sight(1, Some(0.0))));
    });
    assert_eq!(rig.said(), [], "an empty zone is not an unseen one");
    rig.look(&[track(1, 0.45, 0.5)], here());
    assert_eq!(rig.engine.output().notices, [Notice::Zone(0, Hold::Current), Notice::Line(0, Hold::Current)]);
    assert_eq!((rig.crossings(), rig.fact("zone.yard.entries")), ((0.0, 0.0), 1.0), "nobody saw it cross");
    assert_eq!(rig.fact("zone.yard.occupancy"), 1.0);
    rig.look(&[track(1, 0.55, 0.5)], here());
    assert_eq!(rig.crossings(), (0.0, 1.0));
    rig.look(&[track(1, 0.45, 0.5)], None);
    assert_eq!(rig.engine.output().notices.len(), 2, "nobody says where the camera looks");
    assert_eq!(rig.crossings(), (0.0, 1.0));
}

#[test]
fn a_crossing_is_measured_on_the_moved_line() {
    let mut rig = Rig::new(PLACES);
    let shifted = |shift: f32| Some(sight(0, Some(shift)));
    rig.look(&[track(1, 0.52, 0.5)], shifted(0.0));
    // The camera turns: the object stays where it is in the world.
    rig.look(&[track(1, 0.42, 0.5)], shifted(0.1));
    assert_eq!(rig.crossings(), (0.0, 0.0));
    // It stays where it is in the picture, and the line goes by.
    rig.look(&[track(1, 0.42, 0.5)], shifted(0.05));
    assert_eq!(rig.crossings(), (1.0, 0.0));
    assert_eq!(rig.engine.output().to_frame[2], -0.05);
}

#[test]
fn an_epoch_in_the_middle_of_a_crossing_breaks_it_off() {
    let mut rig = Rig::new(PLACES);
    rig.look(&[track(1, 0.52, 0.5)], Some(sight(0, Some(0.0))));
    rig.look(&[track(1, 0.499, 0.5)], Some(sight(0, Some(0.0))));
    rig.look(&[track(1, 0.45, 0.5)], Some(sight(1, Some(0.0))));
    rig.look(&[track(1, 0.4, 0.5)], Some(sight(0, Some(0.0))));
    assert_eq!(rig.crossings(), (0.0, 0.0));
}

#[test]
fn a_preset_comes_and_goes() {
    let mut rig = Rig::new(
        r#""zones": [{"name": "yard", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "preset": "door"}],
           "rules": [{"name": "in", "when": "view.preset.door and zone.yard.occupancy > 0"}]"#,
    );
    let at = |preset, epoch| Some(Sight { preset, ..sight(epoch, Some(0.0)) });
    rig.look(&[track(1, 0.5, 0.5)], at(None, 0));
    assert_eq!(rig.engine.output().notices, [Notice::Zone(0, Hold::Away)]);
    rig.look(&[track(1, 0.5, 0.5)], at(Some("door"), 1));
    assert_eq!(rig.said().len(), 1);
    rig.look(&[track(1, 0.5, 0.5)], at(Some("street"), 2));
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Suspended)]);
}

#[test]
fn rules_change_between_two_frames_and_counts_stay() {
    let with = |rest: &str| {
        format!(r#"{PLACES}, "rules": [{{"name": "in", "when": "zone.yard.occupancy > 0"}}{rest}]"#)
    };
    let mut rig = Rig::new(&with(r#", {"name": "gone", "when": "tracks.count > 0"}"#));
    rig.walk(&[0.55, 0.45]);
    assert_eq!((rig.fact("zone.yard.entries"), rig.crossings()), (1.0, (1.0, 0.0)));
    let more = r#""zones": [{"name": "first", "polygon": [[0, 0], [1, 0], [1, 1]]},"#;
    rig.engine.replace(rules(&with("").replace(r#""zones": ["#, more)));
    assert_eq!(rig.engine.generation(), 2);
    rig.walk(&[0.55]);
    assert_eq!((rig.fact("zone.yard.entries"), rig.crossings()), (1.0, (1.0, 1.0)), "a path goes on, too");
    let output = rig.engine.output();
    let names = &rig.engine.board().names;
    let said: Vec<_> = output
        .events
        .iter()
        .map(|e| (names.get(e.rule).unwrap(), e.state, e.closing, e.generation))
        .collect();
    assert_eq!(
        said,
        [
            ("gone", EventState::Ended, Closing::RulesChanged, 1),
            ("in", EventState::Confirmed, Closing::Open, 2)
        ]
    );
    assert_eq!(output.events[1].changed, 0, "it goes on");
    rig.engine.replace(rules(&with("").replace("0.25", "0.5")));
    rig.walk(&[0.55]);
    assert_eq!(rig.fact("zone.yard.entries"), 1.0, "another zone counts anew");
    assert_eq!(rig.crossings(), (1.0, 1.0));
    assert_eq!(rig.said()[0].2, Closing::RulesChanged, "its rule is about another zone");
}

#[test]
fn the_last_of_an_event_has_its_names_though_they_are_gone() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "in", "when": "zone.yard.occupancy > 0 and line.gate.forward < 9"}}]"#
    ));
    rig.walk(&[0.55]);
    rig.engine.replace(Rules::default());
    rig.engine.replace(Rules::default());
    rig.see(&[]);
    let (output, names) = (rig.engine.output(), &rig.engine.board().names);
    let event = output.events[0];
    let named = [event.rule, event.zone, event.line, output.evidence[0].signal].map(|name| names.get(name));
    assert_eq!(named, ["in", "yard", "gate", "zone.yard.occupancy"].map(Some));
    assert_eq!(rig.engine.facts().len(), 2, "names of what is gone are none of facts");
}

#[test]
fn time_that_goes_back_is_a_restart() {
    let mut rig =
        Rig::new(&format!(r#"{PLACES}, "rules": [{{"name": "in", "when": "zone.yard.occupancy > 0"}}]"#));
    rig.walk(&[0.7, 0.55, 0.55]);
    rig.time = 0;
    rig.walk(&[0.45]);
    assert_eq!(
        rig.said(),
        [(1, EventState::Ended, Closing::Restart), (2, EventState::Confirmed, Closing::Open)]
    );
    assert_eq!((rig.crossings(), rig.fact("zone.yard.entries")), ((0.0, 0.0), 2.0));
}

#[test]
fn the_end_of_a_stream_ends_its_events() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "in", "when": "zone.yard.occupancy > 0"}},
            {{"name": "each", "per": "object", "when": "object.zone.yard.inside", "for": 9}}]"#
    ));
    rig.walk(&[0.55]);
    rig.engine.finish();
    let over =
        [(1, EventState::Ended, Closing::EndOfStream), (2, EventState::Cancelled, Closing::EndOfStream)];
    assert_eq!(rig.said(), over);
    assert_eq!(rig.engine.output().tracks, [1, 1]);
    rig.engine.finish();
    assert_eq!(rig.said(), [], "once");
    rig.walk(&[0.55]);
    rig.engine.restart();
    rig.engine.finish();
    assert!(rig.said().iter().all(|said| said.2 == Closing::Restart) && rig.said().len() == 2);
}

#[test]
fn detections_attributes_signals_and_the_clock_are_asked_about() {
    let mut engine = Engine::new(rules(
        r#""zones": [{"name": "z", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "count": "detections", "classes": ["car"]}],
           "signals": [{"name": "motion.level", "ttl": 1}],
           "rules": [
            {"name": "a", "per": "object", "when": "object.attribute.red_coat > 0.5"},
            {"name": "b", "when": "motion.level > 0.2 and time.hour >= 22"},
            {"name": "c", "when": "zone.z.occupancy == 1 and detections.count == 2"}]"#,
    ));
    let labels: Labels = ["person", "car"].into_iter().collect();
    let found = [0, 1].map(|label| Found { bbox: BBox::new(0.1, 0.1, 0.2, 0.2), label });
    let attributes = [Attribute { track: 1, name: "red coat", confidence: 0.75 }];
    let tracks = [track(1, 0.5, 0.5), track(2, 0.6, 0.5)];
    let input = Input {
        time: 1,
        tracks: &tracks,
        tracked: true,
        found: Some(&found),
        found_labels: labels.view(),
        attributes: &attributes,
        signals: &[0.5],
        clock: Some(Clock { hour: 22.5, weekday: 1.0 }),
        ..Input::default()
    };
    assert_eq!(engine.update(&input).events.len(), 3);
    let stale =
        Input { time: 3 * 1_000_000_000, attributes: &[], signals: &[f64::NAN], found: None, ..input };
    let ended = engine.update(&stale).events.iter().filter(|e| e.state == EventState::Ended).count();
    assert_eq!(ended, 3);
}

/// What nobody looked at is not known: it is neither what it was nor nothing.
#[test]
fn frames_that_nobody_looked_at_tell_nothing() {
    let mut rig = Rig::new(
        r#""zones": [{"name": "yard", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "classes": ["person", "car"], "limit": 0},
                     {"name": "lot", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "classes": ["person", "car"], "count": "detections"}],
           "lines": [{"name": "gate", "points": [[0.5, 0], [0.5, 1]]}],
           "rules": [{"name": "in", "when": "zone.yard.occupancy > 0"},
                     {"name": "no-car", "when": "zone.lot.occupancy.car == 0"}]"#,
    );
    let unknown = [
        "zone.yard.occupancy",
        "zone.yard.occupancy.person",
        "zone.yard.overcrowded",
        "zone.yard.dwell",
        "zone.lot.occupancy",
        "zone.lot.occupancy.car",
        "line.gate.forward.now",
        "tracks.count",
        "detections.count",
    ];
    let labels = rig.labels.clone();
    let tracks = [track(1, 0.6, 0.5)];
    let found = [Found { bbox: BBox::new(0.1, 0.1, 0.2, 0.2), label: 0 }];
    let seen = Input {
        time: 1,
        aspect: 1.0,
        tracks: &tracks,
        tracked: true,
        labels: labels.view(),
        found: Some(&found),
        found_labels: labels.view(),
        ..Input::default()
    };
    rig.engine.update(&seen);
    assert_eq!(unknown.map(|fact| rig.fact(fact)), [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(rig.said().len(), 2);
    rig.engine.update(&Input { time: 2, aspect: 1.0, ..Input::default() });
    assert!(unknown.map(|fact| rig.fact(fact)).iter().all(|value| value.is_nan()));
    assert!(rig.said().iter().all(|(_, state, _)| *state == EventState::Ended) && rig.said().len() == 2);
    assert!(rig.engine.output().shapes[..2].iter().all(|shape| shape.counts[0].is_nan()));
    rig.engine.update(&Input { time: 3, ..seen });
    assert_eq!(
        (rig.fact("zone.yard.entries"), rig.fact("zone.yard.occupancy")),
        (1.0, 1.0),
        "it is the same visit"
    );
}

#[test]
fn a_class_that_no_model_names_is_told_once() {
    let mut rig = Rig::new(
        r#""zones": [{"name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "classes": ["car", "persn"]}]"#,
    );
    rig.see(&[]);
    assert_eq!(rig.engine.output().notices, [Notice::UnknownClass(1)]);
    rig.see(&[]);
    assert_eq!(rig.engine.output().notices, []);
}

#[test]
fn what_detectors_and_classifiers_do_not_name_is_told_too() {
    let mut rig = Rig::new(
        r#""zones": [{"name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "classes": ["car", "persn"], "count": "detections"}],
           "rules": [{"name": "r", "per": "object", "when": "object.attribute.red_coat > object.attribute.helmt"}]"#,
    );
    let (found, said): (Labels, Labels) =
        (["person", "car"].into_iter().collect(), ["helmet", "red coat"].into_iter().collect());
    let input = Input { found: Some(&[]), found_labels: found.view(), ..Input::default() };
    assert_eq!(rig.engine.update(&input).notices, [Notice::UnknownClass(1)]);
    let input = Input { said_labels: said.view(), ..input };
    assert_eq!(rig.engine.update(&input).notices, [Notice::UnknownAttribute(1)]);
    assert_eq!(rig.engine.update(&input).notices, []);
}

proptest! {
    /// Whatever tracks do, counts are whole, never fall, and are what the picture shows in the end.
    #[test]
    fn counts_hold_together(
        steps in prop::collection::vec(prop::collection::vec((1..6u64, 0.3..0.7f32, 0.35..0.65f32), 0..5), 1..60),
    ) {
        let mut rig = Rig::new(PLACES);
        let mut last = [0.0; 4];
        for step in steps {
            let tracks: Vec<Track> = step.iter().map(|(id, x, y)| track(*id, *x, *y)).collect();
            rig.see(&tracks);
            let now = ["zone.yard.entries", "zone.yard.exits", "line.gate.forward", "line.gate.backward"].map(|f| rig.fact(f));
            prop_assert!(now.iter().zip(last).all(|(now, last)| *now >= last && now.fract() == 0.0));
            prop_assert!(rig.fact("zone.yard.occupancy") <= now[0] - now[1], "who is inside visits");
            last = now;
        }
        (0..4).for_each(|_| {
        rig.see(&[]);
    });
        prop_assert_eq!(rig.fact("zone.yard.entries"), rig.fact("zone.yard.exits"), "everybody has left");
    }
}
