//! When a frame is: running time, or a guess where the stream does not tell it.

/// A frame's length when neither its duration nor the caps tell it: 25 frames a second.
const USUAL_FRAME: u64 = 40_000_000;

/// The stream's time and picture, as its events describe them.
#[derive(Debug, Default)]
pub(super) struct StreamClock {
    segment: gst::FormattedSegment<gst::ClockTime>,
    /// Nanoseconds between frames, from the caps.
    frame: Option<u64>,
    last: Option<u64>,
    /// Width over height as displayed.
    aspect: Option<f32>,
}

impl StreamClock {
    pub(super) fn set_segment(&mut self, segment: &gst::Segment) {
        self.segment = segment.downcast_ref().cloned().unwrap_or_default();
    }

    /// Takes frame rate and shape from caps of any features.
    pub(super) fn set_caps(&mut self, caps: &gst::CapsRef) {
        let Some(caps) = caps.structure(0) else { return };
        let rate = caps.get::<gst::Fraction>("framerate").ok().filter(|f| f.numer() > 0 && f.denom() > 0);
        self.frame = rate.map(|f| 1_000_000_000 * f.denom() as u64 / f.numer() as u64);
        let side = |name| caps.get::<i32>(name).ok().filter(|side| *side > 0);
        let pixel = caps.get("pixel-aspect-ratio").unwrap_or(gst::Fraction::new(1, 1));
        let pixel = pixel.numer() as f32 / pixel.denom() as f32;
        self.aspect = side("width").zip(side("height")).map(|(w, h)| w as f32 / h as f32 * pixel);
    }

    /// Forgets when the last frame was.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// Width over height of the picture as displayed; 1 when the caps do not tell it.
    pub(super) fn aspect(&self) -> f32 {
        self.aspect.unwrap_or(1.0)
    }

    /// The running time of a frame in nanoseconds, and whether the frame tells it itself. One that does not
    /// follows the frame before at the nominal distance.
    pub(super) fn time(&mut self, buffer: &gst::BufferRef) -> (u64, bool) {
        let told =
            buffer.pts().and_then(|pts| self.segment.to_running_time(pts)).map(gst::ClockTime::nseconds);
        let length = || buffer.duration().map(gst::ClockTime::nseconds).or(self.frame).unwrap_or(USUAL_FRAME);
        let time = told.unwrap_or_else(|| self.last.map_or(0, |last| last + length()));
        self.last = Some(time);
        (time, told.is_some())
    }
}
