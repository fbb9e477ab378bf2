//! Pictures of the made-up street.

use gstnvperception::image::{Colorimetry, Frame, FrameMut, PixelFormat, Plane, PlaneMut};
use gstnvperception::scene::{Options, Scene};

/// Grey pictures of one size.
pub(crate) struct Pictures {
    width: usize,
    height: usize,
    pictures: Vec<Vec<u8>>,
    to_scene: Vec<[f64; 9]>,
}

impl Pictures {
    /// The first so many of a scene, at 25 frames a second.
    pub(crate) fn of(options: Options, width: usize, height: usize, count: u64) -> Self {
        let mut scene = Scene::new(options);
        let aspect = width as f64 / height as f64;
        let (mut pictures, mut to_scene) = (Vec::new(), Vec::new());
        for frame in 0..count {
            let mut data = vec![0; width * height];
            let planes =
                [PlaneMut { data: &mut data, stride: width }, PlaneMut::default(), PlaneMut::default()];
            let (format, colors) = (PixelFormat::Gray8, Colorimetry::default());
            let mut picture = FrameMut::new(format, width, height, colors, planes).expect("it fits");
            to_scene.push(scene.set(frame * 40_000_000, None, frame, aspect).view.to_scene);
            scene.render(&mut picture);
            pictures.push(data);
        }
        Self { width, height, pictures, to_scene }
    }

    /// For each frame the homography from its points to those of the scene.
    #[allow(dead_code, reason = "not every bench looks at views")]
    pub(crate) fn to_scene(&self) -> &[[f64; 9]] {
        &self.to_scene
    }

    /// The frames.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let frame = |data| {
            let planes = [Plane { data, stride: self.width }, Plane::default(), Plane::default()];
            let (width, height) = (self.width, self.height);
            Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).expect("it fits")
        };
        self.pictures.iter().map(move |data| frame(data))
    }
}
