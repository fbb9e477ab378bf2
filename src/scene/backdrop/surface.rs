//! What each surface looks like, a block of pixels at a time: loops without branches, for the compiler to turn
//! into SIMD.

use super::super::camera::HEIGHT;
use super::super::cast::street;
use super::texture::{HOUSE, Textures};
use super::{Colors, LANES, Lanes};

const EYE: f32 = HEIGHT as f32;
const NEAR: f32 = street::NEAR_CURB as f32;
const FAR: f32 = street::FAR_CURB as f32;
const LAWN: f32 = street::LAWN as f32;

/// The directions in which the pixels of a block look.
pub(super) struct Rays {
    x: Lanes,
    pub(super) y: Lanes,
    pub(super) z: Lanes,
    spread: f32,
}

/// Where rays meet the ground, and how large a pixel is there.
pub(super) struct Ground {
    x: Lanes,
    z: Lanes,
    /// Inverses of the pixel's size across the line of sight and along it, in 1/m.
    per_across: Lanes,
    per_along: Lanes,
    /// The size along it at the middle of the block, in metres.
    size: f32,
}

impl Rays {
    #[inline(always)]
    pub(super) fn new(start: [f32; 3], step: [f32; 3], first: f32, spread: f32) -> Self {
        let mut rays = Self { x: [0.0; LANES], y: [0.0; LANES], z: [0.0; LANES], spread };
        for i in 0..LANES {
            let at = first + i as f32;
            rays.x[i] = start[0] + step[0] * at;
            rays.y[i] = start[1] + step[1] * at;
            rays.z[i] = start[2] + step[2] * at;
        }
        rays
    }

    #[inline(always)]
    pub(super) fn on_ground(&self) -> Ground {
        let (mut x, mut z) = ([0.0; LANES], [0.0; LANES]);
        let (mut per_across, mut per_along) = ([0.0; LANES], [0.0; LANES]);
        let per_spread = 1.0 / self.spread;
        for i in 0..LANES {
            let distance = -EYE / self.y[i];
            (x[i], z[i]) = (self.x[i] * distance, self.z[i] * distance);
            per_across[i] = self.y[i] * (-per_spread / EYE);
            per_along[i] = per_across[i] * -self.y[i];
        }
        Ground { x, z, per_across, per_along, size: 1.0 / per_along[LANES / 2] }
    }
}

#[inline(always)]
pub(super) fn pavement(textures: &Textures, ground: &Ground, colors: &mut Colors) {
    const SLAB: f32 = 0.8;
    let Ground { x, z, per_across, per_along, size } = ground;
    let grain = textures.grain(x, z, *size);
    let patches = textures.patches(x, z);
    let (mut columns, mut rows) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        rows[i] = z[i] * (1.0 / SLAB);
        let row = rows[i].floor();
        // Every second row is shifted by half a slab.
        columns[i] = x[i] * (1.0 / SLAB) + (row * 0.5 - (row * 0.5).floor());
    }
    let tones = textures.tone(&columns, &rows);
    // The single slab is not seen from far away.
    let seen = 9.0 * (1.5 - size * (1.0 / SLAB)).clamp(0.0, 1.0);
    for i in 0..LANES {
        let joints = joint((columns[i] - columns[i].floor()) * SLAB, SLAB, per_across[i])
            + joint((rows[i] - rows[i].floor()) * SLAB, SLAB, per_along[i]);
        let light = grain[i] * 9.0 + patches[i] * 14.0 + tones[i] * seen - joints.min(1.2) * 34.0;
        let curb = band(z[i], NEAR - 0.16, NEAR, per_along[i]) + band(z[i], FAR, FAR + 0.16, per_along[i]);
        let edge = band(z[i], LAWN - 0.06, LAWN + 0.06, per_along[i]);
        let (curb, keep) = (curb * 184.0 + edge * 120.0, 1.0 - (curb + edge).min(1.0));
        colors[0][i] = curb + keep * (164.0 + light);
        colors[1][i] = curb + keep * (158.0 + light);
        colors[2][i] = curb + keep * (148.0 + light);
    }
}

#[inline(always)]
pub(super) fn road(textures: &Textures, ground: &Ground, colors: &mut Colors) {
    const LEFT: f32 = (street::CROSSING - street::CROSSING_HALF) as f32;
    const RIGHT: f32 = (street::CROSSING + street::CROSSING_HALF) as f32;
    const MIDDLE: f32 = (NEAR + FAR) / 2.0;
    let Ground { x, z, per_across, per_along, size } = ground;
    let grain = textures.grain(x, z, *size);
    let patches = textures.patches(x, z);
    for i in 0..LANES {
        let (x, z, wide, deep) = (x[i], z[i], per_across[i], per_along[i]);
        let zebra = band(x, LEFT, RIGHT, wide) * stripes(z - NEAR - 0.25, 1.0, 0.5, deep);
        let line = |at: f32| band(z, at - 0.07, at + 0.07, deep);
        let dashes = (line(MIDDLE - 2.1) + line(MIDDLE + 2.1)) * stripes(x, 4.0, 2.0, wide);
        let lines = dashes + line(MIDDLE) + line(16.02) + line(24.38);
        let clear = 1.0 - band(x, LEFT - 0.9, RIGHT + 0.9, wide);
        let stops = band(x, LEFT - 0.9, LEFT - 0.5, wide) * band(z, 16.1, MIDDLE, deep)
            + band(x, RIGHT + 0.5, RIGHT + 0.9, wide) * band(z, MIDDLE, 24.3, deep);
        let paint = (zebra + lines * clear + stops).min(1.0) * (0.86 + 0.1 * grain[i]);
        let light = grain[i] * 12.0 + patches[i] * 12.0;
        let curb = (band(z, NEAR - 0.16, NEAR, deep) + band(z, FAR, FAR + 0.16, deep)).min(1.0);
        let keep = (1.0 - paint) * (1.0 - curb);
        let over = paint * (1.0 - curb) * 220.0 + curb * 184.0;
        colors[0][i] = over + keep * (88.0 + light);
        colors[1][i] = over + keep * (90.0 + light);
        colors[2][i] = over + keep * (94.0 + light);
    }
}

