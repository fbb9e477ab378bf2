//! Pixel formats, colours, strides, sizes and what is no frame.

use super::*;

const FORMATS: [&str; 15] = [
    "I420", "YV12", "NV12", "NV21", "YUY2", "RGB", "BGR", "RGBA", "BGRA", "ARGB", "ABGR", "RGBx", "BGRx",
    "xRGB", "xBGR",
];

fn infer_as(caps: gst::Caps) -> Detections {
    let mut rig = Rig::new(element("yolov8.onnx"), caps);
    let frame = rig.frame(COLOR);
    rig.infer(frame)
}

#[test]
fn every_format_gives_the_same_colours() {
    for format in FORMATS {
        assert_color(&infer_as(caps(format, SIZE)), 0.01);
    }
}

#[test]
fn grey_is_grey() {
    let mut rig = Rig::new(element("yolov8.onnx"), caps("GRAY8", SIZE));
    let frame = rig.frame([128; 3]);
    let found = rig.infer(frame);
    assert_eq!(classes(&found), [0, 1, 2]);
    assert!(found.items.iter().all(|d| (d.confidence - 128.0 / 255.0).abs() < 0.01), "{found:?}");
}

#[test]
fn colorimetry_is_honoured() {
    for format in ["I420", "NV12", "YUY2"] {
        for colorimetry in ["bt601", "bt709", "bt2020", "1:4:0:0", "1:3:0:0", "1:6:0:0"] {
            let mut caps = caps(format, SIZE);
            caps.get_mut().unwrap().set("colorimetry", colorimetry);
            assert_color(&infer_as(caps), 0.015);
        }
    }
}

#[test]
fn odd_sizes_are_read_to_the_last_pixel() {
    for format in FORMATS {
        for size in [(97, 65), (95, 63), (193, 129)] {
            let found = infer_as(caps(format, size));
            assert_eq!(classes(&found), [0, 1, 2], "{format} {size:?}");
        }
    }
}

#[test]
fn any_stride_and_offset_is_read() {
    for format in ["I420", "NV12", "RGB", "GRAY8"] {
        let plain_caps = caps(format, SIZE);
        let mut rig = Rig::new(element("yolov8.onnx"), plain_caps.clone());
        let plain = rig.frame(COLOR);
        let expected = rig.infer(plain.clone());
        let mut padded = padded(&plain, &plain_caps);
        rig.stamp(&mut padded);
        assert_eq!(rig.infer(padded).items, expected.items, "{format}");
    }
}

/// The same picture with 32 bytes more at the end of each row and 64 before each plane.
fn padded(plain: &gst::Buffer, caps: &gst::Caps) -> gst::Buffer {
    let info = gst_video::VideoInfo::from_caps(caps).unwrap();
    let planes = info.n_planes() as usize;
    let stride: Vec<i32> = info.stride()[..planes].iter().map(|s| s + 32).collect();
    let mut offset = Vec::new();
    let mut size = 0;
    for (plane, stride) in stride.iter().enumerate() {
        offset.push(size + 64);
        size += 64 + *stride as usize * info.comp_height(plane.min(1) as u8) as usize;
    }
    let mut wide = gst::Buffer::with_size(size).unwrap();
    {
        let wide = wide.get_mut().unwrap();
        let (format, flags) = (info.format(), gst_video::VideoFrameFlags::empty());
        gst_video::VideoMeta::add_full(wide, flags, format, info.width(), info.height(), &offset, &stride)
            .unwrap();
        let from = gst_video::VideoFrameRef::from_buffer_ref_readable(plain, &info).unwrap();
        let mut to = gst_video::VideoFrameRef::from_buffer_ref_writable(wide, &info).unwrap();
        from.copy(&mut to).unwrap();
    }
    wide
}

#[test]
fn a_wide_picture_is_letterboxed_and_its_boxes_come_back() {
    let mut rig = Rig::new(element("yolov8.onnx"), caps("RGB", (192, 64)));
    let frame = rig.frame([255, 0, 0]);
    let found = rig.infer(frame);
    let first = found.items.iter().find(|d| d.class_id == 0).unwrap().bbox;
    for (seen, expected) in [
        (first.x_min, 8.0 / 96.0),
        (first.x_max, 24.0 / 96.0),
        (first.y_min, 4.0 / 32.0),
        (first.y_max, 28.0 / 32.0),
    ] {
        assert!((seen - expected).abs() < 1e-3, "{first:?}");
    }
}

#[test]
fn one_pixel_and_8k_are_frames_too() {
    for size in [(1, 1), (7680, 4320)] {
        for format in ["NV12", "RGB"] {
            let mut rig = Rig::new(element("yolov8.onnx"), caps(format, size));
            let frame = rig.frame([255; 3]);
            let found = rig.infer(frame);
            assert!(found.items.iter().all(|d| d.confidence > 0.3), "{format} {size:?}: {found:?}");
        }
    }
}

#[test]
fn interlaced_video_is_refused_with_advice() {
    for mode in ["interleaved", "mixed"] {
        let rig = Rig::of("yolov8.onnx");
        let mut caps = caps("I420", SIZE);
        caps.get_mut().unwrap().set("interlace-mode", mode);
        let sink = rig.element.static_pad("sink").unwrap();
        assert!(!sink.send_event(gst::event::Caps::new(&caps)));
        assert!(rig.error().contains("deinterlace"));
    }
}

#[test]
fn a_buffer_that_is_too_small_ends_the_stream_with_an_error() {
    let mut rig = Rig::of("yolov8.onnx");
    let mut short = gst::Buffer::with_size(100).unwrap();
    rig.stamp(&mut short);
    let _ = rig.harness.push(short);
    let error = rig.error();
    assert!(error.contains("100 bytes") && error.contains("96x64"), "{error}");
}

#[test]
fn caps_may_change_in_mid_stream() {
    let mut rig = Rig::of("yolov8.onnx");
    for (format, size) in [("RGB", SIZE), ("NV12", (192, 128)), ("GRAY8", (33, 17)), ("BGRx", (96, 64))] {
        rig.caps = caps(format, size);
        rig.harness.set_src_caps(rig.caps.clone());
        let frame = rig.frame([200; 3]);
        let out = rig.harness.push_and_pull(frame).unwrap();
        assert!(!detections(&out).unwrap().items.is_empty(), "{format}");
        let now = rig.element.static_pad("src").unwrap().current_caps().unwrap();
        assert_eq!(now.structure(0).unwrap().get::<&str>("format").unwrap(), format);
    }
}

#[test]
fn buffers_without_timestamps_pass() {
    let mut rig = Rig::of("yolov8.onnx");
    for _ in 0..3 {
        let caps = rig.caps.clone();
        let mut frame = picture(&caps, COLOR);
        frame.make_mut().set_pts(None);
        let out = rig.harness.push_and_pull(frame).unwrap();
        assert_eq!(out.pts(), None);
        assert_color(&detections(&out).unwrap(), 0.003);
    }
}

#[test]
fn pixels_are_neither_copied_nor_changed() {
    let mut rig = Rig::of("yolov8.onnx");
    let frame = rig.frame(COLOR);
    let before = frame.map_readable().unwrap().to_vec();
    let memory = frame.peek_memory(0).as_ptr();
    let out = rig.harness.push_and_pull(frame).unwrap();
    assert_eq!(out.peek_memory(0).as_ptr(), memory);
    assert_eq!(out.map_readable().unwrap().to_vec(), before);
}
