//! Motion without a model: where the picture differs from what usually is there.
//!
//! A [`Detector`] keeps a background of about 320 by 180 pixels of luma: for each pixel its usual value and how far it
//! usually is from it, both as running means (after the running Gaussian average of Wren et al., "Pfinder: Real-Time Tracking of
//! the Human Body", PAMI 1997, with absolute deviations). A pixel changes when it is further off than its own noise, the
//! picture's noise, a threshold and what a misplaced edge would explain. What stays as it is for a while, such as a car that
//! has parked or the place that it has left, becomes background, whatever its colour.
//!
//! - Light: the gain and the offset that lead the background to this frame are fitted over the whole picture, and a region
//!   that shows the same texture as the background under another light is none.
//! - Noise: its measure is taken from each frame, and a region has to be there on two frames in a row.
//! - The camera: the background belongs to a view. While that moves, each frame is laid over it by the view's homography.

mod background;
mod ignore;
mod light;
mod regions;
#[cfg(test)]
mod tests;
mod warp;

use std::sync::Arc;

use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply_box, compose, inverse};
use crate::image::Frame;
use crate::luma::Luma;
use crate::rules::Point;

pub use ignore::polygons;

use background::{Background, Step};
use ignore::Ignored;
use light::Light;
use regions::{Finder, Picture};
use warp::Grid;

/// The longer side that pictures are brought near to.
const SIDE: f64 = 320.0;
/// The picture is another one when more than this part of it has changed where less than [`FEW`] had on the frame before, or
/// about half of it and the rest is not like it, by correlation, either.
const MOST: f64 = 0.8;
const HALF: f64 = 0.4;
const ALIKE: f32 = 0.4;
const FEW: f64 = 0.3;
/// The background is led along when less than this part of it is in sight.
const LEAST_SIGHT: f64 = 0.7;
/// Or when the camera has stood at another place than the background's for so many frames.
const RESTED: u32 = 10;
/// Ways that move no point by more than this part of a pixel move none.
const STILL: f64 = 0.05;
/// How far edges may be off, in pixels of the small picture: while the camera rests, and when the frame is laid over it.
const SLACK: f32 = 0.15;
const MOVED_SLACK: f32 = 0.35;
/// A frame further than this from the one before has none before.
const GAP: f64 = 0.3;

/// By what rules motion is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The least difference from the background, in luma of 0 to 255.
    pub threshold: f32,
    /// What stays as it is for so many seconds becomes background.
    pub settle: f64,
    /// Time constant in seconds with which the background follows slow changes.
    pub adapt: f64,
    /// The least part of the picture that changes in a region.
    pub min_size: f32,
    /// The most regions, the largest first.
    pub max_regions: usize,
    /// Polygons in units of the frame in which nothing is seen: a clock in the picture, a busy road.
    pub ignore: Arc<[Vec<Point>]>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            threshold: 12.0,
            settle: 3.0,
            adapt: 10.0,
            min_size: 0.0004,
            max_regions: 50,
            ignore: Arc::default(),
        }
    }
}

/// Where the camera looks on a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Camera {
    /// Nobody says anything else than that it stands still.
    #[default]
    Fixed,
    /// Within a stretch of connected views.
    At {
        /// Its number.
        epoch: u64,
        /// Row-major homography from this frame's normalised points to those of the stretch's reference.
        to_reference: [f64; 9],
    },
    /// It moves, and nobody can say how.
    Lost,
}

/// A place where something moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Region {
    /// Where, in units of the frame.
    pub bbox: BBox,
    /// How far it stands out, in \[0.5, 1): the mean difference over itself plus the threshold that counted.
    pub confidence: f32,
    /// The part of the picture that changes in it, in \[0, 1\].
    pub size: f32,
}

/// What moves on a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Motion {
    /// The part of the picture that changes in the regions, in \[0, 1\]; `None` when that cannot be told, as there is nothing to
    /// compare with.
    pub level: Option<f32>,
    /// Where, by falling confidence.
    pub regions: Vec<Region>,
}

/// Where the background lies.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    epoch: Option<u64>,
    /// From the reference to the background's normalised points.
    from_reference: [f64; 9],
    /// The last way from the frame, and on how many frames it has been that.
    last: [f64; 9],
    rested: u32,
}

/// Tells motion frame by frame. Its memory is made with the first frame of a size.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    current: Luma,
    over: Luma,
    sums: Vec<u16>,
    ignored: Ignored,
    background: Background,
    light: Light,
    finder: Finder,
    anchor: Option<Anchor>,
    /// When the last frame was, in nanoseconds, and the part of it that had changed.
    time: u64,
    changed: f64,
    motion: Motion,
}

impl Detector {
    /// Forgets the background and the noise: the next frame begins them anew.
    pub fn restart(&mut self) {
        self.anchor = None;
        self.light.forget();
    }

