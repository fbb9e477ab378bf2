//! Which tracks are remembered, and as what.

use super::tests::{PLACES, Rig, sight, track};
use super::*;
use crate::track::{Track, TrackState};
use crate::view::Sight;

#[test]
fn a_new_id_goes_on_where_the_old_one_was_lost() {
    let loiters = r#""rules": [{"name": "loiters", "per": "object", "when": "object.zone.yard.dwell >= 0.2", "gap": 1}]"#;
    let played = |again: Track, unseen: usize| {
        let mut rig = Rig::new(&format!("{PLACES}, {loiters}").replace("0.25}", "3}"));
        for _ in 0..4 {
            rig.see(&[track(1, 0.5, 0.5)]);
        }
        for _ in 0..unseen {
            rig.see(&[]);
        }
        rig.see(&[again]);
        (rig.fact("zone.yard.entries"), rig.fact("rule.loiters.count"), rig.crossings())
    };
    assert_eq!(played(track(2, 0.505, 0.5), 3), (1.0, 1.0, (0.0, 0.0)));
    assert_eq!(played(track(2, 0.495, 0.5), 3), (1.0, 1.0, (0.0, 0.0)), "nobody saw it cross");
    assert_eq!(played(track(2, 0.55, 0.5), 3).0, 2.0, "it is somewhere else");
    assert_eq!(played(track(2, 0.505, 0.5), 21).0, 2.0, "it is too late");
    assert_eq!(
        played(Track { label: 1, ..track(2, 0.505, 0.5) }, 3).0,
        1.0,
        "classes that no rule names are alike"
    );
}

/// What stands in the same place on another view is another object, and so is what the tracker tells apart.
#[test]
fn nothing_is_handed_over_between_views_or_while_the_tracker_has_it() {
    let loiters = r#""rules": [{"name": "loiters", "per": "object", "when": "object.age >= 0", "gap": 9}]"#;
    let events = |second: Option<Sight<'_>>, tracks: &[Track]| {
        let mut rig = Rig::new(loiters);
        rig.look(&[track(1, 0.5, 0.5)], Some(sight(0, Some(0.0))));
        rig.look(tracks, second);
        rig.fact("rule.loiters.count")
    };
    let other = [track(2, 0.505, 0.5)];
    assert_eq!(events(Some(sight(0, Some(0.0))), &other), 1.0);
    assert_eq!(events(Some(sight(0, Some(0.3))), &other), 2.0, "the camera has turned, it is elsewhere");
    assert_eq!(events(Some(sight(1, Some(0.0))), &other), 2.0, "another epoch");
    assert_eq!(events(Some(Sight { preset: Some("door"), ..sight(0, Some(0.0)) }), &other), 2.0);
    assert_eq!(events(Some(sight(0, None)), &other), 2.0, "nobody knows where it is");
    let lost = Track { state: TrackState::Lost, ..track(1, 0.5, 0.5) };
    assert_eq!(events(Some(sight(0, Some(0.0))), &[other[0], lost]), 2.0);
}

#[test]
fn an_id_that_comes_back_has_its_own_back() {
    let mut rig = Rig::new(&PLACES.replace("0.25}", "3}"));
    let count = |rig: &Rig| (rig.fact("zone.yard.entries"), rig.fact("zone.yard.occupancy"));
    for id in [1, 2, 1, 2] {
        rig.see(&[track(id, 0.5, 0.5)]);
        assert_eq!(count(&rig), (1.0, 1.0));
    }
    rig.see(&[track(1, 0.5, 0.5), track(2, 0.5, 0.5)]);
    assert_eq!(count(&rig), (2.0, 2.0), "they are two");
    assert!((rig.fact("zone.yard.dwell") - 0.4).abs() < 1e-9, "it goes on");
    rig.see(&[track(2, 0.5, 0.5)]);
    assert_eq!(count(&rig), (2.0, 1.0));
}

#[test]
fn more_tracks_than_there_is_room_for_are_counted() {
    let mut rig = Rig::new(PLACES);
    let many: Vec<Track> = (1..1100).map(|id| track(id, 0.5, 0.5)).collect();
    rig.see(&many);
    assert_eq!(rig.engine.output().notices, [Notice::TooManyTracks]);
    assert_eq!((rig.engine.refused(), rig.fact("zone.yard.occupancy")), (75, 1024.0));
    assert_eq!(rig.fact("tracks.count"), 1099.0, "they are there, remembered or not");
    rig.see(&many[1000..]);
    assert_eq!((rig.engine.refused(), rig.fact("zone.yard.occupancy")), (75, 99.0), "the others give way");
    assert_eq!(rig.engine.output().notices, []);
}

/// Rules that wait for long leave room for the tracks that come.
#[test]
fn long_waits_do_not_use_up_the_memory() {
    let scene = |rule: &str| {
        let mut rig = Rig::new(&format!(
            r#""zones": [{{"name": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}],
               "rules": [{{"name": "r", {rule}}}]"#
        ));
        for id in 0..2000u64 {
            rig.see(&[track(2 * id + 1, 0.2, 0.5), track(2 * id + 2, 0.8, 0.5)]);
            rig.see(&[]);
            rig.time += 2_000_000_000;
        }
        rig.see(&(9001..9006).map(|id| track(id, id as f32 / 10.0 - 899.9, 0.5)).collect::<Vec<_>>());
        ["zone.all.entries", "zone.all.occupancy", "tracks.count", "rule.r.count"].map(|fact| rig.fact(fact))
    };
    let once = scene(r#""when": "zone.all.occupancy > 0", "cooldown": 3600"#);
    assert_eq!(once[..3], [4005.0, 5.0, 5.0]);
    let each = r#""per": "object", "when": "object.zone.all.inside", "cooldown": 604800, "max-duration": 0"#;
    assert_eq!(scene(each), [4005.0, 5.0, 5.0, 4005.0]);
}

/// A track that has to give way has its visit and its event ended first.
#[test]
fn what_gives_way_ends_in_order() {
    let mut rig = Rig::new(&format!(
        r#"{PLACES}, "rules": [{{"name": "in", "per": "object", "when": "object.zone.yard.inside", "gap": 600}}]"#
    ).replace("0.25}", "600}"));
    rig.see(&[track(1, 0.5, 0.5)]);
    rig.see(&[]);
    let many: Vec<Track> = (2..1026).map(|id| track(id, 0.1, 0.1)).collect();
    rig.see(&many);
    assert_eq!((rig.engine.refused(), rig.fact("zone.yard.exits")), (0, 1.0));
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Cleared)]);
    assert_eq!(rig.engine.output().tracks, [1]);
}

#[test]
fn what_is_said_of_a_track_is_forgotten_with_it() {
    let mut rig =
        Rig::new(r#""rules": [{"name": "red", "per": "object", "when": "object.attribute.red_coat > 0.5"}]"#);
    let attributes = [Attribute { track: 1, name: "red coat", confidence: 0.75 }];
    let tracks = [track(1, 0.5, 0.5)];
    let input = Input { aspect: 1.0, tracks: &tracks, tracked: true, ..Input::default() };
    assert_eq!(rig.engine.update(&Input { attributes: &attributes, ..input }).events.len(), 1);
    rig.engine.restart();
    rig.engine.update(&input);
    assert_eq!(rig.said(), [(1, EventState::Ended, Closing::Restart)], "at time 0 nothing has been said");
}
