//! What happens to the metas on their way through real elements: right or dropped, never stale.
//!
//! Each frame is black with one white rectangle, and the metas say where it is. Whatever comes out is compared
//! with the rectangle that is to be seen there.

use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_video::prelude::*;
use gstnvperception::detection::{Details, Detection, Detections, Keypoint, Parent};
use gstnvperception::geometry::BBox;
use gstnvperception::homography;
use gstnvperception::meta::{
    Batch, BatchContent, BatchItem, BatchMeta, BatchStream, ContentRef, DetectionMeta, DetectionsRef,
    OutcomeRef, ProvenanceMeta, StreamFacts, TrackMeta, TruthMeta, ViewMeta,
};
use gstnvperception::provenance::{Origin, Outcome, Stage};
use gstnvperception::scene::{TrueObject, TrueView, Truth};
use gstnvperception::track::{Track, TrackState, Tracks};
use gstnvperception::view::{Motion, Phase, View};

const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
const BOX: BBox = BBox::new(0.25, 0.1, 0.5, 0.8);
const CAPS: &str = "video/x-raw,format=I420,width=160,height=120,framerate=30/1,pixel-aspect-ratio=1/1";

fn init() {
    gst::init().unwrap();
    glib::log_set_always_fatal(glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL);
}

/// One object with a keypoint at two of its corners, a mask whose first row is full, and an appearance.
fn detections(model: &str, bbox: BBox) -> Detections {
    let mut details = Details::default();
    let point = |x, y| Keypoint { x, y, confidence: 0.5 };
    details.keypoints.push(&[point(bbox.x_min, bbox.y_min), point(bbox.x_max, bbox.y_max)]);
    details.masks.push(1, 2, |cells| cells.copy_from_slice(&[255, 0]));
    details.embeddings.push(&[0.6, 0.8]);
    Detections {
        model: model.into(),
        labels: ["person", "car"].into_iter().collect(),
        items: vec![Detection { bbox, confidence: 0.75, class_id: 1 }],
        age: 33,
        source_pts: Some(7),
        parents: vec![Parent { track: 7, age: 5, model: -1, item: -1 }],
        details,
        ..Detections::default()
    }
}

/// What is said beyond the box has moved with it.
fn assert_details(what: &str, found: &DetectionsRef<'_>) {
    let (details, b) = (found.details(), found.items()[0].bbox);
    let [first, second] = details.keypoints.row(0) else { panic!("{what}: {details:?}") };
    let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
    let corner = |p: &Keypoint| {
        (near(p.x, b.x_min) || near(p.x, b.x_max)) && (near(p.y, b.y_min) || near(p.y, b.y_max))
    };
    assert!(corner(first) && corner(second), "{what}: {first:?} {second:?} {b:?}");
    let (columns, rows, cells) = details.masks.get(0).unwrap();
    // The full cell is where the first keypoint is.
    let full = cells.iter().position(|cell| *cell == 255).unwrap();
    let (x, y) = ((full % columns) as f32 / columns as f32, (full / columns) as f32 / rows as f32);
    let is_near = |p: f32, min: f32, max: f32, at: f32, cells: usize| {
        cells == 1 || near(p, if at < 0.5 { min } else { max })
    };
    assert!(is_near(first.x, b.x_min, b.x_max, x, columns), "{what}: {cells:?}");
    assert!(is_near(first.y, b.y_min, b.y_max, y, rows), "{what}: {cells:?}");
    assert_eq!((details.embeddings.row(0), found.age(), found.source_pts()), (&[0.6, 0.8][..], 33, Some(7)));
    assert_eq!(found.parents()[0].track, 7);
}

fn tracks(bbox: BBox) -> Tracks {
    let track = Track { id: 7, age: 40, bbox, velocity: [0.5, -0.25], confidence: 0.75, ..Track::default() };
    Tracks {
        run: "run".into(),
        labels: ["car"].into_iter().collect(),
        items: vec![Track { state: TrackState::Confirmed, class_id: 1, ..track }],
        ..Tracks::default()
    }
}

fn stage(element: &str) -> Stage {
    let provider = Some("CPUExecutionProvider".into());
    Stage { element: element.into(), provider, start: 1, end: 2, ..Stage::default() }
}