    /// What moves on a frame of a time in nanoseconds.
    pub fn look(
        &mut self,
        frame: &Frame<'_>,
        time: u64,
        camera: &Camera,
        parameters: &Parameters,
    ) -> &Motion {
        let former = (self.current.width, self.current.height);
        let factor = self.current.fill(frame, SIDE, &mut self.sums);
        let grid = Grid::new(frame.width(), frame.height(), factor);
        self.ignored.blot(&mut self.current, &grid, &parameters.ignore);
        if former != (self.current.width, self.current.height) || time < self.time {
            self.restart();
        }
        let elapsed = time.saturating_sub(self.time) as f64 / 1e9;
        self.time = time;
        self.motion.level = None;
        self.motion.regions.clear();
        let Some(way) = self.way(camera, &grid) else { return &self.motion };
        self.compare(&way, &grid, elapsed, parameters);
        &self.motion
    }

    /// How this frame's points lie on the background, which this frame begins where there is none for it; `None` when nothing
    /// is to be compared.
    fn way(&mut self, camera: &Camera, grid: &Grid) -> Option<[f64; 9]> {
        let (epoch, to_reference) = match camera {
            Camera::Lost => return None,
            Camera::Fixed => (None, IDENTITY),
            Camera::At { epoch, to_reference } => (Some(*epoch), *to_reference),
        };
        let anchor = self.anchor.as_mut().filter(|anchor| anchor.epoch == epoch);
        let Some(anchor) = anchor else {
            self.begin(epoch, &to_reference);
            return None;
        };
        let way = compose(&anchor.from_reference, &to_reference);
        anchor.rested = if grid.shift(&way, &anchor.last) < STILL { anchor.rested + 1 } else { 0 };
        anchor.last = way;
        if grid.shift(&way, &IDENTITY) < STILL {
            return Some(IDENTITY);
        }
        let back = inverse(&way)?;
        if anchor.rested < RESTED && grid.sight(&back) >= LEAST_SIGHT {
            return Some(way);
        }
        let from_reference = inverse(&to_reference)?;
        (anchor.from_reference, anchor.last) = (from_reference, IDENTITY);
        self.background.turn(&grid.pixels(&back));
        self.finder.restart();
        Some(IDENTITY)
    }

    fn begin(&mut self, epoch: Option<u64>, to_reference: &[f64; 9]) {
        self.background.begin(&self.current);
        self.finder.restart();
        self.changed = 0.0;
        let from_reference = inverse(to_reference);
        self.anchor =
            from_reference.map(|from_reference| Anchor { epoch, from_reference, last: IDENTITY, rested: 0 });
    }

    fn compare(&mut self, way: &[f64; 9], grid: &Grid, elapsed: f64, parameters: &Parameters) {
        let moved = *way != IDENTITY;
        let back = inverse(way).unwrap_or(IDENTITY);
        let picture = if moved {
            warp::lay(&self.current, &mut self.over, &grid.pixels(&back));
            &self.over
        } else {
            &self.current
        };
        self.light.fit(picture, &self.background, elapsed as f32);
        let step = Step {
            light: &self.light,
            threshold: parameters.threshold,
            slack: if moved { MOVED_SLACK } else { SLACK },
            elapsed: elapsed as f32,
            adapt: parameters.adapt as f32,
            settle: parameters.settle as f32,
        };
        let seen = self.background.compare(picture, &step);
        let changed = f64::from(seen.changed) / f64::from(seen.known.max(1));
        let before = std::mem::replace(&mut self.changed, changed);
        let other = changed > MOST || (changed > HALF && self.light.correlation() < ALIKE);
        if other && before < FEW {
            // A cut, or the lamps went out. What moves now will show against it.
            return self.restart_here();
        }
        let picture = Picture {
            current: picture,
            background: &self.background,
            limit: step.limit(),
            least: (parameters.min_size * seen.known as f32).max(1.0),
            alone: elapsed > GAP,
        };
        let found = self.finder.find(&picture);
        let all = seen.known.max(1) as f32;
        self.motion.level = Some(found.iter().map(|region| region.pixels).sum::<f32>() / all + 0.0);
        let place = |region: &regions::Found| {
            let bbox = apply_box(&back, &grid.units(region.bounds))?.clipped()?;
            Some(Region { bbox, confidence: region.confidence, size: region.pixels / all })
        };
        self.motion.regions.extend(found.iter().take(parameters.max_regions).filter_map(place));
        self.motion.regions.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    }

    /// Makes this frame, as the camera sees it, the background.
    fn restart_here(&mut self) {
        let anchor = self.anchor.take();
        let Some(anchor) = anchor else { return };
        let to_reference = inverse(&anchor.from_reference).map(|home| compose(&home, &anchor.last));
        self.begin(anchor.epoch, &to_reference.unwrap_or(IDENTITY));
    }
}
