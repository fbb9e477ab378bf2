use proptest::prelude::*;

use super::export::{Closed, Continuity, Opened, TrackMotion};
use super::trajectory::{Change, Ground, MOST_SEGMENTS, Moment, Retention, STEP, Trajectory};
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply, inverse};

const SECOND: u64 = 1_000_000_000;

fn moment(time: u64) -> Moment {
    let retention = Retention::default();
    Moment { time, aspect: 2.0, epoch: 0, change: Change::Still, ground: None, retention }
}

/// An object 0.1 sizes wide and high on the display: 0.05 widths, 0.1 heights; its foot is at `x`, `y`.
fn object(x: f32, y: f32) -> BBox {
    BBox::new(x - 0.025, y - 0.1, x + 0.025, y)
}

fn see(trajectory: &mut Trajectory, moment: &Moment, x: f32, y: f32) -> TrackMotion {
    trajectory.follow(moment);
    trajectory.see(moment, &object(x, y), Continuity::Continued);
    trajectory.motion()
}

fn near(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() < 1e-4
}

fn shift(x: f64) -> Change {
    let to_previous = [1.0, 0.0, x, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    Change::Moved(to_previous, inverse(&to_previous).unwrap())
}

/// Three quarters of a second to the right, then as long down: 0.3 widths and 0.3 heights in all.
#[test]
fn a_walk_in_exact_numbers() {
    let mut trajectory = Trajectory::default();
    let mut motion = TrackMotion::UNKNOWN;
    for i in 0..=30u64 {
        let x = 0.2 + 0.02 * i.min(15) as f32;
        let y = 0.5 + 0.02 * i.saturating_sub(15) as f32;
        motion = see(&mut trajectory, &moment(i * SECOND / 20), x, y);
        if i == 15 {
            assert!(near(motion.path, 0.3) && near(motion.direction, 0.0), "{motion:?}");
            assert!(near(motion.mean_speed, 0.4) && near(motion.max_speed, 0.4), "{motion:?}");
            assert!(near(motion.displacement[0], 0.3) && motion.displacement[1].abs() < 1e-6);
        }
    }
    assert!((f64::from(motion.path) - 0.6).abs() < 0.02, "the corner is cut by less than a step: {motion:?}");
    assert!(near(motion.displacement[0], 0.3) && near(motion.displacement[1], 0.3), "{motion:?}");
    assert!((motion.direction - 90.0).abs() < 25.0, "turning down: {motion:?}");
    assert!(!motion.is_stationary() && !motion.is_on_ground());
    let (segment, points) = trajectory.segments().next().unwrap();
    assert_eq!((segment.opened, segment.closed, segment.compensations), (Opened::Born, Closed::Open, 0));
    let points: Vec<_> = points.map(|p| (p.time, p.x, p.y)).collect();
    assert_eq!((points[0], points.len()), ((0, 0.2, 0.5), 3), "a minute in 64 points has one a second");
    assert_eq!(points.last().unwrap().0, 30 * SECOND / 20);
}

/// Direction is that of the displayed picture, which is twice as wide as it is high.
#[test]
fn direction_is_measured_in_the_displayed_picture() {
    for (dx, dy, degrees) in [(1.0, 2.0, 45.0), (-1.0, 0.0, 180.0), (0.0, -1.0, 270.0), (-1.0, 2.0, 135.0)] {
        let mut trajectory = Trajectory::default();
        let mut motion = TrackMotion::UNKNOWN;
        for i in 0..20 {
            let along = i as f32 * 0.01;
            motion = see(&mut trajectory, &moment(i * SECOND / 20), 0.5 + dx * along, 0.5 + dy * along);
        }
        assert!(near(motion.direction, degrees), "{motion:?}");
    }
}

#[test]
fn it_comes_to_rest_and_starts_again() {
    let mut trajectory = Trajectory::default();
    let mut time = 0;
    let mut at = |trajectory: &mut Trajectory, x| {
        time += SECOND / 10;
        see(trajectory, &moment(time), x, 0.5)
    };
    let walked = (0..=10).map(|i| at(&mut trajectory, 0.2 + 0.02 * i as f32)).last().unwrap();
    assert!(near(walked.path, 0.2), "{walked:?}");
    let standing: Vec<_> = (0..30).map(|_| at(&mut trajectory, 0.4)).collect();
    assert!(!standing[15].is_stationary() && standing[25].is_stationary());
    assert!(near(standing[29].path, 0.2) && standing[29].direction.is_nan(), "{:?}", standing[29]);
    assert!(near(standing[29].mean_speed, 0.2 / 4.0) && near(standing[29].max_speed, 0.2));
    // 0.4 sizes are no start; 0.6 are.
    assert!(at(&mut trajectory, 0.42).is_stationary());
    let again = at(&mut trajectory, 0.43);
    assert!(
        !again.is_stationary() && near(again.path, 0.23) && near(again.displacement[0], 0.23),
        "{again:?}"
    );
}

#[test]
fn a_camera_that_pans_moves_nothing_but_the_view() {
    let mut trajectory = Trajectory::default();
    let mut motion = TrackMotion::UNKNOWN;
    for i in 0..50u64 {
        let change = if i == 0 { Change::Still } else { shift(0.01) };
        let moment = Moment { change, ..moment(i * SECOND / 10) };
        motion = see(&mut trajectory, &moment, 0.7 - 0.01 * i as f32, 0.5);
    }
    assert_eq!((motion.path, motion.displacement, motion.stationary), (0.0, [0.0; 2], 1));
    let (segment, points) = trajectory.segments().next().unwrap();
    assert_eq!(segment.compensations, 49);
    assert!(points.into_iter().all(|p| (p.x - 0.7).abs() < 1e-5), "in the view of the first frame");
    let now = apply(&segment.transform, [0.7, 0.5]);
    assert!((now[0] - 0.21).abs() < 1e-6, "{now:?}");
}

#[test]
fn no_way_leads_across_a_broken_view() {
    let mut trajectory = Trajectory::default();
    for i in 0..10u64 {
        see(&mut trajectory, &moment(i * SECOND / 10), 0.1 + 0.02 * i as f32, 0.5);
    }
    let broken = Moment { epoch: 1, change: Change::Broken(Closed::Epoch), ..moment(SECOND) };
    trajectory.follow(&broken);
    assert_eq!(trajectory.motion(), TrackMotion::UNKNOWN);
    trajectory.see(&broken, &object(0.9, 0.9), Continuity::Continued);
    assert_eq!((trajectory.motion().path, trajectory.motion().displacement), (0.0, [0.0; 2]));
    let lost = Moment { epoch: 1, change: Change::Broken(Closed::View), ..moment(2 * SECOND) };
    trajectory.follow(&lost);
    let found = Moment { epoch: 1, ..moment(3 * SECOND) };
    trajectory.follow(&found);
    trajectory.see(&found, &object(0.2, 0.9), Continuity::Reassociated);
    trajectory.close(Closed::Ended);
    let told: Vec<_> = trajectory.segments().map(|(s, _)| (s.epoch, s.opened, s.closed)).collect();
    assert_eq!(
        told,
        [
            (0, Opened::Born, Closed::Epoch),
            (1, Opened::Epoch, Closed::View),
            (1, Opened::Reassociated, Closed::Ended)
        ]
    );
    let first = trajectory.segments().next().unwrap().0;
    assert!(near(first.motion.path, 0.18), "{:?}", first.motion);
}

#[test]
fn metres_on_the_ground() {
    // Ten metres a width; the horizon lies at the upper edge.
    let to_metres = [10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 1.0];
    let ground = Some(Ground { to_metres, side: 1.0 });
    let mut trajectory = Trajectory::default();
    let mut motion = TrackMotion::UNKNOWN;
    for i in 0..=20u64 {
        let moment = Moment { ground, ..moment(i * SECOND / 20) };
        motion = see(&mut trajectory, &moment, 0.2 + 0.02 * i as f32, 0.5);
    }
    assert!(motion.is_on_ground() && near(motion.ground[0], 6.0) && near(motion.ground[1], 5.0));
    assert!(near(motion.ground_path, 4.0) && near(motion.ground_displacement[0], 4.0), "{motion:?}");
    assert!(near(motion.ground_mean_speed, 4.0) && near(motion.ground_speed, 4.0));
    assert!(near(motion.ground_max_speed, 4.0));
    let horizon = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, -0.6];
    let above = Moment { ground: Some(Ground { to_metres: horizon, side: 1.0 }), ..moment(2 * SECOND) };
    assert!(!see(&mut trajectory, &above, 0.6, 0.5).is_on_ground(), "above the horizon is no ground");
}

