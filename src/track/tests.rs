use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const ASPECT: f32 = 16.0 / 9.0;

fn seen(x: f32, y: f32, confidence: f32, class_id: i32) -> Observation<'static> {
    let detection = Detection { bbox: BBox::from_center(x, y, 0.05, 0.15), confidence, class_id };
    Observation { detection, label: class_id, age: 0, embedding: None, detector: 0 }
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

/// A tracker that has seen one object on so many frames at 25 a second, and the time of the next.
fn seasoned(parameters: Parameters, frames: u64) -> (Tracker, u64) {
    let mut tracker = Tracker::new(parameters);
    for i in 0..frames {
        step(&mut tracker, SECOND * i / 25, &[seen(0.5, 0.5, 0.9, 0)]);
    }
    (tracker, SECOND * frames / 25)
}

#[test]
fn an_unseen_track_coasts_is_lost_and_is_found_again() {
    let (mut tracker, time) = seasoned(Parameters { report_lost: true, ..Parameters::default() }, 12);
    let coasted = step(&mut tracker, time, &[]);
    assert_eq!((coasted[0].state, coasted[0].since_match), (TrackState::Coasted, SECOND / 25));
    assert_eq!(states(&step(&mut tracker, time + SECOND * 3 / 25, &[])), [TrackState::Coasted]);
    assert_eq!(states(&step(&mut tracker, time + SECOND / 2, &[])), [TrackState::Lost]);
    let found = step(&mut tracker, time + SECOND, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((found[0].id, found[0].state), (1, TrackState::Confirmed));
    assert!(step(&mut tracker, time + SECOND * 4, &[]).is_empty());
}

#[test]
fn a_track_coasts_only_where_it_is_likely_to_be() {
    let coasts = |parameters, frames, x: f32, step_x: f32| {
        let mut tracker = Tracker::new(parameters);
        for i in 0..frames {
            step(&mut tracker, SECOND * i / 25, &[seen(x + step_x * i as f32, 0.5, 0.9, 0)]);
        }
        !step(&mut tracker, SECOND * frames / 25, &[]).is_empty()
    };
    assert!(coasts(Parameters::default(), 20, 0.5, 0.0));
    assert!(!coasts(Parameters::default(), 20, 0.8, 0.0101), "it has left the picture");
    assert!(!coasts(Parameters { coast: 0.0, ..Parameters::default() }, 20, 0.5, 0.0));
    // Seen on every third frame only.
    let mut tracker = Tracker::new(Parameters::default());
    for i in 0..60 {
        let seen = [seen(0.5, 0.5, 0.9, 0)];
        let some = if i % 3 == 0 || i < 3 { &seen[..] } else { &[] };
        step(&mut tracker, SECOND * i / 25, some);
    }
    assert!(step(&mut tracker, SECOND * 60 / 25, &[]).is_empty());
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
fn a_leap_of_an_hour_ends_all_tracks_and_equal_times_none() {
    let (mut tracker, time) = seasoned(Parameters::default(), 5);
    let again = step(&mut tracker, time - SECOND / 25, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((again[0].id, again[0].state), (1, TrackState::Confirmed));
    let after = step(&mut tracker, time + 3600 * SECOND, &[seen(0.5, 0.5, 0.9, 0)]);
    assert_eq!((after.len(), after[0].id), (1, 2));
    assert_eq!(
        tracker.ended().iter().map(|e| (e.track.id, e.reason)).collect::<Vec<_>>(),
        [(1, EndReason::Lost)]
    );
}

#[test]
fn what_is_no_detection_is_not_looked_at() {
    let mut tracker = Tracker::new(Parameters::default());
    let boxed = |bbox| Observation {
        detection: Detection { bbox, confidence: 0.9, class_id: 0 },
        ..seen(0.0, 0.0, 0.9, 0)
    };
    let wrong = [
        boxed(BBox::new(0.5, 0.5, 0.5, 0.7)),
        boxed(BBox::new(0.5, 0.5, 0.4, 0.7)),
        boxed(BBox::new(1.2, 0.5, 1.4, 0.7)),
        boxed(BBox::new(f32::NAN, 0.5, 0.4, 0.7)),
        boxed(BBox::new(0.1, 0.5, f32::INFINITY, 0.7)),
        seen(0.5, 0.5, f32::NAN, 0),
    ];
    assert_eq!(step(&mut tracker, 0, &wrong), []);
    assert_eq!(step(&mut tracker, SECOND / 25, &[seen(0.5, 0.5, f32::INFINITY, 0)])[0].confidence, 1.0);
}

#[test]
fn five_thousand_detections_are_bounded() {
    let mut tracker = Tracker::new(Parameters::default());
    let crowd: Vec<_> =
        (0..5000).map(|i| seen((i % 100) as f32 / 100.0, (i / 100) as f32 / 50.0, 0.9, 0)).collect();
    for frame in 0..3 {
        assert_eq!(step(&mut tracker, SECOND * frame / 25, &crowd).len(), 1000);
    }
    assert!(tracker.refused() > 2000);
    // The same one five thousand times.
    let mut tracker = Tracker::new(Parameters::default());
    let pile = vec![seen(0.5, 0.5, 0.9, 0); 5000];
    (0..3).for_each(|frame| assert!(step(&mut tracker, SECOND * frame / 25, &pile).len() <= 1000));
}

#[test]
fn the_class_of_a_track_is_decided_by_vote() {
    let mut tracker = Tracker::new(Parameters::default());
    let mut classes = Vec::new();
    for (i, class) in [0, 0, 1, 0, 1, 1, 1, 1].into_iter().enumerate() {
        let tracks = step(&mut tracker, SECOND * i as u64 / 25, &[seen(0.5, 0.5, 0.9, class)]);
        classes.extend(tracks.iter().map(|t| (t.id, t.label)));
    }
    assert_eq!(classes, [0, 0, 0, 0, 0, 1, 1, 1].map(|label| (1, label)));
}

#[test]
fn an_observation_of_the_track_s_own_class_comes_first() {
    let mut tracker = Tracker::new(Parameters::default());
    step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    let both = [seen(0.5, 0.5, 0.95, 1), seen(0.505, 0.5, 0.8, 0)];
    let tracks = step(&mut tracker, SECOND / 25, &both);
    assert_eq!(tracks.iter().map(|t| (t.id, t.label)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
}

#[test]
fn classes_never_mix_without_votes() {
    let mut tracker = Tracker::new(Parameters { class_voting: false, ..Parameters::default() });
    step(&mut tracker, 0, &[seen(0.5, 0.5, 0.9, 0)]);
    let other = step(&mut tracker, SECOND / 25, &[seen(0.5, 0.5, 0.9, 1)]);
    assert_eq!(other.iter().map(|t| (t.id, t.label)).collect::<Vec<_>>(), [(2, 1)]);
}

#[test]
fn evidence_and_patience() {
    let frames = |parameters, confidences: &[f32]| {
        let mut tracker = Tracker::new(parameters);
        step(&mut tracker, 0, &[]);
        let mut states = Vec::new();
        for (i, confidence) in confidences.iter().enumerate() {
            let seen = [seen(0.5, 0.5, *confidence, 0)];
            let some = if *confidence > 0.0 { &seen[..] } else { &[] };
            let tracks = step(&mut tracker, SECOND * (i as u64 + 1) / 25, some);
            states.push(tracks.first().map(|t| t.state));
        }
        states
    };
    use TrackState::{Confirmed, Tentative};
    let default = Parameters::default();
    assert_eq!(frames(default, &[0.95, 0.95]), [Some(Tentative), Some(Confirmed)]);
    let unsure = [Some(Tentative), Some(Tentative), Some(Confirmed)];
    assert_eq!(frames(default, &[0.7, 0.7, 0.7]), unsure);
    assert_eq!(
        frames(Parameters { evidence: 3.0, ..default }, &[0.95; 4])[2..],
        [Some(Tentative), Some(Confirmed)]
    );
    let patient = Parameters { patience: 0.1, ..default };
    assert_eq!(frames(default, &[0.95, 0.0, 0.95])[2], Some(Tentative), "another track");
    assert_eq!(frames(patient, &[0.95, 0.0, 0.95])[2], Some(Confirmed), "the same");
}

#[test]
fn the_longest_lost_makes_room_and_without_one_there_is_none() {
    let mut tracker = Tracker::new(Parameters { max_tracks: 2, report_lost: true, ..Parameters::default() });
    let ids = |tracks: Vec<Track>| tracks.iter().map(|t| t.id).collect::<Vec<_>>();
    let three = [seen(0.2, 0.5, 0.9, 0), seen(0.5, 0.5, 0.9, 0), seen(0.8, 0.5, 0.9, 0)];
    assert_eq!(ids(step(&mut tracker, 0, &three)), [1, 2]);
    assert_eq!(tracker.refused(), 1);
    step(&mut tracker, SECOND / 5, &three[1..2]);
    assert_eq!(ids(step(&mut tracker, SECOND * 2 / 5, &three[1..])), [2, 3], "1 was lost");
    assert_eq!(ids(step(&mut tracker, SECOND * 3 / 5, &three)), [2, 3]);
    assert_eq!(tracker.refused(), 2);
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
    assert_eq!(coasted[0].state, TrackState::Coasted, "nobody has looked since");
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

/// What is not known of a place grows with the picture, as the place does: a zoom in one step and none at all lead to
/// the same tracks, in units of the object.
#[test]
fn a_zoom_changes_nothing_but_lengths() {
    let tracked = |zoom: f32| {
        let mut tracker = Tracker::new(Parameters::default());
        let place = |frame: u64, zoom: f32| {
            let x = 0.5 + (0.003 * frame as f32 - 0.02) * zoom;
            let bbox = BBox::from_center(x, 0.5, 0.05 * zoom, 0.15 * zoom);
            Observation {
                detection: Detection { bbox, confidence: 0.9, class_id: 0 },
                ..seen(0.0, 0.0, 0.9, 0)
            }
        };
        for frame in 0..8 {
            step(&mut tracker, SECOND * frame / 25, &[place(frame, 1.0)]);
        }
        let k = 1.0 / zoom;
        let to_previous = Some([k, 0.0, 0.5 - 0.5 * k, 0.0, k, 0.5 - 0.5 * k, 0.0, 0.0, 1.0]);
        let mut last = Track::default();
        for frame in 8..12 {
            // It stops, so that the answer depends on how sure the filter was.
            let observations = [place(8, zoom)];
            let (time, observations) = (SECOND * frame / 25, Some(&observations[..]));
            let to_previous = to_previous.filter(|_| frame == 8);
            last =
                tracker.step(&Input { time, aspect: ASPECT, observations, to_previous, ..Input::default() })
                    [0];
        }
        ((last.bbox.center().0 - 0.5) / zoom, last.bbox.width() / zoom, last.velocity[0] / zoom)
    };
    let (plain, zoomed) = (tracked(1.0), tracked(2.0));
    assert!((plain.0 - zoomed.0).abs() < 1e-5 && (plain.1 - zoomed.1).abs() < 1e-5, "{plain:?} {zoomed:?}");
    assert!((plain.2 - zoomed.2).abs() < 1e-4, "{plain:?} {zoomed:?}");
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
            Observation { detection, label: class_id, age: 0, embedding: None, detector: 0 }
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

/// Five people who stand, seen by a camera that shakes by their own width, with nobody to tell how.
fn shaken(shared_motion: bool) -> u64 {
    let mut tracker = Tracker::new(Parameters { shared_motion, ..Parameters::default() });
    let mut most = 0;
    for frame in 0..60u64 {
        let shake = if frame > 10 { 0.03 * (frame as f32 * 2.1).sin() } else { 0.0 };
        let observations: Vec<_> = (0..5).map(|i| seen(0.2 + 0.15 * i as f32 + shake, 0.5, 0.9, 0)).collect();
        most =
            step(&mut tracker, SECOND * frame / 25, &observations).iter().map(|t| t.id).fold(most, u64::max);
    }
    let tracks = step(&mut tracker, SECOND * 60 / 25, &[]);
    if tracks.iter().map(|t| t.id).eq(1..=5) { most } else { u64::MAX }
}

#[test]
fn what_all_tracks_share_is_the_camera_s_motion() {
    assert_eq!(shaken(true), 5);
    assert!(shaken(false) > 5);
}

fn looks_like(x: f32, embedding: &'static [f32]) -> Observation<'static> {
    Observation { embedding: Some(embedding), ..seen(x, 0.5, 0.9, 0) }
}

const RED: &[f32] = &[1.0, 0.0];
const BLUE: &[f32] = &[0.0, 1.0];

#[test]
fn a_lost_track_is_found_again_by_its_looks() {
    let found = |appearance, look| {
        let mut tracker = Tracker::new(Parameters { appearance, ..Parameters::default() });
        (0..10).for_each(|i| drop(step(&mut tracker, SECOND * i / 25, &[looks_like(0.4, RED)])));
        (10..20).for_each(|i| drop(step(&mut tracker, SECOND * i / 25, &[])));
        step(&mut tracker, SECOND * 20 / 25, &[looks_like(0.48, look)])[0].id
    };
    assert_eq!((found(0.3, RED), found(0.3, BLUE), found(0.0, RED)), (1, 2, 2));
    let mut tracker = Tracker::new(Parameters::default());
    (0..10).for_each(|i| drop(step(&mut tracker, SECOND * i / 25, &[looks_like(0.4, RED)])));
    step(&mut tracker, SECOND * 10 / 25, &[]);
    let another_class = Observation { label: 1, ..looks_like(0.48, RED) };
    assert_eq!(
        step(&mut tracker, SECOND * 20 / 25, &[another_class])[0].id,
        2,
        "a car that looks like a person"
    );
}

#[test]
fn looks_tell_two_apart_who_stand_close() {
    let mut tracker = Tracker::new(Parameters::default());
    let at = |red: f32, blue: f32| {
        let mut both = [looks_like(red, RED), looks_like(blue, BLUE)];
        both[0].detection.confidence = 0.95;
        both
    };
    (0..10).for_each(|i| drop(step(&mut tracker, SECOND * i / 25, &at(0.48, 0.52))));
    let tracks = step(&mut tracker, SECOND * 10 / 25, &at(0.505, 0.495));
    assert_eq!(tracks.iter().map(|t| (t.id, t.confidence)).collect::<Vec<_>>(), [(1, 0.95), (2, 0.9)]);
}

#[test]
fn a_new_epoch_is_what_the_policy_makes_of_it() {
    let ids = |on_epoch, look: Option<&'static [f32]>| {
        let mut tracker = Tracker::new(Parameters { on_epoch, report_lost: true, ..Parameters::default() });
        let observation = |x| Observation { embedding: look, ..seen(x, 0.5, 0.9, 0) };
        for frame in 0..10 {
            let (x, epoch) = if frame < 5 { (0.2, 0) } else { (0.7, 1) };
            let observations = [observation(x)];
            let observations = Some(&observations[..]);
            tracker.step(&Input {
                time: SECOND * frame / 25,
                observations,
                epoch: Some(epoch),
                ..Input::default()
            });
        }
        let observations = [observation(0.7)];
        let observations = Some(&observations[..]);
        let input = Input { time: SECOND * 2 / 5, observations, epoch: Some(1), ..Input::default() };
        tracker
            .step(&input)
            .iter()
            .filter(|t| t.state == TrackState::Confirmed)
            .map(|t| t.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(OnEpoch::Keep, None), [2], "it is too far to be the same");
    assert_eq!(ids(OnEpoch::Reassociate, None), [2]);
    assert_eq!(ids(OnEpoch::Reassociate, Some(RED)), [1]);
    assert_eq!(ids(OnEpoch::End, Some(RED)), [2]);
}

/// A camera that turns on and on opens epochs, but nothing is lost on the way.
#[test]
fn tracks_go_on_where_the_way_into_the_epoch_is_known() {
    for (on_epoch, id) in [(OnEpoch::Reassociate, 1), (OnEpoch::End, 2)] {
        let mut tracker = Tracker::new(Parameters { on_epoch, ..Parameters::default() });
        step(&mut tracker, 0, &[seen(0.2, 0.5, 0.9, 0)]);
        let to_previous = Some([1.0, 0.0, -0.3, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let observations = [seen(0.5, 0.5, 0.9, 0)];
        let observations = Some(&observations[..]);
        let input = Input {
            time: SECOND / 25,
            aspect: ASPECT,
            observations,
            to_previous,
            epoch: Some(1),
            ..Input::default()
        };
        assert_eq!(tracker.step(&input)[0].id, id, "{on_epoch:?}");
    }
}

#[test]
fn what_two_detectors_find_in_one_place_is_one_object() {
    let mut tracker = Tracker::new(Parameters::default());
    let other = |x, confidence| Observation { detector: 1, ..seen(x, 0.5, confidence, 0) };
    let tracks = step(&mut tracker, 0, &[seen(0.5, 0.5, 0.8, 0), other(0.503, 0.9), other(0.7, 0.7)]);
    assert_eq!(tracks.iter().map(|t| t.confidence).collect::<Vec<_>>(), [0.9, 0.7]);
    // Of one detector, two are two.
    let tracks = step(&mut tracker, SECOND, &[seen(0.5, 0.5, 0.8, 0), seen(0.503, 0.5, 0.9, 0)]);
    assert_eq!(tracks.len(), 2);
}

#[test]
fn classes_may_have_their_own_rules() {
    let mut tracker = Tracker::new(Parameters::default());
    let strict = Parameters { new_confidence: 0.95, max_lost: 0.1, ..Parameters::default() };
    tracker.set_classes([(1, strict)].into_iter());
    let tracks = step(&mut tracker, 0, &[seen(0.3, 0.5, 0.9, 0), seen(0.7, 0.5, 0.9, 1)]);
    assert_eq!(tracks.iter().map(|t| t.label).collect::<Vec<_>>(), [0]);
    step(&mut tracker, SECOND / 10, &[seen(0.3, 0.5, 0.96, 0), seen(0.7, 0.5, 0.96, 1)]);
    step(&mut tracker, SECOND / 5, &[seen(0.3, 0.5, 0.96, 0), seen(0.7, 0.5, 0.96, 1)]);
    step(&mut tracker, SECOND, &[]);
    assert_eq!(tracker.ended().iter().map(|e| e.track.label).collect::<Vec<_>>(), [1]);
}
