//! Why a model cannot be used.

use std::fmt;

use super::facts::{List, TensorFacts};
use super::family::{FAMILIES, Family};
use super::nearest::suggestion;

/// Where a piece of knowledge came from, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The element's properties.
    Properties,
    /// The sidecar beside the model.
    Sidecar,
    /// The metadata in the model file.
    Metadata,
    /// The model's inputs and outputs.
    Shapes,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Properties => "the properties",
            Self::Sidecar => "the sidecar",
            Self::Metadata => "the model's metadata",
            Self::Shapes => "the shapes",
        })
    }
}

/// A family that the outputs fit, and the classes that it finds in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The family's name.
    pub family: &'static str,
    /// How many classes; `None` when the shapes do not say.
    pub classes: Option<usize>,
}

/// Why a model cannot be used. The messages say what was found, what is known, and how to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// Not exactly one input.
    Inputs {
        /// The inputs.
        inputs: Vec<TensorFacts>,
    },
    /// The input is no picture.
    Input {
        /// The input.
        input: TensorFacts,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A size was asked for that the input does not take.
    InputSize {
        /// The input.
        input: TensorFacts,
        /// Width and height asked for.
        asked: (usize, usize),
        /// Who asked.
        source: Source,
    },
    /// Colours were asked for that the input has no channels for.
    Color {
        /// The input's name.
        input: String,
        /// Channels of the colours asked for.
        asked: usize,
        /// Channels that the input has.
        channels: usize,
    },
    /// The metadata name a task that the outputs do not fit, or that no family is for.
    Task {
        /// What the model is said to do.
        task: String,
        /// The outputs.
        outputs: Vec<TensorFacts>,
    },
    /// What bytes stand for is not stated once, nor once for each output.
    Quantizations {
        /// How often it is stated.
        stated: usize,
        /// Who stated it.
        source: Source,
        /// The outputs.
        outputs: Vec<TensorFacts>,
    },
    /// No output is of floats.
    NoFloats {
        /// The outputs.
        outputs: Vec<TensorFacts>,
    },
    /// A family was asked for that does not exist.
    UnknownFamily {
        /// The name.
        name: String,
        /// Who asked.
        source: Source,
    },
    /// The outputs do not fit the family asked for.
    Misfit {
        /// The family.
        family: &'static str,
        /// Who asked.
        source: Source,
        /// The outputs.
        outputs: Vec<TensorFacts>,
        /// Width and height of the input.
        size: (usize, usize),
    },
    /// The outputs fit no family.
    NoFamily {
        /// The outputs.
        outputs: Vec<TensorFacts>,
        /// Width and height of the input.
        size: (usize, usize),
    },
    /// The outputs fit several families.
    Ambiguous {
        /// The outputs.
        outputs: Vec<TensorFacts>,
        /// The families.
        choices: Vec<Choice>,
    },
    /// The names of the classes are not as many as the classes.
    LabelCount {
        /// How many names.
        labels: usize,
        /// Where the names came from.
        source: Source,
        /// The families that the outputs fit otherwise.
        choices: Vec<Choice>,
        /// The outputs.
        outputs: Vec<TensorFacts>,
    },
    /// The labels file that a hint names was not read.
    UnreadLabels {
        /// Its path.
        path: String,
    },
}

impl std::error::Error for ModelError {}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inputs { inputs } => {
                write!(f, "the model has {} inputs ({}), one is expected", inputs.len(), List(inputs))
            }
            Self::Input { input, why } => write!(f, "the input {input} is no picture: {why}"),
            Self::InputSize { input, asked: (width, height), source } => {
                write!(f, "{source} ask for an input of {width}x{height}, but {input} is fixed")
            }
            Self::Color { input, asked, channels } => {
                write!(f, "colours with {asked} channels are asked for, but the input {input} has {channels}")
            }
            Self::Task { task, outputs } => {
                write!(f, "the metadata say that the model's task is \"{task}\", but the outputs ")?;
                write!(f, "({}) are not those of such a model", List(outputs))
            }
            Self::Quantizations { stated, source, outputs } => {
                write!(
                    f,
                    "{source} give {stated} output-quantization entries for {} outputs ",
                    outputs.len()
                )?;
                write!(f, "({}); give one, or one for each", List(outputs))
            }
            Self::NoFloats { outputs } => {
                write!(
                    f,
                    "no output holds f32 or f16 values: {}. Bytes can be read when the sidecar ",
                    List(outputs)
                )?;
                f.write_str("says what they stand for: \"output-quantization\": {\"scale\": ..., \"zero-point\": ...}")
            }
            Self::UnknownFamily { name, source } => {
                let near = suggestion(name, names());
                let known = names().collect::<Vec<_>>().join(", ");
                write!(f, "{source} name an unknown family \"{name}\"{near} (known: {known})")
            }
            Self::Misfit { family, source, outputs, size } => {
                let expects = Family::find(family).map_or("", |f| f.expects);
                write!(f, "{source} say family {family}, which gives {expects}, but the outputs are ")?;
                write!(f, "{} at an input of {}x{}", List(outputs), size.0, size.1)
            }
            Self::NoFamily { outputs, size: (width, height) } => {
                write!(f, "the outputs fit no known family: {} at an input of ", List(outputs))?;
                write!(f, "{width}x{height}. Known: {Known}")
            }
            Self::Ambiguous { outputs, choices } => {
                write!(f, "the outputs {} fit more than one family: {}", List(outputs), Choices(choices))?;
                f.write_str(". Name one in the property or sidecar key \"family\", or give the labels")
            }
            Self::LabelCount { labels, source, choices, outputs } => {
                write!(f, "{source} name {labels} classes, but the outputs ({}) ", List(outputs))?;
                write!(f, "have another number of them: {}", Choices(choices))
            }
            Self::UnreadLabels { path } => write!(f, "the labels file \"{path}\" was not read"),
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|f| f.name)
}

struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, family) in FAMILIES.iter().enumerate() {
            write!(f, "{}{}: {}", if i > 0 { "; " } else { "" }, family.name, family.expects)?;
        }
        Ok(())
    }
}

struct Choices<'a>(&'a [Choice]);

impl fmt::Display for Choices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, choice) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, choice.family)?;
            if let Some(classes) = choice.classes {
                write!(f, " ({classes} classes)")?;
            }
        }
        Ok(())
    }
}
