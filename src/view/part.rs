//! A pose of which not all need be told: cameras report a zoom without a turn, and heads without a lens never a zoom.

use super::telemetry::{Ptz, Refusal};

/// What is told of a pose, in the units of [`Ptz`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PtzPart {
    /// Degrees to the right.
    pub pan: Option<f64>,
    /// Degrees upwards.
    pub tilt: Option<f64>,
    /// How many times as large as with the lens at its widest.
    pub zoom: Option<f64>,
}

impl From<Ptz> for PtzPart {
    fn from(Ptz { pan, tilt, zoom }: Ptz) -> Self {
        Self { pan: Some(pan), tilt: Some(tilt), zoom: Some(zoom) }
    }
}

impl PtzPart {
    /// # Errors
    /// A number is none that a camera can tell.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let Self { pan, tilt, zoom } = *self;
        if ![pan, tilt, zoom].into_iter().flatten().all(f64::is_finite) {
            return Err(Refusal::NotFinite);
        }
        let good = pan.is_none_or(|pan| pan.abs() <= 3600.0)
            && tilt.is_none_or(|tilt| tilt.abs() <= 90.0)
            && zoom.is_none_or(|zoom| (1e-3..=1e4).contains(&zoom));
        if good { Ok(()) } else { Err(Refusal::OutOfRange) }
    }
}

/// What was told of each axis last, for what is left out next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Axes {
    pan: Option<(u64, f64)>,
    tilt: Option<(u64, f64)>,
    zoom: Option<(u64, f64)>,
}

impl Axes {
    /// Takes over what is told, and returns the pose that it makes with what was told before. `None` while nothing is known
    /// of pan or tilt. A zoom that was never told is that of a camera without one: 1.
    pub(super) fn complete(&mut self, time: u64, part: &PtzPart) -> Option<Ptz> {
        let axis = |last: &mut Option<(u64, f64)>, told: Option<f64>| {
            let Some(value) = told else { return last.map(|(_, value)| value) };
            // What comes late is no news.
            if last.is_none_or(|(then, _)| then <= time) {
                *last = Some((time, value));
            }
            Some(value)
        };
        let (pan, tilt) = (axis(&mut self.pan, part.pan), axis(&mut self.tilt, part.tilt));
        let zoom = axis(&mut self.zoom, part.zoom).unwrap_or(1.0);
        Some(Ptz { pan: pan?, tilt: tilt?, zoom })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_what_was_told_last() {
        let mut axes = Axes::default();
        let zoom = PtzPart { zoom: Some(3.0), ..PtzPart::default() };
        assert_eq!(axes.complete(5, &zoom), None);
        let pan = PtzPart { pan: Some(10.0), ..PtzPart::default() };
        assert_eq!(axes.complete(6, &pan), None);
        let tilt = PtzPart { tilt: Some(-2.0), ..PtzPart::default() };
        assert_eq!(axes.complete(7, &tilt), Some(Ptz { pan: 10.0, tilt: -2.0, zoom: 3.0 }));
        let late = Ptz { pan: 1.0, tilt: 1.0, zoom: 1.0 };
        assert_eq!(axes.complete(4, &late.into()), Some(late));
        assert_eq!(axes.complete(8, &zoom), Some(Ptz { pan: 10.0, tilt: -2.0, zoom: 3.0 }));
        let mut fixed = Axes::default();
        let head = PtzPart { pan: Some(4.0), tilt: Some(5.0), zoom: None };
        assert_eq!(fixed.complete(0, &head).map(|ptz| ptz.zoom), Some(1.0));
    }
}
