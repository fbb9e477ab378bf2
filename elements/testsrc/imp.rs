// Locks: no two are ever held together, and none across a call into GStreamer that may call back. `state` is the
// streaming thread's while it draws; what queries need is in `clock`.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;

use super::Detections;
use super::clock::FrameClock;
use super::settings::{Settings, properties};
use crate::detection;
use crate::elements::provenance::now;
use crate::elements::{AUTHOR, video};
use crate::image::{Colorimetry, PixelFormat};
use crate::meta::{DetectionMeta, Origin, ProvenanceMeta, TruthMeta};
use crate::provenance::Stage;
use crate::scene::{self, Scene, Truth};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvptestsrc", gst::DebugColorFlags::empty(), Some("Synthetic scene"))
});

/// The longest side in pixels.
const MAX_SIDE: i32 = 8192;
/// Names the detections' model.
const MODEL: &str = "testscene";

/// What lives from start to stop.
struct State {
    scene: Scene,
    seed: u64,
    element: Arc<str>,
    feed: Option<Arc<str>>,
    stream: Option<Stream>,
    next: Next,
    backwards: bool,
}

/// What the caps say.
#[derive(Clone)]
struct Stream {
    info: VideoInfo,
    format: PixelFormat,
    colorimetry: Colorimetry,
    aspect: f64,
    clock: FrameClock,
}

/// Which frame comes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The one at this time: the number is known when the rate is.
    At(u64),
    Frame(u64),
    End,
}

#[derive(Default)]
pub struct NvpTestSrc {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// Of the caps in force.
    clock: Mutex<Option<FrameClock>>,
}

/// A frame that is drawn, and what its metadata says.
struct Drawn {
    truth: Truth,
    seed: u64,
    element: Arc<str>,
    feed: Option<Arc<str>>,
}

/// Why there is no next frame.
enum Stop {
    End,
    Failed(String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpTestSrc {
    const NAME: &'static str = "NvpTestSrc";
    type Type = super::NvpTestSrc;
    type ParentType = gst_base::BaseSrc;
}

impl ObjectImpl for NvpTestSrc {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_format(gst::Format::Time);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "is-live" => self.obj().set_live(value.get().unwrap_or_default()),
            name => lock(&self.settings).set(name, value),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "is-live" => self.obj().is_live().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpTestSrc {}

impl ElementImpl for NvpTestSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Perception test source",
                "Source/Video",
                "Makes video of a synthetic street with its exact truth, and detections when asked",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let mut caps = video::raw_caps();
            let sides = gst::IntRange::new(1, MAX_SIDE);
            caps.make_mut().set("width", sides);
            caps.make_mut().set("height", sides);
            let template =
                gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &caps);
            vec![template.expect("a static template is valid")]
        });
        &TEMPLATES
    }
}

