//! Whole pictures, compared byte by byte.

use proptest::prelude::*;

use super::*;
use crate::detection::Detection;
use crate::geometry::BBox;
use crate::image::{ColorMatrix, Colorimetry, FrameMut, Layout, PixelFormat, PlaneMut};
use crate::track::{Track, TrackState};

/// What frames are filled with before anything is drawn.
const BACKGROUND: u8 = 100;
/// Bytes between rows that belong to no pixel.
const PADDING: usize = 5;

struct Picture {
    format: PixelFormat,
    size: (usize, usize),
    colorimetry: Colorimetry,
    planes: [(Vec<u8>, usize); 3],
}

impl Picture {
    fn new(format: PixelFormat, width: usize, height: usize) -> Self {
        let planes = std::array::from_fn(|plane| {
            if plane >= format.planes() {
                return (Vec::new(), 0);
            }
            let (row, rows) = format.plane_size(plane, width, height);
            (vec![BACKGROUND; (row + PADDING) * rows - PADDING], row + PADDING)
        });
        Self { format, size: (width, height), colorimetry: Colorimetry::default(), planes }
    }

    fn frame(&mut self) -> FrameMut<'_> {
        let [a, b, c] = &mut self.planes;
        let views = [a, b, c].map(|(data, stride)| PlaneMut { data, stride: *stride });
        FrameMut::new(self.format, self.size.0, self.size.1, self.colorimetry, views).unwrap()
    }

    fn fill(&mut self, area: Area, color: Rgb) {
        let mut frame = self.frame();
        let mut canvas = Canvas::new(&mut frame);
        let ink = canvas.ink(color);
        canvas.fill(area, &ink);
    }

    fn paint(&mut self, scene: &Scene, style: &Style) {
        Painter::default().paint(&mut self.frame(), scene, style);
    }

    /// The samples of a plane, without padding.
    fn plane(&self, plane: usize) -> Vec<&[u8]> {
        let (row, rows) = self.format.plane_size(plane, self.size.0, self.size.1);
        let (data, stride) = &self.planes[plane];
        (0..rows).map(|y| &data[y * stride..][..row]).collect()
    }

    /// The three components of a pixel: red, green and blue, or Y, Cb and Cr, or Y alone thrice.
    fn components(&self, x: usize, y: usize) -> [u8; 3] {
        let byte = |plane: usize, x: usize, y: usize| self.planes[plane].0[y * self.planes[plane].1 + x];
        match self.format.layout() {
            Layout::Planar420 { u, v } => [byte(0, x, y), byte(u, x / 2, y / 2), byte(v, x / 2, y / 2)],
            Layout::SemiPlanar420 { u, v } => {
                let pair = x / 2 * 2;
                [byte(0, x, y), byte(1, pair + u, y / 2), byte(1, pair + v, y / 2)]
            }
            Layout::Packed422 => {
                let pair = x / 2 * 4;
                [byte(0, x * 2, y), byte(0, pair + 1, y), byte(0, pair + 3, y)]
            }
            Layout::Packed { step, r, g, b, .. } => [r, g, b].map(|c| byte(0, x * step + c, y)),
            Layout::Gray => [byte(0, x, y); 3],
        }
    }

    fn rgb(&self, x: usize, y: usize) -> [f32; 3] {
        let components = self.components(x, y).map(f32::from);
        if !self.format.is_yuv() {
            return components;
        }
        let [y, cb, cr] = components;
        let (kr, kb) = self.colorimetry.matrix.weights();
        let (y, cb, cr) = if self.colorimetry.full_range {
            (y, cb - 128.0, cr - 128.0)
        } else {
            ((y - 16.0) * 255.0 / 219.0, (cb - 128.0) * 255.0 / 224.0, (cr - 128.0) * 255.0 / 224.0)
        };
        let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
        [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
    }

    fn assert_padding_untouched(&self) {
        for (plane, (data, stride)) in self.planes.iter().enumerate().take(self.format.planes()) {
            let (row, _) = self.format.plane_size(plane, self.size.0, self.size.1);
            assert!(data.chunks(*stride).all(|r| r[row..].iter().all(|&b| b == BACKGROUND)));
        }
    }
}

