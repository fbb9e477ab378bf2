//! Whether what was drawn on one view (zones, lines, calibration, trails) holds on another.

use std::sync::Arc;

use super::{Validity, View};
use crate::homography::inverse;

/// What of a view decides whether something drawn on a view holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sight<'a> {
    /// Number of discontinuities so far.
    pub epoch: u64,
    /// The camera's preset, when it rests on one.
    pub preset: Option<&'a str>,
    /// Row-major homography from this frame's normalised points to those of the reference frame: the preset's where there
    /// is one, else the epoch's.
    pub to_reference: Option<[f32; 9]>,
    /// Whether what was drawn on the view holds.
    pub validity: Validity,
}

impl View {
    /// What decides whether something drawn on a view holds on this one.
    pub fn sight(&self) -> Sight<'_> {
        Sight {
            epoch: self.epoch,
            preset: self.preset.as_deref(),
            to_reference: self.to_reference,
            validity: self.validity,
        }
    }
}

/// How something that is bound to a view stands on a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It holds; the homography leads from the points it was drawn at to this frame's.
    Current([f64; 9]),
    /// It is the same view, but nobody can tell for sure where it lies on this frame. The homography is the best guess.
    Stale(Option<[f64; 9]>),
    /// The camera looks elsewhere.
    Invalid,
}

/// What something is bound to: a preset that comes back, or an epoch that does not. What was drawn in an epoch is bound to
/// its preset as soon as the epoch turns out to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The epoch with this number.
    Epoch(u64),
    /// The preset of this name.
    Preset(Arc<str>),
}

impl Binding {
    /// To the view that is seen now.
    pub fn to(sight: &Sight<'_>) -> Self {
        sight.preset.map_or(Self::Epoch(sight.epoch), |preset| Self::Preset(preset.into()))
    }

    /// How what is bound stands on a frame. Frames come in order, each once.
    pub fn follow(&mut self, sight: &Sight<'_>) -> Standing {
        let here = match self {
            Self::Epoch(epoch) => *epoch == sight.epoch,
            Self::Preset(preset) => sight.preset == Some(preset),
        };
        if !here {
            return Standing::Invalid;
        }
        if matches!(self, Self::Epoch(_)) && sight.preset.is_some() {
            *self = Self::to(sight);
        }
        let way = sight.to_reference.and_then(|h| inverse(&h.map(f64::from)));
        match way {
            Some(way) if sight.validity == Validity::Valid => Standing::Current(way),
            way => Standing::Stale(way),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homography::apply;

    fn sight(epoch: u64, preset: Option<&str>) -> Sight<'_> {
        let to_reference = Some([1.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        Sight { epoch, preset, to_reference, validity: Validity::Valid }
    }

    #[test]
    fn it_moves_with_the_view_and_goes_stale_where_nobody_can_tell() {
        let mut binding = Binding::to(&sight(4, None));
        let Standing::Current(way) = binding.follow(&sight(4, None)) else { panic!("it is the same view") };
        let [x, y] = apply(&way, [0.5, 0.5]);
        assert!((x - 0.4).abs() < 1e-6 && (y - 0.5).abs() < 1e-6, "{x} {y}");
        let unsure = Sight { validity: Validity::Degraded, ..sight(4, None) };
        assert!(matches!(binding.follow(&unsure), Standing::Stale(Some(_))));
        let lost = Sight { to_reference: None, ..sight(4, None) };
        assert_eq!(binding.follow(&lost), Standing::Stale(None));
        assert_eq!(binding.follow(&sight(5, None)), Standing::Invalid);
    }

    #[test]
    fn a_preset_comes_back() {
        let mut binding = Binding::to(&sight(0, None));
        assert_eq!(binding, Binding::Epoch(0));
        // The view is learned a while after the zone was drawn on it.
        assert!(matches!(binding.follow(&sight(0, Some("door"))), Standing::Current(_)));
        assert_eq!(binding.follow(&sight(1, None)), Standing::Invalid);
        assert_eq!(binding.follow(&sight(2, Some("yard"))), Standing::Invalid);
        assert!(matches!(binding.follow(&sight(3, Some("door"))), Standing::Current(_)));
    }
}
