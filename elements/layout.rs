//! How the frames of a stream lie in memory.

use gst_video::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo};

use crate::elements::video;
use crate::image::{Colorimetry, Frame, FrameError, PixelFormat, Plane};

/// A stream's caps as the pure layer needs them.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) info: VideoInfo,
    pub(super) format: PixelFormat,
    pub(super) colorimetry: Colorimetry,
}

impl Layout {
    /// `None` when the format is not one of those that the plugin reads.
    pub(super) fn new(info: VideoInfo) -> Option<Self> {
        Some(Self {
            format: video::pixel_format(info.format())?,
            colorimetry: video::colorimetry(&info),
            info,
        })
    }

    /// Nanoseconds from one frame to the next, 0 when the caps do not say.
    #[cfg(feature = "onnx")]
    pub(super) fn frame_time(&self) -> u64 {
        let fps = self.info.fps();
        let (frames, seconds) =
            (u64::try_from(fps.numer()).unwrap_or(0), u64::try_from(fps.denom()).unwrap_or(0));
        (seconds * 1_000_000_000).checked_div(frames).unwrap_or(0)
    }

    /// A mapped frame of this stream, as borrowed planes.
    pub(super) fn frame<'f>(
        &self,
        mapped: &'f VideoFrameRef<&gst::BufferRef>,
    ) -> Result<Frame<'f>, FrameError> {
        let mut planes = [Plane::default(); 3];
        for (i, (plane, stride)) in planes.iter_mut().zip(mapped.plane_stride()).enumerate() {
            let data = mapped.plane_data(i as u32).unwrap_or_default();
            // A negative stride becomes 0, which is too short for any row.
            *plane = Plane { data, stride: usize::try_from(*stride).unwrap_or(0) };
        }
        let (width, height) = (mapped.width() as usize, mapped.height() as usize);
        Frame::new(self.format, width, height, self.colorimetry, planes)
    }
}
