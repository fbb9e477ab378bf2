//! The preprocessor against a slow reference that follows the definitions pixel by pixel.

mod reference;

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::image::{ColorMatrix, Plane};
use reference::{Picture, expected};

/// The tensor of any type as f32.
fn run(picture: &Picture, region: BBox, spec: Spec) -> (Geometry, Vec<f32>) {
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let mut padding = Padding::default();
    let len = spec.len();
    let (mut f32s, mut f16s) = (vec![f32::NAN; len], vec![f16::NAN; len]);
    let (mut u8s, mut i8s) = (vec![7u8; len], vec![7i8; len]);
    let tensor = match spec.element {
        ElementType::F32 => TensorMut::F32(&mut f32s),
        ElementType::F16 => TensorMut::F16(&mut f16s),
        ElementType::U8 => TensorMut::U8(&mut u8s),
        ElementType::I8 => TensorMut::I8(&mut i8s),
    };
    let geometry = preprocessor.run_region(&picture.frame(), region, tensor, &mut padding).unwrap();
    let values = match spec.element {
        ElementType::F32 => f32s,
        ElementType::F16 => f16s.iter().map(|v| v.to_f32()).collect(),
        ElementType::U8 => u8s.iter().map(|v| f32::from(*v)).collect(),
        ElementType::I8 => i8s.iter().map(|v| f32::from(*v)).collect(),
    };
    (geometry, values)
}

const WHOLE: BBox = BBox::new(0.0, 0.0, 1.0, 1.0);

/// Pixel values as they are, in the order of the channels.
fn raw(width: usize, height: usize, resize: ResizeMode) -> Spec {
    Spec { width, height, resize, scale: [1.0; 3], ..Spec::default() }
}

fn colorimetry() -> impl Strategy<Value = Colorimetry> {
    let matrix = prop_oneof![Just(ColorMatrix::Bt601), Just(ColorMatrix::Bt709), Just(ColorMatrix::Bt2020)];
    (matrix, any::<bool>(), any::<bool>()).prop_map(|(matrix, full_range, chroma_cosited)| Colorimetry {
        matrix,
        full_range,
        chroma_cosited,
    })
}

