use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const ASPECT: f32 = 16.0 / 9.0;

fn seen(x: f32, y: f32, confidence: f32, class_id: i32) -> Observation<'static> {
    let detection = Detection { bbox: BBox::from_center(x, y, 0.05, 0.15), confidence, class_id };
    Observation { detection, label: class_id, age: 0, embedding: None }
}

fn step(tracker: &mut Tracker, time: u64, observations: &[Observation<'_>]) -> Vec<Track> {
    let observations = Some(observations);
    tracker
        .step(&Input { time, aspect: ASPECT, observations, to_previous: None, ..Input::default() })
        .to_vec()
}

fn predict(tracker: &mut Tracker, time: u64) -> Vec<Track> {
    tracker
        .step(&Input { time, aspect: ASPECT, observations: None, to_previous: None, ..Input::default() })
        .to_vec()
}

fn states(tracks: &[Track]) -> Vec<TrackState> {
    tracks.iter().map(|t| t.state).collect()
}

#[test]
fn the_first_frame_is_believed_and_later_tracks_have_to_be_seen_again() {
    let mut tracker = Tracker::new(Parameters::default());
    let first = step(&mut tracker, 0, &[seen(0.3, 0.5, 0.9, 0)]);
    assert_eq!((first[0].id, first[0].state), (1, TrackState::Confirmed));
    let both = [seen(0.3, 0.5, 0.9, 0), seen(0.7, 0.5, 0.9, 0)];
    let second = step(&mut tracker, SECOND / 25, &both);
    assert_eq!(states(&second), [TrackState::Confirmed, TrackState::Tentative]);
    let third = step(&mut tracker, SECOND * 2 / 25, &both);
    assert_eq!(states(&third), [TrackState::Confirmed; 2]);
    assert_eq!((third[1].id, third[1].age, third[1].since_match), (2, SECOND / 25, 0));
}

#[test]
fn a_tentative_track_that_is_not_seen_again_is_forgotten() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, 0, &[]);
    assert_eq!(states(&step(&mut tracker, SECOND / 25, &[seen(0.5, 0.5, 0.9, 0)])), [TrackState::Tentative]);
    assert!(step(&mut tracker, SECOND * 2 / 25, &[]).is_empty());
}

#[test]
fn a_doubtful_detection_keeps_a_track_but_begins_none() {
    let mut tracker = Tracker::new(Parameters::default());
    assert!(step(&mut tracker, 0, &[seen(0.5, 0.5, 0.3, 0)]).is_empty());
    step(&mut tracker, SECOND / 25, &[seen(0.5, 0.5, 0.9, 0)]);
    let kept = step(&mut tracker, SECOND * 2 / 25, &[seen(0.5, 0.5, 0.9, 0)]);
    let doubtful = step(&mut tracker, SECOND * 3 / 25, &[seen(0.5, 0.5, 0.3, 0)]);
    assert_eq!((doubtful[0].id, doubtful[0].state), (kept[0].id, TrackState::Confirmed));
    assert_eq!(doubtful[0].confidence, 0.3);
}

#[test]
fn an_unseen_track_coasts_is_lost_and_is_found_again() {
    let mut tracker = Tracker::new(Parameters { report_lost: true, ..Parameters::default() });
    step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    let coasted = step(&mut tracker, SECOND * 2 / 5, &[]);
    assert_eq!((coasted[0].state, coasted[0].since_match), (TrackState::Coasted, SECOND * 2 / 5));
    assert_eq!(states(&step(&mut tracker, SECOND * 4 / 5, &[])), [TrackState::Lost]);
    let found = step(&mut tracker, SECOND * 9 / 10, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((found[0].id, found[0].state), (1, TrackState::Confirmed));
    assert!(step(&mut tracker, SECOND * 3, &[]).is_empty());
}

#[test]
fn a_frame_that_nobody_looked_at_ends_nothing() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    for tenth in 1..50 {
        predict(&mut tracker, SECOND * tenth / 10);
    }
    let found = step(&mut tracker, SECOND * 5, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((found[0].id, found[0].state), (1, TrackState::Confirmed));
}

#[test]
fn classes_never_mix() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    let other = step(&mut tracker, SECOND / 25, &[seen(0.5, 0.5, 0.9, 1)]);
    assert_eq!(other.iter().map(|t| (t.id, t.label)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
}

#[test]
fn going_back_in_time_ends_all_tracks_but_ids_go_on() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, SECOND, &[seen(0.5, 0.5, 0.9, 0)]);
    let again = step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((again[0].id, again[0].state), (2, TrackState::Confirmed));
    tracker.end_all();
    assert!(predict(&mut tracker, 0).is_empty());
}

#[test]
fn a_coasting_track_goes_on_as_it_went() {
    let mut tracker = Tracker::new(Parameters::default());
    for i in 0..25 {
        step(&mut tracker, SECOND * i / 25, &[seen(0.2 + 0.2 * i as f32 / 25.0, 0.5, 0.9, 0)]);
    }
    let coasted = predict(&mut tracker, SECOND * 34 / 25);
    let (x, y) = coasted[0].bbox.center();
    assert!((x - (0.2 + 0.2 * 34.0 / 25.0)).abs() < 0.02 && (y - 0.5).abs() < 0.005, "{x}, {y}");
    assert!((coasted[0].velocity[0] - 0.2).abs() < 0.04, "{:?}", coasted[0].velocity);
}

