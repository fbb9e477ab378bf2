//! GStreamer's video formats and frames as those of the pure layer.

use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};

use crate::image::{ColorMatrix, Colorimetry, FrameError, FrameMut, PixelFormat, PlaneMut};

/// The GStreamer format of a pixel format.
pub(super) fn video_format(format: PixelFormat) -> VideoFormat {
    match format {
        PixelFormat::I420 => VideoFormat::I420,
        PixelFormat::Yv12 => VideoFormat::Yv12,
        PixelFormat::Nv12 => VideoFormat::Nv12,
        PixelFormat::Nv21 => VideoFormat::Nv21,
        PixelFormat::Yuy2 => VideoFormat::Yuy2,
        PixelFormat::Rgb => VideoFormat::Rgb,
        PixelFormat::Bgr => VideoFormat::Bgr,
        PixelFormat::Rgba => VideoFormat::Rgba,
        PixelFormat::Bgra => VideoFormat::Bgra,
        PixelFormat::Argb => VideoFormat::Argb,
        PixelFormat::Abgr => VideoFormat::Abgr,
        PixelFormat::Rgbx => VideoFormat::Rgbx,
        PixelFormat::Bgrx => VideoFormat::Bgrx,
        PixelFormat::Xrgb => VideoFormat::Xrgb,
        PixelFormat::Xbgr => VideoFormat::Xbgr,
        PixelFormat::Gray8 => VideoFormat::Gray8,
    }
}

/// The pixel format of a GStreamer format, if it is one of those that the plugin reads.
pub(super) fn pixel_format(format: VideoFormat) -> Option<PixelFormat> {
    PixelFormat::ALL.into_iter().find(|candidate| video_format(*candidate) == format)
}

/// How the samples of a stream map to colours. A matrix that is not known is taken for BT.601.
pub(super) fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let matrix = match info.colorimetry().matrix() {
        VideoColorMatrix::Bt709 => ColorMatrix::Bt709,
        VideoColorMatrix::Bt2020 => ColorMatrix::Bt2020,
        _ => ColorMatrix::Bt601,
    };
    Colorimetry {
        matrix,
        full_range: info.colorimetry().range() == VideoColorRange::Range0_255,
        chroma_cosited: info.chroma_site().contains(gst_video::VideoChromaSite::H_COSITED),
    }
}

/// A mapped frame to draw on.
pub(super) fn frame_mut<'f>(
    frame: &'f mut VideoFrameRef<&mut gst::BufferRef>,
    format: PixelFormat,
    colorimetry: Colorimetry,
) -> Result<FrameMut<'f>, FrameError> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let mut strides = [0; 3];
    for (stride, value) in strides.iter_mut().zip(frame.plane_stride()) {
        // A negative stride becomes 0, which is too short for any row.
        *stride = usize::try_from(*value).unwrap_or(0);
    }
    let [a, b, c, _] = frame.planes_data_mut();
    let [x, y, z] = strides;
    let planes = [(a, x), (b, y), (c, z)].map(|(data, stride)| PlaneMut { data, stride });
    FrameMut::new(format, width, height, colorimetry, planes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_own_counterpart() {
        for format in PixelFormat::ALL {
            assert_eq!(pixel_format(video_format(format)), Some(format));
        }
        assert_eq!(pixel_format(VideoFormat::P01010le), None);
    }
}