fn boxes_only() -> Style {
    Style { labels: false, ids: false, confidence: false, ..Style::default() }
}

fn detected(bbox: BBox) -> Scene {
    let mut scene = Scene::default();
    scene.push_detection(&Detection { bbox, confidence: 0.5, class_id: 0 }, Some("thing"));
    scene
}

#[test]
fn a_box_in_gray() {
    let mut picture = Picture::new(PixelFormat::Gray8, 16, 16);
    picture.paint(&detected(BBox::new(0.25, 0.25, 0.75, 0.75)), &boxes_only());
    let line = Rgb::distinct(0).to_yuv(Colorimetry::default())[0];
    // 100 * 146/256 + 16 * 110/256
    let edge = 64;
    let drawn: Vec<String> = picture
        .plane(0)
        .iter()
        .map(|row| {
            row.iter()
                .map(|&v| match v {
                    BACKGROUND => '.',
                    v if v == line => '#',
                    v if v == edge => '-',
                    _ => '?',
                })
                .collect()
        })
        .collect();
    assert_eq!(
        drawn,
        [
            "................",
            "................",
            "................",
            "...----------...",
            "...-########-...",
            "...-########-...",
            "...-##----##-...",
            "...-##-..-##-...",
            "...-##-..-##-...",
            "...-##----##-...",
            "...-########-...",
            "...-########-...",
            "...----------...",
            "................",
            "................",
            "................",
        ]
    );
    picture.assert_padding_untouched();
}

#[test]
fn chroma_takes_its_share_of_the_pixels() {
    let mut picture = Picture::new(PixelFormat::I420, 6, 4);
    picture.fill(Area::new(1, 0, 4, 3), Rgb::new(255, 0, 0));
    let luma: Vec<Vec<u8>> = picture.plane(0).iter().map(|row| row.to_vec()).collect();
    assert_eq!(luma[0], [100, 81, 81, 81, 100, 100]);
    assert_eq!(luma[2], luma[0]);
    assert_eq!(luma[3], [100; 6]);
    // Of the four pixels of each sample, from left to right, 2, 4 and 0 are red in the upper row, 1, 2 and 0 in
    // the lower: red has chroma 90 and 240.
    assert_eq!(picture.plane(1), [[95, 90, 100], [98, 95, 100]]);
    assert_eq!(picture.plane(2), [[170, 240, 100], [135, 170, 100]]);
    picture.assert_padding_untouched();
}

#[test]
fn the_last_sample_of_an_odd_side_is_filled() {
    for format in PixelFormat::ALL {
        let mut picture = Picture::new(format, 5, 3);
        picture.fill(Area::new(4, 2, 5, 3), Rgb::new(0, 0, 255));
        if format != PixelFormat::Gray8 {
            let [r, g, b] = picture.rgb(4, 2);
            assert!(r.abs() < 2.0 && g.abs() < 2.0 && (b - 255.0).abs() < 2.0, "{format:?}: {r} {g} {b}");
        }
        picture.assert_padding_untouched();
    }
}

#[test]
fn every_format_shows_the_color_and_nothing_else() {
    let area = Area::new(2, 4, 10, 8);
    for format in PixelFormat::ALL {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            for full_range in [false, true] {
                let color = Rgb::distinct(3);
                let mut picture = Picture::new(format, 13, 11);
                let before = Picture::new(format, 13, 11);
                picture.colorimetry = Colorimetry { matrix, full_range, ..Colorimetry::default() };
                picture.fill(area, color);
                assert_colored(&picture, &before, area, color);
                picture.assert_padding_untouched();
            }
        }
    }
}

