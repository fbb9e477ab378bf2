//! `nvpevents`: what it attaches, what it says, and how its rules change.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::{Detection, Detections, Parent, Task};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{
    DetectionMeta, EventMeta, ProvenanceMeta, SignalMeta, TrackMeta, ViewMeta, ZoneMeta,
};
use gstnvperception::rules::{EventState, Events, Hold, Signal, Signals};
use gstnvperception::track::{Track, TrackState, Tracks};
use gstnvperception::view::View;

#[path = "common/foreign.rs"]
mod foreign;

const CAPS: &str = "video/x-raw,format=GRAY8,width=640,height=360,framerate=10/1";
const IDENTITY: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
const YARD: &str = r#"{"version": 1,
    "zones": [{"name": "yard", "polygon": [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], "classes": ["person"]}],
    "lines": [{"name": "gate", "points": [[0.5, 0], [0.5, 1]], "forward": "in"}],
    "rules": [{"name": "someone", "when": "zone.yard.occupancy > 0"},
              {"name": "went-in", "per": "object", "when": "object.line.gate.in.now", "max-duration": 0}]}"#;

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

struct Rig {
    element: gst::Element,
    harness: Harness,
    bus: gst::Bus,
    ms: u64,
}

impl Rig {
    fn new(rules: &str) -> Self {
        Self::with(rules, false)
    }

    fn with(rules: &str, watch: bool) -> Self {
        init();
        let element =
            gst::ElementFactory::make("nvpevents").name("events").property("watch", watch).build().unwrap();
        element.set_property("rules", rules);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps_str(CAPS);
        Self { element, harness, bus, ms: 0 }
    }

    fn push(&mut self, fill: impl FnOnce(&mut gst::BufferRef)) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(self.ms));
        self.ms += 100;
        fill(writable);
        self.harness.push_and_pull(buffer).unwrap()
    }

    /// Pushes a frame with persons by id and the place of their feet.
    fn see(&mut self, people: &[(u64, f32, f32)]) -> gst::Buffer {
        self.push(|buffer| TrackMeta::set(buffer, tracks(people)))
    }

    /// The element messages so far, of one name.
    fn said(&self, name: &str) -> Vec<gst::Structure> {
        let messages = std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Element]));
        let structures = messages.filter_map(|message| message.structure().map(ToOwned::to_owned));
        structures.filter(|structure| structure.name() == name).collect()
    }

    /// What the last warning says.
    fn warned(&self) -> String {
        let message = self.bus.pop_filtered(&[gst::MessageType::Warning]).expect("there is a warning");
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
        warning.error().to_string()
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }
}

fn tracks(people: &[(u64, f32, f32)]) -> Tracks {
    let track = |&(id, x, y): &(u64, f32, f32)| Track {
        id,
        bbox: BBox::new(x - 0.02, y - 0.1, x + 0.02, y),
        label: 0,
        state: TrackState::Confirmed,
        ..Track::default()
    };
    let items = people.iter().map(track).collect();
    Tracks { run: "run".into(), labels: ["person", "car"].into_iter().collect(), items, ..Tracks::default() }
}

fn fact(buffer: &gst::BufferRef, name: &str) -> Option<f64> {
    SignalMeta::all(buffer).find(|signals| signals.source() == "events")?.value(name)
}

fn events(buffer: &gst::BufferRef) -> Events {
    EventMeta::get(buffer).expect("every frame gets events").to_owned()
}