fn origin() -> Origin {
    Origin { feed: "door".into(), sequence: 3, received: 1_700_000_000_000_000_000 }
}

fn attach(buffer: &mut gst::BufferRef) {
    DetectionMeta::add(buffer, detections("det", BOX));
    TrackMeta::set(buffer, tracks(BOX));
    let object = TrueObject { id: 7, bbox: BOX, visibility: 0.5, class_id: 0 };
    let moved = TrueView { to_previous: SHIFT.map(f64::from), ..TrueView::default() };
    TruthMeta::set(buffer, Truth { objects: vec![object], view: moved, frame: 9, ..Truth::default() });
    let reason = Some("blur".into());
    let view = View { to_previous: Some(SHIFT), to_reference: None, epoch: 3, reason, ..View::default() };
    ViewMeta::set(buffer, View { phase: Phase::MoveEnd, motion: Motion::Stable, ..view });
    ProvenanceMeta::append(buffer, origin, stage("first"));
}

/// As far as a track's velocity of 0.5, -0.25 leads in a tenth of a second.
const SHIFT: [f32; 9] = [1.0, 0.0, 0.05, 0.0, 1.0, -0.025, 0.0, 0.0, 1.0];

/// A frame at 30 frames a second with the white rectangle, and the metas that tell of it.
fn frame(number: u64) -> gst::Buffer {
    let info = gst_video::VideoInfo::from_caps(&CAPS.parse::<gst::Caps>().unwrap()).unwrap();
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    let r = buffer.get_mut().unwrap();
    r.set_pts(gst::ClockTime::from_nseconds(number * 1_000_000_000 / 30));
    r.set_duration(gst::ClockTime::from_nseconds(1_000_000_000 / 30));
    {
        let mut map = r.map_writable().unwrap();
        let luma = (WIDTH * HEIGHT) as usize;
        map[..luma].fill(16);
        map[luma..].fill(128);
        for y in (HEIGHT as f32 * BOX.y_min) as usize..(HEIGHT as f32 * BOX.y_max) as usize {
            let row = y * WIDTH as usize;
            let columns = (WIDTH as f32 * BOX.x_min) as usize..(WIDTH as f32 * BOX.x_max) as usize;
            map[row + columns.start..row + columns.end].fill(235);
        }
    }
    attach(r);
    buffer
}

