//! What there is to show on one frame.

use std::ops::Range;

use crate::detection::{DetailsRef, Detection, Keypoint, Quad};
use crate::geometry::BBox;
use crate::track::{Continuity, Track, TrackState};

use super::bearings::{Bearings, Noted};
use super::style::{ShowDetections, Style};
use super::zones::Plan;

/// Whether an object was detected or tracked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// A detection.
    Detection,
    /// A track.
    Track {
        /// Its id.
        id: u64,
        /// Where it stands.
        state: TrackState,
        /// Whether it goes on from where it was.
        continuity: Continuity,
        /// How fast it is.
        pace: Pace,
    },
}

/// How fast a track is, in the best unit that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// It keeps its place.
    Still,
    /// In metres a second.
    Ground(f32),
    /// In units of the frame a second.
    Picture(f32),
}

impl Pace {
    fn of(track: &Track) -> Self {
        let [x, y] = track.velocity;
        match track.motion {
            motion if motion.is_stationary() => Self::Still,
            motion if motion.ground_speed.is_finite() => Self::Ground(motion.ground_speed),
            _ => Self::Picture(x.hypot(y)),
        }
    }
}

/// One object of a scene.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) source: Source,
    pub(super) bbox: BBox,
    pub(super) confidence: f32,
    pub(super) class_id: i32,
    name: Option<Range<usize>>,
    /// What other models say of it.
    note: Option<Range<usize>>,
    /// It is not upright: its corners are drawn instead of its box.
    pub(super) turned: bool,
    /// It was found inside another object, and no tracker stands for it.
    nested: bool,
}

/// What is known of a detection beyond its box.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) bbox: BBox,
    pub(super) class_id: i32,
    pub(super) quad: Option<Quad>,
    points: Range<usize>,
    mask: Option<(usize, usize, Range<usize>)>,
}

/// Whom another model speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// The track of this id.
    Track(u64),
    /// The detection whose box this is.
    Detection(BBox),
}

/// The objects of one frame. Fill it, let a [`Painter`](super::Painter) draw it, [`clear`](Self::clear) it
/// and fill it again: it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    time: Option<u64>,
    run: String,
    tracked: bool,
    objects: Vec<Object>,
    names: String,
    shapes: Vec<Shape>,
    points: Vec<Keypoint>,
    cells: Vec<u8>,
    view: Noted,
    plan: Plan,
}

impl Scene {
    /// Removes everything; `time` is the next frame's running time in nanoseconds. Without a time the frame
    /// adds nothing to the trails.
    pub fn clear(&mut self, time: Option<u64>) {
        self.time = time;
        self.run.clear();
        self.tracked = false;
        self.objects.clear();
        self.names.clear();
        self.shapes.clear();
        self.points.clear();
        self.cells.clear();
        self.plan.clear();
        self.view.clear();
    }

    /// Says where the camera looks.
    pub fn set_view(&mut self, view: &Bearings<'_>) {
        self.view.set(view);
    }

    /// Where the camera looks; without text nobody knows.
    pub(super) fn view(&self) -> &Noted {
        &self.view
    }

    /// Says that a tracker looked at the frame, in the run of the given id. A new run begins new trails.
    pub fn set_run(&mut self, run: &str) {
        self.tracked = true;
        self.run.clear();
        self.run.push_str(run);
    }

    /// Adds a track and the name of its class.
    pub fn push_track(&mut self, track: &Track, name: Option<&str>) {
        self.tracked = true;
        let name = self.keep(name);
        self.objects.push(Object {
            source: Source::Track {
                id: track.id,
                state: track.state,
                continuity: track.continuity,
                pace: Pace::of(track),
            },
            bbox: track.bbox,
            confidence: track.confidence,
            class_id: track.class_id,
            name,
            note: None,
            turned: false,
            nested: false,
        });
    }

    /// Adds a detection and the name of its class.
    pub fn push_detection(&mut self, detection: &Detection, name: Option<&str>) {
        self.push_found(detection, name, false, false);
    }

    /// Adds a detection, the `index`th of those that `details` speak of, and the name of its class. One that was
    /// found inside another object (`nested`) is shown beside tracks too.
    pub fn push_detailed(
        &mut self,
        detection: &Detection,
        name: Option<&str>,
        nested: bool,
        details: DetailsRef<'_>,
        index: usize,
    ) {
        let quad = details.quads.get(index).copied();
        self.push_found(detection, name, quad.is_some(), nested);
        let (points, mask) = (details.keypoints.row(index), details.masks.get(index));
        if quad.is_none() && points.is_empty() && mask.is_none() {
            return;
        }
        let (first_point, first_cell) = (self.points.len(), self.cells.len());
        self.points.extend_from_slice(points);
        let mask = mask.map(|(width, height, cells)| {
            self.cells.extend_from_slice(cells);
            (width, height, first_cell..self.cells.len())
        });
        let points = first_point..self.points.len();
        self.shapes.push(Shape { bbox: detection.bbox, class_id: detection.class_id, quad, points, mask });
    }

    fn push_found(&mut self, detection: &Detection, name: Option<&str>, turned: bool, nested: bool) {
        let name = self.keep(name);
        self.objects.push(Object {
            source: Source::Detection,
            bbox: detection.bbox,
            confidence: detection.confidence,
            class_id: detection.class_id,
            name,
            note: None,
            turned,
            nested,
        });
    }

