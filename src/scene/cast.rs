//! Who is in the scene at a time.
//!
//! A slot is a place in the cast. One object after the other fills it, each for the slot's period: it enters,
//! goes its way and leaves. Whatever it does follows from the seed, the slot and its number in it, so any time
//! can be looked at without those before.

use std::f64::consts::PI;

use super::camera::CameraMode;
use super::random::Dice;
use super::route::Route;

/// What kinds of objects there are; their numbers are their class ids.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Somebody on foot.
    Person = 0,
    /// A bicycle with its rider.
    Bicycle = 1,
    /// A car.
    Car = 2,
    /// A bus.
    Bus = 3,
}

impl Class {
    /// Every class, by its id.
    pub const ALL: [Self; 4] = [Self::Person, Self::Bicycle, Self::Car, Self::Bus];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bicycle => "bicycle",
            Self::Car => "car",
            Self::Bus => "bus",
        }
    }
}

/// Where things are, in metres from below the camera: the street's far edge of each strip.
pub(super) mod street {
    /// The near sidewalk ends and the road begins.
    pub(in super::super) const NEAR_CURB: f64 = 15.2;
    /// The road ends and the far sidewalk begins.
    pub(in super::super) const FAR_CURB: f64 = 25.2;
    /// The far sidewalk ends and the lawn begins.
    pub(in super::super) const LAWN: f64 = 29.8;
    /// The houses.
    pub(in super::super) const HOUSES: f64 = 34.0;
    /// Middle of the crossing.
    pub(in super::super) const CROSSING: f64 = 3.0;
    /// From the middle of the crossing to its side.
    pub(in super::super) const CROSSING_HALF: f64 = 1.8;
    /// Middles of the four lanes; the first two lead to the right.
    pub(super) const LANES: [f64; 4] = [17.1, 19.2, 21.3, 23.4];
    /// Middles of the two strips for bicycles, the first to the right.
    pub(super) const BICYCLES: [f64; 2] = [15.6, 24.8];
}

/// One object at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Actor {
    /// From 1, never used twice.
    pub(super) id: u64,
    pub(super) class: Class,
    /// X and z of the point that it stands on.
    pub(super) place: [f64; 2],
    /// Unit vector, x and z.
    pub(super) heading: [f64; 2],
    pub(super) travelled: f64,
    pub(super) speed: f64,
    /// What its looks follow from.
    pub(super) looks: u64,
}

/// Classes of the slots, again and again.
const CAST: [Class; 12] = {
    use Class::{Bicycle, Bus, Car, Person};
    [Person, Car, Person, Bicycle, Person, Bus, Person, Car, Person, Person, Bicycle, Person]
};

/// The traffic light, in seconds: cars may drive from 0, walkers may start from `WALK` until `LAST_START`.
const LIGHT: f64 = 24.0;
const RED: f64 = 13.0;
const WALK: f64 = 15.0;
const LAST_START: f64 = 17.0;

/// Adds the objects that are in the scene at a time in nanoseconds to `actors`.
pub(super) fn assemble(seed: u64, slots: usize, mode: CameraMode, time: u64, actors: &mut Vec<Actor>) {
    for slot in 0..slots {
        actors.extend(fill(seed, slot, slots, mode, time));
    }
}

