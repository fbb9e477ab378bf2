//! Where ONNX Runtime comes from. A process holds one, so each case has a process of its own.

use std::process::Command;

use super::*;

const MODEL: &str = "NVP_TEST_MODEL";
const SECOND: &str = "NVP_TEST_SECOND";

/// Goes to READY as the parent's environment says, and prints the errors.
#[test]
#[ignore = "run by the other tests here in a process of its own"]
fn child() {
    init();
    let load = |library: Option<String>| {
        let element = element(&std::env::var(MODEL).unwrap());
        element.set_property("onnxruntime", library);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        match element.set_state(gst::State::Ready) {
            Ok(_) => println!("READY"),
            Err(_) => println!("ERROR {}", error_on(&bus)),
        }
        element.set_state(gst::State::Null).unwrap();
    };
    load(std::env::var("NVP_TEST_FIRST").ok());
    if let Ok(second) = std::env::var(SECOND) {
        load(Some(second));
    }
}

fn run(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["library::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env_remove("ORT_DYLIB_PATH").env(MODEL, "yolov8.onnx").envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Folders that hold no ONNX Runtime.
const NOWHERE: [(&str, &str); 2] = [("XDG_DATA_HOME", "/nowhere"), ("HOME", "/nowhere")];

#[test]
fn the_data_folder_of_the_user_is_enough() {
    assert!(run(&[]).contains("READY"));
}

#[test]
fn when_there_is_none_the_error_lists_where_it_looked() {
    let text = run(&[NOWHERE[0], NOWHERE[1], ("LD_LIBRARY_PATH", "")]);
    if text.contains("READY") {
        return assert!(system_has_one(), "{text}");
    }
    for part in ["/nowhere/nvperception", "libonnxruntime.so", "make deps", "ORT_DYLIB_PATH"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

fn system_has_one() -> bool {
    let known = Command::new("ldconfig").arg("-p").output().map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&known).contains("libonnxruntime.so")
}

#[test]
fn a_library_that_somebody_named_must_serve() {
    for (variable, value, reason) in [
        ("NVP_TEST_FIRST", "/nowhere/libonnxruntime.so", "nothing there"),
        ("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so", "nothing there"),
        ("NVP_TEST_FIRST", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "cannot be loaded"),
    ] {
        let text = run(&[(variable, value)]);
        assert!(text.contains("ERROR") && text.contains(value) && text.contains(reason), "{text}");
    }
}

#[test]
fn another_library_and_an_old_one_are_told_apart() {
    for (source, reason) in [("int something(void) { return 0; }", "is not ONNX Runtime"), (OLD, "1.9.0; 1.")]
    {
        let library = build(reason.len(), source);
        let text = run(&[("NVP_TEST_FIRST", &library)]);
        assert!(text.contains("ERROR") && text.contains(reason), "{text}");
        std::fs::remove_file(library).unwrap();
    }
}

/// What ONNX Runtime 1.9.0 answers before its API is used.
const OLD: &str = r#"
struct base { const void *(*get_api)(unsigned); const char *(*get_version)(void); };
static const void *get_api(unsigned v) { (void)v; return 0; }
static const char *get_version(void) { return "1.9.0"; }
static const struct base base = { get_api, get_version };
const struct base *OrtGetApiBase(void) { return &base; }
"#;

fn build(key: usize, source: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (code, library) = (folder.join(format!("{key}.c")), folder.join(format!("libold{key}.so")));
    std::fs::write(&code, source).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status();
    assert!(compiled.unwrap().success());
    std::fs::remove_file(code).unwrap();
    library.to_str().unwrap().to_owned()
}

#[test]
fn a_second_library_in_one_process_is_refused_by_name() {
    let home = std::env::var("XDG_DATA_HOME")
        .unwrap_or_else(|_| format!("{}/.local/share", std::env::var("HOME").expect("a home folder")));
    let library = format!("{home}/nvperception/libonnxruntime.so");
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = run(&[("NVP_TEST_FIRST", &library), (SECOND, other)]);
    assert!(text.contains("READY"), "{text}");
    assert!(
        text.contains("only one ONNX Runtime") && text.contains(other) && text.contains(&library),
        "{text}"
    );
    let text = run(&[("NVP_TEST_FIRST", &library), (SECOND, &library)]);
    assert_eq!(text.matches("READY").count(), 2, "{text}");
}
