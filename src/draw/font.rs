//! Text as masks: Noto Sans Mono, ASCII and Latin-1, at any size.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use super::Mask;

const WEIGHT: FontWeight = FontWeight::Regular;
const MASTER: RasterHeight = RasterHeight::Size32;
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;
/// Slots for U+0000 to U+00FF and the replacement character.
const SLOTS: usize = 257;

/// A font of one width for all characters, scaled from one master to the size in use. Characters beyond
/// Latin-1 show as a replacement character, control characters as spaces.
///
/// A glyph is scaled when it is first used; after that text costs a copy.
#[derive(Clone, Debug)]
pub struct Font {
    height: usize,
    advance: usize,
    /// Coverage of each slot's glyph, `advance` x `height` bytes a slot.
    glyphs: Vec<u8>,
    scaled: [bool; SLOTS],
}

impl Default for Font {
    fn default() -> Self {
        Self { height: 0, advance: 0, glyphs: Vec::new(), scaled: [false; SLOTS] }
    }
}

impl Font {
    /// Sets the height of a line in pixels, from ascender to descender, at least 1. Does nothing when it is
    /// that already.
    pub fn set_height(&mut self, height: usize) {
        let height = height.max(1);
        if self.height == height {
            return;
        }
        let master = (get_raster_width(WEIGHT, MASTER), MASTER.val());
        self.height = height;
        self.advance = ((height * master.0 + master.1 / 2) / master.1).max(1);
        self.glyphs.clear();
        self.glyphs.resize(self.advance * height * SLOTS, 0);
        self.scaled.fill(false);
    }

    /// Height of a line in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of a text in pixels.
    pub fn width(&self, text: &str) -> usize {
        text.chars().count() * self.advance
    }

    /// Makes `mask` the picture of one line of text.
    pub fn render(&mut self, text: &str, mask: &mut Mask) {
        mask.reset(self.width(text), self.height);
        for (i, c) in text.chars().enumerate() {
            let left = i * self.advance;
            let (advance, height) = (self.advance, self.height);
            let glyph = self.glyph(c);
            for y in 0..height {
                mask.row_mut(y)[left..left + advance].copy_from_slice(&glyph[y * advance..][..advance]);
            }
        }
    }

    fn glyph(&mut self, c: char) -> &[u8] {
        let slot = slot(c);
        let size = self.advance * self.height;
        let glyph = &mut self.glyphs[slot * size..][..size];
        if !self.scaled[slot] {
            self.scaled[slot] = true;
            if let Some(master) = master(slot) {
                scale(&master, glyph, self.advance, self.height);
            }
        }
        glyph
    }
}

fn slot(c: char) -> usize {
    if c.is_control() {
        return usize::from(b' ');
    }
    u8::try_from(c).map_or(SLOTS - 1, usize::from)
}

fn master(slot: usize) -> Option<RasterizedChar> {
    let raster = |c| get_raster(c, WEIGHT, MASTER);
    match u8::try_from(slot).map(char::from) {
        // The font has no glyphs for the blanks.
        Ok(' ' | '\u{a0}' | '\u{ad}') => None,
        Ok(c) => raster(c).or_else(|| raster(REPLACEMENT)),
        Err(_) => raster(REPLACEMENT),
    }
}

/// Scales a glyph by sampling the master between its pixels, several times in each pixel of the result. When
/// enlarging, the soft edge of the master is steepened so that it stays about one pixel wide.
fn scale(master: &RasterizedChar, glyph: &mut [u8], width: usize, height: usize) {
    const SAMPLES: usize = 4;
    let (sx, sy) = (master.width() as f32 / width as f32, master.height() as f32 / height as f32);
    let steepness = (1.0 / sy).max(1.0);
    let center = |i: usize, step: f32| (i as f32 + 0.5) * step / SAMPLES as f32 - 0.5;
    for (y, row) in glyph.chunks_exact_mut(width).enumerate() {
        for (x, out) in row.iter_mut().enumerate() {
            let mut sum = 0.0;
            for i in 0..SAMPLES * SAMPLES {
                let (i, j) = (x * SAMPLES + i % SAMPLES, y * SAMPLES + i / SAMPLES);
                let value = between(master, center(i, sx), center(j, sy));
                sum += ((value - 0.5) * steepness + 0.5).clamp(0.0, 1.0);
            }
            *out = (sum / (SAMPLES * SAMPLES) as f32 * 255.0).round() as u8;
        }
    }
}

/// Coverage at a place between pixel centres, by bilinear interpolation; 0 to 1.
fn between(master: &RasterizedChar, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let at = |dx: isize, dy: isize| {
        let (x, y) = (left as isize + dx, top as isize + dy);
        match (usize::try_from(x), usize::try_from(y)) {
            (Ok(x), Ok(y)) => f32::from(master.pixel(x, y).unwrap_or(0)) / 255.0,
            _ => 0.0,
        }
    };
    let (fx, fy) = (x - left, y - top);
    let upper = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
    let lower = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(height: usize, text: &str) -> Mask {
        let (mut font, mut mask) = (Font::default(), Mask::default());
        font.set_height(height);
        font.render(text, &mut mask);
        mask
    }

    fn weight(mask: &Mask) -> u64 {
        (0..mask.height()).flat_map(|y| mask.row(y)).map(|&v| u64::from(v)).sum()
    }

    #[test]
    fn master_size_is_the_master() {
        let master = get_raster('A', WEIGHT, MASTER).unwrap();
        let mut glyph = vec![0; master.width() * master.height()];
        for (y, row) in master.rows().enumerate() {
            for x in 0..row.len() {
                let exact = between(&master, x as f32, y as f32) * 255.0;
                glyph[y * master.width() + x] = exact.round() as u8;
            }
        }
        assert_eq!(glyph, master.pixels());
    }

    #[test]
    fn coverage_grows_with_the_area() {
        let (small, large) = (weight(&render(16, "B")) as f32, weight(&render(64, "B")) as f32);
        assert!((large / small / 16.0 - 1.0).abs() < 0.1, "{small} {large}");
    }

    #[test]
    fn every_character_is_drawn_or_replaced() {
        let replaced = weight(&render(20, "\u{fffd}"));
        assert!(replaced > 0);
        assert_eq!(weight(&render(20, "猫")), replaced);
        assert_eq!(weight(&render(20, " \u{a0}\n\u{7f}\u{85}")), 0);
        for c in ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ') {
            assert!(weight(&render(20, &c.to_string())) > 0, "{c:?}");
        }
    }

    #[test]
    fn mask_is_as_wide_as_its_text() {
        let mask = render(16, "person 17");
        assert_eq!((mask.width(), mask.height()), (9 * 7 + 1, 16));
    }

    #[test]
    fn no_text_is_empty_and_no_height_is_one() {
        assert_eq!(render(0, "text").height(), 2);
        assert_eq!(render(16, "").width(), 0);
    }
}
