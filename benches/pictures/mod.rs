//! Pictures of the made-up street.

use gstnvperception::image::{Colorimetry, Frame, FrameMut, PixelFormat, Plane, PlaneMut};
use gstnvperception::scene::{Options, Scene};

/// Grey pictures of one size.
pub(crate) struct Pictures {
    width: usize,
    height: usize,
    pictures: Vec<Vec<u8>>,
}

impl Pictures {
    /// The first so many of a scene, at 25 frames a second.
    pub(crate) fn of(options: Options, width: usize, height: usize, count: u64) -> Self {
        let mut scene = Scene::new(options);
        let aspect = width as f64 / height as f64;
        let picture = |frame: u64| {
            let mut data = vec![0; width * height];
            let planes =
                [PlaneMut { data: &mut data, stride: width }, PlaneMut::default(), PlaneMut::default()];
            let mut picture =
                FrameMut::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes)
                    .expect("it fits");
            scene.set(frame * 40_000_000, None, frame, aspect);
            scene.render(&mut picture);
            data
        };
        Self { width, height, pictures: (0..count).map(picture).collect() }
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