fn assert_colored(picture: &Picture, before: &Picture, area: Area, color: Rgb) {
    for (x, y) in (0..picture.size.0).flat_map(|x| (0..picture.size.1).map(move |y| (x, y))) {
        let (px, py) = (x as i32, y as i32);
        if !area.overlaps(Area::new(px, py, px + 1, py + 1)) {
            assert_eq!(picture.components(x, y), before.components(x, y), "{:?} at {x}, {y}", picture.format);
            continue;
        }
        if picture.format == PixelFormat::Gray8 {
            assert_eq!(picture.components(x, y)[0], color.to_yuv(picture.colorimetry)[0]);
            continue;
        }
        for (got, want) in picture.rgb(x, y).into_iter().zip([color.r, color.g, color.b]) {
            assert!((got - f32::from(want)).abs() <= 2.0, "{:?}: {got} is not {want}", picture.format);
        }
    }
}

#[test]
fn alpha_is_opaque_where_something_is_drawn() {
    for format in PixelFormat::ALL {
        let Layout::Packed { a: Some(a), step, .. } = format.layout() else { continue };
        let mut picture = Picture::new(format, 4, 1);
        picture.fill(Area::new(1, 0, 3, 1), Rgb::BLACK);
        let alpha: Vec<u8> = picture.plane(0)[0].iter().skip(a).step_by(step).copied().collect();
        assert_eq!(alpha, [BACKGROUND, 255, 255, BACKGROUND]);
    }
}

#[test]
fn a_mask_mixes_by_coverage() {
    let mut picture = Picture::new(PixelFormat::I420, 4, 2);
    let mut mask = Mask::default();
    mask.reset(3, 1);
    mask.row_mut(0).copy_from_slice(&[255, 0, 128, 0]);
    let mut frame = picture.frame();
    let mut canvas = Canvas::new(&mut frame);
    let ink = canvas.ink(Rgb::WHITE);
    canvas.mask(0, 0, &mask, &ink);
    // 128 of 255 is 129/256: 100 + 135 * 129/256. Chroma: 255/4 and 128/4 of the way from 100 to 128.
    assert_eq!(picture.plane(0), [[235, 100, 168, 100], [100, 100, 100, 100]]);
    assert_eq!(picture.plane(1), [[107, 104]]);
}

#[test]
fn a_mask_is_clipped() {
    let mut mask = Mask::default();
    mask.reset(6, 6);
    for y in 0..6 {
        mask.row_mut(y).fill(255);
    }
    for format in PixelFormat::ALL {
        for (x, y) in [(-3, -3), (3, 1), (-100, 0), (i32::MIN, i32::MAX), (i32::MAX, i32::MIN)] {
            let mut picture = Picture::new(format, 5, 3);
            let mut frame = picture.frame();
            let mut canvas = Canvas::new(&mut frame);
            let ink = canvas.ink(Rgb::WHITE);
            canvas.mask(x, y, &mask, &ink);
            picture.assert_padding_untouched();
            let corner = if (x, y) == (-3, -3) { 1 } else { 0 };
            let touched = picture.components(0, 0) != Picture::new(format, 5, 3).components(0, 0);
            assert_eq!(touched, corner == 1, "{format:?} {x} {y}");
        }
    }
}