    /// Adds what another model says of an object that is here already. False when it is not.
    pub fn push_note(&mut self, subject: Subject, text: &str) -> bool {
        let is_it = |object: &&mut Object| match (subject, object.source) {
            (Subject::Track(id), Source::Track { id: own, .. }) => id == own,
            (Subject::Detection(bbox), Source::Detection) => object.bbox == bbox,
            _ => false,
        };
        let Some(object) = self.objects.iter_mut().find(is_it) else { return false };
        let start = self.names.len();
        if let Some(former) = object.note.clone() {
            self.names.extend_from_within(former);
            self.names.push_str(", ");
        }
        self.names.push_str(text);
        object.note = Some(start..self.names.len());
        true
    }

    /// The zones, lines and events to be filled in.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The zones, lines and events.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is known of detections beyond their boxes.
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    pub(super) fn points_of(&self, shape: &Shape) -> &[Keypoint] {
        &self.points[shape.points.clone()]
    }

    /// Columns, rows and cells of a mask.
    pub(super) fn mask_of(&self, shape: &Shape) -> Option<(usize, usize, &[u8])> {
        let (width, height, cells) = shape.mask.clone()?;
        Some((width, height, &self.cells[cells]))
    }

    /// What other models say of an object.
    pub(super) fn note(&self, object: &Object) -> Option<&str> {
        object.note.clone().map(|range| &self.names[range])
    }

    fn keep(&mut self, name: Option<&str>) -> Option<Range<usize>> {
        let start = self.names.len();
        self.names.push_str(name?);
        Some(start..self.names.len())
    }

    /// How many objects there are, shown or not.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True when there are no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The frame's running time in nanoseconds.
    pub(super) fn time(&self) -> Option<u64> {
        self.time
    }

    /// The run that track ids are unique in.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// True when a tracker looked at the frame.
    pub(super) fn is_tracked(&self) -> bool {
        self.tracked
    }

    /// The name of an object's class.
    pub(super) fn name(&self, object: &Object) -> Option<&str> {
        object.name.clone().map(|range| &self.names[range])
    }

    /// The objects to show in a style.
    pub(super) fn shown<'s>(&'s self, style: &'s Style) -> impl Iterator<Item = &'s Object> {
        self.objects.iter().filter(|object| self.shows(style, object))
    }

    fn shows(&self, style: &Style, object: &Object) -> bool {
        if let Source::Track { state, .. } = object.source {
            return shows_state(style, state);
        }
        match style.detections {
            ShowDetections::Never => false,
            ShowDetections::Untracked => object.nested || !self.tracked,
            ShowDetections::Uncovered => !self.is_covered(style, &object.bbox),
            ShowDetections::Always => true,
        }
    }

    fn is_covered(&self, style: &Style, bbox: &BBox) -> bool {
        const SAME_OBJECT: f32 = 0.5;
        self.objects.iter().any(|other| match other.source {
            Source::Track { state, .. } => shows_state(style, state) && other.bbox.iou(bbox) >= SAME_OBJECT,
            Source::Detection => false,
        })
    }
}

fn shows_state(style: &Style, state: TrackState) -> bool {
    match state {
        TrackState::Tentative => style.tentative,
        TrackState::Confirmed | TrackState::Coasted => true,
        TrackState::Lost => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(scene: &Scene, detections: ShowDetections, tentative: bool) -> Vec<Option<String>> {
        let style = Style { detections, tentative, ..Style::default() };
        scene.shown(&style).map(|o| scene.name(o).map(str::to_owned)).collect()
    }

    fn scene(tracked: bool) -> Scene {
        let (left, right) = (BBox::new(0.0, 0.0, 0.4, 1.0), BBox::new(0.5, 0.0, 0.9, 1.0));
        let mut scene = Scene::default();
        if tracked {
            let track = |id, bbox, state| Track { id, bbox, state, ..Track::default() };
            scene.set_run("run");
            scene.push_track(&track(1, left, TrackState::Confirmed), Some("confirmed"));
            scene.push_track(&track(2, right, TrackState::Tentative), Some("tentative"));
            scene.push_track(&track(3, right, TrackState::Lost), Some("lost"));
        }
        scene.push_detection(&Detection { bbox: left, ..Detection::default() }, Some("left"));
        scene.push_detection(&Detection { bbox: right, ..Detection::default() }, None);
        scene
    }

    #[test]
    fn detections_give_way_to_tracks() {
        let (left, right) = (Some("left".to_owned()), None);
        let (confirmed, tentative) = (Some("confirmed".to_owned()), Some("tentative".to_owned()));
        let (bare, tracked) = (scene(false), scene(true));
        assert_eq!(shown(&bare, ShowDetections::Untracked, false), [left.clone(), right.clone()]);
        assert_eq!(shown(&bare, ShowDetections::Never, false), []);
        assert_eq!(shown(&tracked, ShowDetections::Untracked, false), std::slice::from_ref(&confirmed));
        assert_eq!(shown(&tracked, ShowDetections::Uncovered, false), [confirmed.clone(), right.clone()]);
        assert_eq!(shown(&tracked, ShowDetections::Uncovered, true), [confirmed.clone(), tentative]);
        assert_eq!(shown(&tracked, ShowDetections::Always, false), [confirmed, left, right]);
    }

    #[test]
    fn a_tracker_that_found_nothing_still_hides_detections() {
        let mut scene = scene(false);
        scene.set_run("run");
        assert_eq!(shown(&scene, ShowDetections::Untracked, false), []);
    }

    #[test]
    fn clear_forgets_everything() {
        let mut scene = scene(true);
        scene.clear(Some(7));
        assert!(scene.is_empty() && !scene.is_tracked() && scene.run().is_empty());
        assert_eq!(scene.time(), Some(7));
    }
}
