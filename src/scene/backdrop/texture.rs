//! Grain, patches and houses: what makes one seed's street differ from another's.

use super::{Dice, LANES, Lanes};

/// Texels to each side of a texture, which repeats beyond.
const SIDE: usize = 256;
/// The finest grain's texels a metre, and how often it is halved.
const FINE: f32 = 40.0;
const LEVELS: usize = 8;
/// The patches' texels a metre.
const COARSE: f32 = 10.0;
/// Width of a house in metres: whole bays.
pub(super) const HOUSE: f32 = 13.0;
/// Houses, after which the row repeats.
const ROW: usize = 32;

type Texels = Box<[f32; SIDE * SIDE]>;

#[derive(Debug)]
pub(super) struct Textures {
    /// Grain about 0, every level half as fine as the one before.
    grain: Vec<Texels>,
    /// Soft patches about 0.
    patches: Texels,
    /// Height, the wall's red, green and blue, and the trim's grey of each house.
    houses: [[f32; ROW]; 5],
}

/// The houses behind a block of pixels.
pub(super) struct Houses {
    pub(super) height: Lanes,
    pub(super) wall: [Lanes; 3],
    pub(super) trim: Lanes,
}

impl Textures {
    pub(super) fn new(dice: &mut Dice) -> Self {
        const WALLS: [[f32; 3]; 7] = [
            [176.0, 128.0, 104.0],
            [200.0, 188.0, 160.0],
            [150.0, 156.0, 162.0],
            [188.0, 160.0, 120.0],
            [142.0, 104.0, 92.0],
            [208.0, 204.0, 196.0],
            [160.0, 172.0, 150.0],
        ];
        let house: [[f32; 5]; ROW] = std::array::from_fn(|_| {
            let height = dice.between(8.2, 12.0) as f32;
            let [red, green, blue] = dice.pick(&WALLS);
            [height, red, green, blue, dice.between(60.0, 120.0) as f32]
        });
        let houses = std::array::from_fn(|part| std::array::from_fn(|i| house[i][part]));
        let mut grain = vec![texels(|_, _| dice.between(-1.0, 1.0) as f32)];
        for level in 1..LEVELS {
            let finer = &grain[level - 1];
            let at = |x: usize, y: usize| finer[y % SIDE * SIDE + x % SIDE];
            // Grain that was averaged honestly would vanish too soon to be pleasant.
            let mean = |x: usize, y: usize| {
                let (x, y) = (2 * x, 2 * y);
                (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) * 0.36
            };
            let halved = texels(mean);
            grain.push(halved);
        }
        let (large, small) = (lattice(dice, 16), lattice(dice, 42));
        let patches = texels(|x, y| 0.6 * smooth(&large, 16, x, y) + 0.4 * smooth(&small, 42, x, y));
        Self { grain, patches, houses }
    }

    /// The grain at places of the world, as seen by pixels of about this size.
    #[inline(always)]
    pub(super) fn grain(&self, u: &Lanes, v: &Lanes, size: f32) -> Lanes {
        let texels = (size * FINE).clamp(1.0, (1 << (LEVELS - 1)) as f32);
        let level = ((texels.to_bits() >> 23) as usize - 127).min(LEVELS - 1);
        look(&self.grain[level], u, v, FINE / (1 << level) as f32)
    }

    #[inline(always)]
    pub(super) fn patches(&self, u: &Lanes, v: &Lanes) -> Lanes {
        look(&self.patches, u, v, COARSE)
    }

    /// One number in \[-1, 1) for each pair of whole numbers.
    #[inline(always)]
    pub(super) fn tone(&self, column: &Lanes, row: &Lanes) -> Lanes {
        look(&self.grain[0], column, row, 1.0)
    }

    #[inline(always)]
    pub(super) fn houses(&self, x: &Lanes) -> Houses {
        let mut at = [0; LANES];
        for i in 0..LANES {
            at[i] = low_bits(x[i] * (1.0 / HOUSE)) as usize & (ROW - 1);
        }
        let [height, red, green, blue, trim] = &self.houses;
        let wall = [pick(red, &at), pick(green, &at), pick(blue, &at)];
        Houses { height: pick(height, &at), wall, trim: pick(trim, &at) }
    }
}

#[inline(always)]
fn pick(values: &[f32; ROW], at: &[usize; LANES]) -> Lanes {
    let mut found = [0.0; LANES];
    for i in 0..LANES {
        found[i] = values[at[i]];
    }
    found
}

/// The low bits of the whole number at or below a value that is not beyond 2^22; of any other value some bits. Unlike
/// a cast this is a single instruction for many values at once.
#[inline(always)]
pub(super) fn low_bits(v: f32) -> u32 {
    const UNITS: f32 = 12_582_912.0;
    (v.floor() + UNITS).to_bits()
}

#[inline(always)]
fn look(texels: &[f32; SIDE * SIDE], u: &Lanes, v: &Lanes, scale: f32) -> Lanes {
    let mut at = [0_u32; LANES];
    for i in 0..LANES {
        let (x, y) = (low_bits(u[i] * scale), low_bits(v[i] * scale));
        at[i] = (y & 255) << 8 | (x & 255);
    }
    let mut found = [0.0; LANES];
    for i in 0..LANES {
        found[i] = texels[at[i] as usize & (SIDE * SIDE - 1)];
    }
    found
}

fn texels(mut value: impl FnMut(usize, usize) -> f32) -> Texels {
    let mut texels = Box::new([0.0; SIDE * SIDE]);
    texels.iter_mut().enumerate().for_each(|(i, texel)| *texel = value(i % SIDE, i / SIDE));
    texels
}

fn lattice(dice: &mut Dice, cells: usize) -> Vec<f32> {
    (0..cells * cells).map(|_| dice.between(-1.0, 1.0) as f32).collect()
}

/// Value noise: smooth between the points of a lattice that repeats.
fn smooth(lattice: &[f32], cells: usize, x: usize, y: usize) -> f32 {
    let place = |v: usize| {
        let v = v as f32 * cells as f32 / SIDE as f32;
        let part = v.fract();
        (v as usize, part * part * (3.0 - 2.0 * part))
    };
    let ((x, fx), (y, fy)) = (place(x), place(y));
    let at = |x: usize, y: usize| lattice[(y % cells) * cells + x % cells];
    let across = |y: usize| at(x, y) + (at(x + 1, y) - at(x, y)) * fx;
    across(y) + (across(y + 1) - across(y)) * fy
}