#[test]
fn a_trail_leads_to_where_the_track_was() {
    let style = Style { boxes: false, ..boxes_only() };
    let (mut painter, mut scene) = (Painter::default(), Scene::default());
    let mut last = Picture::new(PixelFormat::Gray8, 100, 100);
    for frame in 0..30_u64 {
        let x = 0.1 + frame as f32 * 0.02;
        scene.clear(Some(frame * 40_000_000));
        let bbox = BBox::new(x - 0.05, 0.3, x + 0.05, 0.5);
        scene.push_track(&Track { id: 1, bbox, state: TrackState::Confirmed, ..Track::default() }, None);
        last = Picture::new(PixelFormat::Gray8, 100, 100);
        painter.paint(&mut last.frame(), &scene, &style);
    }
    let drawn = |x: usize, y: usize| last.components(x, y)[0] != BACKGROUND;
    assert!((14..66).all(|x| drawn(x, 49) || drawn(x, 50)));
    let far = (0..100_usize).flat_map(|y| (0..100_usize).map(move |x| (x, y)));
    assert!(far.filter(|&(x, y)| !(8..72).contains(&x) || y.abs_diff(50) > 3).all(|(x, y)| !drawn(x, y)));

    scene.clear(Some(0));
    let bbox = BBox::new(0.8, 0.3, 0.9, 0.5);
    scene.push_track(&Track { id: 1, bbox, state: TrackState::Confirmed, ..Track::default() }, None);
    let mut rewound = Picture::new(PixelFormat::Gray8, 100, 100);
    painter.paint(&mut rewound.frame(), &scene, &style);
    assert!(rewound.plane(0).iter().all(|row| row.iter().all(|&v| v == BACKGROUND)));
}

#[test]
fn nothing_to_show_touches_nothing() {
    let mut picture = Picture::new(PixelFormat::Nv12, 32, 32);
    for bbox in [
        BBox::new(f32::NAN, 0.0, 1.0, 1.0),
        BBox::new(0.5, 0.5, 0.5, 0.5),
        BBox::new(0.9, 0.9, 0.1, 0.1),
        BBox::new(1.5, 1.5, 2.0, 2.0),
    ] {
        picture.paint(&detected(bbox), &Style::default());
    }
    picture.paint(&Scene::default(), &Style::default());
    assert!(picture.planes[0].0.iter().chain(&picture.planes[1].0).all(|&v| v == BACKGROUND));
}

fn any_edge() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -0.5f32..1.5, 1 => any::<f32>()]
}

const VISIBLE: [TrackState; 3] = [TrackState::Tentative, TrackState::Confirmed, TrackState::Coasted];

prop_compose! {
    fn any_track()(
        edges in [any_edge(), any_edge(), any_edge(), any_edge()],
        state in prop::sample::select(&VISIBLE[..]),
        id in prop_oneof![1..4_u64, any::<u64>()],
        confidence in any::<f32>(),
        class_id in any::<i32>(),
    ) -> Track {
        let [a, b, c, d] = edges;
        Track { id, state, confidence, class_id, bbox: BBox::new(a, b, c, d), ..Track::default() }
    }
}

