use std::fmt::Write;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::glib;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::subclass::prelude::*;

use super::{ColorBy, ShowDetections, ShowView, zones};
use crate::detection::Task;
use crate::draw::{self, Bearings, Painter, Scene, Sight, Style, Subject};
use crate::elements::{AUTHOR, filter, video};
use crate::image::{Colorimetry, PixelFormat};
use crate::meta::{DetectionMeta, DetectionsRef, TrackMeta, ViewMeta, ViewRef};
use crate::view::Motion;

const MAX_TRAIL_LENGTH: u32 = 60_000;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpoverlay", gst::DebugColorFlags::empty(), Some("Draws perception results"))
});

/// What lives from start to stop.
#[derive(Default)]
struct State {
    format: Option<(PixelFormat, Colorimetry)>,
    painter: Painter,
    scene: Scene,
    /// The text of a note, while it is put together.
    note: String,
}

#[derive(Default)]
pub struct NvpOverlay {
    settings: Mutex<Style>,
    state: Mutex<Option<State>>,
}

/// Locks a mutex. What it guards is whole at every point where a thread could have panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpOverlay {
    const NAME: &'static str = "NvpOverlay";
    type Type = super::NvpOverlay;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for NvpOverlay {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut style = lock(&self.settings);
        match pspec.name() {
            "show-boxes" => style.boxes = checked(value),
            "show-labels" => style.labels = checked(value),
            "show-details" => style.details = checked(value),
            "show-ids" => style.ids = checked(value),
            "show-confidence" => style.confidence = checked(value),
            "show-motion" => style.motion = checked(value),
            "show-tentative" => style.tentative = checked(value),
            "show-view" => style.view = checked::<ShowView>(value).into(),
            "show-zones" => style.zones = checked(value),
            "show-detections" => style.detections = checked::<ShowDetections>(value).into(),
            "color-by" => style.color_by = checked::<ColorBy>(value).into(),
            "trail-length" => style.trail = Duration::from_millis(checked::<u32>(value).into()),
            "line-width" => style.line_width = checked(value),
            "font-size" => style.font_size = checked(value),
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let style = lock(&self.settings);
        match pspec.name() {
            "show-boxes" => style.boxes.to_value(),
            "show-labels" => style.labels.to_value(),
            "show-details" => style.details.to_value(),
            "show-ids" => style.ids.to_value(),
            "show-confidence" => style.confidence.to_value(),
            "show-motion" => style.motion.to_value(),
            "show-tentative" => style.tentative.to_value(),
            "show-view" => ShowView::from(style.view).to_value(),
            "show-zones" => style.zones.to_value(),
            "show-detections" => ShowDetections::from(style.detections).to_value(),
            "color-by" => ColorBy::from(style.color_by).to_value(),
            "trail-length" => milliseconds(style.trail).to_value(),
            "line-width" => style.line_width.to_value(),
            "font-size" => style.font_size.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

/// The value of a property, whose type GObject has checked.
fn checked<'v, T: glib::value::FromValue<'v>>(value: &'v glib::Value) -> T {
    value.get::<T>().expect("the type of a property's value is checked before it is set")
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn properties() -> Vec<glib::ParamSpec> {
    let style = Style::default();
    let switch = |name: &str, nick: &str, default: bool, blurb: &str| {
        let blurb = format!("{blurb} (default {default})");
        glib::ParamSpecBoolean::builder(name)
            .nick(nick)
            .blurb(&blurb)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    let size = |name: &str, nick: &str, maximum: u32, default: u32, blurb: &str| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(maximum)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    vec![
        switch("show-boxes", "Show boxes", style.boxes, "Draw the outlines of boxes"),
        switch("show-labels", "Show labels", style.labels, "Write the names of classes"),
        switch(
            "show-details",
            "Show details",
            style.details,
            "Draw masks, keypoints and turned boxes, and write what classifiers say of an object",
        ),
        switch("show-ids", "Show ids", style.ids, "Write the ids of tracks"),
        switch("show-confidence", "Show confidence", style.confidence, "Write confidences"),
        switch(
            "show-motion",
            "Show motion",
            style.motion,
            "Write how fast tracks are: still, metres a second where the ground is known, else units of the frame a second",
        ),
        switch(
            "show-tentative",
            "Show tentative",
            style.tentative,
            "Draw tentative tracks too, in thin lines",
        ),
        switch(
            "show-zones",
            "Show zones",
            style.zones,
            "Draw zones and lines with their counters, and write which events last",
        ),
        glib::ParamSpecEnum::builder_with_default("show-detections", ShowDetections::from(style.detections))
            .nick("Show detections")
            .blurb("Which detections to draw beside tracks (default untracked)")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("show-view", ShowView::from(style.view))
            .nick("Show view")
            .blurb("What to show of where the camera looks (default never)")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("color-by", ColorBy::from(style.color_by))
            .nick("Color by")
            .blurb("What decides the colour of a track (default track)")
            .mutable_playing()
            .build(),
        size(
            "trail-length",
            "Trail length",
            MAX_TRAIL_LENGTH,
            milliseconds(style.trail),
            "How far back trails reach, in milliseconds; 0 draws none (default 2000)",
        ),
        size(
            "line-width",
            "Line width",
            Style::MAX_LINE_WIDTH,
            style.line_width,
            "Thickness of outlines, in pixels; 0 follows the frame's height (default 0)",
        ),
        size(
            "font-size",
            "Font size",
            Style::MAX_FONT_SIZE,
            style.font_size,
            "Height of a line of text, in pixels; 0 follows the frame's height (default 0)",
        ),
    ]
}

impl GstObjectImpl for NvpOverlay {}

impl ElementImpl for NvpOverlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Perception overlay",
                "Filter/Effect/Video",
                "Draws the boxes, labels and trails of detections and tracks into the video",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| filter::templates(&video::raw_caps()));
        &TEMPLATES
    }
}

impl BaseTransformImpl for NvpOverlay {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = Some(State::default());
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.read(buffer) {
            return Ok(gst::FlowSuccess::Ok);
        }
        // Maps the buffer and calls transform_frame_ip.
        self.parent_transform_ip(buffer)
    }
}

impl VideoFilterImpl for NvpOverlay {
    fn set_info(
        &self,
        _incaps: &gst::Caps,
        info: &gst_video::VideoInfo,
        _outcaps: &gst::Caps,
        _out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let format = video::pixel_format(info.format())
            .ok_or_else(|| gst::loggable_error!(CAT, "cannot draw on {}", info.format()))?;
        let colorimetry = video::colorimetry(info);
        gst::debug!(CAT, imp = self, "drawing on {format:?}, {colorimetry:?}");
        if let Some(state) = lock(&self.state).as_mut() {
            state.format = Some((format, colorimetry));
        }
        Ok(())
    }

    fn transform_frame_ip(
        &self,
        frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let style = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let Some(State { format: Some((format, colorimetry)), painter, scene, .. }) = state.as_mut() else {
            return Err(gst::FlowError::NotNegotiated);
        };
        match video::frame_mut(frame, *format, *colorimetry) {
            Ok(mut frame) => painter.paint(&mut frame, scene, &style),
            Err(error) => gst::warning!(CAT, imp = self, "cannot draw on a frame: {error}"),
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

/// Writes the classes that a model gives to the objects they are of; those of the whole frame stand in its corner.
fn note_classes(scene: &mut Scene, note: &mut String, found: &DetectionsRef<'_>) {
    for (i, class) in found.items().iter().enumerate() {
        let name = found.label(class.class_id);
        note.clear();
        // Writing to a string does not fail.
        let _ = match name {
            Some(name) => write!(note, "{name} {:.2}", class.confidence),
            None => write!(note, "class {} {:.2}", class.class_id, class.confidence),
        };
        let subject = match found.parents().get(i) {
            Some(parent) if parent.track > 0 => Subject::Track(parent.track),
            Some(_) => Subject::Detection(class.bbox),
            None => {
                scene.push_detection(class, name);
                continue;
            }
        };
        scene.push_note(subject, note);
    }
}

fn bearings<'a>(view: &ViewRef<'a>) -> Bearings<'a> {
    Bearings {
        epoch: view.epoch(),
        preset: view.preset(),
        phase: view.phase(),
        motion: view.motion(),
        validity: view.validity(),
        reason: view.reason(),
        to_reference: view.to_reference().copied(),
    }
}

impl NvpOverlay {
    /// Reads what the buffer carries into the scene. False when it carries nothing.
    fn read(&self, buffer: &gst::BufferRef) -> bool {
        let time = self.running_time(buffer);
        let shows_view = lock(&self.settings).view != draw::ShowView::Never;
        let mut state = lock(&self.state);
        let Some(State { scene, note, painter, .. }) = state.as_mut() else { return false };
        if let Some(view) = ViewMeta::get(buffer) {
            let to_previous = view.to_previous().copied();
            let moved_unknown = to_previous.is_none() && view.motion() != Motion::Stable;
            painter.follow(&Sight { epoch: Some(view.epoch()), to_previous, moved_unknown });
        }
        scene.clear(time.map(gst::ClockTime::nseconds));
        let view = ViewMeta::get(buffer).filter(|_| shows_view);
        if let Some(view) = &view {
            scene.set_view(&bearings(view));
        }
        let tracks = TrackMeta::get(buffer);
        if let Some(tracks) = &tracks {
            scene.set_run(tracks.run());
            for track in tracks.items() {
                scene.push_track(track, tracks.label(track.label));
            }
        }
        for found in DetectionMeta::all(buffer).filter(|found| found.task() == Task::Detect) {
            let nested = !found.parents().is_empty();
            for (i, detection) in found.items().iter().enumerate() {
                scene.push_detailed(detection, found.label(detection.class_id), nested, found.details(), i);
            }
        }
        for found in DetectionMeta::all(buffer).filter(|found| found.task() == Task::Classify) {
            note_classes(scene, note, &found);
        }
        zones::read(scene.plan_mut(), buffer, time.map(gst::ClockTime::nseconds));
        gst::trace!(CAT, imp = self, "read {} objects at {time:?}", scene.len());
        tracks.is_some() || view.is_some() || !scene.is_empty() || !scene.plan().is_empty()
    }

    fn running_time(&self, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
        let segment = self.obj().segment();
        segment.downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
    }
}