fn fill(seed: u64, slot: usize, slots: usize, mode: CameraMode, time: u64) -> Option<Actor> {
    let class = CAST[slot % CAST.len()];
    let mut dice = Dice::new(&[seed, 0x5107, slot as u64]);
    let crosses = class == Class::Person && slot % 4 == 2;
    let near = dice.chance(0.55);
    // Long enough for the slowest on the longest way, which is longer where the camera looks around.
    let seconds = match class {
        Class::Person if crosses => 70.0,
        Class::Person if near => 26.0,
        Class::Person => 41.0,
        Class::Bicycle => 21.0,
        Class::Car => 19.0,
        Class::Bus => 27.0,
    };
    let seconds = if mode.widest() > 1.0 { seconds * 1.8 } else { seconds };
    let period = (seconds * dice.between(0.9, 1.1) * 1e9) as u64;
    let offset = (dice.unit() * period as f64) as u64;
    // In 128 bits, as the sum may be beyond 64.
    let since = u128::from(time) + u128::from(offset);
    let number = (since / u128::from(period)) as u64;
    let elapsed = (since % u128::from(period)) as u64;
    let mut dice = Dice::new(&[seed, 0x11FE, slot as u64, number]);
    let looks = dice.next();
    // When the object enters: what it does next depends on the light, which knows only the time.
    let entered = (time as f64 - elapsed as f64) / 1e9;
    let reach = |z: f64, margin: f64| z * libm::tan((29.5 + mode.widest()) * PI / 180.0) + margin;
    let route = match class {
        Class::Person if crosses => crossing(&mut dice, entered, reach),
        Class::Person => stroll(&mut dice, near, reach),
        Class::Bicycle => {
            let side = usize::from(dice.chance(0.5));
            let z = street::BICYCLES[side] + dice.between(-0.15, 0.15);
            let speed = dice.between(3.5, 6.0);
            drive(entered, reach(z, 1.5), z, side == 0, speed, 1.0 + dice.between(0.0, 0.8))
        }
        Class::Car | Class::Bus => {
            let lane = (slot / 2) % street::LANES.len();
            let half = if class == Class::Car { 2.2 } else { 5.5 };
            // Those that share a lane wait one behind the other.
            let queue = (slot / CAST.len()) as f64 * 12.5;
            let speed = if class == Class::Car { dice.between(6.5, 10.5) } else { dice.between(5.5, 8.0) };
            let z = street::LANES[lane];
            drive(entered, reach(z, half + 1.0), z, lane < 2, speed, half + 0.5 + queue)
        }
    };
    let spot = route.at(elapsed as f64 / 1e9)?;
    let id = number.checked_mul(slots as u64)?.checked_add(slot as u64 + 1).filter(|id| *id < 1 << 53)?;
    Some(Actor {
        id,
        class,
        place: spot.place,
        heading: spot.heading,
        travelled: spot.travelled,
        speed: spot.speed,
        looks,
    })
}

/// Along one sidewalk: straight on, with a stop, or back where one came from.
fn stroll(dice: &mut Dice, near: bool, reach: impl Fn(f64, f64) -> f64) -> Route {
    let z = if near { dice.between(12.4, 14.6) } else { dice.between(25.8, 29.0) };
    let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
    let edge = reach(z, 0.6);
    let speed = dice.between(if near { 1.05 } else { 1.3 }, 1.75);
    let kind = dice.unit();
    let middle = dice.between(-0.25, 0.25) * edge;
    if kind < 0.2 {
        let mut route = Route::along(&[[-side * edge, z], [middle, z], [-side * edge, z]]);
        let way = (middle + side * edge).abs();
        route.cruise(way, speed);
        route.wait(dice.between(0.5, 2.5));
        route.cruise(way, speed);
        return route;
    }
    // Slightly across, so that walkers meet in pictures but not on the ground.
    let mut route = Route::along(&[[-side * edge, z], [side * edge, z + dice.between(-0.4, 0.4)]]);
    if kind < 0.55 {
        let way = (middle + side * edge).abs();
        route.cruise(way, speed);
        route.wait(dice.between(1.0, 5.0));
        route.cruise(route.metres() - way, speed);
    } else {
        route.cruise(route.metres(), speed);
    }
    route
}

/// From one sidewalk to the other at the crossing, when the light allows.
fn crossing(dice: &mut Dice, entered: f64, reach: impl Fn(f64, f64) -> f64) -> Route {
    let near_first = dice.chance(0.5);
    let (near, far) = (dice.between(12.6, 14.2), dice.between(26.2, 28.6));
    let (from, to) = if near_first { (near, far) } else { (far, near) };
    let curb = if near_first { street::NEAR_CURB - 0.3 } else { street::FAR_CURB + 0.3 };
    let half = street::CROSSING_HALF - 0.4;
    let x = street::CROSSING + dice.between(-half, half);
    let mut side = || if dice.chance(0.5) { 1.0 } else { -1.0 };
    let (start, end) = (side() * reach(from, 0.6), side() * reach(to, 0.6));
    let mut route = Route::along(&[[start, from], [x, from], [x, to], [end, to]]);
    let speed = dice.between(1.2, 1.75);
    route.cruise((start - x).abs(), speed);
    route.cruise((curb - from).abs(), speed);
    let there = entered + route.seconds();
    let phase = there.rem_euclid(LIGHT);
    if !(WALK..LAST_START).contains(&phase) {
        route.wait((WALK - phase).rem_euclid(LIGHT) + dice.between(0.2, 1.5));
    }
    route.cruise((to - curb).abs(), speed.max(1.4));
    route.cruise((end - x).abs(), speed);
    route
}

