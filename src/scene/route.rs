//! Ways through the scene: a line with corners, and a timetable of speeds.

/// A way that is walked or driven once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    corners: [[f64; 2]; 4],
    count: usize,
    stretches: [Stretch; 8],
    used: usize,
}

/// A stretch of constant acceleration.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    seconds: f64,
    /// Metres a second.
    from: f64,
    to: f64,
}

/// Where somebody is on a way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    /// X and z in metres.
    pub(super) place: [f64; 2],
    /// Unit vector, x and z.
    pub(super) heading: [f64; 2],
    /// Metres since the start.
    pub(super) travelled: f64,
    /// Metres a second.
    pub(super) speed: f64,
}

impl Route {
    /// A way along up to four corners.
    pub(super) fn along(corners: &[[f64; 2]]) -> Self {
        let count = corners.len().min(4);
        let mut route = Self { corners: [[0.0; 2]; 4], count, stretches: [Stretch::default(); 8], used: 0 };
        route.corners[..count].copy_from_slice(&corners[..count]);
        route
    }

    fn then(&mut self, seconds: f64, from: f64, to: f64) {
        if let Some(stretch) = self.stretches.get_mut(self.used) {
            *stretch = Stretch { seconds, from, to };
            self.used += 1;
        }
    }

    /// Goes on at one speed.
    pub(super) fn cruise(&mut self, metres: f64, speed: f64) {
        self.then(metres.max(0.0) / speed, speed, speed);
    }

    /// Slows down to a stop, or speeds up from one, in this many metres.
    pub(super) fn change(&mut self, metres: f64, from: f64, to: f64) {
        self.then(2.0 * metres / (from + to), from, to);
    }

    pub(super) fn wait(&mut self, seconds: f64) {
        self.then(seconds.max(0.0), 0.0, 0.0);
    }

    /// Seconds until the end.
    pub(super) fn seconds(&self) -> f64 {
        self.stretches[..self.used].iter().map(|s| s.seconds).sum()
    }

    /// Metres from the first corner to the last.
    pub(super) fn metres(&self) -> f64 {
        self.legs().map(|(_, _, length)| length).sum()
    }

    fn legs(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2], f64)> {
        self.corners[..self.count].windows(2).map(|pair| {
            let (dx, dz) = (pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]);
            (pair[0], pair[1], (dx * dx + dz * dz).sqrt())
        })
    }

    /// Where one is after so many seconds; `None` before the start and after the end.
    pub(super) fn at(&self, seconds: f64) -> Option<Spot> {
        if seconds < 0.0 {
            return None;
        }
        let (mut rest, mut travelled) = (seconds, 0.0);
        for s in &self.stretches[..self.used] {
            if rest < s.seconds {
                let gain = (s.to - s.from) / s.seconds;
                travelled += s.from * rest + 0.5 * gain * rest * rest;
                let (place, heading) = self.place(travelled)?;
                return Some(Spot { place, heading, travelled, speed: s.from + gain * rest });
            }
            rest -= s.seconds;
            travelled += 0.5 * (s.from + s.to) * s.seconds;
        }
        None
    }

    fn place(&self, travelled: f64) -> Option<([f64; 2], [f64; 2])> {
        let mut rest = travelled;
        let mut last = None;
        for (from, to, length) in self.legs().filter(|leg| leg.2 > 0.0) {
            let heading = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
            if rest <= length {
                return Some(([from[0] + heading[0] * rest, from[1] + heading[1] * rest], heading));
            }
            rest -= length;
            last = Some((to, heading));
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_on_the_way() {
        let mut route = Route::along(&[[0.0, 5.0], [10.0, 5.0]]);
        route.cruise(4.0, 2.0);
        route.change(1.0, 2.0, 0.0);
        route.wait(3.0);
        route.change(1.0, 0.0, 2.0);
        route.cruise(4.0, 2.0);
        assert_eq!(route.seconds(), 2.0 + 1.0 + 3.0 + 1.0 + 2.0);
        assert_eq!(route.at(1.0).unwrap().place, [2.0, 5.0]);
        let standing = route.at(5.0).unwrap();
        assert_eq!((standing.place, standing.speed, standing.travelled), ([5.0, 5.0], 0.0, 5.0));
        assert_eq!(route.at(8.0).unwrap().place, [8.0, 5.0]);
        assert_eq!((route.at(-0.1), route.at(9.0)), (None, None));
    }

    #[test]
    fn a_corner() {
        let mut route = Route::along(&[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]);
        assert_eq!(route.metres(), 7.0);
        route.cruise(7.0, 1.0);
        let spot = route.at(5.0).unwrap();
        assert_eq!((spot.place, spot.heading), ([3.0, 2.0], [0.0, 1.0]));
    }
}
