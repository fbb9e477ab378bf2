//! What the camera says of itself, from wherever it comes.

use crate::elements::clock::StreamClock;
use crate::view::{GenericSpace, Ptz, Telemetry, Telling, onvif_pose};

/// The name of the events that carry a pose, upstream or downstream.
pub(super) const EVENT: &str = "nvp-ptz";

/// Takes poses in; lives from start to stop.
#[derive(Default)]
pub(super) struct Inbox {
    told: Telemetry,
    /// The last pose, for what the next one leaves out.
    last: Ptz,
    /// Of the ONVIF stream.
    clock: StreamClock,
    pub(super) taken: u64,
    pub(super) refused: u64,
}

impl Inbox {
    /// What is known of a frame.
    pub(super) fn at(&self, time: u64, max_age: u64) -> Telling {
        self.told.at(time, max_age).map_or(Telling::Silent, Telling::Told)
    }

    /// Takes a pose; says why not.
    pub(super) fn pose(&mut self, time: u64, ptz: Ptz) -> Result<(), String> {
        let result = self.told.push(time, ptz).map_err(|why| why.to_string());
        match result {
            Ok(()) => {
                self.last = ptz;
                self.taken += 1;
            }
            Err(_) => self.refused += 1,
        }
        result
    }

    /// Takes the pose of an event: doubles `pan`, `tilt` and `zoom`, of which any may be left out, and perhaps a guint64
    /// `running-time`; without it the pose is of `now`.
    pub(super) fn structure(&mut self, told: &gst::StructureRef, now: u64) -> Result<(), String> {
        let number = |name: &str, last: f64| match told.value(name) {
            Err(_) => Ok(last),
            Ok(value) => {
                let number = value.transform::<f64>().ok().and_then(|v| v.get::<f64>().ok());
                number.ok_or_else(|| format!("{name} is a {} where a number is needed", value.type_()))
            }
        };
        let fields = || {
            let (pan, tilt) = (number("pan", self.last.pan)?, number("tilt", self.last.tilt)?);
            Ok(Ptz { pan, tilt, zoom: number("zoom", self.last.zoom)? })
        };
        let time = told.get::<u64>("running-time").unwrap_or(now);
        match fields() {
            Ok(ptz) => self.pose(time, ptz),
            Err(why) => {
                self.refused += 1;
                Err(why)
            }
        }
    }

    /// Takes the pose of an ONVIF metadata document, if it has one.
    pub(super) fn document(&mut self, buffer: &gst::BufferRef, generic: &GenericSpace) -> Result<(), String> {
        let (time, _) = self.clock.time(buffer);
        let read = || {
            let map = buffer.map_readable().map_err(|_| "the buffer cannot be mapped".to_owned())?;
            let text = std::str::from_utf8(&map).map_err(|_| "it is no UTF-8 text".to_owned())?;
            onvif_pose(text, generic, self.last).map_err(|why| why.to_string())
        };
        match read() {
            Ok(None) => Ok(()),
            Ok(Some(ptz)) => self.pose(time, ptz),
            Err(why) => {
                self.refused += 1;
                Err(why)
            }
        }
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