/// Along a lane; at a red light it stops `before` metres before the crossing.
fn drive(entered: f64, reach: f64, z: f64, to_right: bool, speed: f64, before: f64) -> Route {
    const BRAKE: f64 = 2.6;
    const START: f64 = 1.9;
    let side = if to_right { 1.0 } else { -1.0 };
    let mut route = Route::along(&[[-side * reach, z], [side * reach, z]]);
    let line = reach + side * street::CROSSING - street::CROSSING_HALF - before;
    let braking = speed * speed / (2.0 * BRAKE);
    let phase = |time: f64| time.rem_euclid(LIGHT);
    let arrival = entered + line / speed;
    // It starts again behind those before it.
    let green = LIGHT + 0.4 + before * 0.15;
    if phase(arrival) < RED || line < braking {
        route.cruise(2.0 * reach, speed);
        return route;
    }
    route.cruise(line - braking, speed);
    route.change(braking, speed, 0.0);
    let stopped = phase(entered + route.seconds());
    route.wait(if stopped < RED { 0.3 } else { green - stopped });
    let starting = speed * speed / (2.0 * START);
    route.change(starting, 0.0, speed);
    route.cruise(2.0 * reach - line - starting, speed);
    route
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seed: u64, slots: usize, time: u64) -> Vec<Actor> {
        let mut actors = Vec::new();
        assemble(seed, slots, CameraMode::Fixed, time, &mut actors);
        actors
    }

    #[test]
    fn everybody_moves_steadily_under_one_id() {
        let step = SECOND / 25;
        let mut last = BTreeMap::<u64, Actor>::new();
        for frame in 0..25 * 120 {
            let now: BTreeMap<u64, Actor> = at(5, 24, frame * step).into_iter().map(|a| (a.id, a)).collect();
            for (id, actor) in &now {
                if let Some(before) = last.get(id) {
                    let (dx, dz) = (actor.place[0] - before.place[0], actor.place[1] - before.place[1]);
                    assert!(dx.hypot(dz) <= 11.0 / 25.0, "{before:?} {actor:?}");
                    assert_eq!((before.class, before.looks), (actor.class, actor.looks));
                }
            }
            last = now;
        }
    }

    #[test]
    fn nobody_vanishes_in_sight() {
        for (mode, seen) in [(CameraMode::Fixed, 29.0_f64), (CameraMode::Ptz, 46.0)] {
            let mut last = BTreeMap::<u64, Actor>::new();
            for half in 0..2000 {
                let mut actors = Vec::new();
                assemble(3, 24, mode, half * SECOND / 2, &mut actors);
                let now: BTreeMap<u64, Actor> = actors.into_iter().map(|a| (a.id, a)).collect();
                let gone = last.iter().filter(|(id, _)| !now.contains_key(id)).map(|(_, a)| a);
                let came = now.iter().filter(|(id, _)| half > 0 && !last.contains_key(id)).map(|(_, a)| a);
                for actor in gone.chain(came) {
                    let angle = actor.place[0].atan2(actor.place[1]).to_degrees().abs();
                    // In half a second a car goes 5 metres.
                    let moved = (actor.speed * 0.5).atan2(actor.place[1]).to_degrees();
                    assert!(angle + moved > seen, "{mode:?} {angle} {actor:?}");
                }
                last = now;
            }
        }
    }

    #[test]
    fn ids_come_once() {
        let mut times = BTreeMap::<u64, (u64, u64)>::new();
        for second in 0..600 {
            for actor in at(9, 12, second * SECOND) {
                let seen = times.entry(actor.id).or_insert((second, second));
                assert!(second - seen.1 <= 1, "{actor:?} came back");
                seen.1 = second;
            }
        }
        assert!(times.len() > 150, "{}", times.len());
    }

    #[test]
    fn nobody_is_in_an_empty_scene_and_the_end_of_time_is_no_trouble() {
        assert!(at(1, 0, SECOND).is_empty());
        for time in [0, 1, u64::MAX] {
            for seed in [0, 1, u64::MAX] {
                assert!(at(seed, 200, time).iter().all(|a| a.place.iter().all(|v| v.is_finite())));
            }
        }
    }

    #[test]
    fn a_cast_of_a_dozen_has_every_class() {
        let mut seen = [0; 4];
        for second in 0..60 {
            at(2, 12, second * SECOND).iter().for_each(|a| seen[a.class as usize] += 1);
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }
}