/// Runs frames through `elements` and returns what arrives.
fn run(elements: &str, frames: u64, setup: impl FnOnce(&gst::Pipeline)) -> Vec<gst::Sample> {
    let launch = format!(
        "appsrc name=frames format=time ! {CAPS} ! {elements} ! appsink name=arrived sync=false max-buffers=0"
    );
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let src = pipeline.by_name("frames").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("arrived").unwrap().downcast::<gst_app::AppSink>().unwrap();
    src.set_caps(Some(&CAPS.parse().unwrap()));
    setup(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..frames {
        src.push_buffer(frame(number)).unwrap();
    }
    src.end_of_stream().unwrap();
    let samples = std::iter::from_fn(|| sink.try_pull_sample(gst::ClockTime::from_seconds(20)));
    let samples = samples.collect();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends);
    assert!(end.as_ref().is_some_and(|m| m.type_() == gst::MessageType::Eos), "{elements}: {end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

/// Where the white rectangle is to be seen in a frame, in units of the frame.
fn seen(sample: &gst::Sample) -> (BBox, f32) {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
    let (stride, data) = (frame.plane_stride()[0] as usize, frame.plane_data(0).unwrap());
    let (w, h) = (info.width() as usize, info.height() as usize);
    let white = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).filter(|&(x, y)| data[y * stride + x] > 125);
    let (mut x_min, mut y_min, mut x_max, mut y_max) = (w, h, 0, 0);
    for (x, y) in white {
        (x_min, y_min) = (x_min.min(x), y_min.min(y));
        (x_max, y_max) = (x_max.max(x + 1), y_max.max(y + 1));
    }
    let pixel = 1.0 / w.min(h) as f32;
    (
        BBox::new(x_min as f32, y_min as f32, x_max as f32, y_max as f32)
            .scaled(1.0 / w as f32, 1.0 / h as f32),
        pixel,
    )
}

fn assert_right(what: &str, sample: &gst::Sample) {
    let (seen, pixel) = seen(sample);
    let buffer = sample.buffer().unwrap();
    let said: Vec<_> = DetectionMeta::all(buffer).flat_map(|d| d.items()).map(|d| d.bbox).collect();
    let tracks = TrackMeta::get(buffer).map_or(vec![], |t| t.items().iter().map(|t| t.bbox).collect());
    for bbox in said.iter().chain(&tracks) {
        // A box may go beyond the frame where the picture is cut.
        let inside = bbox.clipped().unwrap();
        let off = [
            inside.x_min - seen.x_min,
            inside.y_min - seen.y_min,
            inside.x_max - seen.x_max,
            inside.y_max - seen.y_max,
        ];
        assert!(off.iter().all(|o| o.abs() < 1.5 * pixel), "{what}: says {bbox:?}, to be seen {seen:?}");
    }
    DetectionMeta::all(buffer).for_each(|found| assert_details(what, &found));
    assert_eq!(said.is_empty(), tracks.is_empty(), "{what}: both or none");
    let (truth, view) = (TruthMeta::get(buffer), ViewMeta::get(buffer));
    assert_eq!(
        (truth.is_some(), view.is_some()),
        (!said.is_empty(), !said.is_empty()),
        "{what}: all or none"
    );
    let Some((truth, view)) = truth.zip(view) else { return };
    assert_eq!(truth.objects()[0].bbox, tracks[0], "{what}");
    assert_eq!((truth.frame(), truth.objects()[0].visibility), (9, 0.5));
    assert_eq!((view.epoch(), view.phase(), view.motion()), (3, Phase::MoveEnd, Motion::Stable));
    assert_eq!((view.reason(), view.preset(), view.to_reference()), (Some("blur"), None, None));
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() < 1e-4 && (a[1] - b[1]).abs() < 1e-4;
    let center = |b: &BBox| [f64::from(b.center().0), f64::from(b.center().1)];
    let there = center(&tracks[0]);
    assert!(near(homography::apply(&truth.view().to_scene, there), center(&BOX)), "{what}: {truth:?}");
    let [vx, vy] = TrackMeta::get(buffer).unwrap().items()[0].velocity.map(f64::from);
    let before = [there[0] + 0.1 * vx, there[1] + 0.1 * vy];
    assert!(near(homography::apply(&truth.view().to_previous, there), before), "{what}: {truth:?}");
    let to_previous = view.to_previous().unwrap().map(f64::from);
    assert!(near(homography::apply(&to_previous, there), before), "{what}: {view:?}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    /// Dropped before GStreamer 1.28, which says where each pixel went.
    Dropped,
}
use Fate::{Dropped, Kept};

fn check(elements: &str, fate: Fate, count: usize, samples: &[gst::Sample]) {
    assert_eq!(samples.len(), count, "{elements}");
    for sample in samples {
        assert_right(elements, sample);
        let buffer = sample.buffer().unwrap();
        let kept = DetectionMeta::all(buffer).count() == 1;
        println!("{elements}: {}", if kept { "kept" } else { "dropped" });
        let expected = fate == Kept || gst::version() >= (1, 28, 0, 0);
        assert_eq!(kept, expected, "{elements}");
        let provenance = ProvenanceMeta::get(buffer).unwrap_or_else(|| panic!("{elements}: provenance"));
        assert_eq!((provenance.feed(), provenance.stages().count()), ("door", 1), "{elements}");
    }
}

#[test]
fn elements_keep_what_is_right_and_drop_the_rest() {
    init();
    let scaled = |to: &str| format!("videoscale ! video/x-raw,{to},pixel-aspect-ratio=1/1");
    let table = [
        ("identity".into(), Kept),
        ("queue".into(), Kept),
        ("tee ! queue".into(), Kept),
        (scaled("width=80,height=60"), Kept),
        (scaled("width=100,height=75"), Kept),
        (scaled("width=101,height=75"), Kept),
        (scaled("width=200,height=60"), Dropped),
        (
            "videoscale add-borders=false ! video/x-raw,width=200,height=60,pixel-aspect-ratio=1/1".into(),
            Dropped,
        ),
        (
            "videoscale add-borders=false ! video/x-raw,width=80,height=120,pixel-aspect-ratio=2/1".into(),
            Kept,
        ),
        ("videoscale ! video/x-raw,width=80,height=120,pixel-aspect-ratio=2/1".into(), Kept),
        ("videoscale ! video/x-raw,width=160,height=120,pixel-aspect-ratio=2/1".into(), Dropped),
        ("videoconvert ! video/x-raw,format=NV12".into(), Kept),
        ("videoconvert ! video/x-raw,format=GRAY8".into(), Kept),
        ("videoconvertscale ! video/x-raw,format=NV12,width=80,height=60".into(), Kept),
        ("videocrop top=0".into(), Kept),
        ("videocrop left=20 top=6".into(), Dropped),
        ("videocrop left=50 right=50".into(), Dropped),
        ("videobox left=-40 top=-30".into(), Dropped),
        ("videobox left=20 bottom=10".into(), Dropped),
        ("aspectratiocrop aspect-ratio=1/1".into(), Dropped),
        ("videoflip video-direction=identity".into(), Dropped),
        ("videoflip video-direction=90r".into(), Dropped),
        ("videoflip video-direction=180".into(), Dropped),
        ("videoflip video-direction=90l".into(), Dropped),
        ("videoflip video-direction=horiz".into(), Dropped),
        ("videoflip video-direction=vert".into(), Dropped),
        ("videoflip video-direction=ul-lr".into(), Dropped),
        ("videoflip video-direction=ur-ll".into(), Dropped),
        ("jpegenc ! jpegdec".into(), Kept),
        ("jpegenc quality=95 ! queue ! jpegdec ! videoconvert ! video/x-raw,format=I420".into(), Kept),
    ];
    for (elements, fate) in table {
        let elements: String = elements;
        check(&elements, fate, 2, &run(&elements, 2, |_| ()));
    }
}

#[test]
fn both_branches_of_a_tee_have_the_metas() {
    init();
    let elements = "tee name=t ! queue ! appsink name=other sync=false wait-on-eos=false t. ! queue";
    let branch = Arc::new(Mutex::new(vec![]));
    let samples = run(elements, 2, |pipeline| {
        let branch = branch.clone();
        let pad = pipeline.by_name("other").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer_mut().unwrap();
            DetectionMeta::add(buffer.make_mut(), detections("branch", BOX));
            ProvenanceMeta::append(buffer.make_mut(), || unreachable!("it has one"), stage("branch"));
            branch.lock().unwrap().push(buffer.clone());
            gst::PadProbeReturn::Ok
        });
    });
    check(elements, Kept, 2, &samples);
    let branch = branch.lock().unwrap();
    assert_eq!(branch.len(), 2);
    for buffer in branch.iter() {
        assert_eq!(DetectionMeta::all(buffer).count(), 2);
        assert_eq!(ProvenanceMeta::get(buffer).unwrap().stages().count(), 2);
    }
}

