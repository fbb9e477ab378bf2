//! What follows from what the camera says of itself, with and without pixels.

use super::*;
use crate::homography::{IDENTITY, apply};

const FRAME: u64 = 40_000_000;
const WITH_VIEW: Policy = Policy { field_of_view: 60.0, ..policy() };

const fn policy() -> Policy {
    Policy {
        mode: CameraMode::Observed,
        field_of_view: 0.0,
        segment_angle: 15.0,
        segment_zoom: 0.3,
        segment_displacement: 0.25,
        compensate_confidence: 0.8,
        compensate_rotation: 5.0,
        compensate_zoom: 0.1,
        move_start: 0.0045,
        move_stop: 0.015,
    }
}

fn told(pan: f64) -> Telling {
    Telling::Told(Reading { ptz: Ptz { pan, ..Ptz::default() }, confidence: 1.0 })
}

/// The states after each telling, by the camera alone.
fn run(policy: &Policy, tellings: &[Telling]) -> Vec<State> {
    let mut state = State::default();
    let step = |(frame, telling): (u64, &Telling)| {
        let report =
            Report { time: frame * FRAME, telling: *telling, aspect: 16.0 / 9.0, ..Report::default() };
        state = decide(&state, &report, policy);
        state.clone()
    };
    (0..).zip(tellings).map(step).collect()
}

/// Rests, pans by `steps` of half a degree, and rests again.
fn pan(steps: usize) -> Vec<Telling> {
    let pans = (0..10).map(|_| 0.0).chain((1..=steps).map(|i| 0.5 * i as f64));
    pans.chain((0..10).map(|_| 0.5 * steps as f64)).map(told).collect()
}

fn shift_of(view: &View) -> f64 {
    apply(&view.to_reference.expect("known").map(f64::from), [0.5, 0.5])[0] - 0.5
}

#[test]
fn a_small_pan_is_compensated_and_a_large_one_is_an_epoch() {
    let states = run(&WITH_VIEW, &pan(10));
    let last = states.last().unwrap().view();
    assert_eq!((last.motion, last.source, last.epoch), (Motion::Stable, MotionSource::Telemetry, 0));
    assert_eq!((last.decision, last.validity), (Decision::Compensate, Validity::Valid));
    let five = 5.0_f64.to_radians().tan() / (2.0 * 30.0_f64.to_radians().tan());
    assert!((shift_of(last) - five).abs() < 1e-6, "{}", shift_of(last));
    assert_eq!(last.ptz, Some(Ptz { pan: 5.0, ..Ptz::default() }));
    let moving = states.iter().filter(|state| state.view().motion == Motion::Moving).count();
    assert!((10..=12).contains(&moving), "{moving}");
    let states = run(&WITH_VIEW, &pan(40));
    let segments: Vec<_> =
        states.iter().enumerate().filter(|(_, s)| s.view().decision == Decision::Segment).collect();
    let [(frame, segment)] = segments[..] else { panic!("one epoch a move: {segments:?}") };
    // Fifteen degrees, or a quarter of the picture, whichever comes first.
    assert!((36..=40).contains(&frame) && segment.cause() == Some(Cause::Move), "{frame}");
    let last = states.last().unwrap().view();
    assert_eq!((last.epoch, last.to_reference), (1, Some(IDENTITY.map(|v| v as f32))));
}

#[test]
fn without_a_field_of_view_a_way_back_home_is_known() {
    let away = |back: f64| {
        let pans = [0.0; 5].into_iter().chain([2.0, 4.0, 6.0, 4.0, 2.0]).chain([back; 6]);
        run(&policy(), &pans.map(told).collect::<Vec<_>>()).pop().unwrap()
    };
    let home = away(0.0);
    assert_eq!((home.view().epoch, home.view().validity), (0, Validity::Valid));
    assert_eq!(home.view().to_reference, Some(IDENTITY.map(|v| v as f32)));
    assert_eq!(away(1.0).view().epoch, 1);
    let far = run(&policy(), &[told(0.0), told(0.0), told(20.0), told(20.0), told(20.0), told(20.0)]);
    assert_eq!(far.last().unwrap().view().epoch, 1);
}

