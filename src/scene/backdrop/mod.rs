//! The street without anybody in it: pavements, road, lawn, houses and sky, computed for every pixel from where
//! its ray ends in the world, so that it is as sharp near as far and turns with the camera exactly.

mod surface;
mod texture;

use pulp::{Arch, Simd, WithSimd};

use super::camera::{Camera, HEIGHT};
use super::cast::street;
use super::random::Dice;
use surface::{Rays, facade, lawn, pavement, road};
use texture::{Textures, low_bits};

/// Pixels that are worked on together.
const LANES: usize = 32;
type Lanes = [f32; LANES];
/// Red, green and blue from 0 to 255.
type Colors = [Lanes; 3];

/// Where one surface ends and the next begins, in metres: within curbs, which hide the change.
const BORDERS: [f32; 4] = [
    street::NEAR_CURB as f32 - 0.08,
    street::FAR_CURB as f32 + 0.08,
    street::LAWN as f32,
    street::HOUSES as f32,
];

/// The seed's street.
#[derive(Debug)]
pub(super) struct Backdrop {
    textures: Textures,
    arch: Arch,
}

impl Backdrop {
    pub(super) fn new(seed: u64) -> Self {
        Self { textures: Textures::new(&mut Dice::new(&[seed, 0xBAC])), arch: Arch::new() }
    }

    /// Paints a whole frame. Its samples are what `matrix` and `offset` make of red, green and blue; only as many
    /// as there are planes are made.
    pub(super) fn paint(
        &self,
        camera: &Camera,
        width: usize,
        (matrix, offset): ([[f32; 3]; 3], [f32; 3]),
        planes: &mut [Vec<u8>],
    ) {
        let height = planes.first().map_or(0, |plane| plane.len() / width);
        let corner = camera.direction([0.0, 0.0]);
        let step = |to: [f64; 2], count: usize| {
            let end = camera.direction(to);
            [0, 1, 2].map(|i| (end[i] - corner[i]) / count as f64)
        };
        let (across, down) = (step([1.0, 0.0], width), step([0.0, 1.0], height));
        let spread = across.iter().map(|v| v * v).sum::<f64>().sqrt() as f32;
        for y in 0..height {
            let start = [0, 1, 2].map(|i| (corner[i] + down[i] * (y as f64 + 0.5)) as f32);
            let across = across.map(|v| v as f32);
            let mut rows = planes.iter_mut().map(|plane| &mut plane[y * width..][..width]);
            let rows = std::array::from_fn(|_| rows.next().unwrap_or_default());
            self.arch.dispatch(Row { textures: &self.textures, start, across, spread, matrix, offset, rows });
        }
    }
}

/// One row of a frame.
struct Row<'a> {
    textures: &'a Textures,
    /// The ray at the left end, and what is added to it from pixel to pixel.
    start: [f32; 3],
    across: [f32; 3],
    /// How far neighbouring rays are apart at distance 1.
    spread: f32,
    matrix: [[f32; 3]; 3],
    offset: [f32; 3],
    /// Empty where there is no such plane.
    rows: [&'a mut [u8]; 3],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(mut self, _: V) {
        let width = self.rows[0].len();
        let mut colors = [[0.0; LANES]; 3];
        let mut first = 0;
        while first < width {
            let rays = Rays::new(self.start, self.across, first as f32 + 0.5, self.spread);
            let count = LANES.min(width - first);
            self.color(&rays, count, &mut colors);
            self.store(first, count, &colors);
            first += LANES;
        }
    }
}

impl Row<'_> {
    /// A block of pixels. Most lie on one surface; of the others every surface is made, and each pixel's kept.
    #[inline(always)]
    fn color(&self, rays: &Rays, count: usize, colors: &mut Colors) {
        let zones = [0, count - 1].map(|i| zone(rays, i));
        let (near, far) = (zones[0].min(zones[1]), zones[0].max(zones[1]));
        self.surface(near, rays, colors);
        for other in near + 1..=far {
            let mut others = [[0.0; LANES]; 3];
            self.surface(other, rays, &mut others);
            for i in (0..count).filter(|i| zone(rays, *i) == other) {
                for (color, others) in colors.iter_mut().zip(&others) {
                    color[i] = others[i];
                }
            }
        }
    }

    #[inline(always)]
    fn surface(&self, zone: usize, rays: &Rays, colors: &mut Colors) {
        match zone {
            0 | 2 => pavement(self.textures, &rays.on_ground(), colors),
            1 => road(self.textures, &rays.on_ground(), colors),
            3 => lawn(self.textures, &rays.on_ground(), colors),
            _ => facade(self.textures, rays, colors),
        }
    }

    #[inline(always)]
    fn store(&mut self, first: usize, count: usize, [r, g, b]: &Colors) {
        for ((row, [kr, kg, kb]), offset) in self.rows.iter_mut().zip(self.matrix).zip(self.offset) {
            let mut samples = [0; LANES];
            for i in 0..LANES {
                let sample = kr * r[i] + kg * g[i] + kb * b[i] + (offset + 0.5);
                samples[i] = low_bits(sample.clamp(0.0, 255.0)) as u8;
            }
            if let Some(row) = row.get_mut(first..first + count) {
                row.copy_from_slice(&samples[..count]);
            }
        }
    }
}

/// Which surface a ray ends on, counted from the nearest.
#[inline(always)]
fn zone(rays: &Rays, i: usize) -> usize {
    BORDERS.iter().filter(|border| **border * rays.y[i] + HEIGHT as f32 * rays.z[i] >= 0.0).count()
}

#[cfg(test)]
mod tests {
    use super::super::camera::CameraMode;
    use super::*;

    #[test]
    fn every_instruction_set_paints_the_same() {
        let matrix = ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
        let fast = Backdrop::new(5);
        let plain = Backdrop { arch: Arch::Scalar, ..Backdrop::new(5) };
        for (mode, time) in [(CameraMode::Fixed, 0), (CameraMode::Handheld, 3_000_000_000)] {
            let camera = Camera::new(&mode.state(5, time).pose, 1.5);
            let paint = |backdrop: &Backdrop| {
                let mut planes = vec![vec![0; 301 * 200]; 3];
                backdrop.paint(&camera, 301, matrix, &mut planes);
                planes
            };
            assert!(paint(&fast) == paint(&plain), "{mode:?}");
        }
    }
}
