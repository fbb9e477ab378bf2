//! What an object looks like: an average of its embeddings, and some that differ.
//!
//! An exponential moving average that confident detections move most (Maggiolino et al., "Deep OC-SORT", ICIP 2023),
//! and a bounded gallery of looks that the average does not show, as of a person from the front and from behind
//! (Wojke et al., "Simple Online and Realtime Tracking with a Deep Association Metric", ICIP 2017). Cosines of
//! different models cannot be compared, so each is read against what is usual in this stream: see [`Scale`].

/// Looks kept beside the average.
const GALLERY: usize = 6;
/// A look less alike than this to all that are kept is kept too, as a [`Scale`]'s likeness.
const NEW_LOOK: f32 = 0.8;
/// The share of the old in the average where the detection is as confident as can be.
const KEEP: f32 = 0.9;

/// One object's looks. Vectors are L2-normalised and of one length; those of another are not compared.
#[derive(Debug, Default)]
pub(super) struct Appearance {
    average: Vec<f32>,
    /// Rows of the average's length, in the order of a ring.
    gallery: Vec<f32>,
    next: usize,
}

/// What cosines are usual: of an object with itself and with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    same: f32,
    other: f32,
}

impl Default for Scale {
    /// As re-identification models usually have it, until the stream has shown its own.
    fn default() -> Self {
        Self { same: 0.8, other: 0.5 }
    }
}

/// How much a new cosine moves what is usual.
const PACE: f32 = 0.02;
/// The least distance of the two that is taken for granted.
const LEAST_CONTRAST: f32 = 0.05;

impl Scale {
    /// An object and a detection of it were so alike.
    pub(super) fn same(&mut self, cosine: f32) {
        self.same += PACE * (cosine - self.same);
    }

    /// An object and a detection of another were so alike.
    pub(super) fn other(&mut self, cosine: f32) {
        self.other += PACE * (cosine - self.other);
    }

    /// 0 for a cosine as of others, 1 for one as of the same object.
    fn likeness(&self, cosine: f32) -> f32 {
        ((cosine - self.other) / (self.same - self.other).max(LEAST_CONTRAST)).clamp(-0.5, 1.5)
    }
}

impl Appearance {
    /// Forgets all looks, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.average.clear();
        self.gallery.clear();
        self.next = 0;
    }

    /// The cosine with the look that is most alike, when there is one.
    pub(super) fn cosine(&self, embedding: &[f32]) -> Option<f32> {
        if self.average.is_empty() || self.average.len() != embedding.len() {
            return None;
        }
        let looks = self.gallery.chunks_exact(embedding.len());
        Some(looks.map(|look| dot(look, embedding)).fold(dot(&self.average, embedding), f32::max))
    }

    /// How alike an embedding is: about 1 for the same object, about 0 for others.
    pub(super) fn likeness(&self, embedding: &[f32], scale: &Scale) -> Option<f32> {
        self.cosine(embedding).map(|cosine| scale.likeness(cosine))
    }

    /// Takes in what the object looked like on this frame.
    pub(super) fn learn(&mut self, embedding: &[f32], confidence: f32, scale: &Scale) {
        if self.average.len() != embedding.len() {
            self.clear();
            self.average.extend_from_slice(embedding);
            return;
        }
        if self.likeness(embedding, scale).is_some_and(|likeness| likeness < NEW_LOOK) {
            self.remember(embedding);
        }
        let keep = KEEP + (1.0 - KEEP) * (1.0 - confidence.clamp(0.0, 1.0));
        self.average.iter_mut().zip(embedding).for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        let length = dot(&self.average, &self.average).sqrt();
        if length > f32::MIN_POSITIVE {
            self.average.iter_mut().for_each(|v| *v /= length);
        }
    }

    fn remember(&mut self, embedding: &[f32]) {
        let at = self.next * embedding.len();
        match self.gallery.get_mut(at..at + embedding.len()) {
            Some(row) => row.copy_from_slice(embedding),
            None => self.gallery.extend_from_slice(embedding),
        }
        self.next = (self.next + 1) % GALLERY;
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(angle: f32) -> [f32; 2] {
        [angle.cos(), angle.sin()]
    }

    #[test]
    fn the_average_follows_and_the_gallery_remembers() {
        let (mut appearance, scale) = (Appearance::default(), Scale::default());
        assert_eq!(appearance.likeness(&look(0.0), &scale), None);
        appearance.learn(&look(0.0), 1.0, &scale);
        assert!(appearance.cosine(&look(0.0)).unwrap() > 0.9999);
        // The other side of the same object, for long.
        (0..100).for_each(|_| appearance.learn(&look(1.2), 1.0, &scale));
        assert!(appearance.cosine(&look(1.2)).unwrap() > 0.999);
        appearance.learn(&look(0.0), 1.0, &scale);
        (0..100).for_each(|_| appearance.learn(&look(1.2), 1.0, &scale));
        assert!(appearance.cosine(&look(0.0)).unwrap() > 0.999, "the first side is in the gallery");
    }

    #[test]
    fn the_gallery_is_bounded() {
        let (mut appearance, scale) = (Appearance::default(), Scale::default());
        (0..1000).for_each(|i| appearance.learn(&look(i as f32 * 1.7), 1.0, &scale));
        assert!(appearance.gallery.len() <= 2 * GALLERY);
    }

    #[test]
    fn cosines_are_read_against_what_is_usual() {
        let mut scale = Scale::default();
        for _ in 0..1000 {
            scale.same(0.98);
            scale.other(0.9);
        }
        assert!((scale.likeness(0.98) - 1.0).abs() < 0.01 && scale.likeness(0.9).abs() < 0.01);
        assert!((scale.likeness(0.94) - 0.5).abs() < 0.01);
    }

    #[test]
    fn vectors_of_another_length_are_another_model_s() {
        let (mut appearance, scale) = (Appearance::default(), Scale::default());
        appearance.learn(&[1.0, 0.0], 1.0, &scale);
        assert_eq!(appearance.cosine(&[1.0, 0.0, 0.0]), None);
        appearance.learn(&[0.0, 1.0, 0.0], 1.0, &scale);
        assert_eq!(appearance.cosine(&[0.0, 1.0, 0.0]), Some(1.0));
    }
}
