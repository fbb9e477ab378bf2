//! Whether a zone or line holds on a frame.

use std::sync::Arc;

use crate::view::{Binding, Sight, Standing};

/// Why a zone or line does not hold.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It holds.
    #[default]
    Current = 0,
    /// The camera looks elsewhere.
    Away = 1,
    /// The camera looks there, but nobody can tell for sure where it lies on the frame.
    Unsure = 2,
    /// No view has been seen yet that it could be bound to.
    Unbound = 3,
}

impl Hold {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Current, Self::Away, Self::Unsure, Self::Unbound];

    /// The name used in JSON and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Away => "away",
            Self::Unsure => "unsure",
            Self::Unbound => "unbound",
        }
    }
}

/// What a zone or line is bound to, and how it stands.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    binding: Option<Binding>,
    pub(super) hold: Hold,
}

impl Bound {
    pub(super) fn new(preset: Option<&Arc<str>>) -> Self {
        Self { binding: preset.map(|preset| Binding::Preset(preset.clone())), hold: Hold::Current }
    }

    /// Follows the view; true when it stands otherwise than on the frame before.
    pub(super) fn follow(&mut self, sight: &Sight<'_>) -> bool {
        let before = self.hold;
        self.hold = self.stand(sight);
        self.hold != before
    }

    fn stand(&mut self, sight: &Sight<'_>) -> Hold {
        if self.binding.is_none() {
            // What is drawn is drawn on a view that somebody looked at, not on the way between two.
            if sight.to_reference.is_none() || sight.validity == crate::view::Validity::Invalid {
                return Hold::Unbound;
            }
            self.binding = Some(Binding::to(sight));
        }
        match self.binding.as_mut().map(|binding| binding.follow(sight)) {
            Some(Standing::Current(_)) => Hold::Current,
            Some(Standing::Stale(_)) => Hold::Unsure,
            Some(Standing::Invalid) => Hold::Away,
            None => Hold::Unbound,
        }
    }
}