#[test]
fn facts_events_and_zones_are_attached() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.55, 0.5)]);
    let out = rig.see(&[(1, 0.45, 0.5), (2, 0.1, 0.5)]);
    let facts = [
        "zone.yard.occupancy",
        "zone.yard.entries",
        "line.gate.forward",
        "tracks.count",
        "zone.yard.overcrowded",
    ];
    assert_eq!(facts.map(|name| fact(&out, name)), [Some(1.0), Some(1.0), Some(1.0), Some(2.0), None]);
    let events = events(&out);
    let names: Vec<_> = events.items.iter().map(|e| (events.names.get(e.rule).unwrap(), e.changed)).collect();
    assert_eq!(names, [("someone", 0), ("went-in", 1)]);
    let went = &events.items[1];
    assert_eq!(
        (went.state, events.tracks_of(went), went.start),
        (EventState::Confirmed, &[1][..], 100_000_000)
    );
    assert_eq!(
        (events.names.get(went.line), events.names.get(events.items[0].zone)),
        (Some("gate"), Some("yard"))
    );
    assert_eq!((events.run.len(), events.evidence_of(went)[0].peak), (36, 1.0));
    let zones = ZoneMeta::get(&out).unwrap();
    let shapes: Vec<_> = zones
        .iter()
        .map(|(s, now)| (zones.name(s).unwrap(), zones.points_of(s).len(), now.hold, now.counts))
        .collect();
    assert_eq!(shapes, [("yard", 4, Hold::Current, [1.0, 1.0]), ("gate", 2, Hold::Current, [1.0, 0.0])]);
    assert_eq!((zones.to_frame(), zones.generation()), (&IDENTITY, 1));
    let stage = ProvenanceMeta::get(&out).unwrap().stages().next().unwrap().to_owned();
    assert_eq!((&*stage.element, stage.generation), ("events", 1));
    assert_eq!((rig.stat("frames"), rig.stat("events"), rig.stat("untracked")), (2, 2, 0));
}

#[test]
fn a_change_is_said_once_on_the_bus() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.45, 0.5)]);
    rig.see(&[(1, 0.45, 0.5)]);
    let said = rig.said("nvp-event");
    assert_eq!(said.len(), 1);
    let event = &said[0];
    assert_eq!((event.get::<&str>("rule"), event.get::<&str>("state")), (Ok("someone"), Ok("confirmed")));
    assert_eq!((event.get::<u64>("id"), event.get::<&str>("zone")), (Ok(1), Ok("yard")));
    let tracks = event.get::<gst::Array>("tracks").unwrap();
    assert_eq!(tracks.iter().map(|id| id.get::<u64>().unwrap()).collect::<Vec<_>>(), [1]);
    rig.see(&[]);
    let ended = rig.said("nvp-event");
    assert_eq!((ended[0].get::<u64>("id"), ended[0].get::<&str>("reason")), (Ok(1), Ok("cleared")));
    assert_eq!((ended[0].get::<u64>("start"), ended[0].get::<u64>("end")), (Ok(0), Ok(100_000_000)));
}

#[test]
fn rules_change_while_playing() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.55, 0.5)]);
    rig.see(&[(1, 0.45, 0.5)]);
    rig.element.set_property("rules", YARD.replace("someone", "anyone"));
    let out = rig.see(&[(1, 0.45, 0.5)]);
    assert_eq!((fact(&out, "line.gate.forward"), fact(&out, "zone.yard.entries")), (Some(1.0), Some(1.0)));
    let applied = rig.said("nvp-rules-applied");
    assert_eq!((applied[0].get::<u64>("generation"), applied[0].get::<u32>("zones")), (Ok(2), Ok(1)));
    let generations: Vec<_> = events(&out).items.iter().map(|e| (e.state, e.generation)).collect();
    let crossed = (EventState::Ended, 2);
    assert_eq!(generations, [(EventState::Ended, 1), (EventState::Confirmed, 2), crossed]);
    let kept: String = rig.element.property("rules");
    rig.element.set_property("rules", YARD.replace("polygon", "polygn"));
    let said = rig.warned();
    assert!(said.contains("zones[0] has the unknown key \"polygn\"; did you mean \"polygon\"?"), "{said}");
    assert!(said.contains("the rules of generation 2 stay in force"), "{said}");
    let rejected = rig.said("nvp-rules-rejected");
    assert_eq!(rejected[0].get::<u64>("generation"), Ok(2));
    let out = rig.see(&[(1, 0.45, 0.5)]);
    assert_eq!(fact(&out, "zone.yard.entries"), Some(1.0));
    assert_eq!(
        (rig.element.property::<String>("rules"), rig.stat("rejected"), rig.stat("generation")),
        (kept, 1, 2)
    );
}

