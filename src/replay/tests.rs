use proptest::prelude::*;

use super::*;
use crate::view::{Motion, MotionSource, Phase};

const DET: &str = "2,-1,10,20,30,40,0.9,-1,-1,-1\n1,-1,0,0,10,10,1.7\n\n4,-1,5,5,5,5,-3,-1,-1,-1\n";

fn line(seq: u64, pts: u64, rest: &str) -> String {
    format!(
        r#"{{"schema":"nvperception.frame/1","feed":"f","seq":{seq},"pts":{pts},"running_time":{pts},"wall":"2026-03-01T12:00:00.000000Z","width":100,"height":100{rest}}}"#
    )
}

#[test]
fn mot_rows_are_found_by_frame_and_normalised() {
    let recording = Recording::from_mot(DET).unwrap();
    assert_eq!((recording.len(), recording.notes().clamped, recording.has_times()), (3, 2, false));
    let at = |number| recording.content(recording.at(Key::Number(number)), (100, 200));
    let second = at(1).detections.unwrap();
    let found = second[0].items[0];
    assert_eq!(found.confidence, 0.9);
    assert!((found.bbox.x_min - 0.1).abs() < 1e-6 && (found.bbox.y_max - 0.3).abs() < 1e-6);
    assert_eq!(at(0).detections.unwrap()[0].items[0].confidence, 1.0);
    assert_eq!(at(2).detections.unwrap()[0].items, []);
    assert_eq!(at(4), Content::default());
    assert!(at(1).tracks.is_none());
}

#[test]
fn mot_rows_with_ids_are_tracks() {
    let recording = Recording::from_mot("1 7 0 0 10 10\n1,3,0,0,20,20,0.5\n").unwrap();
    let content = recording.content(recording.at(Key::Number(0)), (10, 10));
    let tracks = content.tracks.unwrap();
    assert_eq!(tracks.items.iter().map(|t| (t.id, t.confidence)).collect::<Vec<_>>(), [(3, 0.5), (7, 1.0)]);
    assert!(content.detections.is_none());
    let twice = Recording::from_mot("1,7,0,0,10,10\n1,7,5,0,20,20\n2,7,5,0,20,20\n").unwrap();
    assert_eq!((twice.len(), twice.notes().duplicates), (2, 1));
    let content = twice.content(twice.at(Key::Number(0)), (10, 10));
    assert_eq!(content.tracks.unwrap().items.iter().map(|t| t.bbox.x_min).collect::<Vec<_>>(), [0.0]);
}

#[test]
fn bad_rows_are_named() {
    for (text, line, why) in [
        ("1,-1,0,0,1,1\n1,-1,0\n", 2, "3 fields"),
        ("0,-1,0,0,1,1\n", 1, "count from 1"),
        ("1.5,-1,0,0,1,1\n", 1, "count from 1"),
        ("1,0,0,0,1,1\n", 1, "tracks whole numbers from 1"),
        ("1,-2,0,0,1,1\n", 1, "the id is -2"),
        ("1,2.5,0,0,1,1\n", 1, "the id is 2.5"),
        ("1,-1,0,zero,1,1\n", 1, "y is \"zero\""),
        ("1,-1,0,0,1,inf\n", 1, "the height"),
    ] {
        let error = Recording::from_mot(text).unwrap_err();
        assert!(error.line == line && error.why.contains(why), "{error}");
    }
}

#[test]
fn json_lines_are_found_by_time_within_the_tolerance() {
    let text = [line(2, 80, r#","detections":[]"#), line(0, 0, ""), line(1, 40, "")].join("\n");
    let recording = Recording::from_json(&text).unwrap();
    assert_eq!(recording.at(Key::Number(1)), Place::Record(1));
    assert_eq!(recording.at(Key::Time(43, 5)), Place::Record(1));
    assert_eq!(recording.at(Key::Time(60, 20)), Place::Record(1));
    assert_eq!(recording.at(Key::Time(60, 5)), Place::Between);
    assert_eq!(recording.at(Key::Time(90, 5)), Place::Outside);
    assert!(recording.content(Place::Record(0), (1, 1)).detections.is_none());
    let nothing = recording.content(Place::Record(2), (1, 1)).detections.unwrap();
    assert_eq!((nothing.len(), nothing[0].items.len()), (1, 0));
}

#[test]
fn names_of_models_and_tracks_come_back() {
    let found = r#","detections":[{"model":"a","class":2,"label":"car","confidence":0.5,"box":[0,0,1,1]},
        {"model":"b","class":0,"label":null,"confidence":2.5,"box":[0,0,1,null]}],
        "tracks":[{"id":4,"class":2,"label":"car","state":"coasted","confidence":0.5,"box":[0,0,1,1],"age":9}]"#;
    let recording = Recording::from_json(&line(0, 0, &found.replace('\n', ""))).unwrap();
    let content = recording.content(Place::Record(0), (1, 1));
    let lists = content.detections.unwrap();
    assert_eq!((&*lists[0].model, lists[0].labels.get(2)), ("a", Some("car")));
    assert_eq!((&*lists[1].model, lists[1].labels.get(0), lists[1].items[0].confidence), ("b", None, 1.0));
    let tracks = content.tracks.unwrap();
    assert_eq!((tracks.items[0].id, tracks.labels.get(tracks.items[0].label)), (4, Some("car")));
    assert_eq!(recording.notes().clamped, 1);
}

#[test]
fn a_cut_last_line_is_left_out_and_other_damage_is_named() {
    let good = line(0, 0, "");
    let cut = format!("{good}\n{}", &good[..40]);
    let recording = Recording::from_json(&cut).unwrap();
    assert_eq!((recording.len(), recording.notes().truncated), (1, true));
    let error = Recording::from_json(&format!("{}\n{good}", &good[..40])).unwrap_err();
    assert_eq!(error.line, 1);
    let newer = good.replace("frame/1", "frame/2");
    let error = Recording::from_json(&newer).unwrap_err();
    assert!(error.why.contains("frame/2") && error.why.contains("frame/1"), "{error}");
    let twice = Recording::from_json(&format!("{good}\n{good}")).unwrap();
    assert_eq!((twice.len(), twice.notes().duplicates), (1, 1));
}

#[test]
fn an_empty_file_is_an_empty_recording() {
    for recording in [Recording::from_json("").unwrap(), Recording::from_mot("\n").unwrap()] {
        assert!(recording.is_empty());
        assert_eq!(recording.at(Key::Number(0)), Place::Outside);
        assert_eq!(recording.at(Key::Time(0, 10)), Place::Outside);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9,. \n]{0,200}", key in any::<u64>()) {
        if let Ok(recording) = Recording::from_mot(&text) {
            let place = recording.at(Key::Number(key % 300));
            let _ = recording.content(place, (0, 1));
        }
        let _ = Recording::from_json(&text);
    }
}

