//! Time and allocations of a frame under rules, by the number of rules, zones and tracks; with what detectors and
//! classifiers say where it says so.
//!
//! `cargo bench --bench rules --no-default-features`

use std::fmt::Write;
use std::time::Instant;

use gstnvperception::detection::Labels;
use gstnvperception::geometry::BBox;
use gstnvperception::rules::{Attribute, Engine, Found, Input, MAX_SIGNALS, Rules, Signal, SignalStore};
use gstnvperception::track::{Track, TrackState};

#[path = "counting/mod.rs"]
mod counting;

const WARM_UP: usize = 300;
const STEPS: usize = 3000;
const FRAME: u64 = 33_333_333;

/// Zones of eight corners and as many lines all over the picture; every other rule has an event an object. With `said`
/// every other zone counts detections, and the rules about objects ask about an attribute.
fn rules(rules: usize, zones: usize, said: bool) -> Rules {
    let mut text = String::from(r#"{"version": 1, "zones": ["#);
    let place = |i: usize| (0.1 + 0.8 * (i as f64 * 0.618).fract(), 0.1 + 0.8 * (i as f64 * 0.382).fract());
    for i in 0..zones {
        let (x, y) = place(i);
        let corner = |k: usize| {
            let angle = k as f64 * std::f64::consts::TAU / 8.0;
            format!("[{:.4}, {:.4}]", x + 0.15 * angle.cos(), y + 0.15 * angle.sin())
        };
        let corners: Vec<String> = (0..8).map(corner).collect();
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"name": "z{i}", "polygon": [{}], "classes": ["person"]{}}}"#,
            corners.join(", "),
            if said && i % 2 == 0 { r#", "count": "detections""# } else { "" }
        )
        .unwrap();
    }
    text.push_str(r#"], "lines": ["#);
    for i in 0..zones {
        let (x, y) = place(i);
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"name": "l{i}", "points": [[{:.4}, {y:.4}], [{:.4}, {y:.4}]]}}"#,
            x - 0.1,
            x + 0.1
        )
        .unwrap();
    }
    text.push_str(r#"], "rules": ["#);
    for i in 0..rules {
        let zone = i % zones;
        let comma = if i == 0 { "" } else { "," };
        let when = if i % 2 == 0 {
            format!(r#""when": "zone.z{zone}.occupancy >= 3 and line.l{zone}.forward > 2", "for": 1"#)
        } else {
            let about = if said { "attribute.red_coat" } else { "confidence" };
            format!(
                r#""per": "object", "when": "object.zone.z{zone}.dwell > 2 and object.{about} > 0.3", "gap": 1"#
            )
        };
        write!(text, r#"{comma}{{"name": "r{i}", {when}}}"#).unwrap();
    }
    text.push_str("]}");
    Rules::read(&text).expect("the rules are right")
}

/// Objects that wander about.
fn wander(count: usize, frame: usize, tracks: &mut Vec<Track>) {
    tracks.clear();
    for object in 0..count {
        let seed = object as f32 * 0.618;
        let phase = seed + frame as f32 * 0.002;
        let (x, y) = (0.5 + 0.45 * (phase * 5.0).sin(), 0.5 + 0.45 * (phase * 3.0 + seed).cos());
        let bbox = BBox::from_center(x, y, 0.03, 0.1);
        let state = TrackState::Confirmed;
        tracks.push(Track {
            id: object as u64 + 1,
            bbox,
            confidence: 0.9,
            label: 0,
            state,
            ..Track::default()
        });
    }
}

fn main() {
    println!("rules  zones and lines  tracks   said      median         p99   allocations a frame");
    let labels: Labels = ["person"].into_iter().collect();
    let classes: Labels = ["blue coat", "red coat"].into_iter().collect();
    for (rule_count, zones, objects, said) in [
        (20, 10, 50, false),
        (40, 10, 50, false),
        (20, 20, 50, false),
        (20, 10, 100, false),
        (80, 40, 200, false),
        (20, 10, 10, false),
        (20, 10, 50, true),
        (80, 40, 200, true),
    ] {
        let mut engine = Engine::new(rules(rule_count, zones, said));
        let (mut found, mut attributes) = (Vec::with_capacity(objects), Vec::with_capacity(objects));
        let mut tracks = Vec::with_capacity(objects);
        let mut times = Vec::with_capacity(STEPS);
        let mut before = 0;
        for frame in 0..WARM_UP + STEPS {
            wander(objects, frame, &mut tracks);
            if frame == WARM_UP {
                before = counting::allocations();
            }
            let time = frame as u64 * FRAME;
            let (labels, said_labels) = (labels.view(), classes.view());
            found.clear();
            attributes.clear();
            if said {
                found.extend(tracks.iter().map(|track| Found { bbox: track.bbox, label: 0 }));
                let attribute =
                    |track: &Track| Attribute { track: track.id, name: "red coat", confidence: 0.9 };
                attributes.extend(tracks.iter().map(attribute));
            }
            let input = Input {
                time,
                aspect: 16.0 / 9.0,
                tracks: &tracks,
                tracked: true,
                labels,
                found: said.then_some(&found),
                found_labels: labels,
                attributes: &attributes,
                said_labels,
                ..Input::default()
            };
            let start = Instant::now();
            std::hint::black_box(engine.update(&input));
            if frame >= WARM_UP {
                times.push(start.elapsed().as_nanos());
            }
        }
        let allocations = (counting::allocations() - before) as f64 / STEPS as f64;
        times.sort_unstable();
        let us = |at: usize| times[at] as f64 / 1000.0;
        let (median, p99) = (us(STEPS / 2), us(STEPS * 99 / 100));
        println!(
            "{rule_count:5} {zones:16} {objects:7} {said:>6} {median:8.1} us {p99:8.1} us {allocations:13.3}"
        );
    }
    println!("facts shared      median   allocations a frame");
    [100, MAX_SIGNALS].into_iter().for_each(share);
}

/// Puts as many facts where others find them, frame by frame.
fn share(count: usize) {
    let mut store = SignalStore::default();
    let names: Vec<String> = (0..count).map(|i| format!("zone.z{i}.occupancy.person")).collect();
    let names: Labels = names.iter().map(String::as_str).collect();
    let signal = |name| Signal { name, reserved: 0, value: 1.0, ttl: 1_000_000_000 };
    let signals: Vec<Signal> = (0..count as i32).map(signal).collect();
    let mut times = Vec::with_capacity(STEPS);
    let mut before = 0;
    for frame in 0..WARM_UP + STEPS {
        if frame == WARM_UP {
            before = counting::allocations();
        }
        let start = Instant::now();
        store.tell("events", names.view(), &signals, frame as u64 * FRAME);
        if frame >= WARM_UP {
            times.push(start.elapsed().as_nanos());
        }
    }
    let allocations = (counting::allocations() - before) as f64 / STEPS as f64;
    times.sort_unstable();
    println!("{count:12} {:8.1} us {allocations:14.3}", times[STEPS / 2] as f64 / 1000.0);
}
