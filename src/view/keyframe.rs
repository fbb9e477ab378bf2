//! What a view is known again by.

use super::contrast::Evener;
use super::corners::Corners;
use super::features::{Feature, describe};
use super::luma::Pyramid;
use crate::geometry::BBox;
use crate::image::Frame;

/// A view at one moment: its luma at about 340 pixels with light and shade taken away, its corners, and, once it is
/// described, up to a thousand features by which it is known again from elsewhere. About 0.5 MB.
#[derive(Clone, Debug, Default)]
pub struct Keyframe {
    pub(super) pyramid: Pyramid,
    /// In pixels of level 0.
    pub(super) corners: Vec<[f32; 2]>,
    pub(super) features: Vec<Feature>,
    masks: Vec<BBox>,
    evener: Evener,
}

impl Keyframe {
    /// A described keyframe of one picture, of any size; nothing is taken of what the masks cover. A picture without
    /// texture gives one that no view is known by.
    pub fn new(frame: &Frame<'_>, masks: &[BBox]) -> Self {
        let (mut pyramid, mut found) = (Pyramid::default(), Vec::new());
        pyramid.fill(frame);
        Corners::default().find_fine(&pyramid, masks, &mut found);
        let mut keyframe = Self::default();
        keyframe.fill(&pyramid, &found, masks);
        keyframe.describe();
        keyframe
    }

    /// Takes over a frame, undescribed.
    pub(super) fn fill(&mut self, pyramid: &Pyramid, corners: &[[f32; 2]], masks: &[BBox]) {
        self.evener.even(&pyramid.levels[0], &mut self.pyramid.levels[0]);
        (self.pyramid.factor, self.pyramid.size) = (pyramid.factor, pyramid.size);
        self.pyramid.halve_down();
        self.corners.clear();
        self.corners.extend_from_slice(corners);
        self.masks.clear();
        self.masks.extend_from_slice(masks);
        self.features.clear();
    }

    /// Finds the features, without which a view is known again only near where it is looked for. Takes some ten times as
    /// long as the rest, once.
    pub fn describe(&mut self) {
        if !self.features.is_empty() {
            return;
        }
        describe(&self.pyramid.levels[0], &self.masks, &mut self.features);
    }
}
