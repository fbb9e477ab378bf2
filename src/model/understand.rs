//! From facts and hints to a plan.

use super::decode::Decoder;
use super::error::{Choice, ModelError, Source};
use super::facts::{ElementKind, Facts, TensorFacts};
use super::family::{FAMILIES, Family, Fit, Outputs, Preprocess};
use super::labels;
use super::sidecar::{Hints, LabelSource, MAX_SIDE};
use crate::detection::Labels;
use crate::preprocess::{ColorOrder, ElementType, Spec, TensorLayout};

/// Width and height of an input that nothing states: what most exporters use.
const DEFAULT_SIDE: usize = 640;
const COCO_CLASSES: usize = 80;

/// Tasks of Ultralytics' metadata that are not detection.
const OTHER_TASKS: [&str; 4] = ["segment", "pose", "obb", "classify"];

/// The tensor that a model takes: one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The input's name.
    pub name: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Channels: 1 or 3.
    pub channels: usize,
    /// The order of the axes.
    pub layout: TensorLayout,
    /// The type of the elements.
    pub element: ElementType,
    /// What was assumed, for people.
    pub assumptions: Vec<String>,
}

impl Input {
    /// The dimensions of the tensor, slowest first, with a batch of 1.
    pub const fn shape(&self) -> [usize; 4] {
        match self.layout {
            TensorLayout::Nchw => [1, self.channels, self.height, self.width],
            TensorLayout::Nhwc => [1, self.height, self.width, self.channels],
        }
    }
}

/// How to use a model.
#[derive(Debug)]
pub struct Plan {
    /// The family it belongs to.
    pub family: &'static Family,
    /// The input's name.
    pub input: String,
    /// How to make the input from a frame.
    pub spec: Spec,
    /// The output that is read.
    pub output: String,
    /// The names of the classes; empty when nobody names them.
    pub labels: Labels,
    /// How many classes there are; `None` when neither shapes nor labels say.
    pub classes: Option<usize>,
    /// What was assumed and why, for people: one sentence each.
    pub assumptions: Vec<String>,
    /// Reads the outputs.
    pub decoder: Box<dyn Decoder>,
}

impl Plan {
    /// One line for a log: family, input, classes and assumptions.
    pub fn summary(&self) -> String {
        let spec = &self.spec;
        let classes = self.classes.map_or_else(|| "an unknown number of".to_owned(), |c| c.to_string());
        let mut line = format!(
            "family {}, input {} {}x{} {} {} {}, {classes} classes",
            self.family.name, self.input, spec.width, spec.height, spec.color, spec.layout, spec.element
        );
        if !self.assumptions.is_empty() {
            line.push_str("; assumed: ");
            line.push_str(&self.assumptions.join("; "));
        }
        line
    }
}

/// The input of a model: enough to run it once on any picture and see the shapes of its outputs.
///
/// The size comes from the model's shape; what that leaves open from the properties, the sidecar, the `imgsz`
/// of the metadata, and is 640 otherwise.
///
/// # Errors
/// [`ModelError::Inputs`], [`ModelError::Input`] and [`ModelError::InputSize`].
pub fn input(facts: &Facts, properties: &Hints, sidecar: Option<&Hints>) -> Result<Input, ModelError> {
    let [tensor] = facts.inputs.as_slice() else {
        return Err(ModelError::Inputs { inputs: facts.inputs.clone() });
    };
    let refuse = |why| Err(ModelError::Input { input: tensor.clone(), why });
    let element = match tensor.element {
        ElementKind::F32 => ElementType::F32,
        ElementKind::F16 => ElementType::F16,
        ElementKind::U8 => ElementType::U8,
        _ => return refuse("its elements are not f32, f16 or u8"),
    };
    let [batch, a, b, c] = tensor.shape[..] else {
        return refuse("it has not the 4 dimensions of a batch of pictures");
    };
    if batch.is_some_and(|n| n != 1) {
        return refuse("its batch is fixed; export the model with a batch of 1 or an open one");
    }
    let mut assumptions = Vec::new();
    let is_channels = |dim: Option<usize>| dim.filter(|d| [1, 3].contains(d));
    let (layout, channels, height, width) = match (is_channels(a), is_channels(c), a, c) {
        (Some(channels), ..) => (TensorLayout::Nchw, channels, b, c),
        (None, Some(channels), ..) => (TensorLayout::Nhwc, channels, a, b),
        (None, None, None, _) => {
            assumptions.push("3 channels before rows and columns, because the shape leaves them open".into());
            (TensorLayout::Nchw, 3, b, c)
        }
        _ => return refuse("it has not 1 or 3 channels"),
    };
    let open = input_size(facts, properties, sidecar);
    let (width, height) = match (width, height, open) {
        (Some(w), Some(h), Some((asked, source))) if asked != (w, h) && source < Source::Metadata => {
            return Err(ModelError::InputSize { input: tensor.clone(), asked, source });
        }
        (Some(w), Some(h), _) => (w, h),
        (w, h, Some((asked, source))) => {
            let size = (w.unwrap_or(asked.0), h.unwrap_or(asked.1));
            if size != asked && source < Source::Metadata {
                return Err(ModelError::InputSize { input: tensor.clone(), asked, source });
            }
            size
        }
        (w, h, None) => {
            assumptions.push(format!("an input side of {DEFAULT_SIDE}, because nothing states one"));
            (w.unwrap_or(DEFAULT_SIDE), h.unwrap_or(DEFAULT_SIDE))
        }
    };
    if [width, height].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        return refuse("its sides are not 1 to 65535 pixels");
    }
    Ok(Input { name: tensor.name.clone(), width, height, channels, layout, element, assumptions })
}