#[test]
fn videorate_repeats_the_metas_with_the_frame() {
    init();
    let elements = "videorate ! video/x-raw,framerate=60/1";
    let samples = run(elements, 4, |_| ());
    assert!(samples.len() >= 7, "whether the last frame is repeated depends on the version");
    check(elements, Kept, samples.len(), &samples);
}

/// A sink that takes `GstVideoCropMeta`: then `videocrop` leaves the pixels and sets that meta.
fn offer_crop_meta(pipeline: &gst::Pipeline) {
    let pad = pipeline.by_name("arrived").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH, |_, info| {
        let Some(gst::QueryViewMut::Allocation(query)) = info.query_mut().map(gst::QueryRef::view_mut) else {
            return gst::PadProbeReturn::Ok;
        };
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        query.add_allocation_meta::<gst_video::VideoCropMeta>(None);
        gst::PadProbeReturn::Handled
    });
}

#[test]
fn a_crop_that_only_a_meta_tells_of_drops_what_was_said_before() {
    init();
    let samples = run("videocrop left=40 top=12", 2, offer_crop_meta);
    assert_eq!(samples.len(), 2);
    for sample in &samples {
        let buffer = sample.buffer().unwrap();
        assert!(buffer.meta::<gst_video::VideoCropMeta>().is_some(), "nothing cropped the pixels");
        assert_eq!(DetectionMeta::all(buffer).count(), 0);
        assert!(TrackMeta::get(buffer).is_none());
        assert!(ProvenanceMeta::get(buffer).is_some());
    }
    let mut buffer = samples[0].buffer_owned().unwrap();
    attach(buffer.make_mut());
    let copy = buffer.copy();
    assert_eq!(DetectionMeta::all(&copy).count(), 1, "what is said after the crop holds");
    assert!(TrackMeta::get(&copy).is_some());
}

