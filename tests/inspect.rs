//! What `gst-inspect-1.0` shows: elements, ranks, caps and properties, compared with `tests/inspect.json`.
//!
//! After a wanted change: `NVP_UPDATE_INSPECT=1 cargo test --test inspect`, and read the difference.

use gst::glib;
use gst::prelude::*;
use serde_json::{Value, json};

const ELEMENTS: [&str; 11] = [
    "nvpbatchdemux",
    "nvpbatchmux",
    "nvpevents",
    "nvpinference",
    "nvpmotion",
    "nvpoverlay",
    "nvppublish",
    "nvpreplay",
    "nvptestsrc",
    "nvptracker",
    "nvpviewstate",
];

fn describe(name: &str) -> Value {
    let factory = gst::ElementFactory::find(name).unwrap_or_else(|| panic!("{name} is not registered"));
    let element = factory.create().build().unwrap();
    let metadata = |key| factory.metadata(key).unwrap_or_default().to_owned();
    let pads: Vec<_> = element.pad_template_list().iter().map(pad).collect();
    let own = |spec: &&glib::ParamSpec| spec.owner_type() == element.type_();
    let mut properties: Vec<_> = element.list_properties().iter().filter(own).map(property).collect();
    properties.sort_by_key(|property| property["name"].to_string());
    json!({
        "name": name,
        "rank": glib::translate::IntoGlib::into_glib(factory.rank()),
        "klass": metadata("klass"),
        "long-name": metadata("long-name"),
        "description": metadata("description"),
        "author": metadata("author"),
        "pads": pads,
        "properties": properties,
    })
}

fn pad(template: &gst::PadTemplate) -> Value {
    json!({
        "name": template.name_template(),
        "direction": format!("{:?}", template.direction()),
        "presence": format!("{:?}", template.presence()),
        "caps": template.caps().to_string(),
    })
}

fn property(spec: &glib::ParamSpec) -> Value {
    let mut described = json!({
        "name": spec.name(),
        "nick": spec.nick(),
        "blurb": spec.blurb(),
        "type": spec.value_type().name(),
        "flags": format!("{:?}", spec.flags()),
    });
    if spec.flags().contains(glib::ParamFlags::WRITABLE) {
        described["default"] =
            json!(spec.default_value().serialize().map_or_else(|_| "null".into(), |v| v.to_string()));
    }
    let range = |minimum: String, maximum: String| json!([minimum, maximum]);
    if let Some(s) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        described["range"] = range(s.minimum().to_string(), s.maximum().to_string());
    } else if let Some(s) = spec.downcast_ref::<glib::ParamSpecFloat>() {
        described["range"] = range(s.minimum().to_string(), s.maximum().to_string());
    } else if let Some(s) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        described["range"] = range(s.minimum().to_string(), s.maximum().to_string());
    } else if let Some(class) = glib::EnumClass::with_type(spec.value_type()) {
        described["values"] = class.values().iter().map(|v| json!([v.value(), v.nick(), v.name()])).collect();
    } else if let Some(class) = glib::FlagsClass::with_type(spec.value_type()) {
        described["values"] = class.values().iter().map(|v| json!([v.value(), v.nick(), v.name()])).collect();
    }
    described
}

/// The first place where two descriptions differ.
fn difference(place: &str, seen: &Value, agreed: &Value) -> Option<String> {
    match (seen, agreed) {
        (Value::Object(seen), Value::Object(agreed)) if seen.keys().eq(agreed.keys()) => {
            seen.iter().find_map(|(key, value)| difference(&format!("{place}.{key}"), value, &agreed[key]))
        }
        (Value::Array(seen), Value::Array(agreed)) if seen.len() == agreed.len() => {
            let mut pairs = seen.iter().zip(agreed).enumerate();
            pairs.find_map(|(i, (seen, agreed))| {
                let name = seen["name"].as_str().map_or_else(|| i.to_string(), str::to_owned);
                difference(&format!("{place}/{name}"), seen, agreed)
            })
        }
        _ => (seen != agreed).then(|| format!("{place} is {seen}, agreed is {agreed}")),
    }
}

#[test]
fn what_users_see_is_what_was_agreed() {
    gst::init().unwrap();
    gstnvperception::plugin_register_static().unwrap();
    let registered = gst::Registry::get().features_by_plugin("nvperception");
    let mut names: Vec<_> = registered.iter().map(|feature| feature.name().to_string()).collect();
    names.sort();
    assert_eq!(names, ELEMENTS);

    let seen = json!(ELEMENTS.map(describe));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inspect.json");
    if std::env::var_os("NVP_UPDATE_INSPECT").is_some() {
        std::fs::write(&path, format!("{seen:#}\n")).unwrap();
    }
    let agreed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    if let Some(difference) = difference("", &seen, &agreed) {
        panic!("{difference}\nwhen this is wanted: NVP_UPDATE_INSPECT=1 cargo test --test inspect");
    }
}

#[test]
fn everything_explains_itself() {
    gst::init().unwrap();
    gstnvperception::plugin_register_static().unwrap();
    for name in ELEMENTS {
        let element = gst::ElementFactory::make(name).build().unwrap();
        for spec in element.list_properties() {
            let blurb = spec.blurb().unwrap_or_default();
            assert!(!spec.nick().is_empty() && blurb.len() > 9, "{name}.{}: '{blurb}'", spec.name());
        }
    }
}
