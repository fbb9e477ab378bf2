use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::detection::{Details, Detection, Keypoint, Quad};
use crate::geometry::BBox;
use crate::provenance::{Outcome, Stage};
use crate::track::{
    Closed, Continuity, EndReason, Opened, PastKind, Track, TrackMotion, TrackPoint, TrackSegment, TrackState,
};
use crate::view::{Decision, Motion, MotionSource, Phase, Ptz, Validity};

const SCHEMA_TEXT: &str = include_str!("../../schema/nvperception.frame-1.schema.json");

/// The published schema, made to refuse keys that it does not describe.
fn strict_schema() -> jsonschema::Validator {
    fn close(schema: &mut Value) {
        if let Value::Object(map) = schema {
            if map.contains_key("properties") {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(close);
        }
    }
    let mut schema: Value = serde_json::from_str(SCHEMA_TEXT).unwrap();
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

fn line(source: &impl RecordSource) -> String {
    let mut out = Vec::new();
    write_line(&mut out, source);
    String::from_utf8(out).unwrap()
}

/// A record with something under every key.
fn full() -> FrameRecord {
    let bbox = BBox::new(-0.125, 0.25, 0.5, 1.5);
    let stage = Stage {
        element: "nvpinference0".into(),
        model_sha256: Some("0123456789abcdef".repeat(4).into()),
        provider: Some("CPUExecutionProvider".into()),
        start: 10,
        end: 20,
        outcome: Outcome::Skipped("interval".into()),
        ..Stage::default()
    };
    let stage = StageRecord::from(&stage);
    let motion = MotionRecord {
        velocity: Some([0.5, -0.25]),
        stationary: false,
        path: 1.5,
        displacement: [0.5, 0.25],
        mean_speed: 0.75,
        max_speed: 2.0,
        direction: f32::NAN,
        ground_m: Some([3.0, 4.5]),
        displacement_m: Some([1.0, 2.0]),
        path_m: Some(6.0),
        speed_m: Some(0.5),
        mean_speed_m: Some(1.25),
        max_speed_m: Some(3.5),
    };
    let segment = TrackSegment {
        track: 0,
        epoch: 1,
        since: 7,
        until: 3,
        opened: Opened::View,
        closed: Closed::Epoch,
        compensations: 2,
        count: 2,
        first: 0,
        transform: [1.0, 0.0, 0.25, 0.0, 1.0, f64::NAN, 0.0, 0.0, 1.0],
        motion: TrackMotion { path: 0.5, displacement: [0.5, 0.0], direction: 90.0, ..TrackMotion::UNKNOWN },
        reserved: 0,
    };
    let points =
        vec![TrackPoint { before: 7, x: 0.5, y: 1.5 }, TrackPoint { before: 3, x: 0.25, y: f32::NAN }];
    let segments = Course { segments: vec![segment].into(), points: points.into() };
    FrameRecord {
        schema: SchemaName,
        feed: "door \"north\"\n".into(),
        seq: 7,
        pts: Some(280_000_000),
        running_time: None,
        wall: Timestamp(1_000_000_000_250_000_000),
        width: 640,
        height: 360,
        detections: Some(vec![DetectionRecord {
            model: "yolo".into(),
            class: 2,
            label: Some("car".into()),
            confidence: 0.1,
            bbox,
            ..DetectionRecord::default()
        }]),
        tracks: Some(vec![TrackRecord {
            id: 9,
            class: 2,
            label: None,
            state: TrackState::Coasted,
            confidence: f32::NAN,
            bbox,
            age: 40_000_000,
            continuity: Continuity::Reassociated,
            motion: Some(motion),
            ..TrackRecord::default()
        }]),
        ended: Some(vec![EndedRecord {
            track: TrackRecord {
                id: 8,
                class: 2,
                label: Some("car".into()),
                state: TrackState::Confirmed,
                confidence: 0.5,
                bbox,
                age: 9,
                continuity: Continuity::BrokenByView,
                motion: Some(MotionRecord { stationary: true, ground_m: None, ..motion }),
                segments,
            },
            reason: EndReason::Evicted,
            since_match: 4,
        }]),
        past: Some(vec![PastRecord {
            id: 9,
            before: 5,
            bbox,
            confidence: 0.5,
            kind: PastKind::Interpolated,
        }]),
        view: Some(ViewRecord {
            epoch: 1,
            version: 2,
            phase: Phase::Moving,
            motion: Motion::Moving,
            source: MotionSource::Inferred,
            confidence: 0.5,
            to_previous: Some([1.0, 0.0, 0.25, 0.0, 1.0, f32::INFINITY, 0.0, 0.0, 1.0]),
            to_reference: None,
            validity: Validity::Degraded,
            reason: Some("blur".into()),
            stability: 1.0,
            preset: None,
            ptz: Some(Ptz { pan: -10.5, tilt: 3.0, zoom: 2.0 }),
            decision: Decision::Compensate,
        }),
        signals: Some(vec![SignalRecord {
            name: "zone.door.occupancy".into(),
            value: 2.0,
            ttl: 1,
            ..SignalRecord::default()
        }]),
        events: Some(vec![EventRecord {
            id: 3,
            rule: "loiter".into(),
            state: "confirmed".into(),
            start: 5,
            end: None,
            tracks: vec![9].into(),
            zone: Some("door".into()),
            ..EventRecord::default()
        }]),
        shapes: Some(vec![
            ShapeRecord {
                kind: "zone".into(),
                name: "door".into(),
                hold: "current".into(),
                points: vec![[0.5, 0.25], [1.0, 0.25], [1.0, 1.0]].into(),
                occupancy: Some(2.0),
                entries: Some(5.0),
                ..ShapeRecord::default()
            },
            ShapeRecord {
                kind: "line".into(),
                name: "kerb".into(),
                hold: "away".into(),
                points: vec![[0.0, 0.5], [1.0, 0.5]].into(),
                forward: Some(3.0),
                backward: Some(1.0),
                ..ShapeRecord::default()
            },
        ]),
        provenance: Some(ProvenanceRecord {
            received: Timestamp(1_000_000_000_000_000_000),
            stages: vec![StageRecord {
                element: stage.element.into(),
                model_sha256: stage.model_sha256.map(Into::into),
                provider: stage.provider.map(Into::into),
                generation: 3,
                start: stage.start,
                end: stage.end,
                outcome: stage.outcome,
                reason: stage.reason.map(Into::into),
            }],
        }),
    }
}

#[test]
fn a_full_line_is_as_documented() {
    let expected = concat!(
        r#"{"schema":"nvperception.frame/1","feed":"door \"north\"\n","seq":7,"pts":280000000,"#,
        r#""running_time":null,"wall":"2001-09-09T01:46:40.250000Z","width":640,"height":360,"#,
        r#""detections":[{"model":"yolo","class":2,"label":"car","confidence":0.1,"box":[-0.125,0.25,0.5,1.5]}],"#,
        r#""tracks":[{"id":9,"class":2,"label":null,"state":"coasted","confidence":null,"#,
        r#""box":[-0.125,0.25,0.5,1.5],"age":40000000,"continuity":"reassociated","#,
        r#""motion":{"velocity":[0.5,-0.25],"stationary":false,"path":1.5,"displacement":[0.5,0.25],"#,
        r#""mean_speed":0.75,"max_speed":2.0,"direction":null,"ground_m":[3.0,4.5],"displacement_m":[1.0,2.0],"#,
        r#""path_m":6.0,"speed_m":0.5,"mean_speed_m":1.25,"max_speed_m":3.5}}],"#,
        r#""ended":[{"id":8,"class":2,"label":"car","state":"confirmed","confidence":0.5,"#,
        r#""box":[-0.125,0.25,0.5,1.5],"age":9,"continuity":"broken-by-view","#,
        r#""motion":{"velocity":[0.5,-0.25],"stationary":true,"path":1.5,"displacement":[0.5,0.25],"#,
        r#""mean_speed":0.75,"max_speed":2.0,"direction":null,"displacement_m":[1.0,2.0],"path_m":6.0,"#,
        r#""speed_m":0.5,"mean_speed_m":1.25,"max_speed_m":3.5},"#,
        r#""segments":[{"epoch":1,"opened":"view","closed":"epoch","since":7,"until":3,"compensations":2,"#,
        r#""transform":[1.0,0.0,0.25,0.0,1.0,null,0.0,0.0,1.0],"motion":{"stationary":false,"path":0.5,"#,
        r#""displacement":[0.5,0.0],"mean_speed":null,"max_speed":null,"direction":90.0},"#,
        r#""points":[[7,0.5,1.5],[3,0.25,null]]}],"reason":"evicted","since_match":4}],"#,
        r#""past":[{"id":9,"before":5,"box":[-0.125,0.25,0.5,1.5],"confidence":0.5,"kind":"interpolated"}],"#,
        r#""view":{"epoch":1,"version":2,"phase":"moving","motion":"moving","source":"inferred","confidence":0.5,"#,
        r#""to_previous":[1.0,0.0,0.25,0.0,1.0,null,0.0,0.0,1.0],"to_reference":null,"validity":"degraded","#,
        r#""reason":"blur","stability":1.0,"preset":null,"#,
        r#""ptz":{"pan":-10.5,"tilt":3.0,"zoom":2.0},"decision":"compensate"},"#,
        r#""signals":[{"name":"zone.door.occupancy","value":2.0,"ttl":1}],"#,
        r#""events":[{"id":3,"rule":"loiter","state":"confirmed","start":5,"end":null,"tracks":[9],"zone":"door"}],"#,
        r#""shapes":[{"kind":"zone","name":"door","hold":"current","points":[[0.5,0.25],[1.0,0.25],[1.0,1.0]],"#,
        r#""occupancy":2.0,"entries":5.0},{"kind":"line","name":"kerb","hold":"away","points":[[0.0,0.5],[1.0,0.5]],"#,
        r#""forward":3.0,"backward":1.0}],"#,
        r#""provenance":{"received":"2001-09-09T01:46:40.000000Z","stages":[{"element":"nvpinference0","#,
        r#""model_sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","#,
        r#""provider":"CPUExecutionProvider","generation":3,"start":10,"end":20,"outcome":"skipped","reason":"interval"}]}}"#,
        "\n",
    );
    assert_eq!(line(&full()), expected);
}

#[test]
fn every_key_is_in_the_schema_and_described() {
    let value: Value = serde_json::from_str(&line(&full())).unwrap();
    if let Err(error) = strict_schema().validate(&value) {
        panic!("{error} at {}", error.instance_path());
    }
    let schema: Value = serde_json::from_str(SCHEMA_TEXT).unwrap();
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for (key, entry) in definitions.filter_map(|d| d["properties"].as_object()).flatten() {
        let target = entry["$ref"].as_str().map(|r| &schema["$defs"][r.trim_start_matches("#/$defs/")]);
        let described =
            entry["description"].is_string() || target.is_some_and(|t| t["description"].is_string());
        assert!(described, "{key} has no description");
    }
}

#[test]
fn the_schema_refuses_wrong_lines() {
    let validator = strict_schema();
    let good: Value = serde_json::from_str(&line(&full())).unwrap();
    for (pointer, wrong) in [
        ("/schema", json!("nvperception.frame/2")),
        ("/pts", json!(-1)),
        ("/wall", json!("yesterday")),
        ("/detections/0/confidence", json!(1.5)),
        ("/detections/0/box", json!([0, 0, 1])),
        ("/tracks/0/state", json!("gone")),
        ("/tracks/0/id", json!(9_007_199_254_740_992u64)),
        ("/tracks/0/continuity", json!("torn")),
        ("/tracks/0/motion/direction", json!(360)),
        ("/tracks/0/motion/path_m", json!(-1)),
        ("/ended/0/reason", json!("bored")),
        ("/ended/0/segments/0/opened", json!("closed")),
        ("/ended/0/segments/0/points/0", json!([1, 0.5])),
        ("/past/0/kind", json!("guessed")),
        ("/provenance/stages/0/outcome", json!("maybe")),
    ] {
        let mut value = good.clone();
        *value.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&value), "{pointer}");
    }
}

