//! What pixels and telemetry say together.

use super::telemetry::{Apart, Camera, Ptz, Reading};
use super::{Estimate, Evidence, MotionSource};
use crate::homography::{IDENTITY, apply};

/// What the camera itself says of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Telling {
    /// Nobody asks it.
    #[default]
    Unasked,
    /// It has said nothing of this time.
    Silent,
    /// Where it looks.
    Told(Reading),
}

/// What is taken to have happened between two frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Happening {
    /// Nobody can tell.
    Untold,
    /// It is another picture.
    Cut,
    /// Nothing speaks for a change.
    Unclear,
    /// The camera moves, nobody knows how.
    Wanders,
    /// The way to the previous frame.
    Known([f64; 9]),
}

/// The same with who says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sense {
    pub(super) happening: Happening,
    /// In \[0, 1\].
    pub(super) confidence: f32,
    pub(super) source: MotionSource,
    /// Whether pixels and telemetry contradict each other.
    pub(super) disagrees: bool,
}

/// How far the picture's centre, in units of the frame, and the zoom may be apart by the two accounts of the last second.
/// Telemetry that lags by a tenth of a second stays below it at half a picture a second.
const MOST_APART: f64 = 0.05;
/// Seconds after which a difference is forgotten.
const FORGET: f64 = 1.0;
/// Confidence at which pixels outweigh telemetry.
const SURE: f32 = 0.5;
/// Degrees between two frames beyond which a new picture is a jump of the camera rather than another picture.
const JUMP: f64 = 5.0;

/// Joins the two accounts, frame by frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fusion {
    /// Where the camera last said that it looks.
    ptz: Option<Ptz>,
    /// Whether it has been silent since.
    silent: bool,
    /// Pixels less telemetry of the last second: across, down, and the logarithm of the zoom.
    apart: [f64; 3],
}

/// Where a motion takes the picture's centre, and how it zooms.
fn course(h: &[f64; 9]) -> [f64; 3] {
    let ([x, y], [u, v]) = (apply(h, [0.5, 0.5]), apply(h, [0.51, 0.5]));
    [x - 0.5, y - 0.5, ((u - x).hypot(v - y) / 0.01).max(1e-9).ln()]
}

impl Fusion {
    /// Where the camera looks on the last frame, by its own account.
    pub(super) fn ptz(&self) -> Option<Ptz> {
        self.ptz.filter(|_| !self.silent)
    }

    /// Takes over the next frame, `dt` seconds after the last.
    pub(super) fn sense(
        &mut self,
        pixels: Option<&Estimate>,
        telling: Telling,
        camera: &Camera,
        dt: f64,
    ) -> Sense {
        let Telling::Told(Reading { ptz, confidence }) = telling else {
            (self.silent, self.apart) = (true, [0.0; 3]);
            return seen(pixels);
        };
        let was_silent = std::mem::take(&mut self.silent);
        let Some(before) = self.ptz.replace(ptz) else { return seen(pixels) };
        let told = Step {
            way: camera.way(&ptz, &before),
            confidence,
            apart: before.apart(&ptz),
            has_view: camera.field_of_view > 0.0,
        };
        if was_silent {
            // The pose before is not the previous frame's.
            let alone = told.alone();
            return if alone.happening == Happening::Wanders { alone } else { seen(pixels) };
        }
        match pixels {
            Some(Estimate {
                evidence: Evidence::Still | Evidence::Moves, to_previous, confidence, ..
            }) => self.both(to_previous.unwrap_or(IDENTITY), *confidence, &told, dt),
            Some(pixels) if pixels.evidence == Evidence::Cut && told.apart.angle < JUMP => seen(Some(pixels)),
            _ => told.alone(),
        }
    }

    fn both(&mut self, seen: [f64; 9], confidence: f32, told: &Step, dt: f64) -> Sense {
        let sense = |way, confidence, source, disagrees| Sense {
            happening: Happening::Known(way),
            confidence,
            source,
            disagrees,
        };
        let Some(way) = told.way.filter(|_| told.has_view) else {
            return sense(seen, confidence, MotionSource::Inferred, false);
        };
        let keep = (-dt / FORGET).exp();
        for ((apart, seen), told) in self.apart.iter_mut().zip(course(&seen)).zip(course(&way)) {
            *apart = *apart * keep + seen - told;
        }
        let disagrees = self.apart.iter().any(|apart| apart.abs() > MOST_APART);
        let both = 1.0 - (1.0 - confidence) * (1.0 - told.confidence);
        match (disagrees, confidence >= SURE) {
            (false, _) => sense(seen, both, MotionSource::Inferred, false),
            (true, true) => sense(seen, 0.5 * confidence, MotionSource::Inferred, true),
            (true, false) => sense(way, 0.5 * told.confidence, MotionSource::Telemetry, true),
        }
    }
}