#[test]
fn parts_are_edited_by_action_signals() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.55, 0.5)]);
    rig.see(&[(1, 0.45, 0.5)]);
    let act = |name: &str, text: &str| rig.element.emit_by_name::<bool>(name, &[&text]);
    assert!(act("set-zone", r#"{"name": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}"#));
    assert!(act("set-line", r#"{"name": "kerb", "points": [[0, 0.5], [1, 0.5]]}"#));
    assert!(!act("remove-zone", "yard"), "a rule asks about it");
    assert!(rig.warned().contains("there is no signal \"zone.yard.occupancy\""));
    assert!(!act("remove-line", "gat"));
    assert!(rig.warned().contains("did you mean \"gate\"?"));
    assert!(act("remove-line", "kerb"));
    assert!(!act("set-line", "{}"));
    assert!(rig.warned().contains("lines[1] has no \"name\""));
    let out = rig.see(&[(1, 0.45, 0.5)]);
    let facts = ["zone.all.occupancy", "line.gate.forward", "line.kerb.forward"].map(|name| fact(&out, name));
    assert_eq!(facts, [Some(1.0), Some(1.0), None]);
    assert!(
        rig.element.emit_by_name::<bool>(
            "set-zone",
            &[&r#"{"name": "all", "polygon": [[0, 0], [0.1, 0], [0, 0.1]]}"#]
        )
    );
    assert_eq!(fact(&rig.see(&[(1, 0.45, 0.5)]), "zone.all.occupancy"), Some(0.0));
}

/// Edits from several threads at once are all made.
#[test]
fn no_edit_is_lost() {
    let mut rig = Rig::new(YARD);
    let edits = |from: usize| {
        let element = rig.element.clone();
        std::thread::spawn(move || {
            for i in from..from + 10 {
                let zone = format!(r#"{{"name": "z{i}", "polygon": [[0, 0], [1, 0], [1, 1]]}}"#);
                assert!(element.emit_by_name::<bool>("set-zone", &[&zone]));
            }
        })
    };
    let threads = [0, 10, 20, 30].map(edits);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let out = rig.see(&[(1, 0.45, 0.5)]);
    assert!((0..40).all(|i| fact(&out, &format!("zone.z{i}.occupancy")).is_some()));
}

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()))
}

/// Tries for a while, without frames.
fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_that_changes_is_read_again() {
    let file = temporary("rules-watched");
    std::fs::write(&file, YARD).unwrap();
    let mut rig = Rig::with(file.to_str().unwrap(), true);
    rig.see(&[]);
    // What is half-written does no harm.
    std::fs::write(&file, YARD.split_once("polygon").unwrap().0).unwrap();
    wait("it is refused", || rig.stat("rejected") == 1);
    let said = rig.warned();
    assert!(said.contains("Rule file") && said.contains("half-written"), "{said}");
    std::fs::write(&file, YARD.replace("someone", "anyone-else")).unwrap();
    wait("it is read", || {
        rig.see(&[]);
        rig.stat("generation") == 2
    });
    std::fs::remove_file(&file).unwrap();
    rig.element.set_state(gst::State::Null).unwrap();
}

/// Who hears that the file was refused may put other rules in its place at once, on the thread that says so.
#[test]
fn rules_may_be_set_by_who_hears_of_their_refusal() {
    let file = temporary("rules-answered");
    std::fs::write(&file, YARD).unwrap();
    let mut rig = Rig::with(file.to_str().unwrap(), true);
    rig.see(&[]);
    let element = rig.element.downgrade();
    rig.bus.set_sync_handler(move |_, message| {
        let refused = message.structure().is_some_and(|said| said.name() == "nvp-rules-rejected");
        if let Some(element) = element.upgrade().filter(|_| refused) {
            element.set_property("rules", YARD.replace("someone", "anyone"));
        }
        gst::BusSyncReply::Pass
    });
    std::fs::write(&file, "{").unwrap();
    wait("others are in force", || {
        rig.see(&[]);
        rig.stat("generation") == 2
    });
    assert_eq!(rig.element.property::<String>("rules"), YARD.replace("someone", "anyone"));
    rig.element.set_state(gst::State::Null).unwrap();
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn what_cannot_be_rules_is_refused_at_the_start() {
    init();
    let long = temporary("rules-long");
    std::fs::write(&long, " ".repeat(10 << 20)).unwrap();
    let binary = temporary("rules-binary");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    let cases = [
        ("/no/such/file.json".to_owned(), "Rule file /no/such/file.json: No such file"),
        (long.to_str().unwrap().to_owned(), "at most 1048576 are read: split them up"),
        (binary.to_str().unwrap().to_owned(), "it is no text in UTF-8"),
        ("{".to_owned(), "The rules: line 1: no JSON"),
        (
            r#"{"version": 1, "zones": [{"name": "z", "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}"#
                .to_owned(),
            "zones[0].polygon crosses or touches itself",
        ),
    ];
    for (rules, wanted) in cases {
        let element = gst::ElementFactory::make("nvpevents").property("rules", &rules).build().unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{rules}");
        let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("it says why");
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        let said = error.error().to_string();
        assert!(said.contains(wanted), "{said}");
        element.set_state(gst::State::Null).unwrap();
    }
    [long, binary].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn a_view_that_is_away_is_said() {
    let mut rig = Rig::new(YARD);
    let mut see = |epoch: u64, x: f32| {
        rig.push(|buffer| {
            TrackMeta::set(buffer, tracks(&[(1, x, 0.5)]));
            ViewMeta::set(buffer, View { epoch, to_reference: Some(IDENTITY), ..View::default() });
        })
    };
    see(0, 0.55);
    let out = see(1, 0.55);
    assert_eq!((fact(&out, "zone.yard.current"), fact(&out, "zone.yard.occupancy")), (Some(0.0), None));
    assert!(ZoneMeta::get(&out).unwrap().iter().all(|(_, now)| now.hold == Hold::Away));
    let out = see(0, 0.45);
    assert_eq!((fact(&out, "line.gate.forward"), fact(&out, "zone.yard.entries")), (Some(0.0), Some(1.0)));
    let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
    let said: Vec<_> = messages.filter_map(|message| message.structure().map(ToOwned::to_owned)).collect();
    let named = |name: &str| said.iter().filter(|s| s.name() == name).cloned().collect::<Vec<_>>();
    let suspended = named("nvp-rule-suspended");
    assert_eq!(suspended.len(), 2);
    assert_eq!(
        (suspended[0].get::<&str>("kind"), suspended[0].get::<&str>("reason")),
        (Ok("zone"), Ok("away"))
    );
    let rules = suspended[0].get::<gst::Array>("rules").unwrap();
    assert_eq!(rules.iter().map(|rule| rule.get::<String>().unwrap()).collect::<Vec<_>>(), ["someone"]);
    assert_eq!(named("nvp-rule-resumed").len(), 2);
    let ended =
        named("nvp-event").into_iter().find(|event| event.get::<&str>("state") == Ok("ended")).unwrap();
    assert_eq!(ended.get::<&str>("reason"), Ok("suspended"));
}

#[test]
fn a_flush_ends_events_and_keeps_counts() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.55, 0.5)]);
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    assert!(
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
    );
    rig.ms = 0;
    let out = rig.see(&[(1, 0.45, 0.5)]);
    let states: Vec<_> = events(&out).items.iter().map(|e| (e.id, e.state)).collect();
    assert_eq!(states, [(1, EventState::Ended), (2, EventState::Confirmed)]);
    assert_eq!((fact(&out, "line.gate.forward"), fact(&out, "zone.yard.entries")), (Some(0.0), Some(2.0)));
}