#[test]
fn absent_and_empty_lists_differ() {
    let absent = FrameRecord::default();
    let empty = FrameRecord { detections: Some(vec![]), tracks: Some(vec![]), ..FrameRecord::default() };
    assert!(!line(&absent).contains("detections") && !line(&absent).contains("tracks"));
    assert!(line(&empty).contains(r#""detections":[],"tracks":[]"#));
    assert_eq!(FrameRecord::from_line(line(&absent).as_bytes()).unwrap(), absent);
    assert_eq!(FrameRecord::from_line(line(&empty).as_bytes()).unwrap(), empty);
}

#[test]
fn later_keys_are_ignored_and_other_schemas_are_named() {
    let text = line(&FrameRecord::default());
    let later = text.replacen('{', r#"{"new":{"a":[1]},"#, 1);
    assert_eq!(FrameRecord::from_line(later.as_bytes()).unwrap(), FrameRecord::default());

    let other = text.replace("frame/1", "frame/2");
    let error = FrameRecord::from_line(other.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("nvperception.frame/2") && error.contains("nvperception.frame/1"), "{error}");

    let missing = FrameRecord::from_line(b"{}").unwrap_err().to_string();
    assert!(missing.contains("missing field `schema`"), "{missing}");
}

#[test]
fn records_borrow_from_values() {
    let bbox = BBox::new(0.0, 0.0, 0.5, 0.5);
    let detection = Detection { bbox, confidence: 0.5, class_id: 3 };
    let record = DetectionRecord::new("m", Some("bus"), &detection);
    assert_eq!(serde_json::to_value(record).unwrap()["label"], "bus");
    let track = Track { id: 4, age: 5, bbox, confidence: 0.5, class_id: 3, ..Track::default() };
    let record = serde_json::to_value(TrackRecord::new(None, &track)).unwrap();
    assert_eq!(
        (&record["id"], &record["state"], &record["age"]),
        (&json!(4), &json!("tentative"), &json!(5))
    );
}

fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![0.0..=1.0f32, any::<u32>().prop_map(f32::from_bits)]
}

fn any_box() -> impl Strategy<Value = BBox> {
    [any_f32(), any_f32(), any_f32(), any_f32()].prop_map(|[a, b, c, d]| BBox::new(a, b, c, d))
}

fn any_state() -> impl Strategy<Value = TrackState> {
    use TrackState::{Coasted, Confirmed, Lost, Tentative};
    prop::sample::select(vec![Tentative, Confirmed, Coasted, Lost])
}

prop_compose! {
    fn any_detection()(
        model in any::<String>(),
        class in any::<i32>(),
        label in any::<Option<String>>(),
        confidence in any_f32(),
        bbox in any_box(),
        points in prop::collection::vec((any_f32(), any_f32(), any_f32()), 0..3),
        mask in prop::option::of((1u16..6, 1u16..6, any::<u64>())),
        (track, age) in any::<(Option<u64>, u64)>(),
    ) -> DetectionRecord<'static> {
        let mask = mask.map(|(width, height, bits)| {
            let cells = (0..width * height).map(|i| if bits >> (i % 64) & 1 == 1 { 255 } else { 0 });
            MaskRecord { width, height, cells: cells.collect() }
        });
        DetectionRecord {
            model: model.into(),
            class,
            label: label.map(Into::into),
            confidence,
            bbox,
            age,
            keypoints: points.into_iter().map(|(x, y, confidence)| Keypoint { x, y, confidence }).collect(),
            mask,
            parent: track.map(|track| ParentRecord { track: Some(track), age, ..ParentRecord::default() }),
            ..DetectionRecord::default()
        }
    }
}

#[test]
fn what_is_said_beyond_the_box_is_written_and_read() {
    let mut details = Details::default();
    details.keypoints.push(&[Keypoint { x: 0.25, y: 0.5, confidence: 1.0 }]);
    details.quads.push(Quad { corners: [[0.0, 0.25], [1.0, 0.25], [1.0, 0.5], [0.0, 0.5]] });
    details.masks.push(3, 2, |cells| cells.copy_from_slice(&[0, 200, 255, 127, 128, 0]));
    details.embeddings.push(&[0.5, -0.5]);
    let detection = Detection { bbox: BBox::new(0.0, 0.0, 0.5, 0.5), confidence: 0.5, class_id: 3 };
    let record = DetectionRecord::new("m", None, &detection).with_details(details.view(), 0);
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["keypoints"], json!([[0.25, 0.5, 1.0]]));
    assert_eq!(json["corners"][1], json!([1.0, 0.25]));
    assert_eq!(json["mask"], json!({"width": 3, "height": 2, "runs": [1, 2, 1, 1, 1]}));
    assert_eq!(json["embedding"], json!([0.5, -0.5]));
    assert!(json.get("parent").is_none() && json.get("task").is_none() && json.get("age").is_none());
    let text = json.to_string();
    let back: DetectionRecord<'static> = serde_json::from_str(&text).unwrap();
    assert_eq!(&*back.mask.as_ref().unwrap().cells, [0, 255, 255, 0, 255, 0]);
    assert_eq!(serde_json::to_value(back.as_ref()).unwrap(), json);
    let wrong = text.replace("[1,2,1,1,1]", "[1,2]");
    let error = serde_json::from_str::<DetectionRecord<'static>>(&wrong).unwrap_err();
    assert!(error.to_string().contains("add up to 3"), "{error}");
}