/// The camera turns so that everything moves by a third of the picture at once.
#[test]
fn a_known_camera_motion_is_followed() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, 0, &[seen(0.2, 0.5, 0.9, 0)]);
    let observations = [seen(0.53, 0.5, 0.9, 0)];
    let to_previous = Some([1.0, 0.0, -0.33, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let input = Input {
        time: SECOND / 25,
        aspect: ASPECT,
        observations: Some(&observations),
        to_previous,
        ..Input::default()
    };
    let tracks = tracker.step(&input);
    assert_eq!((tracks.len(), tracks[0].id, tracks[0].state), (1, 1, TrackState::Confirmed));
}

/// Two objects that pass each other, seen at a frame rate.
fn crossing(rate: u64) -> Vec<(u64, i32)> {
    let mut tracker = Tracker::new(Parameters::default());
    let mut ends = Vec::new();
    for i in 0..=rate * 4 {
        let t = i as f32 / rate as f32;
        let observations = [seen(0.2 + 0.15 * t, 0.4, 0.9, 0), seen(0.8 - 0.15 * t, 0.6, 0.9, 0)];
        ends = step(&mut tracker, SECOND * i / rate, &observations)
            .iter()
            .map(|t| (t.id, (t.bbox.center().0 * 20.0).round() as i32))
            .collect();
    }
    ends
}

#[test]
fn the_frame_rate_does_not_matter() {
    assert_eq!(crossing(60), [(1, 16), (2, 4)]);
    assert_eq!(crossing(25), crossing(60));
    assert_eq!(crossing(5), crossing(60));
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -0.5f32..1.5, 1 => Just(f32::NAN), 1 => any::<f32>()]
}

fn any_observation() -> impl Strategy<Value = Observation<'static>> {
    ([any_value(), any_value(), any_value(), any_value()], any_value(), -1..3).prop_map(
        |(edges, confidence, class_id)| {
            let bbox = BBox::new(edges[0], edges[1], edges[2], edges[3]);
            let detection = Detection { bbox, confidence, class_id };
            Observation { detection, label: class_id, age: 0, embedding: None }
        },
    )
}

proptest! {
    #[test]
    fn nothing_upsets_it(
        frames in prop::collection::vec(
            (any::<u32>(), prop::option::of(prop::collection::vec(any_observation(), 0..12)), any_value(), prop::option::of(prop::array::uniform9(any_value()))),
            1..20
        )
    ) {
        let mut tracker = Tracker::new(Parameters::default());
        let mut highest = 0;
        for (time, observations, aspect, to_previous) in frames {
            let observations = observations.as_deref();
            let known = highest;
            let input = Input { time: u64::from(time) * 1_000, aspect, observations, to_previous, ..Input::default() };
            let tracks = tracker.step(&input);
            prop_assert!(tracks.windows(2).all(|pair| pair[0].id < pair[1].id));
            for track in tracks {
                prop_assert!(track.bbox.is_valid(), "{track:?}");
                prop_assert!(track.since_match <= track.age);
                highest = highest.max(track.id);
            }
            let begun = tracks.iter().filter(|t| t.id > known).count();
            prop_assert!(begun <= observations.map_or(0, <[_]>::len));
        }
    }
}

/// Objects that cross the picture, seen by a detector that is `behind` frames late: the last error of the tracks'
/// centres, and how many tracks there were.
fn late(behind: u64, pan: f32) -> (f32, u64) {
    const FRAME: u64 = SECOND / 30;
    let mut tracker = Tracker::new(Parameters::default());
    let place = |frame: u64, lane: f32| (0.1 + 0.004 * frame as f32 - pan * frame as f32, lane);
    let to_previous = (pan != 0.0).then_some([1.0, 0.0, pan, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let (mut worst, mut ids) = (0.0f32, 0);
    for frame in 0..60u64 {
        let source = frame.saturating_sub(behind);
        let saw = |lane| {
            let (x, y) = place(source, lane);
            Observation { age: (frame - source) * FRAME, ..seen(x, y, 0.9, 0) }
        };
        let observations = [saw(0.2), saw(0.5), saw(0.8)];
        let looked = (frame % 5 == 0 && frame >= behind).then_some(&observations[..]);
        let input = Input {
            time: frame * FRAME,
            aspect: ASPECT,
            observations: looked,
            to_previous,
            ..Input::default()
        };
        let tracks = tracker.step(&input);
        ids = tracks.iter().map(|t| t.id).max().unwrap_or(ids);
        if frame > 40 {
            for (track, lane) in tracks.iter().zip([0.2, 0.5, 0.8]) {
                worst = worst.max((track.bbox.center().0 - place(frame, lane).0).abs());
            }
        }
    }
    (worst, ids)
}

#[test]
fn late_detections_are_predicted_over_their_age() {
    let (error, ids) = late(0, 0.0);
    assert!(error < 0.004 && ids == 3, "{error} {ids}");
    let (error, ids) = late(6, 0.0);
    assert!(error < 0.01 && ids == 3, "0.024 without prediction: {error} {ids}");
    let (error, ids) = late(6, 0.01);
    assert!(error < 0.01 && ids == 3, "while the camera pans: {error} {ids}");
}
