//! Views that are left and come back.

use std::sync::Arc;

use super::places::{KnownBy, Places, Recognised, Sighting};
use super::presets::{Pose, Tolerance};
use super::register_tests::{keyframe, scene, similar, view};
use super::telemetry::Ptz;
use crate::homography::IDENTITY;

fn ptz(pan: f64) -> Ptz {
    Ptz { pan, ..Ptz::default() }
}

fn pose(pan: f64) -> Option<Pose> {
    Some(Pose { ptz: ptz(pan), tolerance: Tolerance::default() })
}

fn name(sighting: Sighting) -> Option<(Arc<str>, KnownBy)> {
    sighting.known().map(|Recognised { name, by, .. }| (name, by))
}

fn by_pixels(name: &str) -> Option<(Arc<str>, KnownBy)> {
    Some((name.into(), KnownBy::Pixels))
}

fn by_pose(name: &str) -> Option<(Arc<str>, KnownBy)> {
    Some((name.into(), KnownBy::Pose))
}

#[test]
fn a_view_is_known_by_its_pixels() {
    let mut places = Places::default();
    places.add("door".into(), None, Some(view(1, &IDENTITY)));
    places.add("yard".into(), None, Some(view(2, &IDENTITY)));
    let back = view(2, &similar(1.0, 0.0, 3.0, 1.0));
    let Sighting::Known(found) = places.recognise(Some(&back), None) else { panic!("it is the yard") };
    assert_eq!((&*found.name, found.by), ("yard", KnownBy::Pixels));
    let [_, _, x, ..] = found.registration.unwrap().to_reference;
    assert!((x - 3.0 / 320.0).abs() < 1e-3, "{x}");
    // Not quite back, so that features have to be asked.
    let nearly = view(1, &similar(1.0, 0.0, 60.0, 5.0));
    assert_eq!(name(places.recognise(Some(&nearly), None)), by_pixels("door"));
    let beside = view(1, &similar(1.0, 0.0, 140.0, 0.0));
    assert_eq!(places.recognise(Some(&beside), None), Sighting::New);
    assert_eq!(places.recognise(Some(&view(3, &IDENTITY)), None), Sighting::New);
    assert_eq!(places.recognise(None, None), Sighting::New);
}

#[test]
fn of_like_views_the_nearer_one_is_meant_or_none() {
    let mut places = Places::default();
    places.add("left".into(), None, Some(view(1, &IDENTITY)));
    places.add("right".into(), None, Some(view(1, &similar(1.0, 0.0, 12.0, 0.0))));
    let at = |x: f64| view(1, &similar(1.0, 0.0, x, 0.0));
    assert_eq!(name(places.recognise(Some(&at(1.0)), None)), by_pixels("left"));
    assert_eq!(name(places.recognise(Some(&at(11.0)), None)), by_pixels("right"));
    assert_eq!(places.recognise(Some(&at(6.0)), None), Sighting::Ambiguous);
    places.add("right".into(), pose(20.0), Some(at(12.0)));
    assert_eq!(name(places.recognise(Some(&at(6.0)), Some(&ptz(20.2)))), by_pixels("right"));
    assert_eq!(name(places.recognise(Some(&at(11.0)), Some(&ptz(22.0)))), by_pixels("left"));
}

#[test]
fn a_view_is_known_by_its_pose() {
    let mut places = Places::default();
    places.add("door".into(), pose(10.0), None);
    places.add("yard".into(), pose(30.0), Some(view(2, &IDENTITY)));
    assert_eq!(name(places.recognise(None, Some(&ptz(10.9)))), by_pose("door"));
    assert_eq!(places.recognise(None, Some(&ptz(12.0))), Sighting::New);
    // By night it is known by its pose alone, and elsewhere not by its looks.
    let night = keyframe(320, 180, |_, _| 12.0);
    assert_eq!(name(places.recognise(Some(&night), Some(&ptz(30.5)))), by_pose("yard"));
    assert_eq!(places.recognise(Some(&view(2, &IDENTITY)), Some(&ptz(50.0))), Sighting::New);
    assert_eq!(name(places.recognise(Some(&view(2, &IDENTITY)), Some(&ptz(30.5)))), by_pixels("yard"));
    // A preset without a picture gets one when the camera is there.
    let seen = view(1, &IDENTITY);
    assert!(!places.picture_now("door", &night) && !places.picture_now("gate", &seen));
    assert!(places.picture_now("door", &seen) && !places.picture_now("door", &seen));
    assert!(places.picture("door").is_some());
    assert_eq!(name(places.recognise(Some(&seen), Some(&ptz(10.9)))), by_pixels("door"));
}

#[test]
fn views_are_learned_and_forgotten() {
    let mut places = Places::new(2);
    places.add("view-1".into(), pose(90.0), None);
    let views = [1, 2, 3].map(|world| view(world, &IDENTITY));
    assert_eq!(places.learn(Some(&views[0]), None).as_deref(), Some("view-2"));
    assert_eq!(places.learn(Some(&views[1]), None).as_deref(), Some("view-3"));
    assert_eq!(name(places.recognise(Some(&views[0]), None)), by_pixels("view-2"));
    // The one that was not seen for longest makes room.
    assert_eq!(places.learn(Some(&views[2]), Some(&ptz(5.0))).as_deref(), Some("view-4"));
    assert_eq!(places.recognise(Some(&views[1]), None), Sighting::New);
    assert_eq!(name(places.recognise(Some(&views[2]), None)), by_pixels("view-4"));
    assert_eq!(name(places.recognise(None, Some(&ptz(5.5)))), by_pose("view-4"));
    assert_eq!(places.names().map(|name| &**name).collect::<Vec<_>>(), ["view-1", "view-2", "view-4"]);
    // There has to be something to know it by.
    let blank = keyframe(320, 180, |_, _| 90.0);
    assert_eq!(places.learn(Some(&blank), None), None);
    assert_eq!(places.learn(None, None), None);
    assert_eq!(Places::new(0).learn(Some(&views[0]), None), None);
    assert_eq!(
        places.learn(Some(&keyframe(320, 180, |x, y| scene(5, x, y))), None).as_deref(),
        Some("view-5")
    );
}