#[inline(always)]
pub(super) fn lawn(textures: &Textures, ground: &Ground, colors: &mut Colors) {
    let Ground { x, z, per_along, size, .. } = ground;
    let grain = textures.grain(x, z, *size);
    let patches = textures.patches(x, z);
    for i in 0..LANES {
        let light = grain[i] * 22.0 + patches[i] * 26.0;
        let edge = band(z[i], LAWN - 0.06, LAWN + 0.06, per_along[i]);
        let keep = 1.0 - edge;
        colors[0][i] = edge * 120.0 + keep * (92.0 + light * 0.8);
        colors[1][i] = edge * 120.0 + keep * (124.0 + light);
        colors[2][i] = edge * 120.0 + keep * (62.0 + light * 0.5);
    }
}

/// Houses, and the sky above them.
#[inline(always)]
pub(super) fn facade(textures: &Textures, rays: &Rays, colors: &mut Colors) {
    const HOUSES: f32 = street::HOUSES as f32;
    const BAY: f32 = 2.6;
    const FLOOR: f32 = 3.1;
    let (mut x, mut y, mut per_size) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let (mut bays, mut floors, mut half_height) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let per_spread = 1.0 / (HOUSES * rays.spread);
    for i in 0..LANES {
        let forward = rays.z[i].max(0.05);
        let distance = HOUSES / forward;
        (x[i], y[i]) = (rays.x[i] * distance, EYE + rays.y[i] * distance);
        (bays[i], floors[i], half_height[i]) = (x[i] * (1.0 / BAY), y[i] * (1.0 / FLOOR), y[i] * 0.5);
        per_size[i] = forward * per_spread;
    }
    let houses = textures.houses(&x);
    let grain = textures.grain(&x, &y, 1.0 / per_size[LANES / 2]);
    let patches = textures.patches(&x, &half_height);
    let tones = textures.tone(&bays, &floors);
    for i in 0..LANES {
        let (height, house_trim, per_size) = (houses.height[i], houses.trim[i], per_size[i]);
        let u = (bays[i] - bays[i].floor()) * BAY;
        let v = (floors[i] - floors[i].floor()) * FLOOR;
        let opening = |border: f32| {
            band(u, 0.75 - border, 1.85 + border, per_size) * band(v, 0.9 - border, 2.55 + border, per_size)
        };
        let (frame, pane) = (opening(0.14), opening(0.0));
        let light = grain[i] * 8.0 + patches[i] * 12.0;
        let shine = 32.0 + 32.0 * tones[i];
        let trim = band(y[i], -1.0, 0.7, per_size) + band(y[i], height - 0.45, 1e6, per_size);
        // Houses are whole bays wide.
        let corner = band(wrap(x[i], HOUSE), -1.0, 0.18, per_size);
        let trim = (trim + corner * 0.5).min(1.0);
        let below = band(y[i], -1e6, height, per_size);
        let up = (2.0 * rays.y[i] / rays.z[i].max(0.05)).clamp(0.0, 1.0);
        for (axis, color) in colors.iter_mut().enumerate() {
            let glass = [46.0, 58.0, 68.0][axis] + shine * [0.7, 0.8, 0.9][axis];
            let sky = [196.0, 212.0, 226.0][axis] - up * [74.0, 52.0, 14.0][axis];
            let wall = houses.wall[axis][i] + light;
            let wall = mix(mix(wall, house_trim + 110.0, frame), glass, pane);
            color[i] = mix(sky, mix(wall, house_trim, trim), below);
        }
    }
}

#[inline(always)]
fn mix(a: f32, b: f32, part: f32) -> f32 {
    a + (b - a) * part
}

/// The rest of a division, never negative.
#[inline(always)]
fn wrap(v: f32, period: f32) -> f32 {
    v - period * (v * (1.0 / period)).floor()
}

/// How much of a pixel around `v` lies between two places; `per_size` is the inverse of the pixel's size.
#[inline(always)]
fn band(v: f32, from: f32, to: f32, per_size: f32) -> f32 {
    let inside = (v - from).min(to - v);
    (inside * per_size + 0.5).clamp(0.0, 1.0)
}

/// How much of it lies on stripes that are `width` wide and begin every `period`.
#[inline(always)]
fn stripes(v: f32, period: f32, width: f32, per_size: f32) -> f32 {
    let at = wrap(v, period);
    let sharp = (band(at, 0.0, width, per_size) + band(at, period, period + width, per_size)).min(1.0);
    // Where a pixel covers a whole period it sees the mean.
    let clear = (per_size * period - 1.0).clamp(0.0, 1.0);
    mix(width / period, sharp, clear)
}

/// How dark a joint at the ends of a slab is, from how far into the slab one is.
#[inline(always)]
fn joint(at: f32, slab: f32, per_size: f32) -> f32 {
    const WIDTH: f32 = 0.03;
    let per_size = per_size.min(1.0 / WIDTH);
    let from_middle = (at - slab / 2.0).abs();
    let near = (from_middle - slab / 2.0 + WIDTH / 2.0) * per_size + 0.5;
    near.clamp(0.0, 1.0) * (WIDTH * per_size)
}