/// The reasons of the events that have ended, as the bus tells them.
fn endings(rig: &Rig) -> Vec<String> {
    let ended = |event: &gst::Structure| event.get::<&str>("state") == Ok("ended");
    let said = rig.said("nvp-event").into_iter().filter(ended);
    said.map(|event| event.get::<String>("reason").unwrap()).collect()
}

#[test]
fn the_end_of_the_stream_and_a_stop_end_events() {
    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.45, 0.5)]);
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    assert_eq!(endings(&rig), ["end-of-stream"]);
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(endings(&rig), [""; 0], "once");

    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.45, 0.5)]);
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!((endings(&rig), rig.stat("events")), (vec!["end-of-stream".to_owned()], 1));

    let mut rig = Rig::new(YARD);
    rig.see(&[(1, 0.45, 0.5)]);
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(endings(&rig), ["restart"], "no frame followed");
}

#[test]
fn signals_attributes_and_detections_are_read() {
    let mut rig = Rig::new(
        r#"{"version": 1, "signals": [{"name": "motion.level", "ttl": 1}],
            "zones": [{"name": "z", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "count": "detections", "classes": ["car"]}],
            "rules": [{"name": "moves", "when": "motion.level > 0.2"}, {"name": "night", "when": "time.hour >= 0 and time.weekday >= 1"},
                      {"name": "red", "per": "object", "when": "object.attribute.red > 0.5"}]}"#,
    );
    let signals = |value: f64| Signals {
        source: "app".into(),
        names: ["motion.level"].into_iter().collect(),
        items: vec![Signal { name: 0, reserved: 0, value, ttl: 250_000_000 }],
    };
    let item = Detection { bbox: BBox::new(0.1, 0.1, 0.2, 0.2), confidence: 0.75, class_id: 1 };
    let out = rig.push(|buffer| {
        SignalMeta::add(buffer, signals(0.5));
        TrackMeta::set(buffer, tracks(&[(7, 0.5, 0.5)]));
        let labels = ["person", "car"].into_iter().collect();
        DetectionMeta::add(
            buffer,
            Detections { model: "det".into(), labels, items: vec![item], ..Detections::default() },
        );
        let classes = Detections {
            model: "coat".into(),
            labels: ["blue", "red"].into_iter().collect(),
            task: Task::Classify,
            items: vec![item],
            parents: vec![Parent { track: 7, age: 0, model: -1, item: -1 }],
            ..Detections::default()
        };
        DetectionMeta::add(buffer, classes);
    });
    assert_eq!((events(&out).items.len(), fact(&out, "zone.z.occupancy")), (3, Some(1.0)));
    assert_eq!(SignalMeta::all(&out).map(|signals| signals.source()).collect::<Vec<_>>(), ["app", "events"]);
    rig.see(&[]);
    rig.see(&[]);
    let out = rig.see(&[]);
    let ended: Vec<_> = events(&out).items.iter().filter(|e| e.changed == 1).map(|e| e.rule).collect();
    assert_eq!(events(&out).names.get(ended[0]), Some("moves"), "0.25 s are over");
}

