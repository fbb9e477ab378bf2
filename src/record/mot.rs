//! MOTChallenge result text (Leal-Taixé et al., "MOTChallenge 2015", arXiv 1504.01942).

use std::io::Write;

use super::RecordSource;

/// Appends one row for each track that is there on the frame, confirmed or coasted:
/// `frame,id,x,y,w,h,conf,-1,-1,-1`.
///
/// Frames count from 1 (`seq + 1`). The box is in pixels from the picture's top left corner, to 1/100 of a pixel,
/// and not clipped. A box that is not finite has no row: readers of this format know no missing number.
pub fn write_rows(out: &mut Vec<u8>, source: &impl RecordSource) {
    let header = source.header();
    let (width, height) = (header.width as f32, header.height as f32);
    let tracks = source.tracks().into_iter().flatten();
    for track in tracks.filter(|t| t.state.is_there() && t.bbox.is_valid()) {
        let b = track.bbox.scaled(width, height);
        let confidence = if track.confidence.is_finite() { track.confidence } else { -1.0 };
        writeln!(
            out,
            "{},{},{:.2},{:.2},{:.2},{:.2},{confidence:.4},-1,-1,-1",
            header.seq + 1,
            track.id,
            b.x_min,
            b.y_min,
            b.width(),
            b.height(),
        )
        .expect("writing into memory cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;
    use crate::record::{FrameRecord, TrackRecord};
    use crate::track::TrackState;

    fn track(id: u64, state: TrackState, bbox: BBox, confidence: f32) -> TrackRecord<'static> {
        TrackRecord { id, state, confidence, bbox, ..TrackRecord::default() }
    }

    #[test]
    fn tracks_that_are_there_have_rows_in_pixels() {
        let inside = BBox::new(0.25, 0.5, 0.5, 1.0);
        let record = FrameRecord {
            seq: 6,
            width: 640,
            height: 480,
            tracks: Some(vec![
                track(1, TrackState::Tentative, inside, 0.9),
                track(2, TrackState::Confirmed, inside, 0.875),
                track(3, TrackState::Coasted, inside, 0.9),
                track(4, TrackState::Lost, inside, 0.9),
                track(5, TrackState::Confirmed, BBox::new(-0.125, 0.0, 0.125, 1.25), f32::NAN),
                track(6, TrackState::Confirmed, BBox::new(f32::NAN, 0.0, 1.0, 1.0), 0.5),
            ]),
            ..FrameRecord::default()
        };
        let mut out = Vec::new();
        write_rows(&mut out, &record);
        let rows = "7,2,160.00,240.00,160.00,240.00,0.8750,-1,-1,-1\n\
                    7,3,160.00,240.00,160.00,240.00,0.9000,-1,-1,-1\n\
                    7,5,-80.00,0.00,160.00,600.00,-1.0000,-1,-1,-1\n";
        assert_eq!(String::from_utf8(out).unwrap(), rows);
    }

    #[test]
    fn a_frame_without_a_tracker_has_no_rows() {
        let mut out = Vec::new();
        write_rows(&mut out, &FrameRecord::default());
        assert!(out.is_empty());
    }
}