proptest! {
    #[test]
    fn any_scene_fits_any_frame(
        size in (1..90_usize, 1..90_usize),
        tracks in prop::collection::vec(any_track(), 1..6),
        (line_width, font_size) in (0..20_u32, 0..40_u32),
        times in prop::collection::vec(prop::option::of(any::<u64>()), 1..4),
        name in prop::option::of("\\PC{0,40}"),
    ) {
        let style = Style {
            tentative: true,
            detections: ShowDetections::Always,
            line_width,
            font_size,
            ..Style::default()
        };
        let mut reference: Option<Vec<Vec<u8>>> = None;
        for format in PixelFormat::ALL {
            let (mut painter, mut scene) = (Painter::default(), Scene::default());
            let mut picture = Picture::new(format, size.0, size.1);
            for (i, time) in times.iter().enumerate() {
                scene.clear(*time);
                for track in &tracks[i % tracks.len()..] {
                    scene.push_track(track, name.as_deref());
                    let Track { bbox, confidence, class_id, .. } = *track;
                    scene.push_detection(&Detection { bbox, confidence, class_id }, None);
                }
                painter.paint(&mut picture.frame(), &scene, &style);
            }
            picture.assert_padding_untouched();
            if !format.is_yuv() {
                continue;
            }
            let luma = |y| (0..size.0).map(|x| picture.components(x, y)[0]).collect::<Vec<_>>();
            let luma: Vec<_> = (0..size.1).map(luma).collect();
            prop_assert_eq!(reference.get_or_insert(luma.clone()), &luma);
        }
    }

    #[test]
    fn bars_are_the_blends_they_stand_for(
        format in prop::sample::select(&PixelFormat::ALL[..]),
        size in (1..40_usize, 1..20_usize),
        (x, y) in (-4..40_i32, -4..20_i32),
        (inset, width, height) in (0..4_i32, 1..12_i32, 1..20_i32),
        opacity in 0..=OPAQUE,
    ) {
        let mut blended = Picture::new(format, size.0, size.1);
        let mut barred = Picture::new(format, size.0, size.1);
        let outer = Area::new(x, y, x + width + 2 * inset, y + height);
        let inner = Area::new(x + inset, y, x + inset + width, y + height);
        {
            let mut frame = blended.frame();
            let mut canvas = Canvas::new(&mut frame);
            let (black, red) = (canvas.ink(Rgb::BLACK), canvas.ink(Rgb::new(255, 0, 0)));
            canvas.blend(outer, &black, opacity);
            canvas.fill(inner, &red);
        }
        {
            let mut frame = barred.frame();
            let mut canvas = Canvas::new(&mut frame);
            let (black, red) = (canvas.ink(Rgb::BLACK), canvas.ink(Rgb::new(255, 0, 0)));
            let bar = |area: Area, ink, opacity| canvas::Bar { x0: area.x0, x1: area.x1, ink, opacity };
            let bars = [bar(outer, &black, opacity), bar(inner, &red, OPAQUE)];
            canvas.bars(y, y + height, [&bars]);
        }
        for plane in 0..format.planes() {
            for (a, b) in blended.plane(plane).iter().zip(barred.plane(plane)) {
                prop_assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1), "{:?} {:?}", a, b);
            }
        }
        barred.assert_padding_untouched();
    }
}

#[test]
fn what_is_known_beyond_the_box_is_drawn_in_its_place() {
    use crate::detection::{Details, Keypoint, Quad};
    let bbox = BBox::new(0.25, 0.25, 0.75, 0.75);
    let detection = Detection { bbox, confidence: 0.5, class_id: 1 };
    let painted = |details: &Details, style: &Style| {
        let mut scene = Scene::default();
        scene.clear(None);
        scene.push_detailed(&detection, None, false, details.view(), 0);
        let mut picture = Picture::new(PixelFormat::Rgb, 64, 64);
        Painter::default().paint(&mut picture.frame(), &scene, style);
        move |x: usize, y: usize| picture.components(x, y)
    };
    let style = Style { boxes: false, ..boxes_only() };
    let plain = painted(&Details::default(), &style)(32, 32);
    let mut masked = Details::default();
    masked.masks.push(2, 1, |cells| cells.copy_from_slice(&[255, 0]));
    let seen = painted(&masked, &style);
    assert!(seen(24, 32) != plain && seen(40, 32) == plain && seen(8, 32) == plain);
    let mut pointed = Details::default();
    pointed.keypoints.push(&[
        Keypoint { x: 0.5, y: 0.5, confidence: 0.9 },
        Keypoint { x: 0.25, y: 0.25, confidence: 0.1 },
        Keypoint { x: f32::NAN, y: 0.25, confidence: 0.9 },
    ]);
    let seen = painted(&pointed, &style);
    assert!(seen(32, 32) != plain && seen(16, 16) == plain);
    let mut turned = Details::default();
    turned.quads.push(Quad { corners: [[0.75, 0.5], [0.5, 0.75], [0.25, 0.5], [0.5, 0.25]] });
    let seen = painted(&turned, &boxes_only());
    assert!(seen(40, 40) != plain, "a side of the turned box");
    assert!(seen(16, 32) != plain && seen(17, 17) == plain, "its corner, and no upright box");
    let hidden = painted(&turned, &Style { details: false, ..boxes_only() });
    assert!(hidden(40, 40) == plain && hidden(17, 17) != plain, "the upright box in their stead");
}