#[test]
fn a_class_that_is_misspelt_is_said() {
    let mut rig = Rig::new(&YARD.replace("\"person\"", "\"persn\""));
    rig.see(&[]);
    rig.see(&[]);
    let said = rig.said("nvp-rules-unknown-class");
    assert_eq!(said.len(), 1);
    assert_eq!(
        (said[0].get::<&str>("class"), said[0].get::<&str>("suggestion")),
        (Ok("persn"), Ok("person"))
    );
}

#[test]
fn every_property_does_something() {
    let mut rig = Rig::new(YARD);
    rig.element.set_property("signal-ttl", 5u64);
    let out = rig.see(&[]);
    let ttl = |buffer: &gst::BufferRef| SignalMeta::all(buffer).next().unwrap().items()[0].ttl;
    assert_eq!(ttl(&out), 5);
    rig.element.set_property("signal-ttl", 6u64);
    assert_eq!(ttl(&rig.see(&[])), 6);
    rig.element.set_property("rules", None::<&str>);
    assert!(ZoneMeta::get(&rig.see(&[])).is_none());
}

/// Two branches of a pipeline: what one finds the other asks about.
#[test]
fn signals_are_shared_in_a_pipeline() {
    init();
    let shared = |share: bool| {
        let rules = r#"{"version": 1, "rules": [{"name": "always", "when": "1"}]}"#;
        let asks = r#"{"version": 1, "signals": [{"name": "other.count"}], "rules": [{"name": "both", "when": "other.count > 0"}]}"#;
        let launch = format!(
            "videotestsrc num-buffers=5 pattern=black ! video/x-raw,framerate=10/1 ! nvpevents name=a signal-store={share} \
             ! identity name=between ! nvpevents name=b signal-store={share} ! fakesink name=sink"
        );
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let element = |name: &str| pipeline.by_name(name).unwrap();
        element("a").set_property("rules", rules);
        element("b").set_property("rules", asks);
        // Only the store is left as a way from one to the other, and names of facts are kept for facts.
        let pad = element("between").static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            if let Some(buffer) = info.buffer_mut() {
                SignalMeta::remove(buffer.make_mut(), None);
            }
            gst::PadProbeReturn::Ok
        });
        let pad = element("a").static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            let items = vec![Signal { name: 0, reserved: 0, value: 1.0, ttl: 1_000_000_000 }];
            let names = ["other.count"].into_iter().collect();
            if let Some(buffer) = info.buffer_mut() {
                SignalMeta::add(buffer.make_mut(), Signals { source: "app".into(), names, items });
            }
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end =
            pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends).unwrap();
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        let events = element("b").property::<gst::Structure>("stats").get::<u64>("events").unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        events
    };
    assert_eq!((shared(true), shared(false)), (1, 0));
}