#[test]
fn silence_is_no_stillness() {
    let mut tellings = vec![told(0.0); 5];
    tellings.extend([Telling::Silent; 5]);
    tellings.extend([told(3.0); 5]);
    let states = run(&WITH_VIEW, &tellings);
    let silent = states[7].view();
    assert_eq!((silent.motion, silent.reason.as_deref()), (Motion::Unknown, Some("no-telemetry")));
    assert_eq!((silent.ptz, silent.to_previous), (None, None));
    // What it missed is made up for.
    let back = states[14].view();
    let three = 3.0_f64.to_radians().tan() / (2.0 * 30.0_f64.to_radians().tan());
    assert!((shift_of(back) - three).abs() < 1e-6 && back.epoch == 0, "{back:?}");
    assert_eq!(run(&policy(), &tellings).last().unwrap().view().epoch, 1, "no way leads across the gap");
    let never = run(&WITH_VIEW, &[Telling::Silent; 3]);
    assert_eq!(never.last().unwrap().view().reason.as_deref(), Some("no-telemetry"));
}

#[test]
fn a_jump_is_one_epoch() {
    let mut tellings = vec![told(0.0); 5];
    tellings.extend([told(170.0); 8]);
    for policy in [policy(), WITH_VIEW] {
        let states = run(&policy, &tellings);
        assert_eq!(states.last().unwrap().view().epoch, 1);
        assert_eq!(states.last().unwrap().view().validity, Validity::Valid);
    }
}

#[test]
fn a_contradiction_is_told() {
    let still = Estimate { evidence: Evidence::Still, to_previous: Some(IDENTITY), confidence: 0.9 };
    let mut state = State::default();
    for frame in 0..30 {
        let telling = told(0.5 * frame as f64);
        let report =
            Report { time: frame * FRAME, estimate: Some(still), telling, aspect: 1.0, ..Report::default() };
        state = decide(&state, &report, &WITH_VIEW);
    }
    let view = state.view();
    assert_eq!((view.validity, view.reason.as_deref()), (Validity::Degraded, Some("telemetry-disagrees")));
    assert!((view.confidence - 0.45).abs() < 1e-6);
}

#[test]
fn what_is_looked_for_directly_makes_up_for_drift() {
    let still = Estimate { evidence: Evidence::Still, to_previous: Some(IDENTITY), confidence: 0.9 };
    let report =
        |frame: u64| Report { time: frame * FRAME, estimate: Some(still), aspect: 1.0, ..Report::default() };
    let found = |way| Anchor::Found { way, confidence: 0.9 };
    let mut state = decide(&State::default(), &report(0), &policy());
    assert!(state.is_reference() && state.due_anchor(FRAME, false).is_none());
    for frame in 1..25 {
        state = decide(&state, &report(frame), &policy());
    }
    assert_eq!(state.due_anchor(25 * FRAME, false), Some(IDENTITY));
    let crept = [1.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    state = decide(&state, &Report { anchor: found(crept), ..report(25) }, &policy());
    assert_eq!(state.view().decision, Decision::Compensate);
    assert!((shift_of(state.view()) - 0.1).abs() < 1e-6);
    assert_eq!(state.due_anchor(26 * FRAME, false), None, "not on every frame");
    let further = [1.0, 0.0, 0.3, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    state = decide(&state, &Report { anchor: found(further), ..report(60) }, &policy());
    assert_eq!((state.view().epoch, state.cause()), (1, Some(Cause::Move)));
}

#[test]
fn a_known_view_is_its_preset_until_it_is_left() {
    let mut state = State::default();
    let report = |frame: u64, pan: f64| Report {
        time: frame * FRAME,
        telling: told(pan),
        aspect: 1.0,
        ..Report::default()
    };
    state = decide(&state, &report(0, 0.0), &WITH_VIEW);
    let offset = [1.0, 0.0, 0.01, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    state.recognise("door".into(), offset, 1.0);
    for (frame, pan, preset) in [(1, 0.0, Some("door")), (2, 1.0, Some("door")), (3, 40.0, None)] {
        state = decide(&state, &report(frame, pan), &WITH_VIEW);
        assert_eq!(state.view().preset.as_deref(), preset, "frame {frame}");
    }
    // Seen late, it is another reference: an epoch of its own.
    let settled = (4..12).fold(state, |state, frame| decide(&state, &report(frame, 40.0), &WITH_VIEW));
    let mut late = settled.clone();
    late.recognise("yard".into(), IDENTITY, 1.0);
    assert_eq!((late.view().epoch, late.cause()), (settled.view().epoch + 1, Some(Cause::Preset)));
    let mut learned = settled.clone();
    learned.name("view-1".into());
    assert_eq!(
        (learned.view().epoch, learned.view().version),
        (settled.view().epoch, settled.view().version + 1)
    );
}

#[test]
fn trouble_degrades() {
    let report = Report { trouble: Some("blank"), ..Report::default() };
    let state = decide(&State::default(), &report, &policy());
    assert_eq!((state.view().validity, state.view().reason.as_deref()), (Validity::Degraded, Some("blank")));
}