/// Width and height that somebody states, and who.
fn input_size(
    facts: &Facts,
    properties: &Hints,
    sidecar: Option<&Hints>,
) -> Option<((usize, usize), Source)> {
    stated(properties, sidecar, |hints| hints.input_size.as_ref())
        .map(|(size, source)| (*size, source))
        .or_else(|| Some((imgsz(facts.metadata.get("imgsz")?)?, Source::Metadata)))
}

/// Reads Ultralytics' `imgsz`: `[height, width]`, or one side.
fn imgsz(text: &str) -> Option<(usize, usize)> {
    let text = text.trim().trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let mut sides = text.split(',').map(|s| s.trim().parse().ok());
    let size = match (sides.next(), sides.next(), sides.next()) {
        (Some(Some(height)), Some(Some(width)), None) => (width, height),
        (Some(Some(side)), None, None) => (side, side),
        _ => return None,
    };
    Some(size).filter(|(w, h)| (1..=MAX_SIDE).contains(w) && (1..=MAX_SIDE).contains(h))
}

/// What `get` finds in the properties, else in the sidecar.
fn stated<'a, T>(
    properties: &'a Hints,
    sidecar: Option<&'a Hints>,
    get: impl Fn(&'a Hints) -> Option<&'a T>,
) -> Option<(&'a T, Source)> {
    let strong = get(properties).map(|value| (value, Source::Properties));
    strong.or_else(|| Some((get(sidecar?)?, Source::Sidecar)))
}

/// Makes the plan for a model.
///
/// # Errors
/// [`ModelError`] says what does not fit together, or which choices are left.
pub fn understand(facts: &Facts, properties: &Hints, sidecar: Option<&Hints>) -> Result<Plan, ModelError> {
    let mut input = input(facts, properties, sidecar)?;
    let mut assumptions = std::mem::take(&mut input.assumptions);
    refuse_other_tasks(facts, &input)?;
    let labels = find_labels(facts, properties, sidecar, &mut assumptions)?;
    let size = (input.width, input.height);
    let (family, fit) = match stated(properties, sidecar, |hints| hints.family.as_ref()) {
        Some((name, source)) => named_family(&facts.outputs, size, name, source)?,
        None => guess_family(facts, size, labels.as_ref(), &mut assumptions)?,
    };
    let labels = name_classes(facts, labels, family, &fit, &mut assumptions)?;
    let spec = make_spec(&input, family, properties, sidecar, &mut assumptions)?;
    let classes = fit.classes.or(Some(labels.len()).filter(|n| *n > 0));
    let output = facts.outputs.get(fit.output).map(|o| o.name.clone()).unwrap_or_default();
    Ok(Plan { family, input: input.name, spec, output, labels, classes, assumptions, decoder: fit.decoder })
}