/// Of two in a chain the last one's events and zones are left, and that is said.
#[test]
fn events_of_another_element_are_replaced_audibly() {
    let (mut first, mut second) = (Rig::new(YARD), Rig::new(r#"{"version": 1}"#));
    for _ in 0..2 {
        let out = first.see(&[(1, 0.45, 0.5)]);
        let out = second.harness.push_and_pull(out).unwrap();
        assert!(events(&out).items.is_empty() && ZoneMeta::get(&out).is_none());
    }
    assert_eq!(second.said("nvp-events-replaced").len(), 1);
    assert!(first.said("nvp-events-replaced").is_empty());
}

/// What two elements find under one name is asked about by the name of the element.
#[test]
fn facts_of_another_element_are_asked_about() {
    init();
    let zone =
        |polygon: &str| format!(r#"{{"version": 1, "zones": [{{"name": "door", "polygon": {polygon}}}]}}"#);
    let asks = r#"{"version": 1, "signals": [{"name": "left:zone.door.occupancy"}, {"name": "right:zone.door.occupancy"}],
        "rules": [{"name": "left", "when": "left:zone.door.occupancy > 0"}, {"name": "right", "when": "right:zone.door.occupancy > 0"}]}"#;
    for shared in [true, false] {
        let make = |name: &str, rules: &str| {
            let element = gst::ElementFactory::make("nvpevents").name(name).property("rules", rules);
            element.property("signal-store", shared).build().unwrap()
        };
        let bin = gst::Bin::new();
        let elements = [
            make("left", &zone("[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]")),
            make("right", &zone("[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]")),
            make("events", asks),
        ];
        bin.add_many(&elements).unwrap();
        gst::Element::link_many(&elements).unwrap();
        for (name, element) in [("sink", &elements[0]), ("src", &elements[2])] {
            let pad = gst::GhostPad::with_target(&element.static_pad(name).unwrap()).unwrap();
            bin.add_pad(&pad).unwrap();
        }
        let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps_str(CAPS);
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::ZERO);
        TrackMeta::set(writable, tracks(&[(1, 0.7, 0.5)]));
        let out = harness.push_and_pull(buffer).unwrap();
        let active = ["rule.left.active", "rule.right.active"].map(|name| fact(&out, name));
        assert_eq!(active, [Some(0.0), Some(1.0)], "shared: {shared}");
    }
}

#[test]
fn another_start_is_another_run() {
    let mut rig = Rig::new(YARD);
    let run = events(&rig.see(&[(1, 0.45, 0.5)])).run;
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(rig.stat("events"), 1);
    assert!(!rig.element.emit_by_name::<bool>("remove-zone", &[&"yard"]), "there is nothing to edit");
    rig.element.set_state(gst::State::Playing).unwrap();
    rig.harness.set_src_caps_str(CAPS);
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let again = events(&rig.see(&[(1, 0.45, 0.5)]));
    assert_ne!(again.run, run);
    assert_eq!(again.items[0].id, 1);
}

/// Rules that its schema allows are read, and what it refuses is refused.
#[test]
fn the_schema_and_the_reader_agree() {
    let schema = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/nvperception.rules-1.schema.json"),
    );
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema.unwrap()).unwrap()).unwrap();
    let full = r#"{"version": 1,
        "signals": [{"name": "motion.level", "ttl": 2.5, "comment": "x"}],
        "zones": [{"name": "a", "polygon": [[0, 0], [1, 0], [1, 1]], "inverse": true, "anchor": "overlap", "overlap": 0.3,
                   "classes": ["traffic light"], "min-height": 0.1, "max-height": 0.5, "grace": 2, "limit": 3, "preset": "p"},
                  {"name": "b", "ellipse": {"center": [0.5, 0.5], "radii": [0.1, 0.2]}, "count": "detections"}],
        "lines": [{"name": "c", "points": [[0, 0], [1, 1], [1, 0]], "anchor": "center", "mode": "strict", "margin": 0.01,
                   "classes": ["a", "b"], "forward": "in", "backward": "out", "preset": "p"}],
        "rules": [{"name": "r", "when": {"all": ["motion.level > 1", {"not": {"any": ["line.c.in > 2"]}}]}, "for": 1, "gap": 1,
                   "cooldown": 1, "max-duration": 9, "re-arm": "always"},
                  {"name": "s", "per": "object", "classes": ["a"], "when": "object.zone.a.dwell > 1"}]}"#;
    let odd = [
        "\"version\": 1",
        "\"anchor\": \"overlap\"",
        "\"overlap\": 0.3",
        "[[0, 0], [1, 0], [1, 1]]",
        "\"mode\": \"strict\"",
        "\"margin\": 0.01",
        "\"per\": \"object\"",
        "\"ttl\": 2.5",
        "\"gap\": 1",
    ];
    let wrong = [
        "\"version\": 2",
        "\"anchor\": \"top\"",
        "\"overlap\": 3",
        "[[0, 0], [1, 0]]",
        "\"mode\": 1",
        "\"margin\": -1",
        "\"pre\": \"object\"",
        "\"ttl\": \"1\"",
        "\"gap\": null",
    ];
    let agrees = |text: &str, is: bool| {
        assert_eq!(schema.is_valid(&serde_json::from_str(text).unwrap()), is, "{text}");
        assert_eq!(
            gstnvperception::rules::Rules::read(text).is_ok(),
            is,
            "{text}: {:?}",
            gstnvperception::rules::Rules::read(text).err()
        );
    };
    agrees(full, true);
    let more = [
        ("\"anchor\": \"overlap\", ", ""),
        ("\"anchor\": \"overlap\"", "\"anchor\": \"center\""),
        ("\"per\": \"object\", ", ""),
        ("\"forward\": \"in\"", "\"forward\": \"backward\""),
        ("[\"a\", \"b\"]", "[\"a\", \"a\"]"),
    ];
    more.iter().for_each(|(right, wrong)| agrees(&full.replacen(right, wrong, 1), false));
    agrees(&full.replace("motion.level", "lobby:zone.door.occupancy"), true);
    for (right, wrong) in odd.iter().zip(wrong) {
        agrees(&full.replacen(right, wrong, 1), false);
    }
}

