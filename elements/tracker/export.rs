//! What `nvptracker` tells beyond the tracks of the frame.

use super::Export;
use crate::track::{Track, TrackPoint, TrackSegment, Tracker, Tracks};

/// Adds to `tracks` what `export` asks for.
pub(super) fn add(tracks: &mut Tracks, export: Export, tracker: &Tracker) {
    let (mut segments, mut points): (Vec<TrackSegment>, Vec<TrackPoint>) = Default::default();
    if export.contains(Export::LIVE_TRAJECTORIES) {
        let believed = tracks.items.iter().map(|track: &Track| track.id);
        tracker.export(believed, &mut segments, &mut points);
    }
    if export.contains(Export::TRAJECTORIES) {
        let ended = tracker.ended().iter().map(|ended| ended.track.id);
        tracker.export(ended, &mut segments, &mut points);
    }
    (tracks.segments, tracks.points) = (segments, points);
    tracks.past = export.contains(Export::PAST).then(|| tracker.past().to_vec());
    let ended = export.intersects(Export::ENDED | Export::TRAJECTORIES);
    tracks.ended = ended.then(|| tracker.ended().to_vec());
}
