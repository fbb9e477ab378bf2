//! What the plugin makes of a model file, why, and a pipeline to paste: `nvperception-model FILE [PROPERTY=VALUE...]`
//!
//! PROPERTIES are those of `nvpinference`: `model-config=FILE`, `labels=FILE`, ... The exit status is 1 when the model
//! cannot be used; the message then says what to set.

use std::process::ExitCode;

use gst::prelude::*;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, properties @ ..] = arguments.as_slice() else {
        eprintln!("usage: nvperception-model FILE [PROPERTY=VALUE...]");
        return ExitCode::from(2);
    };
    match report(file, properties) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn report(file: &str, properties: &[String]) -> Result<String, String> {
    gst::init().map_err(|e| e.to_string())?;
    gstnvperception::plugin_register_static().map_err(|e| e.to_string())?;
    let infer = gst::ElementFactory::make("nvpinference").build().map_err(|e| e.to_string())?;
    infer.set_property("model", file);
    for property in properties {
        let pair = property.split_once('=').filter(|(name, _)| infer.find_property(name).is_some());
        let (name, value) = pair.ok_or_else(|| format!("{property}: nvpinference has no such property"))?;
        infer.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    infer.set_bus(Some(&bus));
    // Going to READY loads, understands and tries the model.
    let ready = infer.set_state(gst::State::Ready);
    let message = bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Element]);
    let _ = infer.set_state(gst::State::Null);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        Some(gst::MessageView::Element(loaded)) if ready.is_ok() => {
            loaded.structure().map(|s| describe(file, properties, s)).ok_or_else(|| "it says nothing".into())
        }
        _ => Err(format!("{file} cannot be loaded, and nobody says why")),
    }
}

fn describe(file: &str, properties: &[String], loaded: &gst::StructureRef) -> String {
    let text = |name: &str| loaded.get::<String>(name).unwrap_or_default();
    let number = |name: &str| loaded.get::<u32>(name).unwrap_or_default();
    let mut lines = vec![
        format!("model      {file}"),
        format!("sha256     {}", text("sha256")),
        format!("family     {} ({})", text("family"), text("task")),
        format!("input      {}x{}", number("width"), number("height")),
        format!("classes    {}", number("classes")),
        format!(
            "runs on    {}, ONNX Runtime {}, {} workers",
            text("provider"),
            text("runtime"),
            number("workers")
        ),
        format!("dry run    {:.1} ms", loaded.get::<u64>("dry-run").unwrap_or_default() as f64 / 1e6),
    ];
    let assumptions = loaded.get::<gst::List>("assumptions");
    let assumptions = assumptions.iter().flat_map(|list| list.iter()).filter_map(|v| v.get::<String>().ok());
    lines.extend(assumptions.map(|assumption| format!("assumed    {assumption}")));
    let quoted = |property: &String| match property.split_once('=') {
        Some((name, value)) => format!(" {name}=\"{value}\""),
        None => String::new(),
    };
    let more: String = properties.iter().map(quoted).collect();
    let stem = file.strip_suffix(".onnx").unwrap_or(file);
    lines.push(format!(
        "If that is wrong, say what is right in {stem}.json (schema/model.schema.json), for example:"
    ));
    lines.push("  {\"family\": \"yolox\", \"color\": \"rgb\", \"scale\": 0.00392157, \"resize\": \"stretch\", \"labels\": [\"a\", \"b\"]}".into());
    let source = "gst-launch-1.0 filesrc location=clip.mp4 ! decodebin !";
    let end = "nvpoverlay ! videoconvert ! autovideosink";
    lines.push(match text("task").as_str() {
        "detect" => format!("{source} nvpinference model=\"{file}\"{more} ! nvptracker ! {end}"),
        // It looks at what a detector has found.
        task => {
            let out = if task == "embed" { "nvppublish location=out.jsonl embeddings=true ! fakesink" } else { end };
            format!(
                "{source} nvpinference model=detector.onnx ! nvptracker ! nvpinference model=\"{file}\"{more} \
                 region=tracks ! {out}"
            )
        }
    });
    lines.join("\n")
}
