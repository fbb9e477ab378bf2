//! Frames of `nvptestsrc`'s scene as a model of 320x192 sees them, with what is in them: `frames OUT SEED COUNT`
//!
//! OUT/frames holds COUNT tensors of 3x192x320 bytes (red, green, blue; letterboxed), OUT/objects one line an
//! object: frame, class, x_min, y_min, x_max, y_max in pixels of the tensor, visibility. Every frame has a seed,
//! time, size, camera and noise of its own, which follow from SEED; seeds below 1000 never occur.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use gstnvperception::image::{Colorimetry, Frame, FrameMut, PixelFormat, Plane, PlaneMut};
use gstnvperception::preprocess::{ElementType, Padding, Preprocessor, Spec, TensorMut};
use gstnvperception::scene::{CameraMode, Options, Scene};

const WIDTH: usize = 320;
const HEIGHT: usize = 192;
const SIZES: [(usize, usize); 8] =
    [(320, 180), (640, 360), (960, 540), (1280, 720), (640, 480), (800, 600), (480, 270), (720, 576)];
const CAMERAS: [CameraMode; 4] = [CameraMode::Fixed, CameraMode::Ptz, CameraMode::Handheld, CameraMode::Cut];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, out, seed, count] = arguments.as_slice() else {
        return Err("usage: frames OUT SEED COUNT".into());
    };
    let (mut dice, count) = (Dice(seed.parse()?), count.parse::<u64>()?);
    std::fs::create_dir_all(out)?;
    let mut frames = BufWriter::new(File::create(Path::new(out).join("frames"))?);
    let mut objects = BufWriter::new(File::create(Path::new(out).join("objects"))?);
    let spec =
        Spec { width: WIDTH, height: HEIGHT, element: ElementType::U8, scale: [1.0; 3], ..Spec::default() };
    let (mut preprocessor, mut padding) = (Preprocessor::new(spec)?, Padding::default());
    let mut tensor = vec![0; 3 * WIDTH * HEIGHT];
    for number in 0..count {
        let mut scene = Scene::new(Options {
            seed: 1000 + dice.below(1 << 40),
            objects: 8 + dice.below(28) as usize,
            camera: CAMERAS[dice.below(4) as usize],
            noise: dice.below(7) as f64,
        });
        let (width, height) = SIZES[dice.below(SIZES.len() as u64) as usize];
        let time = dice.below(3_600_000_000_000);
        let truth = scene.set(time, None, 0, width as f64 / height as f64);
        let mut pixels = vec![0; width * height * 3];
        let plane = PlaneMut { data: &mut pixels, stride: width * 3 };
        let planes = [plane, PlaneMut::default(), PlaneMut::default()];
        scene.render(&mut FrameMut::new(PixelFormat::Rgb, width, height, Colorimetry::default(), planes)?);
        let planes = [Plane { data: &pixels, stride: width * 3 }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Rgb, width, height, Colorimetry::default(), planes)?;
        let geometry = preprocessor.run(&frame, TensorMut::U8(&mut tensor), &mut padding)?;
        frames.write_all(&tensor)?;
        for object in &truth.objects {
            let b = geometry.to_input(&object.bbox);
            let class = object.class_id;
            writeln!(
                objects,
                "{number} {class} {:.2} {:.2} {:.2} {:.2} {:.3}",
                b.x_min, b.y_min, b.x_max, b.y_max, object.visibility
            )?;
        }
        if (number + 1) % 500 == 0 {
            println!("{} of {count} frames", number + 1);
        }
    }
    Ok(())
}
