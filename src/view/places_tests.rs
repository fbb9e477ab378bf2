//! Views that are left and come back.

use std::sync::Arc;

use super::keyframe::Keyframe;
use super::places::{Places, Recognised, Sighting};
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

/// What a search comes to.
fn recognise(places: &mut Places, keyframe: Option<&Keyframe>, ptz: Option<&Ptz>) -> Sighting {
    places.seek(ptz);
    std::iter::repeat_with(|| places.go_on(keyframe)).find_map(|sighting| sighting).unwrap()
}

/// The name of a known view, and whether it is known by its pixels.
fn name(sighting: Sighting) -> Option<(Arc<str>, bool)> {
    let Sighting::Known(Recognised { name, registration }) = sighting else { return None };
    Some((name, registration.is_some()))
}

fn by_pixels(name: &str) -> Option<(Arc<str>, bool)> {
    Some((name.into(), true))
}

fn by_pose(name: &str) -> Option<(Arc<str>, bool)> {
    Some((name.into(), false))
}

#[test]
fn a_view_is_known_by_its_pixels() {
    let mut places = Places::default();
    places.add("door".into(), None, Some(view(1, &IDENTITY)));
    places.add("yard".into(), None, Some(view(2, &IDENTITY)));
    let back = view(2, &similar(1.0, 0.0, 3.0, 1.0));
    let Sighting::Known(found) = recognise(&mut places, Some(&back), None) else { panic!("it is the yard") };
    assert_eq!(&*found.name, "yard");
    let [_, _, x, ..] = found.registration.unwrap().to_reference;
    assert!((x - 3.0 / 320.0).abs() < 1e-3, "{x}");
    // Not quite back, so that features have to be asked.
    let nearly = view(1, &similar(1.0, 0.0, 60.0, 5.0));
    assert_eq!(name(recognise(&mut places, Some(&nearly), None)), by_pixels("door"));
    let beside = view(1, &similar(1.0, 0.0, 140.0, 0.0));
    assert_eq!(recognise(&mut places, Some(&beside), None), Sighting::New);
    assert_eq!(recognise(&mut places, Some(&view(3, &IDENTITY)), None), Sighting::New);
    assert_eq!(recognise(&mut places, None, None), Sighting::New);
}

#[test]
fn of_like_views_the_nearer_one_is_meant_or_none() {
    let mut places = Places::default();
    places.add("left".into(), None, Some(view(1, &IDENTITY)));
    places.add("right".into(), None, Some(view(1, &similar(1.0, 0.0, 12.0, 0.0))));
    let at = |x: f64| view(1, &similar(1.0, 0.0, x, 0.0));
    assert_eq!(name(recognise(&mut places, Some(&at(1.0)), None)), by_pixels("left"));
    assert_eq!(name(recognise(&mut places, Some(&at(11.0)), None)), by_pixels("right"));
    assert_eq!(recognise(&mut places, Some(&at(6.0)), None), Sighting::Ambiguous);
    places.add("right".into(), pose(20.0), Some(at(12.0)));
    assert_eq!(name(recognise(&mut places, Some(&at(6.0)), Some(&ptz(20.2)))), by_pixels("right"));
    assert_eq!(name(recognise(&mut places, Some(&at(11.0)), Some(&ptz(22.0)))), by_pixels("left"));
}

#[test]
fn a_view_is_known_by_its_pose() {
    let mut places = Places::default();
    places.add("door".into(), pose(10.0), None);
    places.add("yard".into(), pose(30.0), Some(view(2, &IDENTITY)));
    assert_eq!(name(recognise(&mut places, None, Some(&ptz(10.9)))), by_pose("door"));
    assert_eq!(recognise(&mut places, None, Some(&ptz(12.0))), Sighting::New);
    // By night it is known by its pose alone, and elsewhere not by its looks.
    let night = keyframe(320, 180, |_, _| 12.0);
    assert_eq!(name(recognise(&mut places, Some(&night), Some(&ptz(30.5)))), by_pose("yard"));
    assert_eq!(recognise(&mut places, Some(&view(2, &IDENTITY)), Some(&ptz(50.0))), Sighting::New);
    assert_eq!(name(recognise(&mut places, Some(&view(2, &IDENTITY)), Some(&ptz(30.5)))), by_pixels("yard"));
    // A preset without a picture gets one when the camera is there.
    let seen = view(1, &IDENTITY);
    assert!(!places.picture_now("door", &night) && !places.picture_now("gate", &seen));
    assert!(places.picture_now("door", &seen) && !places.picture_now("door", &seen));
    assert!(places.picture("door").is_some());
    assert_eq!(name(recognise(&mut places, Some(&seen), Some(&ptz(10.9)))), by_pixels("door"));
}

#[test]
fn views_are_learned_and_forgotten() {
    let mut places = Places::new(2);
    places.add("view-1".into(), pose(90.0), None);
    let views = [1, 2, 3].map(|world| view(world, &IDENTITY));
    assert_eq!(places.learn(Some(&views[0]), None).as_deref(), Some("view-2"));
    assert_eq!(places.learn(Some(&views[1]), None).as_deref(), Some("view-3"));
    assert_eq!(name(recognise(&mut places, Some(&views[0]), None)), by_pixels("view-2"));
    // The one that was not seen for longest makes room.
    assert_eq!(places.learn(Some(&views[2]), Some(&ptz(5.0))).as_deref(), Some("view-4"));
    assert_eq!(recognise(&mut places, Some(&views[1]), None), Sighting::New);
    assert_eq!(name(recognise(&mut places, Some(&views[2]), None)), by_pixels("view-4"));
    assert_eq!(name(recognise(&mut places, None, Some(&ptz(5.5)))), by_pose("view-4"));
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

#[test]
fn many_views_take_many_calls() {
    let mut places = Places::default();
    for world in 10..34 {
        places.add(format!("{world}").into(), None, Some(view(world, &IDENTITY)));
    }
    let calls = |places: &mut Places, seen: &Keyframe| {
        places.seek(None);
        let sightings: Vec<_> = std::iter::repeat_with(|| places.go_on(Some(seen))).take(40).collect();
        let at = sightings.iter().position(Option::is_some).unwrap();
        assert!(!places.is_seeking());
        (at + 1, sightings.into_iter().flatten().next())
    };
    // Sixteen near ones in the first call, and the rest in the second.
    let back = view(30, &similar(1.0, 0.0, 2.0, 0.0));
    let (count, sighting) = calls(&mut places, &back);
    assert_eq!((count, sighting.and_then(name)), (2, by_pixels("30")));
    let (count, sighting) = calls(&mut places, &view(1, &IDENTITY));
    assert_eq!(sighting, Some(Sighting::New));
    assert!((6..=9).contains(&count), "{count}");
    places.seek(None);
    assert_eq!(places.go_on(Some(&back)), None);
    places.give_up();
    assert_eq!(places.go_on(Some(&back)), None);
    assert!(!places.is_seeking());
}
