//! Whether the picture can be relied on: frozen, blank, covered, blurred, or suddenly brighter or darker.
//!
//! Each frame is compared, in 144 cells, with how this view usually looks: its brightness, its detail, and how they are
//! spread. What is usual is learned slowly, and only while the picture is sound. What ails it has to last before it is
//! told, and to be gone for a while before it is forgotten.

use super::coarse::{Cells, Coarse, Likeness, quantile};
use super::motion::Estimator;

/// What ails a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It has not changed at all for too long.
    Frozen,
    /// It has hardly any contrast: black, white, or one colour.
    Blank,
    /// Most of what it used to show is gone, and something else is before it.
    Covered,
    /// It shows what it used to, without its detail.
    Blurred,
    /// It is suddenly much brighter or darker.
    Exposure,
}

impl Trouble {
    /// Its name, which serves as a view's reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Blank => "blank",
            Self::Covered => "covered",
            Self::Blurred => "blurred",
            Self::Exposure => "exposure",
        }
    }

    /// Seconds that it lasts before it is told.
    fn lasts(self) -> f64 {
        match self {
            // That it lasted is how it is known.
            Self::Frozen => 0.0,
            Self::Blank => 0.1,
            Self::Covered | Self::Blurred | Self::Exposure => 0.5,
        }
    }
}

/// Seconds for which a trouble is gone before it is forgotten.
const GONE: f64 = 1.0;
/// Most seconds that one frame counts for: what nobody saw lasted no longer.
const LONGEST_STEP: f64 = 1.0;
/// Seconds without frames after which the view may be another.
const ABSENT: f64 = 10.0;
/// Seconds in which what is usual is learned.
const LEARN: f32 = 20.0;
/// The same for the brightness that is usual right now. An automatic exposure takes about a second, and is no jump.
const LEARN_LIGHT: f32 = 0.2;
/// The same after a jump.
const LEARN_JUMP: f32 = 3.0;
/// Frames by which a new view becomes usual.
const FIRST_FRAMES: f32 = 12.0;
/// A picture is blank whose cells are this alike, but for a tenth at either end,
const BLANK_RANGE: f32 = 8.0;
/// and have no more structure than this.
const BLANK_STRUCTURE: f32 = 1.0;
/// A cell has texture whose pixels differ by this much from their neighbours.
const TEXTURE: f32 = 6.0;
/// A view with fewer cells of texture can neither be covered nor blurred, as far as anyone can tell.
const LEAST_TEXTURED: usize = 10;
/// Texture is gone from a cell that has less than this part of it left,
const LEFT: f32 = 0.4;
/// and from a picture that has lost it in this part of the cells.
const MOST_LOST: f32 = 0.7;
/// Pictures are alike at this correlation, and at this part of the contrast.
const ALIKE: f32 = 0.8;
const LEAST_CONTRAST: f32 = 0.3;
/// A jump of brightness: by this much on the whole,
const JUMP: f32 = 25.0;
/// in this part of the cells by more than this in the same direction.
const MOST_JUMP: f32 = 0.65;
const LEAST_JUMP: f32 = 8.0;
/// A new view with less than this part of the textured cells of the one before is that one, covered.
const NEW_VIEW: f32 = 0.25;

/// How a view usually looks.
#[derive(Clone, Copy, Debug)]
struct Usual {
    light: Cells,
    detail: Cells,
    /// The brightness of the last moments, or before it jumped.
    lately: Cells,
    frames: f32,
}

/// Watches over the pictures of one camera.
#[derive(Clone, Debug)]
pub struct Health {
    frozen_after: f64,
    usual: Option<Usual>,
    /// Whether the view may be a new one.
    renewed: bool,
    /// The last picture that differed from the one before, and for how many seconds it has not changed.
    still: Vec<f32>,
    unchanged: f64,
    time: Option<u64>,
    sums: Vec<f32>,
    trouble: Option<Trouble>,
    /// What ails the last frame, and for how many seconds that, or anything at all, has.
    sign: Option<Trouble>,
    lasted: f64,
}

impl Default for Health {
    /// Nothing is ever frozen.
    fn default() -> Self {
        Self::new(0.0)
    }
}

impl Health {
    /// Nothing known yet. A picture is frozen that has not changed at all for `frozen_after` seconds; 0 for never.
    pub fn new(frozen_after: f64) -> Self {
        Self {
            frozen_after,
            usual: None,
            renewed: false,
            still: Vec::new(),
            unchanged: 0.0,
            time: None,
            sums: Vec::new(),
            trouble: None,
            sign: None,
            lasted: 0.0,
        }
    }

    /// Changes how many seconds a picture may not change for; 0 for any.
    pub fn set_frozen_after(&mut self, seconds: f64) {
        self.frozen_after = seconds;
    }

    /// What ails the picture.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// To be told when an epoch begins, and on each frame of a move: what the next frame shows is usual, unless it is the
    /// old view with something before it.
    pub fn reset(&mut self) {
        self.renewed = true;
    }

