//! Between GStreamer's video types and those of the pure layer.

use gst_video::prelude::*;
use gst_video::{VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};

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

/// Caps of every format that the pure layer reads and draws on, in system memory.
pub(super) fn raw_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new().format_list(PixelFormat::ALL.map(video_format)).build()
}

/// How a stream's samples map to colours. Unknown matrices follow the picture's size, as GStreamer's own
/// defaults do; an unknown chroma site is taken as co-sited, which is what H.264 and HEVC mean by silence.
pub(super) fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let described = info.colorimetry();
    let matrix = match described.matrix() {
        VideoColorMatrix::Bt709 => ColorMatrix::Bt709,
        VideoColorMatrix::Bt2020 => ColorMatrix::Bt2020,
        VideoColorMatrix::Bt601 => ColorMatrix::Bt601,
        _ if info.height() > 576 => ColorMatrix::Bt709,
        _ => ColorMatrix::Bt601,
    };
    let site = info.chroma_site();
    Colorimetry {
        matrix,
        full_range: described.range() == VideoColorRange::Range0_255,
        chroma_cosited: site.is_empty() || site.contains(VideoChromaSite::H_COSITED),
    }
}

/// A frame mapped for writing, as borrowed planes.
pub(super) fn frame_mut<'f>(
    mapped: &'f mut VideoFrameRef<&mut gst::BufferRef>,
    format: PixelFormat,
    colorimetry: Colorimetry,
) -> Result<FrameMut<'f>, FrameError> {
    let (width, height) = (mapped.width() as usize, mapped.height() as usize);
    let mut strides = [0; 3];
    for (stride, value) in strides.iter_mut().zip(mapped.plane_stride()) {
        // A negative stride becomes 0, which is too short for any row.
        *stride = usize::try_from(*value).unwrap_or(0);
    }
    let [a, b, c, _] = mapped.planes_data_mut();
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