/// What the camera says of the step between two frames.
struct Step {
    way: Option<[f64; 9]>,
    confidence: f32,
    apart: Apart,
    /// Whether the field of view is known.
    has_view: bool,
}

impl Step {
    fn alone(&self) -> Sense {
        let happening = match self.way {
            Some(way) => Happening::Known(way),
            None if self.apart.is_none() => Happening::Known(IDENTITY),
            None => Happening::Wanders,
        };
        let source = MotionSource::Telemetry;
        Sense { happening, confidence: self.confidence, source, disagrees: false }
    }
}

/// What the pixels say alone.
fn seen(pixels: Option<&Estimate>) -> Sense {
    let (happening, confidence) = match pixels {
        None => (Happening::Untold, 0.0),
        Some(Estimate { evidence, to_previous, confidence, .. }) => match evidence {
            Evidence::First | Evidence::Blind => (Happening::Untold, 0.0),
            Evidence::Cut => (Happening::Cut, 0.0),
            Evidence::Unclear => (Happening::Unclear, 0.0),
            Evidence::Still | Evidence::Moves => {
                (Happening::Known(to_previous.unwrap_or(IDENTITY)), *confidence)
            }
        },
    };
    let source = if pixels.is_some() { MotionSource::Inferred } else { MotionSource::None };
    Sense { happening, confidence, source, disagrees: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: Camera = Camera { field_of_view: 60.0, aspect: 16.0 / 9.0 };

    fn told(pan: f64) -> Telling {
        Telling::Told(Reading { ptz: Ptz { pan, ..Ptz::default() }, confidence: 0.8 })
    }

    fn pixels(evidence: Evidence, shift: f64) -> Estimate {
        let to_previous = Some([1.0, 0.0, shift, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        Estimate { evidence, to_previous, confidence: 0.9 }
    }

    /// What is sensed of the second of two frames, the camera turned by so many degrees in between.
    fn sense(seen: Option<Estimate>, turned: f64, camera: &Camera) -> Sense {
        let mut fusion = Fusion::default();
        fusion.sense(seen.as_ref(), told(0.0), camera, 0.04);
        fusion.sense(seen.as_ref(), told(turned), camera, 0.04)
    }

    #[test]
    fn pixels_rule_where_both_agree_and_confidence_grows() {
        // One degree of pan is (tan 1°) / (2 tan 30°) of the picture.
        let shift = 1.0_f64.to_radians().tan() / (2.0 * 30.0_f64.to_radians().tan());
        let sensed = sense(Some(pixels(Evidence::Moves, shift)), 1.0, &CAMERA);
        assert_eq!(sensed.source, MotionSource::Inferred);
        assert!(!sensed.disagrees && (sensed.confidence - 0.98).abs() < 1e-6, "{sensed:?}");
        assert_eq!(sensed.happening, Happening::Known(pixels(Evidence::Moves, shift).to_previous.unwrap()));
    }

    #[test]
    fn a_contradiction_halves_the_confidence() {
        let still = Estimate { to_previous: Some(IDENTITY), ..pixels(Evidence::Still, 0.0) };
        let sensed = sense(Some(still), 4.0, &CAMERA);
        assert!(sensed.disagrees && sensed.source == MotionSource::Inferred);
        assert!((sensed.confidence - 0.45).abs() < 1e-6);
        let sensed = sense(Some(Estimate { confidence: 0.3, ..still }), 4.0, &CAMERA);
        assert!(sensed.disagrees && sensed.source == MotionSource::Telemetry);
    }

    #[test]
    fn telemetry_goes_on_where_the_pixels_cannot() {
        for evidence in [Evidence::Blind, Evidence::Unclear, Evidence::First] {
            let sensed = sense(Some(pixels(evidence, 0.0)), 1.0, &CAMERA);
            assert_eq!(sensed.source, MotionSource::Telemetry);
            assert!(matches!(sensed.happening, Happening::Known(h) if h != IDENTITY), "{evidence:?}");
        }
        let cut = pixels(Evidence::Cut, 0.0);
        assert_eq!(sense(Some(cut), 0.1, &CAMERA).happening, Happening::Cut);
        assert!(matches!(sense(Some(cut), 20.0, &CAMERA).happening, Happening::Known(_)));
        assert_eq!(sense(Some(cut), 170.0, &CAMERA).happening, Happening::Wanders);
    }

    #[test]
    fn without_a_field_of_view_moves_are_known_and_ways_are_not() {
        let blind = Camera { field_of_view: 0.0, ..CAMERA };
        assert_eq!(sense(None, 1.0, &blind).happening, Happening::Wanders);
        assert_eq!(sense(None, 0.01, &blind).happening, Happening::Known(IDENTITY));
    }
}
