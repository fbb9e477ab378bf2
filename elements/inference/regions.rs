//! The objects on a buffer that a model may look at.

use super::RegionSource;
use super::settings::Regions;
use crate::cascade::Region;
use crate::detection::{Labels, Parent};
use crate::elements::layout::Layout;
use crate::geometry::BBox;
use crate::meta::{DetectionMeta, DetectionsRef, TrackMeta};
use crate::track::TrackState;

/// The objects of one frame that pass the filters. Keeps its memory.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) regions: Vec<Region>,
    /// What each is, for the results.
    pub(super) parents: Vec<Parent>,
    /// The names that the parents' models refer to.
    pub(super) models: Labels,
}

impl Objects {
    /// The part of the frame that is looked at for one of them.
    pub(super) fn padded(&self, index: usize, padding: f32) -> BBox {
        let b = &self.regions[index].bbox;
        let (x, y) = (b.width() * padding, b.height() * padding);
        let padded = BBox::new(b.x_min - x, b.y_min - y, b.x_max + x, b.y_max + y);
        padded.clipped().unwrap_or(padded)
    }

    /// Reads the objects on a buffer. What has no part of at least the least size inside the frame is none.
    pub(super) fn read(&mut self, buffer: &gst::BufferRef, layout: &Layout, settings: &Regions) {
        self.regions.clear();
        self.parents.clear();
        let (width, height) = (layout.info.width() as f32, layout.info.height() as f32);
        let wanted = |label: Option<&str>, class: i32, confidence: f32, bbox: &BBox| {
            let named = |entry: &String| label == Some(entry.as_str()) || entry.parse() == Ok(class);
            let large = bbox
                .clipped()
                .is_some_and(|b| (b.width() * width).min(b.height() * height) >= settings.min_size as f32);
            large
                && confidence >= settings.min_confidence
                && (settings.classes.is_empty() || settings.classes.iter().any(named))
        };
        if settings.source == RegionSource::Tracks {
            self.read_tracks(buffer, wanted);
        } else {
            self.read_detections(buffer, wanted);
        }
    }

    fn read_tracks(
        &mut self,
        buffer: &gst::BufferRef,
        wanted: impl Fn(Option<&str>, i32, f32, &BBox) -> bool,
    ) {
        let Some(tracks) = TrackMeta::get(buffer) else { return };
        for track in tracks.items() {
            let believed = matches!(track.state, TrackState::Confirmed | TrackState::Coasted);
            if believed && wanted(tracks.label(track.label), track.class_id, track.confidence, &track.bbox) {
                let visible = track.state == TrackState::Confirmed;
                let (bbox, confidence) = (track.bbox, track.confidence);
                self.regions.push(Region { track: track.id, bbox, confidence, visible });
                self.parents.push(Parent { track: track.id, age: 0, model: -1, item: -1 });
            }
        }
    }

    fn read_detections(
        &mut self,
        buffer: &gst::BufferRef,
        wanted: impl Fn(Option<&str>, i32, f32, &BBox) -> bool,
    ) {
        let models = || DetectionMeta::all(buffer).filter(DetectionsRef::are_objects);
        for (model, found) in models().enumerate() {
            for (item, object) in found.items().iter().enumerate() {
                if wanted(found.label(object.class_id), object.class_id, object.confidence, &object.bbox) {
                    let (bbox, confidence) = (object.bbox, object.confidence);
                    self.regions.push(Region { track: 0, bbox, confidence, visible: true });
                    let (model, item) = (model as i32, i32::try_from(item).unwrap_or(-1));
                    self.parents.push(Parent { track: 0, age: 0, model, item });
                }
            }
        }
        if !self.models.iter().eq(models().map(|found| found.model())) {
            self.models = models().map(|found| found.model()).collect();
        }
    }
}