prop_compose! {
    fn any_track()(
        (id, age) in any::<(u64, u64)>(),
        class in any::<i32>(),
        label in any::<Option<String>>(),
        state in any_state(),
        confidence in any_f32(),
        bbox in any_box(),
        motion in prop::option::of(prop::array::uniform9(any_f32())),
    ) -> TrackRecord<'static> {
        let motion = motion.map(|[path, x, y, mean, max, direction, gx, gy, way]| TrackMotion {
            path,
            displacement: [x, y],
            mean_speed: mean,
            max_speed: max,
            direction,
            ground: [gx, gy],
            ground_path: way,
            ..TrackMotion::UNKNOWN
        });
        let motion = motion.as_ref().map(MotionRecord::from);
        let label = label.map(Into::into);
        TrackRecord { id, class, label, state, confidence, bbox, age, motion, ..TrackRecord::default() }
    }
}

prop_compose! {
    fn any_record()(
        feed in any::<String>(),
        (seq, pts, running_time) in any::<(u64, Option<u64>, Option<u64>)>(),
        (wall, width, height) in any::<(u64, u32, u32)>(),
        detections in prop::option::of(prop::collection::vec(any_detection(), 0..4)),
        tracks in prop::option::of(prop::collection::vec(any_track(), 0..4)),
    ) -> FrameRecord {
        let wall = Timestamp(wall);
        FrameRecord { feed, seq, pts, running_time, wall, width, height, detections, tracks, ..full() }
    }
}

proptest! {
    #[test]
    fn reading_and_writing_again_changes_nothing(record in any_record()) {
        let first = line(&record);
        let again = FrameRecord::from_line(first.as_bytes()).unwrap();
        prop_assert_eq!(line(&again), first.clone());
        prop_assert_eq!(first.matches('\n').count(), 1);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = FrameRecord::from_line(&bytes);
    }
}
