//! From facts and hints to a plan.

use super::decode::{Decoder, Quantization};
use super::error::{Choice, ModelError, Source};
use super::facts::{ElementKind, Facts, TensorFacts};
use super::family::{FAMILIES, Family, Fit, Outputs, Preprocess};
use super::labels;
use super::sidecar::{Hints, LabelSource, MAX_SIDE};
use crate::detection::{Labels, Task};
use crate::preprocess::{ColorOrder, ElementType, Spec, TensorLayout};

/// Width and height of an input that nothing states: what most exporters use.
const DEFAULT_SIDE: usize = 640;
const COCO_CLASSES: usize = 80;
/// More pictures in a run than any model is exported for.
const MAX_BATCH: usize = 1024;

/// The tensor that a model takes: one picture, or several of one size.
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
    /// Pictures in one run of the model.
    pub batch: usize,
    /// True when a run may have any number of pictures.
    pub open_batch: bool,
    /// Dimensions of the tensor: 4, or 3 without a batch.
    pub rank: usize,
    /// The name of a second input that wants width and height of each picture, as i64\[batch, 2\].
    pub sizes: Option<String>,
    /// What was assumed, for people.
    pub assumptions: Vec<String>,
}

impl Input {
    /// The dimensions of one picture, slowest first.
    pub const fn shape(&self) -> [usize; 3] {
        match self.layout {
            TensorLayout::Nchw => [self.channels, self.height, self.width],
            TensorLayout::Nhwc => [self.height, self.width, self.channels],
        }
    }
}

/// How to use a model.
#[derive(Debug)]
pub struct Plan {
    /// The family it belongs to.
    pub family: &'static Family,
    /// The input.
    pub input: Input,
    /// How to make the input from a frame.
    pub spec: Spec,
    /// What the bytes of each output stand for; `None` for those that are no bytes.
    pub quantization: Vec<Option<Quantization>>,
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
            self.family.name, self.input.name, spec.width, spec.height, spec.color, spec.layout, spec.element
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
    let (tensor, sizes) = match facts.inputs.as_slice() {
        [tensor] => (tensor, None),
        [tensor, other] if takes_sizes(other) => (tensor, Some(other.name.clone())),
        [other, tensor] if takes_sizes(other) => (tensor, Some(other.name.clone())),
        _ => return Err(ModelError::Inputs { inputs: facts.inputs.clone() }),
    };
    let refuse = |why| Err(ModelError::Input { input: tensor.clone(), why });
    let element = match tensor.element {
        ElementKind::F32 => ElementType::F32,
        ElementKind::F16 => ElementType::F16,
        ElementKind::U8 => ElementType::U8,
        ElementKind::I8 => ElementType::I8,
        _ => return refuse("its elements are not f32, f16, u8 or i8"),
    };
    let (batch, [a, b, c]) = match tensor.shape[..] {
        [batch, a, b, c] => (batch, [a, b, c]),
        // One picture without a batch.
        [a, b, c] => (Some(1), [a, b, c]),
        _ => return refuse("it has not the 4 dimensions of a batch of pictures, nor the 3 of one"),
    };
    let (open_batch, batch) = (batch.is_none(), batch.unwrap_or(1));
    if !(1..=MAX_BATCH).contains(&batch) {
        return refuse("its batch is fixed at a size that is not 1 to 1024");
    }
    let mut assumptions = Vec::new();
    if batch > 1 {
        assumptions.push(format!(
            "{batch} pictures a run, because the batch is fixed; places without one are wasted"
        ));
    }
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
    let (name, rank) = (tensor.name.clone(), tensor.shape.len());
    Ok(Input { name, width, height, channels, layout, element, batch, open_batch, rank, sizes, assumptions })
}

/// True for the input with which the deployed form of RT-DETR and D-FINE is told the size of the pictures.
fn takes_sizes(tensor: &TensorFacts) -> bool {
    tensor.element == ElementKind::I64
        && matches!(tensor.shape[..], [_, Some(2)])
        && tensor.name.to_ascii_lowercase().contains("size")
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
    let labels = find_labels(facts, properties, sidecar, &mut assumptions)?;
    let (tensors, quantization) = readable(facts, &input, properties, sidecar)?;
    let kpt_shape = facts.metadata.get("kpt_shape").and_then(|text| imgsz(text));
    let keypoints = stated(properties, sidecar, |hints| hints.keypoints.as_ref()).map(|(k, _)| *k);
    let outputs = Outputs {
        tensors: &tensors,
        size: (input.width, input.height),
        named: false,
        task: facts.metadata.get("task").map(String::as_str),
        is_rtdetr: facts
            .metadata
            .get("description")
            .is_some_and(|d| d.to_ascii_lowercase().contains("rtdetr")),
        // imgsz reads two numbers the other way round.
        keypoints: keypoints.or(kpt_shape.map(|(numbers, count)| (count, numbers))),
        labels: labels.as_ref().map(|(labels, _)| labels.len()),
        activation: stated(properties, sidecar, |hints| hints.activation.as_ref()).map(|(a, _)| *a),
        box_order: stated(properties, sidecar, |hints| hints.box_order.as_ref()).map(|(o, _)| *o),
    };
    let (family, mut fit) = match stated(properties, sidecar, |hints| hints.family.as_ref()) {
        Some((name, source)) => named_family(&outputs, name, source)?,
        None => guess_family(facts, &outputs, labels.as_ref(), &mut assumptions)?,
    };
    assumptions.extend(fit.assumed.take());
    let labels = name_classes(facts, labels, family, &fit, &mut assumptions)?;
    let mut spec = make_spec(&input, family, properties, sidecar, &mut assumptions)?;
    quantize(&mut spec, properties, sidecar);
    let classes = fit.classes.or(Some(labels.len()).filter(|n| *n > 0));
    let output = facts.outputs.get(fit.output).map(|o| o.name.clone()).unwrap_or_default();
    let decoder = fit.decoder;
    Ok(Plan { family, input, spec, quantization, output, labels, classes, assumptions, decoder })
}