#[test]
fn a_buffer_back_from_the_pool_has_no_metas() {
    init();
    let pool = gst::BufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&CAPS.parse().unwrap()), WIDTH * HEIGHT * 3 / 2, 1, 1);
    pool.set_config(config).unwrap();
    pool.set_active(true).unwrap();
    let mut buffer = pool.acquire_buffer(None).unwrap();
    let address = buffer.as_ptr();
    attach(buffer.get_mut().unwrap());
    drop(buffer);
    let buffer = pool.acquire_buffer(None).unwrap();
    assert_eq!(buffer.as_ptr(), address, "the pool has only this one");
    assert_eq!(DetectionMeta::all(&buffer).count(), 0);
    assert!(TrackMeta::get(&buffer).is_none() && ProvenanceMeta::get(&buffer).is_none());
    drop(buffer);
    pool.set_active(false).unwrap();
}

fn model(buffer: &gst::BufferRef, model: &str) -> Option<Detections> {
    DetectionMeta::all(buffer).find(|d| d.model() == model).map(|d| d.to_owned())
}

#[test]
fn copies_share_the_payload_and_then_go_their_own_ways() {
    init();
    let buffer = frame(0);
    let deep = buffer.copy_deep().unwrap();
    for copy in [&buffer.copy(), &deep] {
        let (a, b) = (DetectionMeta::all(&buffer).next().unwrap(), DetectionMeta::all(copy).next().unwrap());
        assert_eq!(a.items().as_ptr(), b.items().as_ptr(), "nothing was copied");
        assert_eq!(a.to_owned(), b.to_owned());
    }
    let mut branch = buffer.clone();
    let r = branch.make_mut();
    DetectionMeta::add(r, detections("det", BBox::default()));
    TrackMeta::remove(r);
    ProvenanceMeta::append(r, || unreachable!("the frame has an origin"), stage("second"));
    assert_eq!(model(&branch, "det"), Some(detections("det", BBox::default())));
    assert_eq!(model(&buffer, "det"), Some(detections("det", BOX)));
    assert_eq!(TrackMeta::get(&buffer).unwrap().to_owned(), tracks(BOX));
    let stages = |b: &gst::BufferRef| ProvenanceMeta::get(b).unwrap().stages().count();
    assert_eq!((stages(&buffer), stages(&branch)), (1, 2));
    drop(buffer);
    assert_eq!(ProvenanceMeta::get(&branch).unwrap().stages().next().unwrap().element(), "first");
}

#[test]
fn a_part_of_the_bytes_is_not_the_picture() {
    init();
    let buffer = frame(0);
    let part = buffer.copy_region(gst::BufferCopyFlags::all(), 0..buffer.size() / 2).unwrap();
    assert_eq!(DetectionMeta::all(&part).count(), 0);
    assert!(TrackMeta::get(&part).is_none());
    assert_eq!(ProvenanceMeta::get(&part).unwrap().feed(), "door");
    let whole = buffer.copy_region(gst::BufferCopyFlags::all(), ..).unwrap();
    assert_eq!(DetectionMeta::all(&whole).count(), 1);
}

