//! What the camera says of itself, from wherever it comes.

use crate::elements::clock::StreamClock;
use crate::view::{GenericSpace, PtzPart, Telemetry, Telling, onvif_pose};
use gst::glib;

/// The name of the events that carry a pose, upstream or downstream.
pub(super) const EVENT: &str = "nvp-ptz";

/// Takes poses in; lives from start to stop.
#[derive(Default)]
pub(super) struct Inbox {
    told: Telemetry,
    /// Of the ONVIF stream.
    clock: StreamClock,
    pub(super) taken: u64,
    pub(super) refused: u64,
}

/// A pose with its running time.
pub(super) type Told = (u64, PtzPart);

impl Inbox {
    /// What is known of a frame; those to come are later.
    pub(super) fn at(&mut self, time: u64, max_age: u64) -> Telling {
        self.told.pass(time, max_age);
        self.told.at(time, max_age).map_or(Telling::Silent, Telling::Told)
    }

    /// Takes what was read; says why not.
    pub(super) fn take(&mut self, read: Result<Told, String>) -> Result<(), String> {
        let result = read.and_then(|(time, ptz)| self.told.push(time, ptz).map_err(|why| why.to_string()));
        match result {
            Ok(()) => self.taken += 1,
            Err(_) => self.refused += 1,
        }
        result
    }

    /// The running time of a document.
    pub(super) fn time(&mut self, buffer: &gst::BufferRef) -> u64 {
        self.clock.time(buffer).0
    }

    /// Forgets all poses.
    pub(super) fn forget(&mut self) {
        self.told.clear();
    }

    /// Takes over what the ONVIF stream says of its time.
    pub(super) fn see(&mut self, event: &gst::Event) {
        match event.view() {
            gst::EventView::Segment(segment) => self.clock.set_segment(segment.segment()),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => self.clock.restart(),
            _ => {}
        }
    }
}

/// Reads the pose of an event: numbers `pan`, `tilt` and `zoom`, of which any may be left out, and perhaps a whole number of
/// nanoseconds `running-time`; without it, and with GST_CLOCK_TIME_NONE, the pose is of `now`.
pub(super) fn structure(told: &gst::StructureRef, now: u64) -> Result<Told, String> {
    let axis = |name: &str| {
        let Ok(value) = told.value(name) else { return Ok(None) };
        let number = value.transform::<f64>().ok().and_then(|v| v.get::<f64>().ok());
        number.map(Some).ok_or_else(|| format!("{name} is a {} where a number is needed", value.type_()))
    };
    let ptz = PtzPart { pan: axis("pan")?, tilt: axis("tilt")?, zoom: axis("zoom")? };
    let Ok(value) = told.value("running-time") else { return Ok((now, ptz)) };
    let time = nanoseconds(value).ok_or_else(|| {
        format!("running-time is {value:?} where a whole number of nanoseconds from 0 is needed")
    })?;
    Ok((if time == u64::MAX { now } else { time }, ptz))
}

fn nanoseconds(value: &glib::Value) -> Option<u64> {
    let whole = || value.get::<i64>().ok().or_else(|| value.get::<i32>().ok().map(i64::from));
    let unsigned = value.get::<u64>().ok().or_else(|| value.get::<u32>().ok().map(u64::from));
    unsigned.or_else(|| u64::try_from(whole()?).ok())
}

/// Reads the pose of an ONVIF metadata document, if it has one.
pub(super) fn document(buffer: &gst::BufferRef, generic: &GenericSpace) -> Result<Option<PtzPart>, String> {
    let map = buffer.map_readable().map_err(|_| "the buffer cannot be mapped".to_owned())?;
    let text = std::str::from_utf8(&map).map_err(|_| "it is no UTF-8 text".to_owned())?;
    onvif_pose(text, generic).map_err(|why| why.to_string())
}