#[test]
fn foreign_memory_passes_unmapped() {
    let mut rig = Rig::new(YARD);
    let allocator = foreign::Allocator::default();
    let out = rig.push(|buffer| buffer.append_memory(allocator.memory()));
    assert_eq!((out.size(), allocator.maps()), (foreign::SIZE, 0));
    assert_eq!(rig.stat("untracked"), 1);
    assert_eq!((fact(&out, "tracks.count"), fact(&out, "detections.count")), (None, None));
}

/// Runs a pipeline to its end and gives the lines that it writes.
fn published(launch: &str, file: &Path) -> Vec<serde_json::Value> {
    init();
    let launch = format!("{launch} ! nvppublish name=publish event-snapshots=true ! fakesink");
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("publish").unwrap().set_property("location", file.to_str().unwrap());
    if let Some(events) = pipeline.by_name("events") {
        events.set_property("rules", YARD.replace("person", "car").replace("0.4, 0.4", "0.1, 0.4"));
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn signals_and_events_are_published_and_come_back() {
    let (first, second) = (temporary("events-first"), temporary("events-second"));
    let source = "nvptestsrc num-buffers=150 seed=3";
    let size = "video/x-raw,width=32,height=18,framerate=10/1";
    let written = published(
        &format!("{source} detections=perfect ! {size} ! nvptracker ! nvpevents name=events"),
        &first,
    );
    let again =
        published(&format!("{source} ! {size} ! nvpreplay location=\"{}\"", first.display()), &second);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/nvperception.frame-1.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let (mut changes, mut goes_on) = (0, 0);
    for (line, back) in written.iter().zip(&again) {
        assert!(
            schema.is_valid(line),
            "{:?}",
            schema.iter_errors(line).next().map(|error| error.to_string())
        );
        assert_eq!((&line["signals"], &line["events"]), (&back["signals"], &back["events"]));
        let events = line["events"].as_array().unwrap();
        goes_on += events.iter().filter(|event| event["changed"] == false).count();
        changes += events.iter().filter(|event| event.get("changed").is_none()).count();
    }
    assert!(changes > 1 && goes_on > 1, "{changes} {goes_on}");
    [first, second].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

/// What happened has happened, though nobody can say where the zones are in a picture that was cut.
#[test]
fn a_crop_leaves_signals_and_events() {
    let mut rig = Rig::new(YARD);
    let out = rig.see(&[(1, 0.45, 0.5)]);
    let mut buffer = gst::Buffer::with_size(640 * 360).unwrap();
    let flags = gst::BufferCopyFlags::META | gst::BufferCopyFlags::TIMESTAMPS;
    out.copy_into(buffer.get_mut().unwrap(), flags, ..).unwrap();
    assert!(ZoneMeta::get(&buffer).is_some());
    let mut crop = Harness::new_parse("videocrop left=100");
    crop.set_src_caps_str(CAPS);
    let cut = crop.push_and_pull(buffer).unwrap();
    assert_eq!((events(&cut).items.len(), fact(&cut, "zone.yard.occupancy")), (1, Some(1.0)));
    assert!(ZoneMeta::get(&cut).is_none());
}