const MOTION: &str = "0\t1 0 0 0 1 0\n1\t1 0 10 0 1 -20\n2\t2 0 0 0 2 0\n4\t1 0 0 0 1 0.1\n";

#[test]
fn motion_leads_back_to_the_frame_before_and_to_the_reference() {
    let recording = Recording::from_text(MOTION).unwrap();
    let view = |number| recording.content(recording.at(Key::Number(number)), (100, 200)).view;
    let identity = crate::homography::IDENTITY.map(|v| v as f32);
    let first = view(0).unwrap();
    assert_eq!((first.to_previous, first.to_reference), (Some(identity), Some(identity)));
    assert_eq!((first.motion, first.phase, first.stability), (Motion::Stable, Phase::Settled, 1.0));
    let second = view(1).unwrap();
    assert_eq!(second.to_previous, Some([1.0, 0.0, -0.1, 0.0, 1.0, 0.1, 0.0, 0.0, 1.0]));
    assert_eq!(
        (second.motion, second.phase, second.source),
        (Motion::Moving, Phase::MoveStart, MotionSource::External)
    );
    let third = view(2).unwrap();
    assert_eq!(third.to_previous, Some([0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0]));
    assert_eq!(third.to_reference, Some([0.5, 0.0, -0.1, 0.0, 0.5, 0.1, 0.0, 0.0, 1.0]));
    assert_eq!((third.epoch, third.version, third.phase), (0, 2, Phase::Moving));
    assert_eq!(view(3), None);
    let after_gap = view(4).unwrap();
    assert_eq!((after_gap.epoch, after_gap.to_reference), (1, Some(identity)));
    assert_eq!(after_gap.motion, Motion::Stable);
}

#[test]
fn bad_motion_is_named() {
    for (text, why) in [
        ("0 1 0 0 0 1\n", "6 fields"),
        ("0 0 0 5 0 0 5\n", "no way back"),
        ("-1 1 0 0 0 1 0\n", "count from 0"),
        ("0 1 0 0 nan 1 0\n", "\"nan\""),
    ] {
        let error = Recording::from_motion(text).unwrap_err();
        assert!(error.line == 1 && error.why.contains(why), "{error}");
    }
    let twice = Recording::from_motion("0 1 0 0 0 1 0\n0 1 0 9 0 1 0\n").unwrap();
    assert_eq!((twice.len(), twice.notes().duplicates), (1, 1));
}

#[test]
fn a_last_row_may_be_cut_off() {
    for text in ["1,-1,0,0,1,1\n2,-1,0", "0 1 0 0 0 1 0\n1 1 0", "1,-1,0,0,1,1\n2,-1,0,0,1,-"] {
        let recording = Recording::from_text(text).unwrap();
        assert_eq!((recording.len(), recording.notes().truncated), (1, true), "{text:?}");
    }
}

#[test]
fn camera_motion_says_what_becomes_of_what_is_drawn() {
    let rows = ["1 0 0 0 1 0", "1 0 -10 0 1 0", "1 0 0 0 1 0", "1 0 0 0 1 0", "1 0 10 0 1 0", "1 0 0 0 1 0"];
    let mut text: String = rows.iter().enumerate().map(|(i, row)| format!("{i} {row}\n")).collect();
    text.push_str("9 1 0 0 0 1 0\n");
    let recording = Recording::from_motion(&text).unwrap();
    let view = |number| recording.content(recording.at(Key::Number(number)), (100, 100)).view.unwrap();
    let views: Vec<View> = (0..6).chain([9]).map(view).collect();
    use crate::view::Decision::{Compensate, Continue, Segment};
    let decisions: Vec<_> = views.iter().map(|view| view.decision).collect();
    assert_eq!(decisions, [Continue, Compensate, Compensate, Compensate, Continue, Continue, Segment]);
    // Settled, moves, has moved, has settled, moves, has moved, is elsewhere.
    assert_eq!(views.iter().map(|view| view.version).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(views.iter().map(|view| view.epoch).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 1]);
}