#[test]
fn a_model_has_one_word_on_a_frame() {
    init();
    let mut buffer = gst::Buffer::new();
    let r = buffer.get_mut().unwrap();
    DetectionMeta::add(r, detections("a", BOX));
    DetectionMeta::add(r, detections("b", BOX));
    DetectionMeta::add(r, Detections { items: vec![], ..detections("a", BOX) });
    let said: Vec<_> = DetectionMeta::all(r).map(|d| (d.model().to_owned(), d.items().len())).collect();
    assert_eq!(said, [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    let b = DetectionMeta::all(r).last().unwrap();
    assert_eq!((b.label(1), b.label(2), b.label(-1)), (Some("car"), None, None));
    assert_eq!(b.labels().iter().collect::<Vec<_>>(), ["person", "car"]);
    assert!(b.labels() == detections("b", BOX).labels);
    DetectionMeta::remove(r, Some("a"));
    assert!(model(r, "a").is_none() && model(r, "b").is_some());
    DetectionMeta::remove(r, None);
    assert_eq!(DetectionMeta::all(r).count(), 0);
}

#[test]
fn the_newest_tracks_count() {
    init();
    let mut buffer = gst::Buffer::new();
    let r = buffer.get_mut().unwrap();
    assert!(TrackMeta::get(r).is_none());
    TrackMeta::set(r, tracks(BBox::default()));
    TrackMeta::set(r, tracks(BOX));
    let seen = TrackMeta::get(r).unwrap();
    assert_eq!((seen.run(), seen.label(0), seen.label(1)), ("run", Some("car"), None));
    assert_eq!(seen.to_owned(), tracks(BOX));
    TrackMeta::remove(r);
    assert!(TrackMeta::get(r).is_none());
}

#[test]
fn history_is_kept_in_order() {
    init();
    let mut buffer = gst::Buffer::new();
    let r = buffer.get_mut().unwrap();
    let skipped = Stage { outcome: Outcome::Skipped("interval".into()), ..stage("second") };
    let failed = Stage { outcome: Outcome::Failed("map".into()), provider: None, ..stage("third") };
    let stages = [stage("first"), skipped, failed];
    for stage in &stages {
        ProvenanceMeta::append(r, origin, stage.clone());
    }
    let seen = ProvenanceMeta::get(r).unwrap();
    assert_eq!((seen.feed(), seen.sequence(), seen.received()), ("door", 3, origin().received));
    assert_eq!(seen.to_owned().stages, stages);
    let outcomes: Vec<_> = seen.stages().map(|s| s.outcome()).collect();
    assert_eq!(outcomes, [OutcomeRef::Ok, OutcomeRef::Skipped("interval"), OutcomeRef::Failed("map")]);
}

#[test]
fn a_history_without_end_is_cut() {
    init();
    let mut buffer = gst::Buffer::new();
    let r = buffer.get_mut().unwrap();
    for number in 0..300 {
        ProvenanceMeta::append(r, origin, Stage { start: number, ..stage("loop") });
    }
    let starts: Vec<_> = ProvenanceMeta::get(r).unwrap().stages().map(|s| s.start()).collect();
    assert!(starts.iter().copied().eq(0..256), "{starts:?}");
}

#[test]
fn metas_may_be_read_and_freed_on_other_threads() {
    init();
    let buffers: Vec<_> = (0..8).map(frame).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let copies: Vec<_> = buffers.iter().map(|b| b.copy()).collect();
            scope.spawn(move || assert!(copies.iter().all(|b| model(b, "det").is_some())));
        }
    });
    assert!(buffers.iter().all(|b| model(b, "det").is_some()));
}

fn camera(pad: u32) -> BatchStream {
    let id = format!("camera/{pad}").into();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let (caps, segment) = (CAPS.parse().ok(), Some(segment.upcast()));
    BatchStream::new(StreamFacts {
        pad,
        id,
        name: if pad == 1 { "door".into() } else { "".into() },
        caps,
        segment,
    })
}

/// A batch buffer with the frames 0 and 1 of two streams, and the end of the second one.
fn batch() -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    let items = vec![
        BatchItem::event(camera(0), gst::event::Gap::new(gst::ClockTime::SECOND, None)),
        BatchItem::frame(camera(0), frame(0)),
        BatchItem::frame(camera(1), frame(1)),
        BatchItem::event(camera(1), gst::event::Eos::new()),
        BatchItem::released(camera(1)),
    ];
    BatchMeta::set(buffer.get_mut().unwrap(), Batch { items });
    buffer
}

