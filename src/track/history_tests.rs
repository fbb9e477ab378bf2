use super::*;
use crate::detection::Detection;

const FRAME: u64 = 40_000_000;

fn at(x: f32) -> Observation<'static> {
    let bbox = BBox::from_center(x, 0.5, 0.1, 0.2);
    let detection = Detection { bbox, confidence: 0.9, class_id: 0 };
    Observation { detection, label: 0, age: 0, embedding: None, detector: 0 }
}

/// An input of a 2:1 picture.
fn input<'a>(frame: u64, seen: &'a [Observation<'a>]) -> Input<'a> {
    Input { time: frame * FRAME, aspect: 2.0, observations: Some(seen), ..Input::default() }
}

fn tracker() -> Tracker {
    Tracker::new(Parameters { report_past: true, ..Parameters::default() })
}

fn rows(tracker: &Tracker) -> Vec<(u64, u64, PastKind)> {
    tracker.past().iter().map(|row| (row.id, row.before / FRAME, row.kind)).collect()
}

#[test]
fn tentative_frames_are_told_when_the_track_is_believed() {
    let mut tracker = Tracker::new(Parameters { probation: 0.1, report_past: true, ..Parameters::default() });
    tracker.step(&input(0, &[]));
    for frame in 1..=3 {
        tracker.step(&input(frame, &[at(0.5)]));
        assert_eq!(rows(&tracker), []);
    }
    assert_eq!(tracker.step(&input(4, &[at(0.5)]))[0].state, TrackState::Confirmed);
    assert_eq!(rows(&tracker), [3, 2, 1].map(|before| (1, before, PastKind::Tentative)));
    assert_eq!(tracker.past()[0].bbox, at(0.5).detection.bbox);
    assert_eq!(tracker.past()[0].confidence, 0.9);
    tracker.step(&input(5, &[at(0.5)]));
    assert_eq!(rows(&tracker), []);
}

#[test]
fn a_gap_is_filled_on_a_straight_line() {
    let mut tracker = tracker();
    let before = tracker.step(&input(0, &[at(0.50)]))[0].bbox;
    for frame in 1..4 {
        tracker.step(&input(frame, &[]));
        assert_eq!(rows(&tracker), []);
    }
    let after = tracker.step(&input(4, &[at(0.54)]))[0].bbox;
    assert_eq!(rows(&tracker), [3, 2, 1].map(|before| (1, before, PastKind::Interpolated)));
    for (row, part) in tracker.past().iter().zip([0.25, 0.5, 0.75]) {
        let wanted = before.x_min + (after.x_min - before.x_min) * part;
        assert!((row.bbox.x_min - wanted).abs() < 1e-6, "{row:?}");
        assert!((row.bbox.width() - 0.1).abs() < 0.01);
    }
}

/// The camera turns while the object, which stands still in the scene, is not seen.
#[test]
fn a_gap_is_filled_in_the_views_of_its_frames() {
    let mut tracker = tracker();
    let turned = |frame: u64| 0.5 - 0.05 * frame as f32;
    tracker.step(&input(0, &[at(turned(0))]));
    let to_previous = Some([1.0, 0.0, 0.05, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    for frame in 1..=4 {
        let seen = [at(turned(frame))];
        let seen = if frame == 4 { &seen[..] } else { &[] };
        tracker.step(&Input { to_previous, ..input(frame, seen) });
    }
    assert_eq!(tracker.past().len(), 3);
    for (row, frame) in tracker.past().iter().zip(1..) {
        assert!((row.bbox.center().0 - turned(frame)).abs() < 1e-4, "{row:?}");
    }
    assert_eq!(tracker.trajectory(1).unwrap().motion().path, 0.0);
}

#[test]
fn no_gap_is_filled_across_a_broken_view() {
    for broken in [
        Input { moved_unknown: true, ..Input::default() },
        Input { epoch: Some(4), ..Input::default() },
        Input { to_previous: Some([0.0; 9]), ..Input::default() },
    ] {
        let mut tracker = tracker();
        tracker.set_parameters(Parameters { on_epoch: OnEpoch::Keep, ..*tracker.parameters() });
        tracker.step(&Input { epoch: Some(3), ..input(0, &[at(0.5)]) });
        tracker.step(&input(1, &[]));
        let Input { moved_unknown, epoch, to_previous, .. } = broken;
        let tracks = tracker.step(&Input { moved_unknown, epoch, to_previous, ..input(2, &[at(0.5)]) });
        assert_eq!(tracks[0].id, 1, "{broken:?}");
        assert_eq!(rows(&tracker), []);
        assert_eq!(tracker.trajectory(1).unwrap().segments().count(), 2, "{broken:?}");
        let epochs: Vec<_> = tracker.trajectory(1).unwrap().segments().map(|(s, _)| s.epoch).collect();
        assert_eq!(epochs, [3, epoch.unwrap_or(3)]);
    }
}

#[test]
fn believed_tracks_end_with_a_reason() {
    let mut tracker = Tracker::new(Parameters { max_lost: 0.1, ..Parameters::default() });
    tracker.step(&input(0, &[at(0.2)]));
    tracker.step(&input(1, &[at(0.2), at(0.8)]));
    tracker.step(&input(2, &[]));
    assert_eq!(tracker.ended(), [], "the tentative one ended without a word");
    tracker.step(&input(3, &[]));
    tracker.step(&input(4, &[]));
    let ended: Vec<_> = tracker.ended().iter().map(|e| (e.track.id, e.reason, e.track.state)).collect();
    assert_eq!(ended, [(1, EndReason::Lost, TrackState::Lost)]);
    let Track { age, since_match, .. } = tracker.ended()[0].track;
    assert_eq!((age, since_match), (4 * FRAME, 3 * FRAME));
    let trajectory = tracker.trajectory(1).unwrap();
    assert_eq!(trajectory.segments().next().unwrap().0.closed, Closed::Ended);
    tracker.step(&input(5, &[at(0.5)]));
    assert!(tracker.ended().is_empty() && tracker.trajectory(1).is_none());
}

#[test]
fn a_restart_ends_tracks_on_the_next_frame() {
    let mut tracker = tracker();
    tracker.step(&input(10, &[at(0.2)]));
    tracker.end_all();
    assert!(tracker.ended().is_empty());
    tracker.step(&input(20, &[at(0.2)]));
    assert_eq!((tracker.ended()[0].track.id, tracker.ended()[0].reason), (1, EndReason::Restart));
    let back = tracker.step(&input(0, &[at(0.2)]));
    assert_eq!((back[0].id, back[0].age), (3, 0));
    assert_eq!((tracker.ended()[0].track.id, tracker.ended()[0].reason), (2, EndReason::Restart));
    let (mut segments, mut points) = (Vec::new(), Vec::new());
    tracker.export([2, 3, 9].into_iter(), &mut segments, &mut points);
    let told: Vec<_> = segments.iter().map(|s| (s.track, s.closed, s.first, s.count)).collect();
    assert_eq!(told, [(2, Closed::Ended, 0, 1), (3, Closed::Open, 1, 1)]);
    assert_eq!(points.len(), 2);
}

#[test]
fn past_rows_are_bounded() {
    let mut tracker = tracker();
    let many: Vec<_> = (0..8).map(|i| at(0.05 + 0.12 * i as f32)).collect();
    let parameters = Parameters { max_lost: 600.0, report_past: true, ..Parameters::default() };
    tracker.set_parameters(parameters);
    tracker.step(&input(0, &many));
    for frame in 1..400 {
        tracker.step(&Input { observations: None, ..input(frame, &[]) });
    }
    let tracks = tracker.step(&input(400, &many)).len();
    let first = tracker.past().iter().filter(|row| row.id == 1).count();
    assert_eq!((tracks, tracker.past().len(), first), (8, 1024, 255));
}

#[test]
fn metres_hold_while_the_view_is_the_one_they_were_measured_in() {
    let ground = Some([10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 1.0]);
    let mut tracker = Tracker::new(Parameters { ground, max_lost: 600.0, ..Parameters::default() });
    let x = |tracks: &[Track]| tracks[0].motion.ground[0];
    let pan = Some([1.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let first = x(tracker.step(&Input { epoch: Some(1), ..input(0, &[at(0.5)]) }));
    let panned = x(tracker.step(&Input { to_previous: pan, ..input(1, &[at(0.4)]) }));
    assert!((first - 5.0).abs() < 1e-3 && (panned - 5.0).abs() < 1e-3, "{first} {panned}");
    let lost = x(tracker.step(&Input { moved_unknown: true, ..input(2, &[at(0.4)]) }));
    assert!(lost.is_nan());
    let told = x(tracker.step(&Input { to_reference: pan, epoch: Some(1), ..input(3, &[at(0.4)]) }));
    assert!((told - 5.0).abs() < 1e-3, "{told}");
    let other = x(tracker.step(&Input { to_reference: pan, epoch: Some(2), ..input(4, &[at(0.4)]) }));
    assert!(other.is_nan(), "another epoch's reference is another view");
}