fn refuse_other_tasks(facts: &Facts, input: &Input) -> Result<(), ModelError> {
    let refuse = |task: &str| Err(ModelError::Task { task: task.to_owned() });
    match facts.metadata.get("task") {
        Some(task) if OTHER_TASKS.contains(&task.as_str()) => return refuse(task),
        _ => {}
    }
    if !facts.outputs.iter().any(|o| o.element.is_float()) {
        return Err(ModelError::NoFloats { outputs: facts.outputs.clone() });
    }
    // YOLO segmentation models give mask prototypes at a quarter of the input's size.
    let prototypes = [Some(input.height.div_ceil(4)), Some(input.width.div_ceil(4))];
    let masks = |o: &TensorFacts| o.shape.len() == 4 && o.shape[2..] == prototypes;
    if facts.outputs.iter().any(masks) { refuse("segment") } else { Ok(()) }
}

fn find_labels(
    facts: &Facts,
    properties: &Hints,
    sidecar: Option<&Hints>,
    assumptions: &mut Vec<String>,
) -> Result<Option<(Labels, Source)>, ModelError> {
    match stated(properties, sidecar, |hints| hints.labels.as_ref()) {
        Some((LabelSource::Names(labels), source)) => return Ok(Some((labels.clone(), source))),
        Some((LabelSource::File(path), _)) => return Err(ModelError::UnreadLabels { path: path.clone() }),
        None => {}
    }
    let Some(names) = facts.metadata.get("names") else { return Ok(None) };
    match labels::from_names(names) {
        Ok(labels) => Ok(Some((labels, Source::Metadata))),
        Err(error) => {
            assumptions.push(format!("no class names, because the metadata's cannot be read ({error})"));
            Ok(None)
        }
    }
}

fn named_family(
    outputs: &[TensorFacts],
    size: (usize, usize),
    name: &str,
    source: Source,
) -> Result<(&'static Family, Fit), ModelError> {
    let family =
        Family::find(name).ok_or_else(|| ModelError::UnknownFamily { name: name.to_owned(), source })?;
    let fits =
        [false, true].into_iter().find_map(|named| (family.fit)(&Outputs { tensors: outputs, size, named }));
    let misfit = || ModelError::Misfit { family: family.name, source, outputs: outputs.to_vec(), size };
    Ok((family, fits.ok_or_else(misfit)?))
}

type Fitting = (&'static Family, Fit);

fn guess_family(
    facts: &Facts,
    size: (usize, usize),
    labels: Option<&(Labels, Source)>,
    assumptions: &mut Vec<String>,
) -> Result<Fitting, ModelError> {
    let outputs = &facts.outputs;
    let fit = |family: &'static Family| {
        Some((family, (family.fit)(&Outputs { tensors: outputs, size, named: false })?))
    };
    let mut fits: Vec<Fitting> = FAMILIES.into_iter().filter(|f| !f.only_by_name).filter_map(fit).collect();
    if is_ultralytics(facts) {
        fits = prefer(fits, |(family, _)| family.ultralytics);
    }
    if let Some((labels, _)) = labels {
        fits = prefer(fits, |(_, fit)| fit.classes.is_none_or(|c| c == labels.len()));
    } else if fits.len() > 1 {
        fits = prefer_coco(fits, assumptions);
    }
    if fits.len() < 2 {
        return fits.pop().ok_or_else(|| ModelError::NoFamily { outputs: outputs.clone(), size });
    }
    let (outputs, choices) = (outputs.clone(), fits.iter().map(choice).collect());
    match labels {
        Some((labels, source))
            if fits.iter().all(|(_, fit)| fit.classes.is_some_and(|c| c != labels.len())) =>
        {
            Err(ModelError::LabelCount { labels: labels.len(), source: *source, choices, outputs })
        }
        _ => Err(ModelError::Ambiguous { outputs, choices }),
    }
}

fn choice((family, fit): &Fitting) -> Choice {
    Choice { family: family.name, classes: fit.classes }
}

/// The one fit with as many classes as COCO has, or all when none or several have.
fn prefer_coco(fits: Vec<Fitting>, assumptions: &mut Vec<String>) -> Vec<Fitting> {
    let is_coco = |(_, fit): &Fitting| fit.classes == Some(COCO_CLASSES);
    let mut coco = fits.iter().filter(|f| is_coco(f)).map(|(family, _)| family.name);
    let (Some(name), None) = (coco.next(), coco.next()) else { return fits };
    assumptions.push(format!("family {name}, because it makes {COCO_CLASSES} classes, as COCO has"));
    prefer(fits, is_coco)
}