    /// What ails the frame that the estimator took last, at a time in nanoseconds.
    pub fn look(&mut self, estimator: &Estimator, time: u64) -> Option<Trouble> {
        let since = self.time.map_or(0, |last| time.saturating_sub(last));
        let since = since as f64 * 1e-9;
        let step = since.min(LONGEST_STEP);
        self.renewed |= since > ABSENT;
        self.time = Some(time);
        let pyramid = estimator.last_frame();
        // Frames that nobody saw may have been other ones.
        self.compare(&pyramid.levels[1].data, step);
        let coarse = Coarse::of(pyramid, &mut self.sums);
        // What nobody saw coming need not have come at once.
        if let (Some(coarse), Some(usual), true) = (&coarse, &mut self.usual, since >= LONGEST_STEP) {
            usual.lately = coarse.light;
        }
        let sign = self.sign(coarse.as_ref());
        match (&coarse, sign) {
            (Some(coarse), None) => self.learn(coarse, step as f32, LEARN_LIGHT),
            (Some(coarse), Some(Trouble::Exposure)) => self.learn(coarse, step as f32, LEARN_JUMP),
            _ => {}
        }
        self.hold(sign, step);
        self.trouble
    }

    fn compare(&mut self, data: &[f32], step: f64) {
        if self.still == data {
            self.unchanged += step;
            return;
        }
        self.still.clear();
        self.still.extend_from_slice(data);
        self.unchanged = 0.0;
    }

    /// What this frame looks like, by itself.
    fn sign(&mut self, coarse: Option<&Coarse>) -> Option<Trouble> {
        if coarse.is_some_and(is_blank) {
            return Some(Trouble::Blank);
        }
        if self.frozen_after > 0.0 && self.unchanged >= self.frozen_after {
            return Some(Trouble::Frozen);
        }
        let coarse = coarse?;
        if std::mem::take(&mut self.renewed)
            && self.usual.as_ref().is_some_and(|usual| usual.gives_way_to(coarse))
        {
            self.usual = None;
        }
        self.usual.as_ref()?.trouble(coarse)
    }

    fn learn(&mut self, coarse: &Coarse, step: f32, light: f32) {
        let usual = self.usual.get_or_insert(Usual {
            light: coarse.light,
            detail: coarse.detail,
            lately: coarse.light,
            frames: 0.0,
        });
        usual.frames = (usual.frames + 1.0).min(FIRST_FRAMES);
        // At first a mean of all frames.
        let first = if usual.frames < FIRST_FRAMES { 1.0 / usual.frames } else { 0.0 };
        let slowly = first.max(1.0 - (-step / LEARN).exp());
        let lately = first.max(1.0 - (-step / light).exp());
        let lead = |usual: &mut Cells, now: &Cells, part: f32| {
            usual.iter_mut().zip(now).for_each(|(usual, now)| *usual += part * (now - *usual));
        };
        lead(&mut usual.light, &coarse.light, slowly);
        lead(&mut usual.detail, &coarse.detail, slowly);
        lead(&mut usual.lately, &coarse.light, lately);
    }

    /// Tells a sign that lasts, and forgets a trouble whose sign is gone for long.
    fn hold(&mut self, sign: Option<Trouble>, step: f64) {
        // Where nothing was told yet, it need not be one trouble that lasts.
        let goes_on = match self.trouble {
            None => sign.is_some() == self.sign.is_some(),
            Some(_) => sign == self.sign,
        };
        self.lasted = if goes_on { self.lasted + step } else { 0.0 };
        self.sign = sign;
        if sign == self.trouble {
            return;
        }
        let enough = sign.map_or(GONE, Trouble::lasts);
        if self.lasted >= enough {
            self.trouble = sign;
        }
    }
}

fn is_blank(coarse: &Coarse) -> bool {
    let mut light = coarse.light;
    let (low, high) = (quantile(&mut light, 0.1), quantile(&mut light, 0.9));
    high - low < BLANK_RANGE && coarse.structure < BLANK_STRUCTURE
}

fn textured(detail: &Cells) -> impl Iterator<Item = usize> + '_ {
    detail.iter().enumerate().filter(|(_, detail)| **detail > TEXTURE).map(|(cell, _)| cell)
}

impl Usual {
    /// Whether a picture after a change of view is of another view.
    fn gives_way_to(&self, coarse: &Coarse) -> bool {
        textured(&coarse.detail).count() as f32 >= NEW_VIEW * textured(&self.detail).count() as f32
    }

    fn trouble(&self, coarse: &Coarse) -> Option<Trouble> {
        let likeness = Likeness::of(&self.light, &coarse.light);
        let alike = likeness.correlation >= ALIKE && likeness.contrast >= LEAST_CONTRAST;
        // Detail fades along with contrast.
        let fades = if alike { likeness.contrast.min(1.0) } else { 1.0 };
        if self.has_lost(coarse, fades) {
            return Some(if alike { Trouble::Blurred } else { Trouble::Covered });
        }
        let lately = Likeness::of(&self.lately, &coarse.light);
        (lately.correlation >= ALIKE && self.jumps(coarse)).then_some(Trouble::Exposure)
    }

    /// Whether the texture is gone.
    fn has_lost(&self, coarse: &Coarse, fades: f32) -> bool {
        let (mut all, mut lost) = (0, 0);
        for cell in textured(&self.detail) {
            all += 1;
            lost += usize::from(coarse.detail[cell] < LEFT * fades * self.detail[cell]);
        }
        all >= LEAST_TEXTURED && lost as f32 >= MOST_LOST * all as f32
    }

    /// Whether the brightness is another than that of the last moments.
    fn jumps(&self, coarse: &Coarse) -> bool {
        let changes = || self.lately.iter().zip(&coarse.light).map(|(then, now)| now - then);
        let all = self.lately.len() as f32;
        let mean = changes().sum::<f32>() / all;
        let along = changes().filter(|change| change * mean.signum() > LEAST_JUMP).count();
        mean.abs() > JUMP && along as f32 >= MOST_JUMP * all
    }
}