fn picture() -> impl Strategy<Value = Picture> {
    let side = || prop_oneof![1usize..5, 5usize..70];
    (0..16usize, side(), side(), colorimetry(), 0usize..9, any::<u64>()).prop_map(
        |(format, width, height, colorimetry, slack, seed)| {
            Picture::noise(PixelFormat::ALL[format], (width, height), colorimetry, slack, seed)
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    let color = prop_oneof![Just(ColorOrder::Rgb), Just(ColorOrder::Bgr), Just(ColorOrder::Gray)];
    let layout = prop_oneof![Just(TensorLayout::Nchw), Just(TensorLayout::Nhwc)];
    let element = prop_oneof![
        Just(ElementType::F32),
        Just(ElementType::F16),
        Just(ElementType::U8),
        Just(ElementType::I8)
    ];
    let resize = prop_oneof![
        Just(ResizeMode::Letterbox),
        Just(ResizeMode::LetterboxTopLeft),
        Just(ResizeMode::Stretch),
        Just(ResizeMode::CenterCrop)
    ];
    let normalisation = prop_oneof![
        Just(([1.0; 3], [0.0; 3], [1.0; 3])),
        Just(([1.0 / 255.0; 3], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
        Just(([1.0; 3], [127.5; 3], [-127.5, 127.5, 64.0])),
    ];
    let side = || prop_oneof![1usize..5, 5usize..80];
    (side(), side(), color, layout, element, resize, 0f32..255.0, normalisation).prop_map(
        |(width, height, color, layout, element, resize, pad, (scale, mean, std))| Spec {
            width,
            height,
            color,
            layout,
            element,
            resize,
            pad,
            scale,
            mean,
            std,
        },
    )
}

/// How far an element may be from the reference: a quarter of a pixel value, and the type's rounding.
fn tolerance(spec: &Spec, channel: usize, value: f32) -> f32 {
    let pixel = (spec.scale[channel] / spec.std[channel]).abs();
    let rounding = match spec.element {
        ElementType::F32 => 0.0,
        ElementType::F16 => value.abs() / 1024.0,
        ElementType::U8 | ElementType::I8 => 0.5,
    };
    pixel / 4.0 + rounding + 1e-4
}

fn assert_close(picture: &Picture, region: BBox, spec: &Spec) -> Result<(), TestCaseError> {
    let (geometry, got) = run(picture, region, *spec);
    let want = expected(picture, spec, &geometry);
    prop_assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let (plane, channels) = (spec.width * spec.height, spec.color.channels());
        let channel = if spec.layout == TensorLayout::Nchw { i / plane } else { i % channels };
        let want = match spec.element {
            ElementType::U8 => want.clamp(0.0, 255.0),
            ElementType::I8 => want.clamp(-128.0, 127.0),
            _ => *want,
        };
        prop_assert!(
            (got - want).abs() <= tolerance(spec, channel, want),
            "element {i} (channel {channel}) is {got}, not {want}; {geometry:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_reference(picture in picture(), spec in spec()) {
        assert_close(&picture, WHOLE, &spec)?;
    }

    #[test]
    fn regions_agree_with_the_reference(
        picture in picture(), spec in spec(), a in (0f32..0.6, 0f32..0.6), size in (0.2f32..0.7, 0.2f32..0.7),
    ) {
        assert_close(&picture, BBox::new(a.0, a.1, a.0 + size.0, a.1 + size.1), &spec)?;
    }

    #[test]
    fn whole_ratios_agree_with_the_reference(
        format in 0..16usize, colorimetry in colorimetry(), ratio in 1usize..7, w in 1usize..40, h in 1usize..20,
        seed: u64,
    ) {
        let size = (w * ratio, h * ratio);
        let picture = Picture::noise(PixelFormat::ALL[format], size, colorimetry, 3, seed);
        assert_close(&picture, WHOLE, &raw(w, h, ResizeMode::Stretch))?;
    }

    #[test]
    fn layouts_hold_the_same_elements(picture in picture(), spec in spec()) {
        let (_, planar) = run(&picture, WHOLE, Spec { layout: TensorLayout::Nchw, ..spec });
        let (_, packed) = run(&picture, WHOLE, Spec { layout: TensorLayout::Nhwc, ..spec });
        let (plane, channels) = (spec.width * spec.height, spec.color.channels());
        for (i, v) in packed.iter().enumerate() {
            prop_assert_eq!(*v, planar[i % channels * plane + i / channels]);
        }
    }
}

/// The colours of a picture of one Y, U, V everywhere.
fn rgb_of(yuv: [u8; 3], matrix: ColorMatrix, full_range: bool) -> [f32; 3] {
    let colorimetry = Colorimetry { matrix, full_range, chroma_cosited: false };
    let picture = Picture::uniform(PixelFormat::I420, (6, 4), colorimetry, yuv);
    let (_, tensor) = run(&picture, WHOLE, raw(3, 3, ResizeMode::Stretch));
    [tensor[4], tensor[13], tensor[22]]
}

fn assert_bars(matrix: ColorMatrix, full_range: bool, bars: &[([u8; 3], [u8; 3])]) {
    for (yuv, rgb) in bars {
        let got = rgb_of(*yuv, matrix, full_range);
        // Half a step of rounding in Y, U and V is up to two in a colour.
        let close = got.iter().zip(rgb).all(|(got, want)| (got - f32::from(*want)).abs() <= 2.0);
        assert!(close, "{matrix:?} {yuv:?} became {got:?}, not {rgb:?}");
    }
}

#[test]
fn colour_bars() {
    let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
    let (white, black, yellow) = ([255, 255, 255], [0, 0, 0], [255, 255, 0]);
    let ends = [([235, 128, 128], white), ([16, 128, 128], black)];
    let bt601 =
        [([81, 90, 240], red), ([145, 54, 34], green), ([41, 240, 110], blue), ([210, 16, 146], yellow)];
    let bt709 =
        [([63, 102, 240], red), ([173, 42, 26], green), ([32, 240, 118], blue), ([219, 16, 138], yellow)];
    let bt2020 = [([74, 97, 240], red), ([164, 47, 25], green), ([29, 240, 119], blue)];
    for (matrix, bars) in
        [(ColorMatrix::Bt601, &bt601[..]), (ColorMatrix::Bt709, &bt709), (ColorMatrix::Bt2020, &bt2020)]
    {
        assert_bars(matrix, false, &ends);
        assert_bars(matrix, false, bars);
    }
    let full = [
        ([76, 85, 255], red),
        ([150, 44, 21], green),
        ([29, 255, 107], blue),
        ([255, 128, 128], white),
        ([0, 128, 128], black),
    ];
    assert_bars(ColorMatrix::Bt601, true, &full);
    // Footroom and headroom are clamped.
    assert_bars(ColorMatrix::Bt709, false, &[([1, 128, 128], black), ([254, 128, 128], white)]);
}

#[test]
fn one_picture_in_all_formats_is_one_tensor() {
    let gradient = |x: usize, y: usize| [(40 + 3 * x) as u8, (200 - 2 * y) as u8, (60 + x + y) as u8];
    let colorimetry = Colorimetry { full_range: true, ..Colorimetry::default() };
    let spec = raw(32, 32, ResizeMode::Letterbox);
    let tensor = |format| run(&Picture::encode(format, (51, 37), colorimetry, gradient), WHOLE, spec).1;
    let rgb = tensor(PixelFormat::Rgb);
    for format in PixelFormat::ALL.into_iter().filter(|f| *f != PixelFormat::Gray8) {
        let got = tensor(format);
        let worst = got.iter().zip(&rgb).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 4.0, "{format:?} differs by {worst}");
    }
    let gray = Spec { color: ColorOrder::Gray, ..spec };
    let gray_of = |format| run(&Picture::encode(format, (51, 37), colorimetry, gradient), WHOLE, gray).1;
    let (luma, of_rgb) = (gray_of(PixelFormat::Gray8), gray_of(PixelFormat::Rgb));
    assert!(luma.iter().zip(&of_rgb).all(|(a, b)| (a - b).abs() <= 1.0));
    assert_eq!(tensor(PixelFormat::Gray8)[..1024], tensor(PixelFormat::Gray8)[1024..2048]);
}

#[test]
fn known_pixels() {
    let plane = Plane { data: &[0, 100, 200, 40, 60, 80], stride: 3 };
    let colorimetry = Colorimetry { full_range: true, ..Colorimetry::default() };
    let planes = [plane, Plane::default(), Plane::default()];
    let frame = Frame::new(PixelFormat::Gray8, 3, 2, colorimetry, planes).unwrap();
    let spec = Spec { color: ColorOrder::Gray, pad: 9.0, ..raw(6, 6, ResizeMode::Letterbox) };
    let mut tensor = vec![0.0; 36];
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let geometry = preprocessor.run(&frame, TensorMut::F32(&mut tensor), &mut Padding::default()).unwrap();
    assert_eq!(geometry.content, Rect { x: 0, y: 1, width: 6, height: 4 });
    let nearly = |got: &[f32], want: [f32; 6]| got.iter().zip(want).all(|(a, b)| (a - b).abs() < 0.05);
    assert!(nearly(&tensor[..6], [9.0; 6]) && nearly(&tensor[30..], [9.0; 6]));
    assert!(nearly(&tensor[6..12], [0.0, 25.0, 75.0, 125.0, 175.0, 200.0]), "{tensor:?}");
    assert!(nearly(&tensor[12..18], [10.0, 30.0, 70.0, 110.0, 150.0, 170.0]), "{tensor:?}");
    assert!(nearly(&tensor[24..30], [40.0, 45.0, 55.0, 65.0, 75.0, 80.0]), "{tensor:?}");
}

#[test]
fn padding_follows_the_picture_of_its_tensor() {
    let spec = raw(16, 16, ResizeMode::Letterbox);
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let wide = Picture::noise(PixelFormat::Rgb, (32, 8), Colorimetry::default(), 0, 1);
    let tall = Picture::noise(PixelFormat::Nv12, (8, 32), Colorimetry::default(), 0, 2);
    let mut tensors =
        [(vec![0.0; spec.len()], Padding::default()), (vec![1.0; spec.len()], Padding::default())];
    for (slot, picture) in
        [(0, &wide), (1, &tall), (0, &wide), (0, &tall), (1, &wide), (1, &tall), (0, &wide)]
    {
        let (tensor, padding) = &mut tensors[slot];
        preprocessor.run(&picture.frame(), TensorMut::F32(tensor), padding).unwrap();
        assert_eq!(*tensor, run(picture, WHOLE, spec).1);
    }
    let (tensor, padding) = &mut tensors[0];
    tensor[0] = -5.0;
    preprocessor.run(&wide.frame(), TensorMut::F32(tensor), padding).unwrap();
    assert_eq!(tensor[0], -5.0, "padding that is there already is not written again");
}

#[test]
fn a_large_frame_and_a_single_pixel() {
    for format in PixelFormat::ALL {
        for size in [(8192, 6), (1, 1), (3, 4320)] {
            let picture = Picture::noise(format, size, Colorimetry::default(), 0, 5);
            assert_close(&picture, WHOLE, &Spec { width: 33, height: 20, ..Spec::default() }).unwrap();
        }
    }
}

#[test]
fn bytes_saturate_and_round_to_nearest() {
    let picture = Picture::uniform(PixelFormat::Rgb, (2, 2), Colorimetry::default(), [100, 101, 255]);
    let spec = Spec { element: ElementType::U8, mean: [0.0, 51.0, 0.0], ..raw(2, 2, ResizeMode::Stretch) };
    let spec = Spec { scale: [1.006, 0.5, 2.0], ..spec };
    let (_, tensor) = run(&picture, WHOLE, spec);
    assert_eq!(tensor, [101.0, 101.0, 101.0, 101.0, 0.0, 0.0, 0.0, 0.0, 255.0, 255.0, 255.0, 255.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let invalid = |spec: Spec| matches!(Preprocessor::new(spec), Err(PreprocessError::Spec(_)));
    let valid = Spec::default();
    assert!(invalid(Spec { width: 0, ..valid }));
    assert!(invalid(Spec { height: 1 << 20, ..valid }));
    assert!(invalid(Spec { pad: f32::NAN, ..valid }));
    assert!(invalid(Spec { std: [1.0, 0.0, 1.0], ..valid }));
    assert!(invalid(Spec { mean: [f32::INFINITY, 0.0, 0.0], ..valid }));

    let mut preprocessor = Preprocessor::new(raw(4, 4, ResizeMode::Stretch)).unwrap();
    let picture = Picture::uniform(PixelFormat::Rgb, (2, 2), Colorimetry::default(), [1, 2, 3]);
    let (frame, mut padding) = (picture.frame(), Padding::default());
    let mut run = |region, tensor: TensorMut<'_>| {
        preprocessor.run_region(&frame, region, tensor, &mut padding).map(|_| ())
    };
    let length = PreprocessError::Length { needed: 48, got: 47 };
    assert_eq!(run(WHOLE, TensorMut::F32(&mut [0.0; 47])), Err(length));
    let element = PreprocessError::Element { needed: ElementType::F32, got: ElementType::U8 };
    assert_eq!(run(WHOLE, TensorMut::U8(&mut [0; 48])), Err(element));
    let outside = BBox::new(1.5, 0.0, 2.0, 1.0);
    assert_eq!(run(outside, TensorMut::F32(&mut [0.0; 48])), Err(PreprocessError::Region));
    assert_eq!(run(WHOLE, TensorMut::F32(&mut [0.0; 48])), Ok(()));
}