impl BaseSrcImpl for NvpTestSrc {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let Settings { scene, .. } = *lock(&self.settings);
        gst::info!(CAT, imp = self, "{scene:?}");
        *lock(&self.state) = Some(State {
            scene: Scene::new(scene),
            seed: scene.seed,
            element: self.obj().name().as_str().into(),
            feed: None,
            stream: None,
            next: Next::Frame(0),
            backwards: false,
        });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        *lock(&self.clock) = None;
        Ok(())
    }

    fn is_seekable(&self) -> bool {
        !self.obj().is_live()
    }

    fn fixate(&self, mut caps: gst::Caps) -> gst::Caps {
        caps.truncate();
        let s = caps.make_mut().structure_mut(0).expect("caps to fixate are not empty");
        s.fixate_field_nearest_int("width", 1280);
        s.fixate_field_nearest_int("height", 720);
        s.fixate_field_nearest_fraction("framerate", gst::Fraction::new(30, 1));
        if s.has_field("pixel-aspect-ratio") {
            s.fixate_field_nearest_fraction("pixel-aspect-ratio", gst::Fraction::new(1, 1));
        } else {
            s.set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
        }
        if s.has_field("interlace-mode") {
            s.fixate_field_str("interlace-mode", "progressive");
        }
        self.parent_fixate(caps)
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(caps)
            .map_err(|_| gst::loggable_error!(CAT, "Caps {caps} are no raw video"))?;
        let format = video::pixel_format(info.format()).ok_or_else(|| {
            gst::loggable_error!(CAT, "Format {:?} is not one of the template", info.format())
        })?;
        self.obj().set_blocksize(u32::try_from(info.size()).unwrap_or(u32::MAX));
        let part = |v: i32| u32::try_from(v).unwrap_or(0);
        let rate = (part(info.fps().numer()), part(info.fps().denom()).max(1));
        let (width, height) = (f64::from(info.width()), f64::from(info.height()));
        let aspect = width * f64::from(info.par().numer()) / (height * f64::from(info.par().denom()));
        let mut state = lock(&self.state);
        let Some(running) = state.as_mut() else { return Ok(()) };
        // Another rate goes on where the one before it ended.
        let base = match (&running.stream, running.next) {
            (Some(stream), Next::Frame(number)) => (stream.clock.time(number).unwrap_or(0), number),
            _ => (0, 0),
        };
        let colorimetry = video::colorimetry(&info);
        let clock = FrameClock::new(rate, base);
        running.stream = Some(Stream { info, format, colorimetry, aspect, clock });
        drop(state);
        *lock(&self.clock) = Some(clock);
        Ok(())
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        let Some(caps) = query.get().0.map(gst::CapsRef::to_owned) else {
            return Err(gst::loggable_error!(CAT, "The allocation query has no caps"));
        };
        let info = VideoInfo::from_caps(&caps)
            .map_err(|_| gst::loggable_error!(CAT, "Caps {caps} are no raw video"))?;
        let proposed = query
            .allocation_pools()
            .next()
            .map(|(pool, size, min, max)| (pool.map(|p| p.to_owned()), size, min, max));
        let (pool, size, min, max) = proposed.clone().unwrap_or((None, 0, 2, 0));
        let pool = pool.unwrap_or_else(|| gst_video::VideoBufferPool::new().upcast());
        let size = size.max(u32::try_from(info.size()).unwrap_or(u32::MAX));
        let mut config = pool.config();
        config.set_params(Some(&caps), size, min, max);
        if query.find_allocation_meta::<gst_video::VideoMeta>().is_some() {
            config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
        }
        pool.set_config(config)
            .map_err(|e| gst::loggable_error!(CAT, "The buffer pool refuses its configuration: {e}"))?;
        if proposed.is_some() {
            query.set_nth_allocation_pool(0, Some(&pool), size, min, max);
        } else {
            query.add_allocation_pool(Some(&pool), size, min, max);
        }
        Ok(())
    }

    fn do_seek(&self, segment: &mut gst::Segment) -> bool {
        let Some(segment) = segment.downcast_mut::<gst::ClockTime>() else { return false };
        segment.set_time(segment.start());
        let backwards = segment.rate() < 0.0;
        let position = segment.position().unwrap_or_default().nseconds();
        let mut state = lock(&self.state);
        let clock = if let Some(state) = state.as_mut() {
            // Backwards the first frame is the last one that begins before the position.
            state.next = match (backwards, position) {
                (true, 0) => Next::End,
                (true, position) => Next::At(position - 1),
                (false, position) => Next::At(position),
            };
            state.backwards = backwards;
            // Frames are counted from the start again, whatever rates came before.
            state.stream.as_mut().map(|stream| {
                stream.clock = stream.clock.rebased();
                stream.clock
            })
        } else {
            None
        };
        drop(state);
        *lock(&self.clock) = clock;
        true
    }

    fn times(&self, buffer: &gst::BufferRef) -> (Option<gst::ClockTime>, Option<gst::ClockTime>) {
        if !self.obj().is_live() {
            return (None, None);
        }
        let end = buffer.pts().zip(buffer.duration()).map(|(pts, duration)| pts + duration);
        (buffer.pts(), end)
    }

    fn fill(
        &self,
        _offset: u64,
        _length: u32,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let start = now();
        let Settings { detections, errors, .. } = *lock(&self.settings);
        let drawn = lock(&self.state).as_mut().ok_or(gst::FlowError::Flushing)?.fill(buffer);
        let Drawn { truth, seed, element, feed } = match drawn {
            Ok(drawn) => drawn,
            Err(Stop::End) => return Err(gst::FlowError::Eos),
            Err(Stop::Failed(why)) => {
                gst::element_imp_error!(self, gst::ResourceError::Write, ("A frame cannot be drawn: {why}"));
                return Err(gst::FlowError::Error);
            }
        };
        let feed = feed.unwrap_or_else(|| self.name_feed());
        let mut items = Vec::new();
        match detections {
            Detections::None => {}
            Detections::Perfect => scene::perfect(&truth, &mut items),
            Detections::Noisy => scene::noisy(&truth, &errors, seed, &mut items),
        }
        if detections != Detections::None {
            let found = detection::Detections {
                model: MODEL.into(),
                labels: truth.labels.clone(),
                items,
                ..Default::default()
            };
            DetectionMeta::add(buffer, found);
        }
        let sequence = truth.frame;
        TruthMeta::set(buffer, truth);
        let received = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let stage = Stage { element, start, end: now(), ..Stage::default() };
        ProvenanceMeta::append(buffer, || Origin { feed, sequence, received }, stage);
        Ok(gst::FlowSuccess::Ok)
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        let clock = || *lock(&self.clock);
        match query.view_mut() {
            gst::QueryViewMut::Convert(convert) => {
                let (value, to) = convert.get();
                let converted = clock().and_then(|clock| converted(&clock, value, to));
                if let Some(converted) = converted {
                    convert.set(value, converted);
                    return true;
                }
            }
            gst::QueryViewMut::Duration(duration) => {
                let frames = u64::try_from(self.obj().property::<i32>("num-buffers")).ok();
                let end = frames.zip(clock()).and_then(|(frames, clock)| match duration.format() {
                    gst::Format::Time => clock.time(frames).map(|t| gst::ClockTime::from_nseconds(t).into()),
                    gst::Format::Default => Some(gst::format::Default::from_u64(frames).into()),
                    _ => None::<gst::GenericFormattedValue>,
                });
                if let Some(end) = end {
                    duration.set(end);
                    return true;
                }
            }
            _ => {}
        }
        BaseSrcImplExt::parent_query(self, query)
    }
}