#[test]
fn retention_bounds_points_and_age() {
    let retention = Retention { age: 1.0, points: 5 };
    let mut trajectory = Trajectory::default();
    for i in 0..1000u64 {
        let moment = Moment { retention, ..moment(i * SECOND / 100) };
        see(&mut trajectory, &moment, 0.5, 0.5);
        let points: Vec<_> = trajectory.segments().flat_map(|(_, points)| points).map(|p| p.time).collect();
        assert!(points.len() <= 5 && points[0] + SECOND >= moment.time, "{points:?}");
        if i > 200 {
            assert!(moment.time - points[0] >= SECOND / 2, "{points:?} cover the age");
        }
    }
    let late = Moment { retention, ..moment(20 * SECOND) };
    trajectory.follow(&late);
    assert_eq!(trajectory.segments().map(|(_, points)| points.count()).collect::<Vec<_>>(), [0]);
}

#[derive(Clone, Debug)]
enum What {
    Seen(f32, f32),
    Unseen,
    Moved(f64),
    Broken(bool),
}

fn any_what() -> impl Strategy<Value = What> {
    prop_oneof![
        8 => (-0.5f32..1.5, -0.5f32..1.5).prop_map(|(x, y)| What::Seen(x, y)),
        1 => Just(What::Seen(f32::NAN, 0.5)),
        2 => Just(What::Unseen),
        3 => (-0.2f64..0.2).prop_map(What::Moved),
        1 => any::<bool>().prop_map(What::Broken),
    ]
}