/// The items that `wanted` picks, or all when it picks none.
fn prefer<T>(items: Vec<T>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
    let (picked, others): (Vec<T>, Vec<T>) = items.into_iter().partition(wanted);
    if picked.is_empty() { others } else { picked }
}

/// Ultralytics signs its exports; YOLOv5's own exporter only leaves stride and names.
fn is_ultralytics(facts: &Facts) -> bool {
    let signed = facts.metadata.get("author").is_some_and(|a| a.eq_ignore_ascii_case("ultralytics"));
    signed || (facts.metadata.contains_key("stride") && facts.metadata.contains_key("names"))
}

fn name_classes(
    facts: &Facts,
    labels: Option<(Labels, Source)>,
    family: &'static Family,
    fit: &Fit,
    assumptions: &mut Vec<String>,
) -> Result<Labels, ModelError> {
    match (labels, fit.classes) {
        (Some((labels, source)), Some(classes)) if labels.len() != classes => {
            let choices = vec![Choice { family: family.name, classes: fit.classes }];
            let outputs = facts.outputs.clone();
            Err(ModelError::LabelCount { labels: labels.len(), source, choices, outputs })
        }
        (Some((labels, _)), _) => Ok(labels),
        (None, Some(classes)) if classes == family.names.len() => Ok(family.names.iter().copied().collect()),
        (None, Some(COCO_CLASSES)) => {
            assumptions.push(format!("COCO's class names, because there are {COCO_CLASSES} without names"));
            Ok(labels::coco())
        }
        (None, _) => {
            assumptions.push("classes go by number, because nobody names them".into());
            Ok(Labels::default())
        }
    }
}

fn make_spec(
    input: &Input,
    family: &Family,
    properties: &Hints,
    sidecar: Option<&Hints>,
    assumptions: &mut Vec<String>,
) -> Result<Spec, ModelError> {
    let defaults = default_preprocess(family, input);
    let mut pick = Picker { properties, sidecar, assumed: Vec::new() };
    let spec = Spec {
        width: input.width,
        height: input.height,
        layout: input.layout,
        element: input.element,
        color: pick.take(|h| h.color.as_ref(), defaults.color, |v| format!("color {v}")),
        resize: pick.take(|h| h.resize.as_ref(), defaults.resize, |v| format!("resize {v}")),
        pad: pick.take(|h| h.pad.as_ref(), defaults.pad, |v| format!("pad {v}")),
        scale: pick.take(|h| h.scale.as_ref(), defaults.scale, |v| format!("scale {}", triple(v))),
        mean: pick.take(|h| h.mean.as_ref(), defaults.mean, |v| format!("mean {}", triple(v))),
        std: pick.take(|h| h.std.as_ref(), defaults.std, |v| format!("std {}", triple(v))),
    };
    if spec.color.channels() != input.channels {
        let (asked, channels) = (spec.color.channels(), input.channels);
        return Err(ModelError::Color { input: input.name.clone(), asked, channels });
    }
    if !pick.assumed.is_empty() {
        let values = pick.assumed.join(", ");
        assumptions.push(format!("{values}, because {} models are made so", family.name));
    }
    Ok(spec)
}

/// Takes what is stated and notes what is not.
struct Picker<'a> {
    properties: &'a Hints,
    sidecar: Option<&'a Hints>,
    assumed: Vec<String>,
}

impl<'a> Picker<'a> {
    fn take<T: Copy + 'a>(
        &mut self,
        get: impl Fn(&'a Hints) -> Option<&'a T>,
        default: T,
        show: impl FnOnce(T) -> String,
    ) -> T {
        if let Some((value, _)) = stated(self.properties, self.sidecar, get) {
            return *value;
        }
        self.assumed.push(show(default));
        default
    }
}

fn default_preprocess(family: &Family, input: &Input) -> Preprocess {
    let mut defaults = family.preprocess;
    if input.channels == 1 {
        defaults.color = ColorOrder::Gray;
    }
    if input.element == ElementType::U8 {
        (defaults.scale, defaults.mean, defaults.std) = ([1.0; 3], [0.0; 3], [1.0; 3]);
    }
    defaults
}

/// One number when all three are the same.
fn triple(values: [f32; 3]) -> String {
    let [a, b, c] = values;
    if a == b && b == c { a.to_string() } else { format!("{values:?}") }
}
