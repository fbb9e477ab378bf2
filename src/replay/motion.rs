//! Camera motion as text: `frame a b c d e f`, frames from 0, where `x' = a x + b y + c` and `y' = d x + e y + f` lead
//! from the previous frame's pixels to this frame's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Content, Frame, Notes, Recording, ReplayError, Rows, text};
use crate::homography::{self, IDENTITY};
use crate::view::{Decision, Motion, MotionSource, Phase, Validity, View};

/// A corner of a picture of this size moves by less than [`STILL`] while the camera stands.
const SPAN: f64 = 1000.0;
const STILL: f64 = 0.5;

/// The camera on one frame; homographies are of pixels.
#[derive(Clone, Debug)]
pub(super) struct Step {
    epoch: u64,
    version: u64,
    phase: Phase,
    moves: bool,
    /// How far a corner moved, in pixels.
    shift: f64,
    to_previous: [f64; 9],
    to_reference: [f64; 9],
    decision: Decision,
}

/// True when a line's fields are such a row rather than one of MOTChallenge, where frames count from 1.
pub(super) fn is_motion(line: &str) -> bool {
    let mut fields = text::fields(line);
    fields.next().is_some_and(|frame| frame.parse::<u64>() == Ok(0)) && fields.count() == 6
}

pub(super) fn read(all: &str) -> Result<Recording, ReplayError> {
    let mut notes = Notes::default();
    let mut rows = BTreeMap::new();
    text::each(all, &mut notes, |line, notes| {
        let (frame, to_this) = parse(line)?;
        let to_previous = homography::inverse(&to_this).ok_or("the motion has no way back")?;
        match rows.entry(frame) {
            Entry::Vacant(row) => {
                row.insert(to_previous);
            }
            Entry::Occupied(_) => notes.duplicates += 1,
        }
        Ok(())
    })?;
    let mut steps = Vec::with_capacity(rows.len());
    let mut last: Option<(u64, Step)> = None;
    for (number, to_previous) in rows {
        let step = follow(last.as_ref(), number, to_previous);
        last = Some((number, step.clone()));
        steps.push(Frame { number, rows: Rows::Motion(step) });
    }
    Ok(Recording { frames: steps, notes, ..Recording::default() })
}

/// How far a corner goes, in pixels.
fn shift(h: &[f64; 9]) -> f64 {
    let moved = |[x, y]: [f64; 2]| {
        let [u, v] = homography::apply(h, [x, y]);
        (u - x).hypot(v - y)
    };
    let corners = [[0.0, 0.0], [SPAN, 0.0], [0.0, SPAN], [SPAN, SPAN]];
    corners.into_iter().map(moved).fold(0.0, f64::max)
}

/// The first frame, and the first one after a gap, are references.
fn follow(last: Option<&(u64, Step)>, number: u64, to_previous: [f64; 9]) -> Step {
    let moved = shift(&to_previous);
    let moves = moved > STILL;
    let step = Step {
        epoch: 0,
        version: 0,
        phase: Phase::Settled.next(moves),
        moves,
        shift: moved,
        to_previous,
        to_reference: IDENTITY,
        decision: Decision::Continue,
    };
    match last {
        None => step,
        Some((before, last)) if before + 1 == number => {
            let to_reference = homography::compose(&last.to_reference, &to_previous);
            let phase = last.phase.next(moves);
            let same = phase == last.phase && moves == last.moves && to_reference == last.to_reference;
            let away = shift(&to_reference) > STILL;
            Step {
                epoch: last.epoch,
                version: last.version + u64::from(!same),
                phase,
                to_reference,
                decision: if away { Decision::Compensate } else { Decision::Continue },
                ..step
            }
        }
        Some((_, last)) => {
            Step { epoch: last.epoch + 1, version: last.version + 1, decision: Decision::Segment, ..step }
        }
    }
}

fn parse(line: &str) -> Result<(u64, [f64; 9]), String> {
    let fields: Vec<&str> = text::fields(line).collect();
    let [frame, numbers @ ..] = fields.as_slice() else { return Err("the line is empty".into()) };
    if numbers.len() != 6 {
        return Err(format!(
            "{} fields where 7 are needed: frame and six numbers of an affine map",
            fields.len()
        ));
    }
    let number = frame.parse().map_err(|_| format!("the frame is {frame:?}; frames count from 0"))?;
    let mut affine = IDENTITY;
    for (to, field) in affine.iter_mut().zip(numbers) {
        *to = text::number(field, "a number of the map")?;
    }
    Ok((number, affine))
}

pub(super) fn content(step: &Step, (width, height): (u32, u32)) -> Content {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let normalised = |h: &[f64; 9]| homography::normalised(h, width, height).map(|v| v as f32);
    let view = View {
        epoch: step.epoch,
        version: step.version,
        phase: step.phase,
        motion: if step.moves { Motion::Moving } else { Motion::Stable },
        source: MotionSource::External,
        confidence: 1.0,
        to_previous: Some(normalised(&step.to_previous)),
        to_reference: Some(normalised(&step.to_reference)),
        validity: Validity::Valid,
        reason: None,
        stability: (1.0 / (1.0 + step.shift)) as f32,
        preset: None,
        ptz: None,
        decision: step.decision,
    };
    Content { view: Some(view), ..Content::default() }
}