proptest! {
    /// A jitter of 0.08 sizes in each direction, as a detector's, does not walk.
    #[test]
    fn a_standing_object_stays(noise in prop::collection::vec((-0.15f32..0.15, -0.15f32..0.15), 60..200)) {
        let mut trajectory = Trajectory::default();
        for (i, (x, y)) in noise.iter().enumerate() {
            let motion = see(&mut trajectory, &moment(i as u64 * SECOND / 25), 0.5 + 0.05 * x, 0.5 + 0.1 * y);
            prop_assert_eq!((motion.path, motion.displacement, motion.max_speed), (0.0, [0.0; 2], 0.0));
            prop_assert_eq!(motion.is_stationary(), i >= 50);
        }
    }

    #[test]
    fn bounds_and_order_hold(
        steps in prop::collection::vec((any_what(), 0u64..3 * SECOND), 1..120),
        age in 0.0f32..20.0,
        points in 2usize..20,
    ) {
        let retention = Retention { age, points }.clamped();
        let mut trajectory = Trajectory::default();
        let mut time = 0;
        let mut path = 0.0;
        for (what, later) in steps {
            time += later;
            let change = match what {
                What::Moved(x) => shift(x),
                What::Broken(epoch) => Change::Broken(if epoch { Closed::Epoch } else { Closed::View }),
                _ => Change::Still,
            };
            let moment = Moment { retention, change, ..moment(time) };
            trajectory.follow(&moment);
            if matches!(what, What::Broken(_)) {
                path = 0.0;
            }
            if let What::Seen(x, y) = what {
                trajectory.see(&moment, &object(x, y), Continuity::Continued);
            }
            let motion = trajectory.motion();
            if motion.is_known() {
                let [dx, dy] = motion.displacement;
                prop_assert!(motion.path >= path, "a way never shrinks");
                prop_assert!(motion.path + 1e-4 >= dx.hypot(dy), "no way is shorter than the straight one");
                prop_assert!(motion.direction.is_nan() || (0.0..360.0).contains(&motion.direction));
                prop_assert!(motion.mean_speed >= 0.0 && motion.max_speed >= 0.0);
                path = motion.path;
            }
            let segments: Vec<_> = trajectory.segments().map(|(s, points)| (*s, points.count())).collect();
            prop_assert!(segments.len() <= MOST_SEGMENTS);
            prop_assert!(segments.iter().map(|(_, count)| count).sum::<usize>() <= points);
            let open = segments.iter().filter(|(s, _)| s.closed == Closed::Open).count();
            prop_assert!(open <= 1 && segments.iter().rev().skip(1).all(|(s, _)| s.closed != Closed::Open));
            let times: Vec<_> = trajectory.segments().flat_map(|(_, points)| points).map(|p| p.time).collect();
            prop_assert!(times.is_sorted());
            prop_assert!(times.first().is_none_or(|t| time - t <= (f64::from(age) * 1e9) as u64));
        }
    }

    /// Whatever the camera does, an object that follows it stands still, and one that walks in the scene walks.
    #[test]
    fn the_view_does_not_matter(pans in prop::collection::vec(-0.05f64..0.05, 20..40)) {
        let (mut still, mut panned) = (Trajectory::default(), Trajectory::default());
        let mut shifted = 0.0;
        for (i, pan) in pans.iter().enumerate() {
            let x = 0.2 + 0.01 * i as f64;
            let plain = moment(i as u64 * SECOND / 10);
            let change = if i == 0 { Change::Still } else { shift(*pan) };
            shifted += if i == 0 { 0.0 } else { *pan };
            let a = see(&mut still, &plain, x as f32, 0.5);
            let b = see(&mut panned, &Moment { change, ..plain }, (x - shifted) as f32, 0.5);
            prop_assert!((a.path - b.path).abs() < STEP as f32 * 0.05 + 1e-4, "{a:?} {b:?}");
            prop_assert!((a.displacement[0] - b.displacement[0]).abs() < 0.03, "{a:?} {b:?}");
        }
        let transform = panned.segments().next().map(|(s, _)| s.transform).unwrap_or(IDENTITY);
        prop_assert!((apply(&transform, [0.0, 0.0])[0] + shifted).abs() < 1e-9);
    }
}
