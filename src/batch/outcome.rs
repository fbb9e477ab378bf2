//! What the branches behind a splitter mean together.

/// What became of the last thing that was given to a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    #[default]
    Taken,
    /// Nobody is there to take it.
    Unlinked,
    /// The branch is being flushed or taken down.
    Flushing,
    /// The branch wants nothing more.
    Ended,
    /// The branch has failed.
    Failed,
}

/// What the source of all branches is told: to go on while one of them may still take something, or else the worst of
/// what they said. Without branches it goes on.
///
/// Unlike `GstFlowCombiner` this does not stop for branches that are not linked or are flushing: with streams that come
/// and go, all of the branches may be so for a moment.
pub fn combined(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    let mut all = None;
    for outcome in outcomes {
        match (outcome, all) {
            (Outcome::Failed, _) => all = Some(Outcome::Failed),
            (Outcome::Ended, None) => all = Some(Outcome::Ended),
            (Outcome::Ended, _) => {}
            _ => return Outcome::Taken,
        }
    }
    all.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_goes_on_while_anybody_may_listen() {
        use Outcome::{Ended, Failed, Flushing, Taken, Unlinked};
        for (outcomes, wanted) in [
            (&[][..], Taken),
            (&[Taken, Failed, Ended], Taken),
            (&[Failed, Unlinked], Taken),
            (&[Unlinked, Unlinked], Taken),
            (&[Ended, Flushing], Taken),
            (&[Ended, Ended], Ended),
            (&[Ended, Failed], Failed),
            (&[Failed, Ended], Failed),
        ] {
            assert_eq!(combined(outcomes.iter().copied()), wanted, "{outcomes:?}");
        }
    }
}