/// A time as the number of the frame at it, and the other way round.
fn converted(
    clock: &FrameClock,
    value: gst::GenericFormattedValue,
    to: gst::Format,
) -> Option<gst::GenericFormattedValue> {
    match (value, to) {
        (gst::GenericFormattedValue::Time(Some(time)), gst::Format::Default) if !clock.is_still() => {
            Some(gst::format::Default::from_u64(clock.number(time.nseconds())).into())
        }
        (gst::GenericFormattedValue::Default(Some(number)), gst::Format::Time) if !clock.is_still() => {
            clock.time(*number).map(|time| gst::ClockTime::from_nseconds(time).into())
        }
        _ => None,
    }
}

impl NvpTestSrc {
    /// The feed's name is the stream's id; it is asked for once.
    fn name_feed(&self) -> Arc<str> {
        let id = self.obj().static_pad("src").and_then(|pad| pad.stream_id());
        let feed: Arc<str> = id.as_deref().unwrap_or_default().into();
        if let Some(state) = lock(&self.state).as_mut() {
            state.feed = Some(feed.clone());
        }
        feed
    }
}

impl State {
    /// Draws the next frame and says what is in it.
    fn fill(&mut self, buffer: &mut gst::BufferRef) -> Result<Drawn, Stop> {
        let failed = |why: &dyn std::fmt::Display| Stop::Failed(why.to_string());
        let stream = self.stream.as_ref().ok_or_else(|| failed(&"there are no caps yet"))?;
        let clock = &stream.clock;
        let number = match self.next {
            Next::At(time) => clock.number(time),
            Next::Frame(number) => number,
            Next::End => return Err(Stop::End),
        };
        let time = clock.time(number).ok_or(Stop::End)?;
        let previous = number.checked_sub(1).and_then(|before| clock.time(before));
        let truth = self.scene.set(time, previous, number, stream.aspect);
        let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &stream.info)
            .map_err(|_| failed(&"its buffer cannot be written to"))?;
        let mut frame =
            video::frame_mut(&mut mapped, stream.format, stream.colorimetry).map_err(|e| failed(&e))?;
        self.scene.render(&mut frame);
        drop(mapped);
        let end = if clock.is_still() { None } else { clock.time(number + 1) };
        buffer.set_pts(gst::ClockTime::from_nseconds(time));
        buffer.set_duration(end.map(|end| gst::ClockTime::from_nseconds(end - time)));
        buffer.set_offset(number);
        buffer.set_offset_end(number + 1);
        self.next = if clock.is_still() || (self.backwards && number == 0) {
            Next::End
        } else {
            Next::Frame(if self.backwards { number - 1 } else { number + 1 })
        };
        Ok(Drawn { truth, seed: self.seed, element: self.element.clone(), feed: self.feed.clone() })
    }
}