/// The outputs as a decoder sees them for one picture, and what their bytes stand for.
fn readable(
    facts: &Facts,
    input: &Input,
    properties: &Hints,
    sidecar: Option<&Hints>,
) -> Result<(Vec<TensorFacts>, Vec<Option<Quantization>>), ModelError> {
    let stated = stated(properties, sidecar, |hints| hints.output_quantization.as_ref());
    let mut tensors = facts.outputs.clone();
    let mut quantization = vec![None; tensors.len()];
    if let Some((list, source)) = stated
        && list.len() != 1
        && list.len() != tensors.len()
    {
        let (stated, outputs) = (list.len(), tensors);
        return Err(ModelError::Quantizations { stated, source, outputs });
    }
    for (i, (tensor, bytes)) in tensors.iter_mut().zip(&mut quantization).enumerate() {
        let is_bytes = matches!(tensor.element, ElementKind::U8 | ElementKind::I8);
        *bytes = stated.and_then(|(list, _)| list.get(i).or(list.first())).copied().filter(|_| is_bytes);
        if bytes.is_some() {
            tensor.element = ElementKind::F32;
        }
        if let Some(batch) = tensor.shape.first_mut()
            && input.batch > 1
            && *batch == Some(input.batch)
        {
            *batch = Some(1);
        }
    }
    if tensors.iter().any(|o| o.element.is_float()) {
        return Ok((tensors, quantization));
    }
    Err(ModelError::NoFloats { outputs: facts.outputs.clone() })
}

/// Lets the bytes of a quantised input stand for what they should.
fn quantize(spec: &mut Spec, properties: &Hints, sidecar: Option<&Hints>) {
    let stated = stated(properties, sidecar, |hints| hints.input_quantization.as_ref());
    match (spec.element, stated) {
        (ElementType::F32 | ElementType::F16, _) | (ElementType::U8 | ElementType::I8, None) => {}
        (ElementType::U8 | ElementType::I8, Some((Quantization { scale, zero_point }, _))) => {
            for (mean, std) in spec.mean.iter_mut().zip(&mut spec.std) {
                *mean -= *zero_point as f32 * scale * *std;
                *std *= scale;
            }
        }
    }
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
    outputs: &Outputs<'_>,
    name: &str,
    source: Source,
) -> Result<(&'static Family, Fit), ModelError> {
    let family =
        Family::find(name).ok_or_else(|| ModelError::UnknownFamily { name: name.to_owned(), source })?;
    let fits = [false, true].into_iter().find_map(|named| (family.fit)(&Outputs { named, ..*outputs }));
    let misfit = || ModelError::Misfit {
        family: family.name,
        source,
        outputs: outputs.tensors.to_vec(),
        size: outputs.size,
    };
    Ok((family, fits.ok_or_else(misfit)?))
}

type Fitting = (&'static Family, Fit);

fn guess_family(
    facts: &Facts,
    outputs: &Outputs<'_>,
    labels: Option<&(Labels, Source)>,
    assumptions: &mut Vec<String>,
) -> Result<Fitting, ModelError> {
    let (tensors, size) = (&facts.outputs, outputs.size);
    let fit = |family: &'static Family| Some((family, (family.fit)(outputs)?));
    let mut fits: Vec<Fitting> = FAMILIES.into_iter().filter(|f| !f.only_by_name).filter_map(fit).collect();
    if is_ultralytics(facts) {
        fits = prefer(fits, |(family, _)| family.ultralytics.is_some());
    }
    if let Some(task) = outputs.task {
        let others = fits.iter().map(|(family, _)| family.name).collect::<Vec<_>>();
        fits.retain(|(family, _)| family.ultralytics.is_none_or(|known| known == task));
        if fits.is_empty() && !others.is_empty() {
            return Err(ModelError::Task { task: task.to_owned(), outputs: tensors.clone() });
        }
    }
    if let Some((labels, _)) = labels {
        fits = prefer(fits, |(_, fit)| fit.classes.is_none_or(|c| c == labels.len()));
    } else if fits.len() > 1 {
        fits = prefer_coco(fits, assumptions);
    }
    if fits.len() < 2 {
        return fits.pop().ok_or_else(|| ModelError::NoFamily { outputs: tensors.clone(), size });
    }
    let (outputs, choices) = (tensors.clone(), fits.iter().map(choice).collect());
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
        (None, _) if family.task == Task::Embed => Ok(Labels::default()),
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
    let raw_bytes = stated(properties, sidecar, |h| h.input_quantization.as_ref()).is_none();
    let defaults = default_preprocess(family, input, raw_bytes);
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

/// `raw_bytes` says that nobody states what the bytes of an input stand for: then they are pixels, those of a signed
/// input less 128.
fn default_preprocess(family: &Family, input: &Input, raw_bytes: bool) -> Preprocess {
    let mut defaults = family.preprocess;
    if input.channels == 1 {
        defaults.color = ColorOrder::Gray;
    }
    let bytes = raw_bytes && matches!(input.element, ElementType::U8 | ElementType::I8);
    if bytes {
        let middle = if input.element == ElementType::I8 { 128.0 } else { 0.0 };
        (defaults.scale, defaults.mean, defaults.std) = ([1.0; 3], [middle; 3], [1.0; 3]);
    }
    defaults
}

/// One number when all three are the same.
fn triple(values: [f32; 3]) -> String {
    let [a, b, c] = values;
    if a == b && b == c { a.to_string() } else { format!("{values:?}") }
}