#[test]
fn a_batch_says_of_each_thing_whose_it_is() {
    init();
    let buffer = batch();
    let batch = BatchMeta::get(&buffer).unwrap();
    let kinds: Vec<_> = batch
        .items()
        .map(|item| match item.content {
            ContentRef::Frame(frame) => (item.stream.pad(), format!("{:?}", frame.pts().unwrap().mseconds())),
            ContentRef::Event(event) => (item.stream.pad(), format!("{:?}", event.type_())),
            ContentRef::Released => (item.stream.pad(), "released".into()),
        })
        .collect();
    let wanted = [(0, "Gap"), (0, "0"), (1, "33"), (1, "Eos"), (1, "released")];
    assert_eq!(kinds, wanted.map(|(pad, what)| (pad, what.to_owned())));
    let streams: Vec<_> = batch.frames().map(|(stream, _)| (stream.id(), stream.name())).collect();
    assert_eq!(streams, [("camera/0", "camera/0"), ("camera/1", "door")]);
    let (stream, _) = batch.frames().next().unwrap();
    assert_eq!(stream.caps().unwrap().to_string(), CAPS.parse::<gst::Caps>().unwrap().to_string());
    assert_eq!(stream.segment().unwrap().format(), gst::Format::Time);
    assert!(stream.is_same(&stream.clone()) && !stream.is_same(&camera(0)));
    assert!(BatchMeta::get(&frame(0)).is_none());
}

#[test]
fn frames_of_a_batch_are_changed_in_place_when_nobody_else_has_them() {
    init();
    let mut buffer = batch();
    let before: Vec<_> = BatchMeta::get(&buffer).unwrap().frames().map(|(_, f)| f.as_ptr()).collect();
    let r = buffer.get_mut().unwrap();
    let mut taken = BatchMeta::take(r).unwrap();
    assert!(BatchMeta::get(r).is_none());
    for (stream, frame) in taken.frames_mut() {
        let seen = vec![Detection { class_id: stream.pad() as i32, ..Detection::default() }];
        let frame = frame.get_mut().expect("nobody else has it");
        DetectionMeta::add(frame, Detections { model: "m".into(), items: seen, ..Detections::default() });
    }
    BatchMeta::set(r, taken);
    let after = BatchMeta::get(&buffer).unwrap();
    assert!(after.frames().map(|(_, f)| f.as_ptr()).eq(before));
    for (stream, frame) in after.frames() {
        let seen = model(frame, "m").unwrap();
        assert_eq!(seen.items[0].class_id, stream.pad() as i32);
    }
    assert_eq!(after.items().count(), 5);
}

#[test]
fn copies_of_a_batch_share_its_frames_until_they_are_made_writable() {
    init();
    let buffer = batch();
    let mut copies = [buffer.copy(), buffer.copy_deep().unwrap()];
    for copy in &mut copies {
        let first = |b: &gst::Buffer| BatchMeta::get(b).unwrap().frames().next().unwrap().1.as_ptr();
        assert_eq!(first(copy), first(&buffer));
        let r = copy.make_mut();
        let mut taken = BatchMeta::take(r).unwrap();
        for (_, frame) in taken.frames_mut() {
            assert!(frame.get_mut().is_none(), "the other branch has it too");
            TrackMeta::remove(frame.make_mut());
        }
        BatchMeta::set(r, taken);
        let (own, other) = (BatchMeta::get(copy).unwrap(), BatchMeta::get(&buffer).unwrap());
        assert!(own.frames().all(|(_, f)| TrackMeta::get(f).is_none()));
        assert!(other.frames().all(|(_, f)| TrackMeta::get(f).is_some()));
        for ((_, a), (_, b)) in own.frames().zip(other.frames()) {
            assert_eq!(a.peek_memory(0).as_ptr(), b.peek_memory(0).as_ptr(), "no pixel was copied");
        }
    }
}

#[test]
fn a_batch_holds_its_frames_as_long_as_it_lives() {
    init();
    let frame = frame(0);
    let mut buffer = gst::Buffer::new();
    let items = vec![BatchItem::frame(camera(0), frame.clone())];
    BatchMeta::set(buffer.get_mut().unwrap(), Batch { items });
    let mut frame = frame;
    assert!(frame.get_mut().is_none());
    let copy = buffer.copy();
    drop(buffer);
    assert!(frame.get_mut().is_none());
    drop(copy);
    assert!(frame.get_mut().is_some());
    let owned = BatchMeta::get(&batch()).unwrap().to_owned();
    let last = owned.items.last().unwrap();
    assert!(matches!(last.content, BatchContent::Released) && last.stream.name() == "door");
}
